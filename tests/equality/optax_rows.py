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
    ),
    Row(
        "huber",
        "optax",
        optax_loss(optax.losses.huber_loss, "prediction", "target", options=("delta",)),
        REAL_PAIR,
        {"delta": 0.7},
    ),
    Row(
        "log_cosh",
        "optax",
        optax_loss(optax.losses.log_cosh, "prediction", "target"),
        REAL_PAIR,
        batches=ANY_BATCH,
    ),
    Row(
        "binary_cross_entropy_with_logits",
        "optax",
        optax_loss(optax.losses.sigmoid_binary_cross_entropy, "logits", "target"),
        LOGIT,
    ),
    Row(
        "softmax_cross_entropy",
        "optax",
        optax_loss(optax.losses.softmax_cross_entropy, "logits", "target"),
        DENSE,
        batches=ANY_BATCH,
    ),
    Row(
        "softmax_cross_entropy",
        "optax",
        optax_loss(optax.losses.softmax_cross_entropy, "logits", "target", axis=0),
        {n: (lambda rng, b: np.moveaxis(rng.dirichlet(np.ones(5), b), -1, 0)) for n in DENSE},
        {"axis": 0},
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
    ),
    Row(
        "sparse_softmax_cross_entropy",
        "optax",
        lambda x, r: masked(
            optax.losses.softmax_cross_entropy_with_integer_labels(x.logits, x.label), x.mask, r
        ),
        SPARSE,
        {"mask": flags()},
    ),
    Row("hinge", "optax", optax_loss(optax.losses.hinge_loss, "prediction", "target"), SIGNED),
    Row(
        "binary_focal",
        "optax",
        optax_loss(optax.losses.sigmoid_focal_loss, "logits", "target", options=("alpha", "gamma")),
        BINARY,
        {"alpha": 0.25, "gamma": 2.0},
    ),
    Row(
        "binary_focal",
        "optax",
        optax_loss(optax.losses.sigmoid_focal_loss, "logits", "target", options=("alpha", "gamma")),
        BINARY,
        {"alpha": 0.6, "gamma": 0.5},
        note="gamma below 1",
    ),
    Row(
        "kl_divergence",
        "optax",
        lambda x, r: plain(optax.losses.kl_divergence(jnp.log(x.prediction), x.target), r),
        DISTRIBUTIONS,
    ),
    Row(
        "triplet_margin",
        "optax",
        optax_loss(
            optax.losses.triplet_margin_loss, "anchor", "positive", "negative", margin=1.0, eps=0.0
        ),
        TRIPLET,
        wrt=("anchor", "positive", "negative"),
    ),
    Row(
        "nt_xent",
        "optax",
        lambda x, r: optax.losses.ntxent(x.embeddings, jnp.array([0, 1, 2, 0, 1, 2])),
        VIEWS,
        reductions=("mean",),
        batches=((6,),),
    ),
    Row(
        "tversky",
        "optax",
        optax_tversky,
        SEGMENTED,
        {"alpha": 0.3, "beta": 0.8, "smooth": 1.5},
        batches=((2,),),
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
    ),
    Row(
        "jaccard",
        "optax",
        lambda x, r: optax_tversky(SimpleNamespace(**{**vars(x), "alpha": 1.0, "beta": 1.0}), r),
        SEGMENTED,
        {"smooth": 1.0},
        batches=((2,),),
    ),
]
