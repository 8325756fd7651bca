"""Rows for single losses of libraries that are not installed, and of papers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tests.equality.rows import REAL_PAIR, Maker, Row, plain


def statsmodels_tukey(x: SimpleNamespace, reduction: str) -> Any:
    z = x.prediction - x.target
    inside = (z.abs() <= x.c).double()
    factor = x.c**2 / 6
    rho = -((1 - (z / x.c) ** 2) ** 3) * inside + 1
    return plain(factor * rho, reduction)


def varian_linex(x: SimpleNamespace, reduction: str) -> Any:
    error = x.prediction - x.target
    return plain(torch.exp(x.a * error) - x.a * error - 1, reduction)


def torchvision_giou(x: SimpleNamespace, reduction: str) -> Any:
    x1, y1, x2, y2 = x.box.unbind(-1)
    x1g, y1g, x2g, y2g = x.target.unbind(-1)
    xkis1, ykis1 = torch.max(x1, x1g), torch.max(y1, y1g)
    xkis2, ykis2 = torch.min(x2, x2g), torch.min(y2, y2g)
    meet = (ykis2 > ykis1) & (xkis2 > xkis1)
    intersection = torch.where(meet, (xkis2 - xkis1) * (ykis2 - ykis1), 0.0)
    union = (x2 - x1) * (y2 - y1) + (x2g - x1g) * (y2g - y1g) - intersection
    hull = (torch.max(x2, x2g) - torch.min(x1, x1g)) * (torch.max(y2, y2g) - torch.min(y1, y1g))
    return plain(1 - (intersection / union - (hull - union) / hull), reduction)


def boxes() -> Maker:
    """Corners (left, top, right, bottom) of boxes that meet now and then."""

    def make(rng: np.random.Generator, batch: tuple[int, ...]) -> np.ndarray:
        corner = rng.uniform(-1, 1, size=(*batch, 2))
        return np.concatenate([corner, corner + rng.uniform(0.3, 2, size=(*batch, 2))], axis=-1)

    return make


ROWS = [
    Row(
        "tukey_biweight",
        "formula",
        statsmodels_tukey,
        REAL_PAIR,
        {"c": 1.5},
        function="statsmodels.robust.norms.TukeyBiweight",
        adapter="its argument is prediction - target",
    ),
    Row(
        "linex",
        "formula",
        varian_linex,
        REAL_PAIR,
        {"a": -1.5},
        function="Varian, 1975",
    ),
    Row(
        "giou",
        "formula",
        torchvision_giou,
        {"box": boxes(), "target": boxes()},
        function="torchvision.ops.generalized_box_iou_loss",
        adapter="eps=0",
    ),
]
