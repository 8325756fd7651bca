"""Where a library's loss of the same name gives another number, and which number is ours.

These are differences of meaning: a library that comes to agree makes its case fail here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from sklearn._loss import loss as sklearn_loss

from tests.equality.compare import BACKENDS, ours

LOG2 = math.log(2)
KL = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
SOFT_FOCAL = 0.25 * (-math.log(0.75) * 0.0625 - math.log(0.25) * 0.5625)


@dataclass(frozen=True)
class Case:
    """`theirs` gives the first number, our loss of these inputs the second."""

    name: str
    theirs: Callable[[], Any]
    number: float
    loss: str
    inputs: tuple[Any, ...]
    our_number: float
    options: Mapping[str, Any] = field(default_factory=dict)
    gradient: bool = False
    dtype: str = "float64"


def floats(*values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def quiet_kl_div() -> Any:
    with warnings.catch_warnings():  # torch itself warns that its mean is not the divergence
        warnings.simplefilter("ignore")
        return F.kl_div(floats([0.5, 0.5]).log(), floats([0.75, 0.25]))


def weighted_huber() -> Any:
    function: Any = F.huber_loss  # whose annotations do not know its weights yet
    return function(floats(3, 3), floats(0, 0), weight=floats(3, 1))


def one_hot_cross_entropy() -> Any:
    return F.cross_entropy(floats([0, 0]), floats([1, 0]), weight=floats(3, 1))


def sklearn_absolute_gradient() -> Any:
    zero = np.zeros(1)
    return sklearn_loss.AbsoluteError().gradient(y_true=zero, raw_prediction=zero)[0]


K = keras.losses
WEIGHTS = np.array([3.0, 1.0])
FLAT_LOGITS = np.zeros((2, 2))
# One class that is found exactly and one that is missed entirely: (sample, class, position).
TRUTH = np.array([[[1.0, 1.0], [1.0, 0.0]]])
GUESS = np.array([[[1.0, 1.0], [0.0, 1.0]]])
# Two classes that share the positions: (sample, class, position).
HALF_TRUTH = np.array([[[1.0, 1.0], [0.0, 0.0]]])
HALF_GUESS = np.array([[[1.0, 0.0], [0.0, 1.0]]])

CASES = [
    # ---- what a weighted mean divides by: the sum of the weights, always ----
    Case(
        "keras divides a weighted mean by the number of samples",
        lambda: K.MeanSquaredError()(
            np.zeros((2, 1)), np.array([[1.0], [3.0]]), sample_weight=np.array([1.0, 3.0])
        ),
        14,
        "squared_error",
        ([1.0, 3.0], [0.0, 0.0]),
        7,
        {"weight": np.array([1.0, 3.0])},
    ),
    Case(
        "torch divides a weighted huber by the number of entries",
        weighted_huber,
        5,
        "huber",
        ([3.0, 3.0], [0.0, 0.0]),
        2.5,
        {"weight": WEIGHTS},
    ),
    Case(
        "torch divides a weighted binary cross-entropy by the number of entries",
        lambda: F.binary_cross_entropy_with_logits(floats(0, 0), floats(1, 0), weight=floats(3, 1)),
        2 * LOG2,
        "binary_cross_entropy_with_logits",
        ([0.0, 0.0], [1.0, 0.0]),
        LOG2,
        {"weight": WEIGHTS},
    ),
    Case(
        "torch divides by the number of samples once labels are one-hot",
        one_hot_cross_entropy,
        3 * LOG2,
        "sparse_softmax_cross_entropy",
        (FLAT_LOGITS, np.array([0, 0])),
        LOG2,
        {"class_weight": WEIGHTS},
    ),
    Case(
        "torch weighs the smoothed part by the class that it falls on",
        lambda: F.cross_entropy(
            floats([0, 0]), torch.tensor([0]), weight=floats(3, 1), label_smoothing=0.5
        ),
        2.5 / 3 * LOG2,
        "sparse_softmax_cross_entropy",
        (FLAT_LOGITS[:1], np.array([0])),
        LOG2,
        {"class_weight": WEIGHTS, "label_smoothing": 0.5},
    ),
    Case(
        "keras divides by the number of samples that are not ignored",
        lambda: K.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1)(
            np.array([0, 1]), FLAT_LOGITS, sample_weight=WEIGHTS
        ),
        3 * LOG2,
        "sparse_softmax_cross_entropy",
        (FLAT_LOGITS, np.array([0, 1])),
        LOG2,
        {"weight": WEIGHTS, "ignore_index": 1},
    ),
    Case(
        "torch gives NaN if every label is ignored",
        lambda: F.cross_entropy(floats([1, 2]), torch.tensor([-100])),
        math.nan,
        "sparse_softmax_cross_entropy",
        (np.array([[1.0, 2.0]]), np.array([-100])),
        0,
        {"ignore_index": -100},
    ),
    Case(
        "torch averages a divergence over the classes",
        quiet_kl_div,
        KL / 2,
        "kl_divergence",
        ([[0.5, 0.5]], [[0.75, 0.25]]),
        KL,
    ),
    Case(
        "keras pools all samples and classes in dice",
        lambda: K.dice(TRUTH, GUESS),
        1 / 3,
        "dice",
        (GUESS, TRUTH),
        0.5,
        {"smooth": 1e-9},
    ),
    # ---- labels, parameters, constants ----
    Case(
        "keras has the best rival of the categorical hinge score at least 0",
        lambda: K.CategoricalHinge()(np.array([[1.0, 0.0]]), np.array([[-1.0, -2.0]])),
        2,
        "categorical_hinge",
        (np.array([[-1.0, -2.0]]), np.array([0])),
        0,
    ),
    Case(
        "optax does not divide its hinge of many classes by them, as torch and our multi_margin do",
        lambda: optax.losses.multiclass_hinge_loss(jnp.array([0.5, 0.0]), jnp.array(0)),
        0.5,
        "multi_margin",
        (np.array([[0.5, 0.0]]), np.array([0])),
        0.25,
    ),
    Case(
        "keras gives relative errors in per cent",
        lambda: K.MeanAbsolutePercentageError()(np.array([2.0]), np.array([3.0])),
        50,
        "absolute_percentage_error",
        (3.0, 2.0),
        0.5,
    ),
    Case(
        "keras clips what the logarithmic error is taken of",
        lambda: K.MeanSquaredLogarithmicError()(np.array([0.0]), np.array([-0.5])),
        0,
        "squared_logarithmic_error",
        (-0.5, 0.0),
        LOG2**2,
    ),
    Case(
        "keras takes hinge targets of 0 for -1",
        lambda: K.hinge(np.array([0.0, 0.0]), np.array([0.3, -0.5])),
        0.9,
        "hinge",
        ([0.3, -0.5], [0.0, 0.0]),
        1,
    ),
    Case(
        "torch divides smooth_l1 by beta, which huber does not",
        lambda: F.smooth_l1_loss(floats(3), floats(0), beta=0.5),
        2.75,
        "huber",
        (3.0, 0.0),
        1.375,
        {"delta": 0.5},
    ),
    Case(
        "optax halves its l2 loss",
        lambda: optax.losses.l2_loss(jnp.array(3.0), jnp.array(0.0)),
        4.5,
        "squared_error",
        (3.0, 0.0),
        9,
    ),
    Case(
        "keras swaps alpha and beta of tversky",
        lambda: K.tversky(np.array([1.0, 1.0]), np.array([1.0, 0.0]), alpha=1.0, beta=0.0),
        0.5,
        "tversky",
        ([[[1.0, 0.0]]], [[[1.0, 1.0]]]),
        0,
        {"alpha": 1.0, "beta": 0.0},
    ),
    Case(
        "keras ignores alpha of the binary focal loss unless told otherwise",
        lambda: K.binary_focal_crossentropy(
            np.array([1.0]), np.array([0.0]), alpha=0.25, gamma=0.0, from_logits=True
        ),
        LOG2,
        "binary_focal",
        (0.0, 1.0),
        LOG2 / 4,
        {"alpha": 0.25, "gamma": 0.0},
    ),
    Case(
        "optax mixes the probabilities of soft labels in the focal loss",
        lambda: optax.losses.sigmoid_focal_loss(
            jnp.array(math.log(3)), jnp.array(0.5), alpha=0.5, gamma=2.0
        ),
        -(math.log(0.75) + math.log(0.25)) / 16,
        "binary_focal",
        (math.log(3), 0.5),
        SOFT_FOCAL,
        {"alpha": 0.5, "gamma": 2.0},
    ),
    Case(
        "optax doubles the smoothing of dice",
        lambda: optax.losses.dice_loss(
            jnp.moveaxis(HALF_GUESS, 1, -1), jnp.moveaxis(HALF_TRUTH, 1, -1), apply_softmax=False
        ).mean(),
        4 / 15,
        "dice",
        (HALF_GUESS, HALF_TRUTH),
        3 / 8,
    ),
    Case(
        "keras takes the Poisson prediction for a rate",
        lambda: K.poisson(np.array([2.0]), np.array([1.0])),
        1,
        "poisson_nll",
        (1.0, 2.0),
        math.e - 2,
    ),
    # ---- clipping and lost digits ----
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
    # ---- slopes at a kink: the one of least norm ----
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
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_library_still_differs(case: Case) -> None:
    with jax.enable_x64(case.dtype == "float64"):
        number = float(np.asarray(case.theirs()))
    assert number == pytest.approx(case.number, rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_ours_is_the_number_of_the_formula(case: Case, backend: str) -> None:
    arrays = [np.asarray(a) for a in case.inputs]
    inputs = [a.astype(case.dtype) if a.dtype.kind == "f" else a for a in arrays]
    value, gradients = ours(backend, case.loss, inputs, case.options)
    got = float(gradients[0].sum()) if case.gradient else float(value)
    assert got == pytest.approx(case.our_number, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_to_average_has_a_zero_gradient(backend: str) -> None:
    logits = np.array([[1.0, 2.0]])
    _, (gradient,) = ours(
        backend,
        "sparse_softmax_cross_entropy",
        [logits, np.array([-100])],
        {"ignore_index": -100},
    )
    np.testing.assert_array_equal(gradient, np.zeros((1, 2)))


def test_tensorflow_has_another_slope_at_a_kink_than_we_do() -> None:
    zero = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(zero)
        value = tf.maximum(zero, 0.0)
    assert float(tape.gradient(value, zero)) == 1.0
