"""Rows for optax.losses."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from tests.equality.rows import (
    ANY_BATCH,
    BINARY,
    DENSE,
    DISTRIBUTIONS,
    LOGIT,
    REAL_PAIR,
    SEGMENTED,
    SIGNED,
    SPARSE,
    TRIPLET,
    VIEWS,
    Row,
    flags,
    masked,
    plain,
)


def optax_loss(
    function: Callable[..., Any], *names: str, options: tuple[str, ...] = (), **fixed: Any
) -> Callable[..., Any]:
    """An unreduced loss of the named inputs, which calls its options as we do."""

    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        ours = {name: getattr(x, name) for name in options}
        return plain(function(*(getattr(x, n) for n in names), **ours, **fixed), reduction)

    return theirs


def optax_tversky(x: SimpleNamespace, reduction: str) -> Any:
    probability, target = (jnp.moveaxis(a, 1, -1) for a in (x.probability, x.target))
    return plain(
        optax.losses.dice_loss(
            probability,
            target,
            smooth=x.smooth,
            alpha=x.alpha,
            beta=x.beta,
            apply_softmax=False,
            reduction="none",
        ),
        reduction,
    )


ROWS = [
    Row(
        "squared_error",
        "optax",
        optax_loss(optax.losses.squared_error, "prediction", "target"),
        REAL_PAIR,
        function="optax.losses.squared_error",
        unlike="`l2_loss` is half of it",
    ),
    Row(
        "huber",
        "optax",
        optax_loss(optax.losses.huber_loss, "prediction", "target", options=("delta",)),
        REAL_PAIR,
        {"delta": 0.7},
        function="optax.losses.huber_loss",
    ),
    Row(
        "log_cosh",
        "optax",
        optax_loss(optax.losses.log_cosh, "prediction", "target"),
        REAL_PAIR,
        batches=ANY_BATCH,
        function="optax.losses.log_cosh",
        unlike="loses small errors: 0 for 1e-4 in float32, where ours is 5e-9",
    ),
    Row(
        "binary_cross_entropy_with_logits",
        "optax",
        optax_loss(optax.losses.sigmoid_binary_cross_entropy, "logits", "target"),
        LOGIT,
        function="optax.losses.sigmoid_binary_cross_entropy",
    ),
    Row(
        "softmax_cross_entropy",
        "optax",
        optax_loss(optax.losses.softmax_cross_entropy, "logits", "target"),
        DENSE,
        batches=ANY_BATCH,
        function="optax.losses.softmax_cross_entropy",
    ),
    Row(
        "softmax_cross_entropy",
        "optax",
        optax_loss(optax.losses.softmax_cross_entropy, "logits", "target", axis=0),
        {n: (lambda rng, b: np.moveaxis(rng.dirichlet(np.ones(5), b), -1, 0)) for n in DENSE},
        {"axis": 0},
        function="optax.losses.softmax_cross_entropy",
    ),
    Row(
        "softmax_cross_entropy",
        "optax",
        lambda x, r: plain(
            optax.losses.softmax_cross_entropy(
                x.logits, optax.losses.smooth_labels(x.target, x.label_smoothing)
            ),
            r,
        ),
        DENSE,
        {"label_smoothing": 0.3},
        function="optax.losses.softmax_cross_entropy",
        adapter="targets smoothed by `smooth_labels`",
    ),
    Row(
        "sparse_softmax_cross_entropy",
        "optax",
        lambda x, r: masked(
            optax.losses.softmax_cross_entropy_with_integer_labels(x.logits, x.label), x.mask, r
        ),
        SPARSE,
        {"mask": flags()},
        function="optax.losses.softmax_cross_entropy_with_integer_labels",
    ),
    Row(
        "hinge",
        "optax",
        optax_loss(optax.losses.hinge_loss, "prediction", "target"),
        SIGNED,
        function="optax.losses.hinge_loss",
        unlike="slope -1/2 at the margin, where ours is 0",
    ),
    Row(
        "binary_focal",
        "optax",
        optax_loss(optax.losses.sigmoid_focal_loss, "logits", "target", options=("alpha", "gamma")),
        BINARY,
        {"alpha": 0.25, "gamma": 2.0},
        function="optax.losses.sigmoid_focal_loss",
        unlike=(
            "mixes the probabilities of soft labels: 0.1046 for logit log 3, target 1/2, "
            "alpha 1/2 and gamma 2, where ours is 0.1994"
        ),
    ),
    Row(
        "binary_focal",
        "optax",
        optax_loss(optax.losses.sigmoid_focal_loss, "logits", "target", options=("alpha", "gamma")),
        BINARY,
        {"alpha": 0.6, "gamma": 0.5},
        note="gamma below 1",
        function="optax.losses.sigmoid_focal_loss",
    ),
    Row(
        "kl_divergence",
        "optax",
        lambda x, r: plain(optax.losses.kl_divergence(jnp.log(x.prediction), x.target), r),
        DISTRIBUTIONS,
        function="optax.losses.kl_divergence",
        adapter="its input is the logarithm of the prediction",
    ),
    Row(
        "triplet_margin",
        "optax",
        optax_loss(
            optax.losses.triplet_margin_loss, "anchor", "positive", "negative", margin=1.0, eps=0.0
        ),
        TRIPLET,
        wrt=("anchor", "positive", "negative"),
        function="optax.losses.triplet_margin_loss",
        adapter="eps=0",
        unlike="slope NaN for equal embeddings, where ours is 0",
    ),
    Row(
        "nt_xent",
        "optax",
        lambda x, r: optax.losses.ntxent(x.embeddings, jnp.array([0, 1, 2, 0, 1, 2])),
        VIEWS,
        reductions=("mean",),
        batches=((6,),),
        function="optax.losses.ntxent",
        adapter="labels that are shared by two views, temperature 0.07",
    ),
    Row(
        "tversky",
        "optax",
        optax_tversky,
        SEGMENTED,
        {"alpha": 0.3, "beta": 0.8, "smooth": 1.5},
        batches=((2,),),
        function="optax.losses.dice_loss",
        adapter="apply_softmax=False, classes on the last axis",
    ),
    Row(
        "dice",
        "optax",
        lambda x, r: optax_tversky(
            SimpleNamespace(**{**vars(x), "alpha": 0.5, "beta": 0.5, "smooth": x.smooth / 2}), r
        ),
        SEGMENTED,
        {"smooth": 1.0},
        batches=((2,),),
        note="halved smoothing",
        function="optax.losses.dice_loss",
        adapter="half our smooth, apply_softmax=False",
        unlike="adds twice the smoothing: 4/15 for halved overlap and smooth 1, where ours is 3/8",
    ),
    Row(
        "jaccard",
        "optax",
        lambda x, r: optax_tversky(SimpleNamespace(**{**vars(x), "alpha": 1.0, "beta": 1.0}), r),
        SEGMENTED,
        {"smooth": 1.0},
        batches=((2,),),
        function="optax.losses.dice_loss",
        adapter="alpha=1, beta=1, apply_softmax=False",
    ),
]
