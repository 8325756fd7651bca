"""Labels, signs, parameters and constants."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch
import torch.nn.functional as F

from tests.disagreements.case import Case, arguments, floats
from tests.equality.metric_rows import pml_margin
from tests.equality.self_supervised_rows import lightly_barlow

K = keras.losses
LOG2 = math.log(2)
WEIGHTS = np.array([3.0, 1.0])
FLAT_LOGITS = np.zeros((2, 2))
# One class that is found exactly and one that is missed entirely: (sample, class, position).
TRUTH = np.array([[[1.0, 1.0], [1.0, 0.0]]])
GUESS = np.array([[[1.0, 1.0], [0.0, 1.0]]])
# Two classes that share the positions: (sample, class, position).
HALF_TRUTH = np.array([[[1.0, 1.0], [0.0, 0.0]]])
HALF_GUESS = np.array([[[1.0, 0.0], [0.0, 1.0]]])


TWO_VIEWS = np.array([[1.0, -1.0], [-1.0, 1.0]])
VIEWS = arguments(first=TWO_VIEWS.tolist(), second=(-TWO_VIEWS).tolist())
VIEWS.epsilon, VIEWS.off_diagonal = 1e-12, 0.0
SOFT_FOCAL = 0.25 * (-math.log(0.75) * 0.0625 - math.log(0.25) * 0.5625)


def pml_margin_mean() -> Any:
    """Two negatives of which one is too near."""
    x = arguments(first=[[0.0], [0.0]], second=[[0.5], [5.0]], target=[-1.0, -1.0])
    x.margin, x.beta = 0.2, 1.2
    costs = pml_margin(x, "none")
    return costs.sum() / (costs > 0).sum()


def tfa_alone() -> Any:
    """tensorflow_addons starts from the least distance where it looks for the largest."""
    apart = torch.cdist(floats([0], [0.5]), floats([0], [0.5]))
    least = apart.amin(1)
    farthest = ((apart - least[:, None]) * 0).amax(1) + least  # nobody belongs together
    return F.relu(farthest - floats(0.5, 0.5) + 1).mean()


def smp_smoothing() -> Any:
    """smp moves targets by all of the smoothing, to 0.2 and 0.8."""
    return F.binary_cross_entropy_with_logits(floats(2), floats(0.8))


def cpo_trainer() -> Any:
    """Trl's CPOTrainer adds up log-probabilities, where DPOTrainer averages them."""
    ratio = floats([0.2] * 5).sum()
    return (ratio - 1 / 2) ** 2


def rax_mse() -> Any:
    """Rax counts each item's pair with itself."""
    scores, relevance = floats(0, 1), floats(1, 0)
    gaps = (scores[:, None] - scores) - (relevance[:, None] - relevance)
    return (gaps**2).mean()


CASES = [
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
    Case(
        "keras takes the distribution that counts first",
        lambda: K.kl_divergence(np.array([0.5, 0.5]), np.array([0.75, 0.25])),
        0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25),
        "kl_divergence",
        ([0.5, 0.5], [0.75, 0.25]),
        0.75 * math.log(1.5) + 0.25 * math.log(0.5),
    ),
    Case(
        "torch adds up both branches of a hinge for a target of 0",
        lambda: F.hinge_embedding_loss(floats(0.25), floats(0)),
        1,
        "hinge_embedding",
        (0.25, 0.0),
        0.75,
    ),
    Case(
        "keras turns the sign of a cosine, and does not add 1",
        lambda: K.CosineSimilarity()(np.array([[1.0, 0.0]]), np.array([[2.0, 0.0]])),
        -1,
        "cosine_distance",
        ([2.0, 0.0], [1.0, 0.0]),
        0,
    ),
    Case(
        "keras multiplies all classes of a focal loss by alpha",
        lambda: K.categorical_focal_crossentropy(
            np.array([0.0, 1.0]), np.array([0.5, 0.5]), alpha=0.25, gamma=0.0
        ),
        LOG2 / 4,
        "softmax_focal",
        ([0.0, 0.0], np.array(1)),
        LOG2,
        {"gamma": 0.0},
    ),
    Case(
        "torch adds Stirling's formula for counts above 1 only",
        lambda: F.poisson_nll_loss(floats(0), floats(0.5), full=True),
        1,
        "poisson_nll_full",
        (0.0, 0.5),
        1 + math.lgamma(1.5),
    ),
    Case(
        "smp smooths labels of two classes twice as much",
        smp_smoothing,
        math.log1p(math.exp(2)) - 1.6,
        "binary_cross_entropy_with_logits",
        (2.0, 1.0),
        math.log1p(math.exp(2)) - 1.8,
        {"label_smoothing": 0.2},
    ),
    Case(
        "optax adds up signed differences for a norm of order 1",
        lambda: optax.losses.triplet_margin_loss(
            jnp.zeros(2), jnp.array([2.0, -2.0]), jnp.zeros(2), norm_degree=1, eps=0.0
        ),
        1,
        "triplet_margin",
        ([0.0, 0.0], [2.0, -2.0], [0.0, 0.0]),
        5,
        {"p": 1.0},
    ),
    Case(
        "torch adds 1e-6 to each difference of a triplet",
        lambda: F.triplet_margin_loss(floats([0, 0]), floats([0, 0]), floats([3, 4]), margin=5.0),
        1e-6 * (math.sqrt(2) + 1.4),
        "triplet_margin",
        ([0.0, 0.0], [0.0, 0.0], [3.0, 4.0]),
        0,
        {"margin": 5.0},
    ),
    Case(
        "trl adds up the log-ratios of ipo in one trainer, and averages them in the other",
        cpo_trainer,
        0.25,
        "ipo",
        (0.2, 0.0, 0.0, 0.0),
        0.09,
        {"beta": 1.0},
    ),
    Case(
        "rax counts each item's pair with itself",
        rax_mse,
        2,
        "pairwise_mse",
        ([0.0, 1.0], [1.0, 0.0], np.array([True, True])),
        4,
    ),
    Case(
        "solo-learn scales the loss of Barlow twins",
        lambda: 0.025 * lightly_barlow(VIEWS, "mean"),
        0.025 * 8,
        "barlow_twins",
        (TWO_VIEWS, -TWO_VIEWS),
        8,
        {"epsilon": 1e-12, "off_diagonal": 0.0},
    ),
    Case(
        "tensorflow_addons lets an anchor without positives cost something",
        tfa_alone,
        0.5,
        "triplet_batch_hard",
        ([[0.0], [0.5]], np.array([0, 1])),
        0,
    ),
    Case(
        "pytorch-metric-learning divides a margin loss by the pairs that cost anything",
        pml_margin_mean,
        0.9,
        "margin_based",
        ([[0.0], [0.0]], [[0.5], [5.0]], [-1.0, -1.0]),
        0.45,
    ),
]
