"""What is added up, and what it is divided by."""

from __future__ import annotations

import math
import warnings
from typing import Any

import keras
import numpy as np
import torch
import torch.nn.functional as F

from tests.disagreements.case import Case, arguments, floats
from tests.equality.classification_rows import timm_asymmetric

K = keras.losses
LOG2 = math.log(2)
KL = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
APART = [[0.0], [0.5], [5.0]]
ANSWERS = np.array([[True, False, False], [True, True, True]])  # of 1 and of 3 tokens
ASYMMETRIC = 0.5 * LOG2 - 0.45**4 * math.log(0.55)
WEIGHTS = np.array([3.0, 1.0])
FLAT_LOGITS = np.zeros((2, 2))
# One class that is found exactly and one that is missed entirely: (sample, class, position).
TRUTH = np.array([[[1.0, 1.0], [1.0, 0.0]]])
GUESS = np.array([[[1.0, 1.0], [0.0, 1.0]]])
# Two classes that share the positions: (sample, class, position).
HALF_TRUTH = np.array([[[1.0, 1.0], [0.0, 0.0]]])
HALF_GUESS = np.array([[[1.0, 0.0], [0.0, 1.0]]])


def quiet_kl_div() -> Any:
    with warnings.catch_warnings():  # torch itself warns that its mean is not the divergence
        warnings.simplefilter("ignore")
        return F.kl_div(floats([0.5, 0.5]).log(), floats([0.75, 0.25]))


def weighted_huber() -> Any:
    function: Any = F.huber_loss  # whose annotations do not know its weights yet
    return function(floats(3, 3), floats(0, 0), weight=floats(3, 1))


def one_hot_cross_entropy() -> Any:
    return F.cross_entropy(floats([0, 0]), floats([1, 0]), weight=floats(3, 1))


def ctc_of_two_labels() -> Any:
    uniform = torch.full((2, 1, 3), 1 / 3, dtype=torch.float64).log()
    return F.ctc_loss(uniform, torch.tensor([[1, 2]]), torch.tensor([2]), torch.tensor([2]))


def pml_mean() -> Any:
    """pytorch_metric_learning's AvgNonZeroReducer, of the pairs of `APART`."""
    costs = F.relu(1 - torch.cdist(floats(*APART), floats(*APART)))[~torch.eye(3).bool()]
    return costs[costs > 0].mean()


def timm_sum() -> Any:
    x = arguments(logits=[0.0, 0.0], target=[1.0, 0.0])
    x.gamma_negative, x.gamma_positive, x.clip = 4.0, 1.0, 0.05
    return timm_asymmetric(x).sum()


def monai_focal_sum() -> Any:
    """MONAI averages over the positions of a sample before it adds up."""
    cost = 0.25 * 0.25 * F.softplus(floats([0, 0, 0, 0]))
    return cost.mean(-1).sum()


def pycox_without_events() -> Any:
    """pycox divides the sum over the events by their number."""
    events = floats(0, 0)
    return (events * floats(1, 2)).sum() / events.sum()


CASES = [
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
    Case(
        "smp averages over ignored entries, too",
        lambda: (F.softplus(floats(0, 0)) * floats(1, 0)).mean(),
        LOG2 / 2,
        "binary_cross_entropy_with_logits",
        ([0.0, 0.0], [1.0, 1.0]),
        LOG2,
        {"mask": np.array([True, False])},
    ),
    Case(
        "torch divides a CTC loss by the number of labels before it averages",
        ctc_of_two_labels,
        math.log(3),
        "ctc",
        (np.zeros((1, 2, 3)), np.array([[1, 2]]), [2.0], [2.0]),
        2 * math.log(3),
    ),
    Case(
        "keras averages over the last axis under every reduction",
        lambda: K.MeanSquaredError(reduction="sum")(np.zeros((1, 2)), np.array([[1.0, 3.0]])),
        5,
        "squared_error",
        ([[1.0, 3.0]], [[0.0, 0.0]]),
        10,
        {"reduction": "sum"},
    ),
    Case(
        "pytorch-metric-learning averages over what is not 0",
        pml_mean,
        0.5,
        "contrastive_batch",
        (APART, np.array([0, 1, 2])),
        1 / 6,
    ),
    Case(
        "grpo of trl averages over each answer first",
        lambda: floats(1 / 1, 0 / 3).mean(),
        0.5,
        "grpo",
        (np.zeros((2, 3)), np.zeros((2, 3)), [-1.0, 0.0], np.zeros((2, 3))),
        0.25,
        {"mask": ANSWERS},
    ),
    Case(
        "dr_grpo of trl divides by a constant length",
        lambda: floats(1, 0).sum() / (2 * 4),
        0.125,
        "grpo",
        (np.zeros((2, 3)), np.zeros((2, 3)), [-1.0, 0.0], np.zeros((2, 3))),
        0.125,
        {"mask": ANSWERS, "normalizer": 8.0},
    ),
    Case(
        "timm adds up its asymmetric loss",
        timm_sum,
        ASYMMETRIC,
        "asymmetric_multilabel",
        ([0.0, 0.0], [1.0, 0.0]),
        ASYMMETRIC / 2,
    ),
    Case(
        "monai averages a focal loss over positions under the reduction sum",
        monai_focal_sum,
        LOG2 / 16,
        "binary_focal",
        ([[0.0] * 4], [[1.0] * 4]),
        LOG2 / 4,
        {"reduction": "sum"},
    ),
    Case(
        "pycox divides by the number of events",
        pycox_without_events,
        math.nan,
        "cox_partial_likelihood",
        ([1.0, 2.0], [1.0, 2.0], np.array([False, False])),
        0,
    ),
]
