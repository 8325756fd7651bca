"""Rows for torch.nn.functional."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from tests.equality.rows import (
    ANY_BATCH,
    DENSE,
    DISTRIBUTIONS,
    LOGIT,
    REAL_PAIR,
    SPARSE,
    TRIPLET,
    VIEWS,
    WEIGHT,
    Row,
    between,
    constant,
    flags,
    label,
    labels_of,
    masked,
    one_of,
    plain,
    real,
)

CLASS_WEIGHT = constant(np.array([0.5, 1.0, 2.0, 0.25, 1.5]))


def torch_weighted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A weighted loss; torch's annotations do not know these weights yet."""
    return lambda x, r: function(x.prediction, x.target, reduction=r, weight=x.weight)


def torch_classes(function: Callable[..., Any], **renamed: str) -> Callable[..., Any]:
    """A loss that keeps the classes on axis 1; `renamed` maps its options to ours."""

    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        scores = x.logits if hasattr(x, "logits") else x.log_probabilities
        target = x.label if hasattr(x, "label") else x.target
        dense = target.is_floating_point()
        options = {mine: getattr(x, ours) for mine, ours in renamed.items()}
        return function(
            scores.movedim(-1, min(1, scores.ndim - 1)),
            target.movedim(-1, min(1, target.ndim - 1)) if dense else target,
            reduction=reduction,
            **options,
        )

    return theirs


def torch_kl(x: SimpleNamespace, reduction: str) -> Any:
    return plain(F.kl_div(x.prediction.log(), x.target, reduction="none").sum(-1), reduction)


def torch_contrastive(x: SimpleNamespace, reduction: str) -> Any:
    d = F.pairwise_distance(x.first, x.second, eps=0.0)
    far = F.hinge_embedding_loss(d, -torch.ones_like(d), margin=x.margin, reduction="none")
    return plain(x.same * d**2 + (1 - x.same) * far**2, reduction)


def torch_info_nce(x: SimpleNamespace, reduction: str) -> Any:
    scores = F.cosine_similarity(x.query[:, None], x.key[None], dim=-1) / x.temperature
    return F.cross_entropy(scores, torch.arange(len(scores)), reduction=reduction)


def torch_nt_xent(x: SimpleNamespace, reduction: str) -> Any:
    scores = F.cosine_similarity(x.embeddings[:, None], x.embeddings[None], dim=-1)
    others = (scores / x.temperature).fill_diagonal_(-torch.inf)
    return F.cross_entropy(others, x.positive, reduction=reduction)


def torch_pairwise_logistic(x: SimpleNamespace, reduction: str) -> Any:
    better = (x.relevance[..., :, None] > x.relevance[..., None, :]).double()
    difference = x.scores[..., :, None] - x.scores[..., None, :]
    cost = F.soft_margin_loss(difference, torch.ones_like(difference), reduction="none")
    return plain((cost * better).sum((-1, -2)) / better.sum((-1, -2)), reduction)


def torch_cox(x: SimpleNamespace, reduction: str) -> Any:
    later = x.time[None, :] >= x.time[:, None]
    scores = torch.where(later, x.log_risk[None, :], -torch.inf)
    return F.cross_entropy(scores[x.event], torch.arange(len(x.time))[x.event])


