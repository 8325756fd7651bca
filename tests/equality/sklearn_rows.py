"""Rows for the losses and metrics of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn import metrics
from sklearn._loss import loss as sklearn_loss

from tests.equality.rows import (
    LOGIT,
    REAL_PAIR,
    SIGNED,
    SPARSE,
    WEIGHT,
    Row,
    label,
    one_of,
    real,
)

FLAT: tuple[tuple[int, ...], ...] = ((8,),)


def sklearn_raw(loss: Any, target: str, raw: str, factor: float = 1.0) -> Callable[..., Any]:
    """One of the losses of scikit-learn's gradient boosting, times a factor."""

    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        weight = getattr(x, "weight", None)
        value, gradient = loss.loss_gradient(
            y_true=np.asarray(getattr(x, target), dtype=float),
            raw_prediction=getattr(x, raw),
            sample_weight=weight,
        )
        count = len(value) if weight is None else weight.sum()
        scale = factor / count if reduction == "mean" else factor
        reduced = value if reduction == "none" else value.sum()
        return reduced * scale, [gradient * scale]

    return theirs


ROWS = [
    Row(
        "squared_error",
        "sklearn",
        sklearn_raw(sklearn_loss.HalfSquaredError(), "target", "prediction", factor=2),
        REAL_PAIR,
        {"weight": WEIGHT},
        batches=FLAT,
        function="sklearn._loss.loss.HalfSquaredError",
        adapter="times 2",
    ),
    Row(
        "absolute_error",
        "sklearn",
        sklearn_raw(sklearn_loss.AbsoluteError(), "target", "prediction"),
        REAL_PAIR,
        batches=FLAT,
        function="sklearn._loss.loss.AbsoluteError",
        unlike="slope -1 for no error, where ours is 0",
    ),
    Row(
        "quantile",
        "sklearn",
        sklearn_raw(sklearn_loss.PinballLoss(quantile=0.2), "target", "prediction"),
        REAL_PAIR,
        {"tau": 0.2, "weight": WEIGHT},
        batches=FLAT,
        function="sklearn._loss.loss.PinballLoss",
        adapter="quantile is tau",
    ),
    Row(
        "huber",
        "sklearn",
        sklearn_raw(sklearn_loss.HuberLoss(delta=0.5), "target", "prediction"),
        REAL_PAIR,
        {"delta": 0.5, "weight": WEIGHT},
        batches=FLAT,
        function="sklearn._loss.loss.HuberLoss",
    ),
    Row(
        "poisson_nll",
        "sklearn",
        sklearn_raw(sklearn_loss.HalfPoissonLoss(), "target", "log_rate"),
        {"log_rate": real(), "target": one_of(0, 1, 5)},
        {"weight": WEIGHT},
        batches=FLAT,
        function="sklearn._loss.loss.HalfPoissonLoss",
    ),
    Row(
        "binary_cross_entropy_with_logits",
        "sklearn",
        sklearn_raw(sklearn_loss.HalfBinomialLoss(), "target", "logits"),
        LOGIT,
        {"weight": WEIGHT},
        batches=FLAT,
        function="sklearn._loss.loss.HalfBinomialLoss",
    ),
    Row(
        "sparse_softmax_cross_entropy",
        "sklearn",
        sklearn_raw(sklearn_loss.HalfMultinomialLoss(n_classes=5), "label", "logits"),
        SPARSE,
        {"weight": WEIGHT},
        batches=FLAT,
        function="sklearn._loss.loss.HalfMultinomialLoss",
    ),
    Row(
        "quantile",
        "sklearn",
        lambda x, _: (
            metrics.mean_pinball_loss(x.target, x.prediction, sample_weight=x.weight, alpha=x.tau),
            None,
        ),
        REAL_PAIR,
        {"tau": 0.3, "weight": WEIGHT},
        reductions=("mean",),
        batches=FLAT,
        note="score",
        function="sklearn.metrics.mean_pinball_loss",
        adapter="alpha is tau",
    ),
    Row(
        "hinge",
        "sklearn",
        lambda x, _: (
            metrics.hinge_loss(x.target, x.prediction, sample_weight=x.weight),
            None,
        ),
        SIGNED,
        {"weight": WEIGHT},
        reductions=("mean",),
        batches=FLAT,
        note="score",
        function="sklearn.metrics.hinge_loss",
    ),
    Row(
        "negative_log_likelihood",
        "sklearn",
        lambda x, _: (
            metrics.log_loss(
                x.label, np.exp(x.log_probabilities), sample_weight=x.weight, labels=range(4)
            ),
            None,
        ),
        {
            "log_probabilities": lambda rng, n: np.log(rng.dirichlet(np.ones(4), n)),
            "label": label(4),
        },
        {"weight": WEIGHT},
        reductions=("mean",),
        batches=FLAT,
        note="score",
        function="sklearn.metrics.log_loss",
        adapter="of probabilities",
    ),
]
