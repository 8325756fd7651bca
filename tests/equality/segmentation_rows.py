"""Rows for segmentation losses: Keras, optax, and the formulas of MONAI, smp and papers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from tests.equality.rows import SEGMENTED, Row, between, plain, real

LOGITS = real(3, 4, 5)
SMALL = ((2,),)


BINARY = {"logits": real(4, 5), "target": between(0, 1, 4, 5)}


def monai_dice(x: SimpleNamespace, reduction: str, squared: bool = False) -> Any:
    axes = [2, 3]
    intersection = torch.sum(x.target * x.probability, dim=axes)
    power = 2 if squared else 1
    ground = torch.sum(x.target**power, dim=axes)
    pred = torch.sum(x.probability**power, dim=axes)
    f = 1.0 - (2.0 * intersection + x.smooth) / (ground + pred + x.smooth)
    return plain(f, reduction)


def monai_generalized(x: SimpleNamespace, reduction: str) -> Any:
    axes = [2, 3]
    intersection = torch.sum(x.target * x.probability, axes)
    ground_o, pred_o = torch.sum(x.target, axes), torch.sum(x.probability, axes)
    w = torch.reciprocal(ground_o * ground_o)
    numer = 2.0 * (intersection * w).sum(1) + x.smooth
    denom = ((ground_o + pred_o) * w).sum(1) + x.smooth
    return plain(1.0 - numer / denom, reduction)


def focal_tversky(x: SimpleNamespace, reduction: str) -> Any:
    y, p = x.target.flatten(2), x.probability.flatten(2)
    hits, misses, alarms = (y * p).sum(-1), (y * (1 - p)).sum(-1), ((1 - y) * p).sum(-1)
    index = (hits + x.smooth) / (hits + x.alpha * alarms + x.beta * misses + x.smooth)
    return plain((1 - index) ** x.gamma, reduction)


def smp_mcc(x: SimpleNamespace, reduction: str) -> Any:
    y, p, eps = x.target.flatten(2), x.probability.flatten(2), x.smooth
    tp = torch.sum(p * y, -1) + eps
    tn = torch.sum((1.0 - p) * (1.0 - y), -1) + eps
    fp = torch.sum(p * (1.0 - y), -1) + eps
    fn = torch.sum((1.0 - p) * y, -1) + eps
    numerator = tp * tn - fp * fn
    denominator = torch.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return plain(1.0 - numerator / denominator, reduction)


def dice_ce(x: SimpleNamespace, reduction: str) -> Any:
    soft = SimpleNamespace(probability=torch.softmax(x.logits, 1), target=x.target, smooth=x.smooth)
    dice = monai_dice(soft, "none").mean(1)
    entropy = F.cross_entropy(x.logits, x.target, reduction="none").mean((1, 2))
    total = x.dice_coefficient * dice + x.cross_entropy_coefficient * entropy
    return plain(total, reduction)


def binary(x: SimpleNamespace) -> Any:
    p = torch.sigmoid(x.logits)
    overlap, total = (p * x.target).sum((1, 2)), (p + x.target).sum((1, 2))
    return 1 - (2 * overlap + x.smooth) / (total + x.smooth)


def binary_both(x: SimpleNamespace, reduction: str) -> Any:
    entropy = F.binary_cross_entropy_with_logits(x.logits, x.target, reduction="none")
    total = x.dice_coefficient * binary(x)
    return plain(total + x.cross_entropy_coefficient * entropy.mean((1, 2)), reduction)


def combo(x: SimpleNamespace, reduction: str) -> Any:
    y, p = x.target, x.probability
    out = -(x.beta * (y * torch.log(p)) + (1 - x.beta) * (1.0 - y) * torch.log(1.0 - p))
    total = x.alpha * out.mean((2, 3)) + (1 - x.alpha) * monai_dice(x, "none")
    return plain(total, reduction)


def boundary(x: SimpleNamespace, reduction: str) -> Any:
    return plain(torch.einsum("bkwh,bkwh->bkwh", x.probability, x.distance).mean((2, 3)), reduction)


def hausdorff(x: SimpleNamespace, reduction: str) -> Any:
    pred_error = (x.probability - x.target) ** 2
    distance = x.predicted_distance**x.alpha + x.true_distance**x.alpha
    return plain((pred_error * distance).mean((2, 3)), reduction)


def row(loss: str, theirs: Any, function: str, inputs: Any = SEGMENTED, **more: Any) -> Row:
    """A row of a formula over two samples."""
    return Row(loss, "formula", theirs, inputs, batches=SMALL, function=function, **more)


ROWS = [
    row(
        "dice",
        monai_dice,
        "monai.losses.DiceLoss",
        options={"smooth": 0.1},
        adapter="smooth_nr=smooth_dr=smooth",
        unlike="smp pools the samples of a batch, sets absent classes to 0 and clamps the "
        "denominator instead of smoothing: 0 for an absent class of which a position is "
        "predicted, where ours is 1/2",
    ),
    row(
        "squared_dice",
        lambda x, r: monai_dice(x, r, squared=True),
        "monai.losses.DiceLoss",
        options={"smooth": 0.1},
        adapter="squared_pred=True, smooth_nr=smooth_dr=smooth",
    ),
    row(
        "generalized_dice",
        monai_generalized,
        "monai.losses.GeneralizedDiceLoss",
        options={"smooth": 1e-3},
        adapter="smooth_nr=smooth_dr=smooth",
        unlike="optax averages weighted losses of the classes instead of dividing sums: 0.914 for "
        "classes of 3 and 1 positions, all predicted as the first, where ours is 0.625; monai "
        "gives absent classes the largest weight of those present, not that of one position",
    ),
    row(
        "focal_tversky",
        focal_tversky,
        "Abraham and Khan, 2019",
        options={"gamma": 0.6, "smooth": 0.5, "alpha": 0.3, "beta": 0.7},
        adapter="gamma is one over theirs",
        unlike="smp's gamma is the same power as ours, with a default of 1",
    ),
    row(
        "log_cosh_dice",
        lambda x, r: plain(torch.log(torch.cosh(monai_dice(x, "none"))), r),
        "Jadon, 2020",
        options={"smooth": 0.1},
    ),
    row(
        "matthews_correlation",
        smp_mcc,
        "segmentation_models_pytorch.losses.MCCLoss",
        options={"smooth": 1e-5},
        adapter="smooth is eps; ours keeps samples and classes apart",
    ),
    row(
        "dice_cross_entropy",
        dice_ce,
        "monai.losses.DiceCELoss",
        {"logits": LOGITS, "target": SEGMENTED["target"]},
        options={"smooth": 0.1, "dice_coefficient": 0.7, "cross_entropy_coefficient": 1.3},
        adapter="softmax=True, smooth_nr=smooth_dr=smooth, coefficients lambda_dice and lambda_ce",
    ),
    row(
        "binary_dice",
        lambda x, r: plain(binary(x), r),
        "monai.losses.DiceLoss",
        BINARY,
        options={"smooth": 0.1},
        adapter="sigmoid=True, smooth_nr=smooth_dr=smooth, one channel",
    ),
    row(
        "binary_dice_cross_entropy",
        binary_both,
        "monai.losses.DiceCELoss",
        BINARY,
        options={"smooth": 0.1, "dice_coefficient": 0.7, "cross_entropy_coefficient": 1.3},
        adapter="sigmoid=True, one channel",
    ),
    row(
        "combo",
        combo,
        "Taghanaki et al., 2019",
        options={"alpha": 0.4, "beta": 0.7, "smooth": 0.1},
        adapter="plus 1 - alpha",
    ),
    row(
        "boundary",
        boundary,
        "Kervadec et al., 2019",
        {"probability": SEGMENTED["probability"], "distance": real(3, 4, 5)},
    ),
    row(
        "hausdorff_distance",
        hausdorff,
        "monai.losses.HausdorffDTLoss",
        {
            **SEGMENTED,
            "predicted_distance": between(0, 3, 3, 4, 5),
            "true_distance": between(0, 3, 3, 4, 5),
        },
        options={"alpha": 1.5},
        adapter="with the distance transforms given",
    ),
]
