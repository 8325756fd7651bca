"""Rows for detection losses: the formulas of torchvision, mmdetection, smp and papers, in torch."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from tests.equality.formula_rows import boxes
from tests.equality.rows import REAL_PAIR, Maker, Row, between, label, plain, real

BOXES = {"box": boxes(), "target": boxes()}
BCE = F.binary_cross_entropy_with_logits


def nested() -> Maker:
    """Boxes around the origin: all of them meet."""

    def make(rng: np.random.Generator, batch: tuple[int, ...]) -> np.ndarray:
        near, far = rng.uniform(0.2, 1.5, size=(2, *batch, 2))
        return np.concatenate([-near, far], axis=-1)

    return make


def scores() -> Maker:
    """Scores of which about half are 0 and some are 1."""
    return lambda rng, batch: np.clip(rng.uniform(-1, 1.3, size=batch), 0, 1)


def inter_union(x: SimpleNamespace) -> tuple[Any, Any]:
    x1, y1, x2, y2 = x.box.unbind(-1)
    x1g, y1g, x2g, y2g = x.target.unbind(-1)
    xkis1, ykis1 = torch.max(x1, x1g), torch.max(y1, y1g)
    xkis2, ykis2 = torch.min(x2, x2g), torch.min(y2, y2g)
    mask = (ykis2 > ykis1) & (xkis2 > xkis1)
    intsctk = torch.where(mask, (xkis2 - xkis1) * (ykis2 - ykis1), 0.0)
    return intsctk, (x2 - x1) * (y2 - y1) + (x2g - x1g) * (y2g - y1g) - intsctk


def diou(x: SimpleNamespace) -> tuple[Any, Any]:
    intsct, union = inter_union(x)
    iou = intsct / union
    x1, y1, x2, y2 = x.box.unbind(-1)
    x1g, y1g, x2g, y2g = x.target.unbind(-1)
    xc1, yc1 = torch.min(x1, x1g), torch.min(y1, y1g)
    xc2, yc2 = torch.max(x2, x2g), torch.max(y2, y2g)
    diagonal_distance_squared = ((xc2 - xc1) ** 2) + ((yc2 - yc1) ** 2)
    x_p, y_p, x_g, y_g = (x2 + x1) / 2, (y2 + y1) / 2, (x1g + x2g) / 2, (y1g + y2g) / 2
    centers_distance_squared = ((x_p - x_g) ** 2) + ((y_p - y_g) ** 2)
    return 1 - iou + centers_distance_squared / diagonal_distance_squared, iou


def ciou(x: SimpleNamespace, reduction: str) -> Any:
    diou_loss, iou = diou(x)
    x1, y1, x2, y2 = x.box.unbind(-1)
    x1g, y1g, x2g, y2g = x.target.unbind(-1)
    w_pred, h_pred, w_gt, h_gt = x2 - x1, y2 - y1, x2g - x1g, y2g - y1g
    v = (4 / (torch.pi**2)) * torch.pow((torch.atan(w_gt / h_gt) - torch.atan(w_pred / h_pred)), 2)
    with torch.no_grad():
        alpha = v / (1 - iou + v)
    return plain(diou_loss + alpha * v, reduction)


def iou(x: SimpleNamespace) -> Any:
    intersection, union = inter_union(x)
    return intersection / union


def balanced(x: SimpleNamespace, reduction: str) -> Any:
    diff = torch.abs(x.prediction - x.target)
    b = np.e ** (x.gamma / x.alpha) - 1
    loss = torch.where(
        diff < x.beta,
        x.alpha / b * (b * diff + 1) * torch.log(b * diff / x.beta + 1) - x.alpha * diff,
        x.gamma * diff + x.gamma / b - x.alpha * x.beta,
    )
    return plain(loss, reduction)


def gaussian_focal(x: SimpleNamespace, reduction: str) -> Any:
    pred = x.logits.sigmoid()
    pos_weights = x.heat.eq(1)
    neg_weights = (1 - x.heat).pow(x.gamma)
    pos_loss = -pred.log() * (1 - pred).pow(x.alpha) * pos_weights
    neg_loss = -(1 - pred).log() * pred.pow(x.alpha) * neg_weights
    return plain(pos_loss + neg_loss, reduction)


def distribution_focal(x: SimpleNamespace, reduction: str) -> Any:
    distance = x.left + x.fraction
    left = distance.long()
    right = left + 1
    loss = F.cross_entropy(x.logits, left, reduction="none") * (right.double() - distance)
    loss = loss + F.cross_entropy(x.logits, right, reduction="none") * (distance - left.double())
    return plain(loss, reduction)


def wing(x: SimpleNamespace, reduction: str) -> Any:
    diff_abs = (x.target - x.prediction).abs()
    inside = x.width * torch.log(1 + diff_abs / x.curvature)
    c = x.width - x.width * math.log(1 + x.width / x.curvature)
    return plain(torch.where(diff_abs < x.width, inside, diff_abs - c), reduction)


def awing(x: SimpleNamespace) -> Any:
    y, delta = x.target, (x.target - x.prediction).abs()
    edge = (x.theta / x.epsilon) ** (x.alpha - y)
    a = x.omega * (1 / (1 + edge)) * (x.alpha - y)
    a = a * ((x.theta / x.epsilon) ** (x.alpha - y - 1)) * (1 / x.epsilon)
    c = x.theta * a - x.omega * torch.log(1 + edge)
    near = x.omega * torch.log(1 + (delta / x.epsilon) ** (x.alpha - y))
    return torch.where(delta < x.theta, near, a * delta - c)


def row(loss: str, theirs: Any, function: str, inputs: Any, **more: Any) -> Row:
    """A row of a formula."""
    return Row(loss, "formula", theirs, inputs, batches=((8,),), function=function, **more)


ROWS = [
    row("iou", lambda x, r: plain(1 - iou(x), r), "mmdet.models.losses.IoULoss mode linear", BOXES),
    row(
        "log_iou",
        lambda x, r: plain(-iou(x).clamp(min=x.epsilon).log(), r),
        "mmdet.models.losses.IoULoss mode log",
        {"box": nested(), "target": nested()},
        options={"epsilon": 1e-6},
        adapter="epsilon is eps",
    ),
    row(
        "diou",
        lambda x, r: plain(diou(x)[0], r),
        "torchvision.ops.distance_box_iou_loss",
        BOXES,
        adapter="eps=0",
    ),
    row(
        "ciou",
        ciou,
        "torchvision.ops.complete_box_iou_loss",
        BOXES,
        adapter="eps=0",
        unlike="NaN for identical boxes without eps, where ours is 0",
    ),
    row(
        "balanced_l1",
        balanced,
        "mmdet.models.losses.BalancedL1Loss",
        REAL_PAIR,
        options={"alpha": 0.5, "gamma": 1.2, "beta": 0.8},
    ),
    row(
        "gaussian_focal",
        gaussian_focal,
        "mmdet.models.losses.GaussianFocalLoss",
        {"logits": real(), "heat": scores()},
        options={"alpha": 2.0, "gamma": 4.0},
        adapter="of probabilities, without its 1e-12",
    ),
    row(
        "distribution_focal",
        distribution_focal,
        "mmdet.models.losses.DistributionFocalLoss",
        {"logits": real(5), "left": label(4), "fraction": between(0.01, 0.99)},
        adapter="its label is left + fraction",
    ),
    row(
        "wing",
        wing,
        "segmentation_models_pytorch.losses._functional.wing_loss",
        {"prediction": between(-9, 9), "target": real()},
        options={"width": 5.0, "curvature": 0.5},
    ),
    row(
        "adaptive_wing",
        lambda x, r: plain(awing(x), r),
        "Wang et al., 2019",
        {"prediction": between(-1, 2), "target": between(0, 1)},
        options={"alpha": 2.2, "omega": 10.0, "epsilon": 0.8, "theta": 0.6},
    ),
]
