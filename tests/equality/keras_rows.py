"""Rows for keras.losses."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras

from tests.equality.rows import (
    BINARY,
    DENSE,
    DISTRIBUTIONS,
    LOGIT,
    REAL_PAIR,
    SEGMENTED,
    SIGNED,
    SPARSE,
    WEIGHT,
    Row,
    between,
    one_of,
)


def keras_loss(cls: Any, target: str, prediction: str, **renamed: Any) -> Callable[..., Any]:
    """A Keras loss over (true, predicted); `renamed` maps its options to ours or to values."""

    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        options = {
            mine: getattr(x, value) if isinstance(value, str) else value
            for mine, value in renamed.items()
        }
        weight = getattr(x, "weight", None)
        how = "mean_with_sample_weight" if reduction == "mean" else reduction
        return cls(reduction=how, **options)(
            getattr(x, target), getattr(x, prediction), sample_weight=weight
        )

    return theirs


def keras_one_hot(x: SimpleNamespace, reduction: str) -> Any:
    return keras.losses.CategoricalFocalCrossentropy(
        alpha=1.0, gamma=x.gamma, from_logits=True, reduction=reduction
    )(keras.ops.one_hot(x.label, 5), x.logits)


# Keras averages over the last axis before it reduces and multiplies weights: one entry there.
ONE_WIDE: tuple[tuple[int, ...], ...] = ((6, 1),)
SUM_AND_MEAN = ("sum", "mean")
K = keras.losses

ROWS = [
    Row(
        "squared_error",
        "keras",
        keras_loss(K.MeanSquaredError, "target", "prediction"),
        REAL_PAIR,
        {"weight": WEIGHT},
        batches=ONE_WIDE,
        reductions=SUM_AND_MEAN,
    ),
    Row(
        "absolute_error",
        "keras",
        keras_loss(K.MeanAbsoluteError, "target", "prediction"),
        REAL_PAIR,
        reductions=("mean",),
    ),
    Row(
        "huber",
        "keras",
        keras_loss(K.Huber, "target", "prediction", delta="delta"),
        REAL_PAIR,
        {"delta": 0.4, "weight": WEIGHT},
        batches=ONE_WIDE,
        reductions=SUM_AND_MEAN,
    ),
    Row(
        "log_cosh",
        "keras",
        keras_loss(K.LogCosh, "target", "prediction"),
        REAL_PAIR,
        reductions=("mean",),
    ),
    Row(
        "poisson_nll_rate",
        "keras",
        keras_loss(K.Poisson, "target", "rate"),
        {"rate": between(0.5, 4), "target": one_of(0, 1, 2)},
        reductions=("mean",),
    ),
    Row(
        "binary_cross_entropy",
        "keras",
        keras_loss(K.BinaryCrossentropy, "target", "probability"),
        {"probability": between(0.05, 0.95), "target": between(0, 1)},
        reductions=("mean",),
    ),
    Row(
        "binary_cross_entropy_with_logits",
        "keras",
        keras_loss(K.BinaryCrossentropy, "target", "logits", from_logits=True),
        LOGIT,
        {"weight": WEIGHT},
        batches=ONE_WIDE,
        reductions=SUM_AND_MEAN,
    ),
    Row(
        "binary_focal",
        "keras",
        keras_loss(
            K.BinaryFocalCrossentropy,
            "target",
            "logits",
            from_logits=True,
            apply_class_balancing=True,
            alpha="alpha",
            gamma="gamma",
        ),
        BINARY,
        {"alpha": 0.25, "gamma": 1.5},
        reductions=("mean",),
    ),
    Row(
        "softmax_cross_entropy",
        "keras",
        keras_loss(
            K.CategoricalCrossentropy,
            "target",
            "logits",
            from_logits=True,
            label_smoothing="label_smoothing",
        ),
        DENSE,
        {"label_smoothing": 0.1, "weight": WEIGHT},
    ),
    Row(
        "sparse_softmax_cross_entropy",
        "keras",
        keras_loss(
            K.SparseCategoricalCrossentropy,
            "label",
            "logits",
            from_logits=True,
            ignore_class="ignore_index",
        ),
        SPARSE,
        {"ignore_index": 1},
    ),
    Row(
        "sparse_softmax_cross_entropy",
        "keras",
        keras_loss(K.SparseCategoricalCrossentropy, "label", "logits", from_logits=True),
        SPARSE,
        {"weight": WEIGHT},
    ),
    Row("softmax_focal", "keras", keras_one_hot, SPARSE, {"gamma": 1.5}),
    Row(
        "kl_divergence",
        "keras",
        keras_loss(K.KLDivergence, "target", "prediction"),
        DISTRIBUTIONS,
    ),
    Row(
        "hinge",
        "keras",
        keras_loss(K.Hinge, "target", "prediction"),
        SIGNED,
        reductions=("mean",),
    ),
    Row(
        "squared_hinge",
        "keras",
        keras_loss(K.SquaredHinge, "target", "prediction"),
        SIGNED,
        reductions=("mean",),
    ),
    Row(
        "dice",
        "keras",
        lambda x, r: K.dice(x.target, x.probability, axis=(2, 3)),
        SEGMENTED,
        {"smooth": 1e-7},
        reductions=("none",),
        batches=((2,),),
    ),
    Row(
        "tversky",
        "keras",
        lambda x, r: K.tversky(x.target, x.probability, alpha=x.beta, beta=x.alpha, axis=(2, 3)),
        SEGMENTED,
        {"alpha": 0.3, "beta": 0.8, "smooth": 1e-7},
        reductions=("none",),
        batches=((2,),),
        note="alpha and beta swapped",
    ),
]
