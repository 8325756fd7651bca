"""Rows for self-supervised losses without negatives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.equality.rows import Row, constant, flags, plain, real, simplex

TWO = {"first": real(3), "second": real(3)}
SCALAR = ("mean",)
ONE_BATCH: tuple[tuple[int, ...], ...] = ((5,),)


def lightly_barlow(x: SimpleNamespace, reduction: str) -> Any:
    def standard(z: Tensor) -> Tensor:
        return F.batch_norm(z, None, None, training=True, eps=x.epsilon)

    c = standard(x.first).T @ standard(x.second) / len(x.first)
    diagonal = torch.diagonal(c)
    off = c.pow(2).sum() - diagonal.pow(2).sum()
    return (diagonal - 1).pow(2).sum() + x.off_diagonal * off


def lightly_vicreg(x: SimpleNamespace, reduction: str) -> Any:
    def spread(z: Tensor) -> Tensor:
        return F.relu(1 - torch.sqrt(z.var(dim=0) + x.epsilon)).mean()

    def redundant(z: Tensor) -> Tensor:
        covariance = z.T.cov()
        off = ~torch.eye(len(covariance), dtype=torch.bool)
        return covariance[off].pow(2).sum() / len(covariance)

    return (
        x.invariance * F.mse_loss(x.first, x.second)
        + x.variance * 0.5 * (spread(x.first) + spread(x.second))
        + x.covariance * (redundant(x.first) + redundant(x.second))
    )


def solo_byol(x: SimpleNamespace, reduction: str) -> Any:
    return plain(2 - 2 * F.cosine_similarity(x.prediction, x.target, dim=-1), reduction)


def solo_simsiam(x: SimpleNamespace, reduction: str) -> Any:
    def agreement(p: Tensor, z: Tensor) -> Tensor:
        return F.cosine_similarity(p, z.detach(), dim=-1) + 0 * z.sum(-1)

    one = agreement(x.first_prediction, x.second_projection)
    other = agreement(x.second_prediction, x.first_projection)
    return plain(-(one + other) / 2, reduction)


def lightly_dino(x: SimpleNamespace, reduction: str) -> Any:
    wanted = F.softmax((x.teacher - x.center) / x.teacher_temperature, dim=-1)
    found = F.log_softmax(x.student / x.student_temperature, dim=-1)
    return plain(-(wanted * found).sum(-1), reduction)


def lightly_swav(x: SimpleNamespace, reduction: str) -> Any:
    found = F.log_softmax(x.scores / x.temperature, dim=-1)
    return plain(-(x.codes * found).sum(-1), reduction)


def mae(x: SimpleNamespace, reduction: str) -> Any:
    target = x.target
    if x.normalize:
        mean, var = target.mean(-1, keepdim=True), target.var(-1, keepdim=True)
        target = (target - mean) / (var + 1e-6) ** 0.5
    loss = ((x.prediction - target) ** 2).mean(-1)
    return plain((loss * x.hidden).sum(-1) / x.hidden.sum(-1), reduction)


FOUR = ("first_prediction", "second_prediction", "first_projection", "second_projection")
PATCHES = {"prediction": real(4, 3), "target": real(4, 3), "hidden": flags(4)}
POOLED = "it averages over all hidden patches of the batch, not first over each sample's"
ROWS = [
    Row(
        "barlow_twins",
        "formula",
        lightly_barlow,
        TWO,
        {"off_diagonal": 0.1, "epsilon": 1e-5},
        wrt=("first", "second"),
        reductions=SCALAR,
        batches=ONE_BATCH,
        function="lightly.loss.BarlowTwinsLoss",
        unlike="solo-learn multiplies the loss by 0.025; MONAI takes unbiased deviations plus 1e-6",
    ),
    Row(
        "vicreg",
        "formula",
        lightly_vicreg,
        TWO,
        {"invariance": 5.0, "variance": 3.0, "covariance": 2.0, "epsilon": 1e-3},
        wrt=("first", "second"),
        reductions=SCALAR,
        batches=ONE_BATCH,
        function="lightly.loss.VICRegLoss",
        unlike="solo-learn adds the variance terms of both views: twice their mean",
    ),
    Row(
        "byol",
        "formula",
        solo_byol,
        {"prediction": real(4), "target": real(4)},
        function="solo.losses.byol_loss_func",
    ),
    Row(
        "simsiam",
        "formula",
        solo_simsiam,
        {name: real(3) for name in FOUR},
        wrt=FOUR,
        function="lightly.loss.NegativeCosineSimilarity",
        adapter="the mean of both ways round, projections detached",
    ),
    Row(
        "dino",
        "formula",
        lightly_dino,
        {"student": real(4), "teacher": real(4), "center": constant([0.1, -0.2, 0.3, 0.0])},
        {"student_temperature": 0.3, "teacher_temperature": 0.5},
        function="lightly.loss.DINOLoss",
        adapter="one pair of views",
    ),
    Row(
        "swav",
        "formula",
        lightly_swav,
        {"scores": real(4), "codes": simplex(4)},
        {"temperature": 0.4},
        function="lightly.loss.SwaVLoss",
        adapter="one pair of views, codes given",
    ),
    Row(
        "masked_reconstruction",
        "formula",
        mae,
        PATCHES,
        {"normalize": 0},
        function="MAE, models_mae.forward_loss",
        unlike=POOLED,
    ),
    Row(
        "masked_reconstruction",
        "formula",
        mae,
        PATCHES,
        {"normalize": 1},
        function="MAE, models_mae.forward_loss",
        adapter="norm_pix_loss=True",
        note="normalised",
    ),
]
