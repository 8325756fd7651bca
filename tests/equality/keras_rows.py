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
        function="keras.losses.MeanSquaredError",
        adapter="over a last axis of 1, with `mean_with_sample_weight`",
        unlike=(
            "the default reduction divides a weighted mean by the number of samples: 14 for "
            "errors 1, 3 with these as weights, where ours is 7"
        ),
    ),
    Row(
        "absolute_error",
        "keras",
        keras_loss(K.MeanAbsoluteError, "target", "prediction"),
        REAL_PAIR,
        reductions=("mean",),
        function="keras.losses.MeanAbsoluteError",
    ),
    Row(
        "huber",
        "keras",
        keras_loss(K.Huber, "target", "prediction", delta="delta"),
        REAL_PAIR,
        {"delta": 0.4, "weight": WEIGHT},
        batches=ONE_WIDE,
        reductions=SUM_AND_MEAN,
        function="keras.losses.Huber",
        adapter="over a last axis of 1, with `mean_with_sample_weight`",
    ),
    Row(
        "log_cosh",
        "keras",
        keras_loss(K.LogCosh, "target", "prediction"),
        REAL_PAIR,
        reductions=("mean",),
        function="keras.losses.LogCosh",
    ),
    Row(
        "poisson_nll_rate",
        "keras",
        keras_loss(K.Poisson, "target", "rate"),
        {"rate": between(0.5, 4), "target": one_of(0, 1, 2)},
        reductions=("mean",),
        function="keras.losses.Poisson",
        unlike="adds 1e-7 to the rate",
    ),
    Row(
        "binary_cross_entropy",
        "keras",
        keras_loss(K.BinaryCrossentropy, "target", "probability"),
        {"probability": between(0.05, 0.95), "target": between(0, 1)},
        reductions=("mean",),
        function="keras.losses.BinaryCrossentropy",
        unlike=(
            "clips probabilities: 16.1 for probability 0 of a true class, where ours is infinite"
        ),
    ),
    Row(
        "binary_cross_entropy_with_logits",
        "keras",
        keras_loss(K.BinaryCrossentropy, "target", "logits", from_logits=True),
        LOGIT,
        {"weight": WEIGHT},
        batches=ONE_WIDE,
        reductions=SUM_AND_MEAN,
        function="keras.losses.BinaryCrossentropy",
        adapter="from_logits=True, over a last axis of 1, with `mean_with_sample_weight`",
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
        function="keras.losses.BinaryFocalCrossentropy",
        adapter="from_logits=True, apply_class_balancing=True",
        unlike=(
            "ignores alpha by default: 0.693 for a flat logit, alpha 0.25 and gamma 0, where "
            "ours is 0.173"
        ),
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
        function="keras.losses.CategoricalCrossentropy",
        adapter="from_logits=True, with `mean_with_sample_weight`",
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
        function="keras.losses.SparseCategoricalCrossentropy",
        adapter="from_logits=True, ignore_class is ignore_index, with `mean_with_sample_weight`",
        unlike=(
            "a weighted mean is divided by the number of samples that are not ignored: 2.079 "
            "for flat logits and weight 3, where ours is 0.693"
        ),
    ),
    Row(
        "sparse_softmax_cross_entropy",
        "keras",
        keras_loss(K.SparseCategoricalCrossentropy, "label", "logits", from_logits=True),
        SPARSE,
        {"weight": WEIGHT},
        function="keras.losses.SparseCategoricalCrossentropy",
    ),
    Row(
        "softmax_focal",
        "keras",
        keras_one_hot,
        SPARSE,
        {"gamma": 1.5},
        function="keras.losses.CategoricalFocalCrossentropy",
        adapter="alpha=1, from_logits=True, one-hot targets",
    ),
    Row(
        "kl_divergence",
        "keras",
        keras_loss(K.KLDivergence, "target", "prediction"),
        DISTRIBUTIONS,
        function="keras.losses.KLDivergence",
        unlike="clips both distributions: 16.1 for disjoint ones, where ours is infinite",
    ),
    Row(
        "hinge",
        "keras",
        keras_loss(K.Hinge, "target", "prediction"),
        SIGNED,
        reductions=("mean",),
        function="keras.losses.Hinge",
        unlike=(
            "takes targets of 0 for -1: 0.9 for predictions 0.3, -0.5 of targets 0, where ours is 1"
        ),
    ),
    Row(
        "squared_hinge",
        "keras",
        keras_loss(K.SquaredHinge, "target", "prediction"),
        SIGNED,
        reductions=("mean",),
        function="keras.losses.SquaredHinge",
        unlike="takes targets of 0 for -1",
    ),
    Row(
        "dice",
        "keras",
        lambda x, r: K.dice(x.target, x.probability, axis=(2, 3)),
        SEGMENTED,
        {"smooth": 1e-7},
        reductions=("none",),
        batches=((2,),),
        function="keras.losses.dice",
        adapter="axis is that of the positions, smooth=1e-7",
        unlike=(
            "pools all samples and classes by default: 1/3 for one class found and one "
            "missed, where ours is 1/2"
        ),
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
        function="keras.losses.tversky",
        adapter="alpha and beta swapped, smooth=1e-7, axis is that of the positions",
        unlike="swaps them: 1/2 for alpha 1, beta 0 and half of the region found, where ours is 0",
    ),
]