ROWS = [
    Row(
        "squared_error",
        "torch",
        lambda x, r: F.mse_loss(x.prediction, x.target, reduction=r),
        REAL_PAIR,
        batches=ANY_BATCH,
        function="torch.nn.functional.mse_loss",
    ),
    Row(
        "squared_error",
        "torch",
        torch_weighted(F.mse_loss),
        REAL_PAIR,
        {"weight": WEIGHT},
        function="torch.nn.functional.mse_loss",
    ),
    Row(
        "absolute_error",
        "torch",
        torch_weighted(F.l1_loss),
        REAL_PAIR,
        {"weight": WEIGHT},
        function="torch.nn.functional.l1_loss",
    ),
    Row(
        "huber",
        "torch",
        lambda x, r: F.huber_loss(x.prediction, x.target, reduction=r, delta=x.delta),
        REAL_PAIR,
        {"delta": 0.3},
        batches=ANY_BATCH,
        function="torch.nn.functional.huber_loss",
        unlike=(
            "divides a weighted mean by the number of entries: 5 for errors of 3 and weights "
            "3, 1, where ours is 2.5"
        ),
    ),
    Row(
        "huber",
        "torch",
        lambda x, r: masked(F.huber_loss(x.prediction, x.target, reduction="none"), x.mask, r),
        REAL_PAIR,
        {"mask": flags()},
        function="torch.nn.functional.huber_loss",
    ),
    Row(
        "smooth_l1",
        "torch",
        lambda x, r: F.smooth_l1_loss(x.prediction, x.target, reduction=r, beta=x.beta),
        REAL_PAIR,
        {"beta": 0.5},
        batches=ANY_BATCH,
        function="torch.nn.functional.smooth_l1_loss",
    ),
    Row(
        "gaussian_nll",
        "torch",
        lambda x, r: F.gaussian_nll_loss(x.mean, x.target, x.variance, reduction=r),
        {"mean": real(), "variance": between(0.2, 3), "target": real()},
        wrt=("mean", "variance"),
        function="torch.nn.functional.gaussian_nll_loss",
        unlike=(
            "raises a variance below 1e-6 to it: -6.91 for a variance of 1e-9, where ours is -10.36"
        ),
    ),
    Row(
        "gaussian_nll_log_variance",
        "torch",
        lambda x, r: F.gaussian_nll_loss(x.mean, x.target, torch.exp(x.log_variance), reduction=r),
        {"mean": real(), "log_variance": between(-3, 3), "target": real()},
        wrt=("mean", "log_variance"),
        function="torch.nn.functional.gaussian_nll_loss",
        adapter="its variance is exp(log_variance)",
    ),
    Row(
        "poisson_nll",
        "torch",
        lambda x, r: F.poisson_nll_loss(x.log_rate, x.target, reduction=r),
        {"log_rate": real(), "target": one_of(0, 1, 2, 7)},
        batches=ANY_BATCH,
        function="torch.nn.functional.poisson_nll_loss",
        adapter="log_input=True",
    ),
    Row(
        "poisson_nll_rate",
        "torch",
        lambda x, r: F.poisson_nll_loss(x.rate, x.target, log_input=False, eps=0.0, reduction=r),
        {"rate": between(0.2, 4), "target": one_of(0, 1, 2, 7)},
        function="torch.nn.functional.poisson_nll_loss",
        adapter="log_input=False, eps=0",
    ),
    Row(
        "binary_cross_entropy",
        "torch",
        lambda x, r: F.binary_cross_entropy(x.probability, x.target, reduction=r),
        {"probability": between(0.02, 0.98), "target": between(0, 1)},
        batches=ANY_BATCH,
        function="torch.nn.functional.binary_cross_entropy",
        unlike=(
            "a logarithm is at least -100: 100 for probability 0 of a true class, where ours "
            "is infinite"
        ),
    ),
    Row(
        "binary_cross_entropy_with_logits",
        "torch",
        lambda x, r: F.binary_cross_entropy_with_logits(
            x.logits, x.target, reduction=r, pos_weight=torch.tensor(x.pos_weight)
        ),
        LOGIT,
        {"pos_weight": 3.0},
        batches=ANY_BATCH,
        function="torch.nn.functional.binary_cross_entropy_with_logits",
        unlike=(
            "divides a weighted mean by the number of entries: 1.386 for logits 0 and weights "
            "3, 1, where ours is 0.693"
        ),
    ),
    Row(
        "binary_cross_entropy_with_logits",
        "torch",
        lambda x, r: F.binary_cross_entropy_with_logits(
            x.logits, x.target, weight=x.weight, reduction=r
        ),
        LOGIT,
        {"weight": WEIGHT},
        reductions=("none", "sum"),
        function="torch.nn.functional.binary_cross_entropy_with_logits",
    ),
    Row(
        "softmax_cross_entropy",
        "torch",
        torch_classes(F.cross_entropy, label_smoothing="label_smoothing"),
        DENSE,
        {"label_smoothing": 0.1},
        function="torch.nn.functional.cross_entropy",
        adapter="probabilities as target, classes on axis 1",
    ),
    Row(
        "sparse_softmax_cross_entropy",
        "torch",
        torch_classes(F.cross_entropy),
        SPARSE,
        batches=ANY_BATCH,
        function="torch.nn.functional.cross_entropy",
        adapter="integers as target, classes on axis 1",
        unlike="NaN if every label is ignored, where ours is 0",
    ),
    Row(
        "sparse_softmax_cross_entropy",
        "torch",
        torch_classes(F.cross_entropy, weight="class_weight", ignore_index="ignore_index"),
        SPARSE,
        {"class_weight": CLASS_WEIGHT, "ignore_index": 2},
        function="torch.nn.functional.cross_entropy",
        adapter="weight is class_weight",
        unlike=(
            "with one-hot targets a weighted mean is divided by the number of samples: 2.079 "
            "for flat logits and weight 3, where ours is 0.693; the smoothed part is weighed "
            "by the class that it falls on: 0.578 instead of 0.693 with weights 3, 1 and "
            "smoothing 0.5"
        ),
    ),
    Row(
        "sparse_softmax_cross_entropy",
        "torch",
        torch_classes(
            F.cross_entropy, label_smoothing="label_smoothing", ignore_index="ignore_index"
        ),
        {"logits": real(5), "label": labels_of(0, 1, 4, -100)},
        {"label_smoothing": 0.2, "ignore_index": -100},
        function="torch.nn.functional.cross_entropy",
    ),
    Row(
        "sparse_softmax_cross_entropy",
        "torch",
        lambda x, r: F.cross_entropy(x.logits, x.label, reduction=r),
        {"logits": lambda rng, n: rng.normal(size=(n[0], 5, n[1])), "label": label(5)},
        {"axis": 1},
        batches=((3, 4),),
        function="torch.nn.functional.cross_entropy",
    ),
    Row(
        "negative_log_likelihood",
        "torch",
        torch_classes(F.nll_loss, weight="class_weight", ignore_index="ignore_index"),
        {"log_probabilities": between(-4, -0.1, 5), "label": label(5)},
        {"class_weight": CLASS_WEIGHT, "ignore_index": 0},
        function="torch.nn.functional.nll_loss",
        adapter="weight is class_weight, classes on axis 1",
    ),
    Row(
        "kl_divergence",
        "torch",
        torch_kl,
        DISTRIBUTIONS,
        function="torch.nn.functional.kl_div",
        adapter="its input is the logarithm of the prediction; summed over the classes",
        unlike='"mean" averages over the classes, too: half of ours with two classes',
    ),
    Row(
        "margin_ranking",
        "torch",
        lambda x, r: F.margin_ranking_loss(
            x.first, x.second, x.target, margin=x.margin, reduction=r
        ),
        {"first": real(), "second": real(), "target": one_of(-1, 1)},
        {"margin": 0.5},
        wrt=("first", "second"),
        function="torch.nn.functional.margin_ranking_loss",
    ),
    Row(
        "triplet_margin",
        "torch",
        lambda x, r: F.triplet_margin_loss(
            x.anchor, x.positive, x.negative, margin=x.margin, eps=0.0, reduction=r
        ),
        TRIPLET,
        {"margin": 0.7},
        wrt=("anchor", "positive", "negative"),
        batches=((6,),),
        function="torch.nn.functional.triplet_margin_loss",
        adapter="eps=0",
    ),
    Row(
        "contrastive",
        "torch",
        torch_contrastive,
        {"first": real(3), "second": real(3), "same": one_of(0, 1)},
        {"margin": 2.5},
        wrt=("first", "second"),
        function="torch.nn.functional.hinge_embedding_loss",
        adapter="of the distance, squared, for pairs that differ",
    ),
    Row(
        "info_nce",
        "torch",
        torch_info_nce,
        {"query": real(3), "key": real(3)},
        {"temperature": 0.2},
        wrt=("query", "key"),
        batches=((6,),),
        function="torch.nn.functional.cross_entropy",
        adapter="of cosine similarities",
    ),
    Row(
        "nt_xent",
        "torch",
        torch_nt_xent,
        VIEWS,
        {"temperature": 0.5},
        batches=((6,),),
        function="torch.nn.functional.cross_entropy",
        adapter="of cosine similarities to the other embeddings",
    ),
    Row(
        "pairwise_logistic",
        "torch",
        torch_pairwise_logistic,
        {"scores": real(5), "relevance": constant([[0.0, 2, 1, 2, 0]] * 3)},
        batches=((3,),),
        function="torch.nn.functional.soft_margin_loss",
        adapter="of the differences of scores, averaged over ordered pairs",
    ),
    Row(
        "cox_partial_likelihood",
        "torch",
        torch_cox,
        {"log_risk": real(), "time": one_of(1, 2, 3, 4), "event": flags()},
        reductions=("mean",),
        batches=((9,),),
        note="ties",
        function="torch.nn.functional.cross_entropy",
        adapter="of each event among those at risk",
    ),
]
