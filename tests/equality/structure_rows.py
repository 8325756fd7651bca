"""Rows for image losses: structural similarity by convolution, and total variation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from tests.equality.rows import Row, between, plain, real


def wang_ssim(x: SimpleNamespace, reduction: str) -> Any:
    """The original: a Gaussian window of 11 x 11, "valid" convolution, the mean of the map."""
    coordinates = torch.arange(11).double() - 5
    line = torch.exp(-(coordinates**2) / (2 * 1.5**2))
    window = (line[:, None] * line[None, :] / line.sum() ** 2)[None, None]
    c1, c2 = (0.01 * x.data_range) ** 2, (0.03 * x.data_range) ** 2

    def mean(e: torch.Tensor) -> torch.Tensor:
        return F.conv2d(e.reshape(-1, 1, *e.shape[-2:]), window)

    mu1, mu2 = mean(x.image), mean(x.target)
    sigma1, sigma2 = mean(x.image**2) - mu1**2, mean(x.target**2) - mu2**2
    sigma12 = mean(x.image * x.target) - mu1 * mu2
    luminance = (2 * mu1 * mu2 + c1) / (mu1**2 + mu2**2 + c1)
    ssim_map = luminance * (2 * sigma12 + c2) / (sigma1 + sigma2 + c2)
    return plain(1 - ssim_map.mean((-3, -2, -1)).reshape(x.image.shape[:-2]), reduction)


def total_variation(x: SimpleNamespace, reduction: str) -> Any:
    rows = (x.image[..., 1:, :] - x.image[..., :-1, :]).abs().sum((-2, -1))
    columns = (x.image[..., :, 1:] - x.image[..., :, :-1]).abs().sum((-2, -1))
    return plain(rows + columns, reduction)


IMAGES: tuple[tuple[int, ...], ...] = ((2,), (1, 3))

ROWS = [
    Row(
        "ssim", "formula", wang_ssim,
        {"image": between(0, 2, 13, 14), "target": between(0, 2, 13, 14)}, {"data_range": 2.0},
        batches=IMAGES,
        function="tf.image.ssim",
        adapter="ours is 1 - ssim, per channel; max_val is data_range",
    ),
    Row(
        "total_variation", "formula", total_variation, {"image": real(4, 5)}, batches=IMAGES,
        function="kornia.losses.total_variation",
        adapter='reduction="sum"; theirs adds up the channels',
    ),
]  # fmt: skip
