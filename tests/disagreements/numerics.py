"""Clipped and lost numbers, and slopes where there is no one derivative."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch
import torch.nn.functional as F
from sklearn._loss import loss as sklearn_loss

from tests.disagreements.case import Case, floats

K = keras.losses
LOG2 = math.log(2)


def sklearn_absolute_gradient() -> Any:
    zero = np.zeros(1)
    return sklearn_loss.AbsoluteError().gradient(y_true=zero, raw_prediction=zero)[0]


def slope(function: Any, at: torch.Tensor) -> Any:
    """The gradient by one number in PyTorch."""
    at.requires_grad_()
    return torch.autograd.grad(function(at).sum(), at)[0].sum()


def torchvision_focal(z: torch.Tensor) -> Any:
    """torchvision's focal loss of positives with a power of 1/2, without alpha."""
    missed = 1 - torch.sigmoid(z)
    return F.softplus(-z) * missed**0.5


def keras_numpy_logits() -> Any:
    """Keras on NumPy clips the probability of a logit of 40 for a target of 0."""
    probability = torch.sigmoid(torch.tensor(40.0, dtype=torch.float32))
    return -torch.log(1 - probability.clamp(1e-7, 1 - 1e-7))


CASES = [
    Case(
        "torch overflows in the soft margin loss",
        lambda: F.soft_margin_loss(torch.tensor([-100.0]), torch.tensor([1.0])),
        math.inf,
        "soft_margin",
        (-100.0, 1.0),
        100,
        dtype="float32",
    ),
    Case(
        "torch clamps the logarithm of a probability at -100",
        lambda: F.binary_cross_entropy(floats(0), floats(1)),
        100,
        "binary_cross_entropy",
        (0.0, 1.0),
        math.inf,
    ),
    Case(
        "keras clips probabilities",
        lambda: K.binary_crossentropy(np.array([1.0]), np.array([0.0])),
        -math.log(1e-7),
        "binary_cross_entropy",
        (0.0, 1.0),
        math.inf,
    ),
    Case(
        "keras clips both distributions of the divergence",
        lambda: K.kl_divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0])),
        -math.log(1e-7) * (1 - 1e-7),
        "kl_divergence",
        ([0.0, 1.0], [1.0, 0.0]),
        math.inf,
    ),
    Case(
        "torch clamps the variance",
        lambda: F.gaussian_nll_loss(floats(0), floats(0), floats(1e-9)),
        math.log(1e-6) / 2,
        "gaussian_nll",
        (0.0, 1e-9, 0.0),
        math.log(1e-9) / 2,
    ),
    Case(
        "optax loses a small log_cosh in float32",
        lambda: optax.losses.log_cosh(jnp.float32(1e-4), jnp.float32(0)),
        0,
        "log_cosh",
        (1e-4, 0.0),
        5e-9,
        dtype="float32",
    ),
    Case(
        "jax gives abs the slope 1 at 0",
        lambda: jax.grad(jnp.abs)(0.0),
        1,
        "absolute_error",
        (0.0, 0.0),
        0,
        gradient=True,
    ),
    Case(
        "scikit-learn gives the absolute error the slope -1 at 0",
        sklearn_absolute_gradient,
        -1,
        "absolute_error",
        (0.0, 0.0),
        0,
        gradient=True,
    ),
    Case(
        "optax gives the hinge half its slope at the margin",
        lambda: jax.grad(optax.losses.hinge_loss)(1.0, 1.0),
        -0.5,
        "hinge",
        (1.0, 1.0),
        0,
        gradient=True,
    ),
    Case(
        "optax has no slope for a triplet of equal embeddings",
        lambda: jax.grad(lambda a: optax.losses.triplet_margin_loss(a, a * 0, a * 0, eps=0.0))(
            jnp.zeros(2)
        ).sum(),
        math.nan,
        "triplet_margin",
        (np.zeros(2), np.zeros(2), np.zeros(2)),
        0,
        gradient=True,
    ),
    Case(
        "torch has a large slope where a probability is 0",
        lambda: slope(lambda p: F.binary_cross_entropy(p, floats(1)), floats(0)),
        -1e12,
        "binary_cross_entropy",
        (0.0, 1.0),
        -math.inf,
        gradient=True,
    ),
    Case(
        "keras on numpy clips the probabilities of logits",
        keras_numpy_logits,
        15.942385,
        "binary_cross_entropy_with_logits",
        (40.0, 0.0),
        40,
    ),
    Case(
        "torchvision has no slope for a saturated logit and a power below 1",
        lambda: slope(torchvision_focal, floats(100)),
        math.nan,
        "binary_focal",
        (100.0, 1.0),
        0,
        {"gamma": 0.5},
        gradient=True,
    ),
    Case(
        "optax has no slope for the cosine of a zero vector",
        lambda: jax.grad(lambda x: optax.losses.cosine_distance(x, jnp.ones(2)))(
            jnp.zeros(2)
        ).sum(),
        math.nan,
        "cosine_distance",
        (np.zeros(2), np.ones(2)),
        0,
        gradient=True,
    ),
    Case(
        "torch has a steep slope for the cosine of a zero vector",
        lambda: slope(
            lambda x: F.cosine_embedding_loss(x, floats([1, 1]), floats(1)), floats([0, 0])
        ),
        -1e6 * math.sqrt(2),
        "cosine_embedding",
        ([[0.0, 0.0]], [[1.0, 1.0]], [1.0]),
        0,
        gradient=True,
    ),
    Case(
        "torch lets the gradient pass a clamped variance",
        lambda: slope(lambda v: F.gaussian_nll_loss(floats(0), floats(1), v), floats(1e-9)),
        0.5e6 - 0.5e12,
        "gaussian_nll",
        (0.0, 1e-9, 1.0),
        0.5e9 - 0.5e18,
        gradient=True,
        by=1,
    ),
    Case(
        "torch has an infinite CTC loss where no alignment fits",
        lambda: F.ctc_loss(
            torch.zeros(1, 1, 3), torch.tensor([[1, 2]]), torch.tensor([1]), torch.tensor([2])
        ),
        math.inf,
        "ctc",
        (np.zeros((1, 1, 3)), np.array([[1, 2]]), [1.0], [2.0]),
        0,
    ),
    Case(
        "optax has a large CTC loss where no alignment fits",
        lambda: optax.losses.ctc_loss(
            jnp.zeros((1, 1, 3)), jnp.zeros((1, 1)), jnp.array([[1, 2]]), jnp.zeros((1, 2))
        ).sum(),
        100000,
        "ctc",
        (np.zeros((1, 1, 3)), np.array([[1, 2]]), [1.0], [2.0]),
        0,
    ),
    Case(
        "keras loses a small log_cosh in float32",
        lambda: K.log_cosh(np.zeros(1, np.float32), np.full(1, 1e-4, np.float32)),
        0,
        "log_cosh",
        (1e-4, 0.0),
        5e-9,
        dtype="float32",
    ),
    Case(
        "torch adds up in half precision",
        lambda: F.mse_loss(
            torch.ones(512, 512).half(), torch.zeros(512, 512).half(), reduction="sum"
        ),
        math.inf,
        "squared_error",
        (np.ones((512, 512)), np.zeros((512, 512))),
        512 * 512,
        {"reduction": "sum"},
        dtype="float16",
    ),
]
