"""Losses that no installed library has, and corners of the others, against numbers by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tests.equality.compare import BACKENDS, ours

LOG2, LOG3 = math.log(2), math.log(3)
SOFTPLUS1 = math.log(1 + math.e)


@dataclass(frozen=True)
class Case:
    """A loss of some inputs, its value, and (where given) the gradient by the first input."""

    name: str
    loss: str
    inputs: tuple[Any, ...]
    value: Any
    gradient: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)


CASES = [
    Case("quadratic near the target", "tukey_biweight", (0.01, 0.0), 5e-5, 0.01, {"c": 1e8}),
    Case("halfway", "tukey_biweight", (1.0, 0.0), 4 / 6 * (1 - 0.75**3), 0.75**2, {"c": 2.0}),
    Case("the rest is forgotten", "tukey_biweight", (-9.0, 0.0), 4 / 6, 0.0, {"c": 2.0}),
    Case("default of 95 % efficiency", "tukey_biweight", (9.0, 0.0), 4.685**2 / 6, 0.0),
    Case("too high", "linex", (2.0, 1.0), math.e - 2, math.e - 1),
    Case("too low", "linex", (0.0, 1.0), 1 / math.e, 1 / math.e - 1),
    Case("turned round", "linex", (0.0, 1.0), math.exp(2) - 3, 2 - 2 * math.exp(2), {"a": -2.0}),
    Case("at the target", "linex", (1.0, 1.0), 0.0, 0.0),
    Case("at the quantile", "quantile", (1.0, 1.0), 0.0, 0.0, {"tau": 0.9}),
    Case("too low for a high quantile", "quantile", (0.0, 2.0), 1.8, -0.9, {"tau": 0.9}),
    Case("no count", "poisson_nll_rate", (2.0, 0.0), 2.0, 1.0),
    Case("certain and right", "binary_cross_entropy", (1.0, 1.0), 0.0),
    Case("far off", "binary_cross_entropy_with_logits", (-800.0, 1.0), 800.0, -1.0),
    Case("positives count", "binary_cross_entropy_with_logits", (0.0, 1.0), 3 * LOG2, -1.5,
         {"pos_weight": 3.0}),
    Case("excluded class", "kl_divergence", ([0.25, 0.75], [0.0, 1.0]), -math.log(0.75)),
    Case("certain, right, slope of a small power", "binary_focal", (100.0, 1.0), 0.0, 0.0,
         {"alpha": 0.5, "gamma": 0.5}),
    Case("half sure", "softmax_focal", ([0.0, 0.0], 1), LOG2 / 4,
         [0.25 * (0.5 + LOG2), -0.25 * (0.5 + LOG2)]),
    Case("overflow of exp", "sparse_softmax_cross_entropy", ([1e3, 0.0], 1), 1e3, [1.0, -1.0]),
    Case("all targets smoothed", "sparse_softmax_cross_entropy", ([LOG3, 0.0], 0),
         2 * LOG2 - LOG3 / 2, [0.25, -0.25], {"label_smoothing": 1.0}),
    Case("excluded class", "sparse_softmax_cross_entropy", ([LOG3, -np.inf, 0.0], 0),
         2 * LOG2 - LOG3, [-0.25, 0.0, 0.25]),
    Case("the same box", "giou", ([0.0, 0, 2, 1], [0.0, 0, 2, 1]), 0.0),
    Case("half a box", "giou", ([0.0, 0, 1, 1], [0.0, 0, 2, 1]), 0.5),
    Case("a third of a box", "giou", ([0.0, 0, 2, 1], [1.0, 0, 3, 1]), 2 / 3),
    Case("a gap between boxes", "giou", ([0.0, 0, 1, 1], [2.0, 0, 3, 1]), 4 / 3),
    Case("pixels per class", "jaccard",
         ([[[1.0, 1, 0], [0.5, 0, 0]]], [[[1.0, 0, 0], [1.0, 1, 0]]]),
         [[1 - 2 / 3, 1 - 1.5 / 3]], None, {"reduction": "none"}),
    Case("absent class", "dice", ([[[0.0, 0, 0]]], [[[0.0, 0, 0]]]), 0.0),
    Case("together", "contrastive", ([3.0, 0], [0.0, 4], 1.0), 25.0, [6.0, -8.0]),
    Case("apart", "contrastive", ([3.0, 0], [0.0, 4], 0.0), 1.0, [-1.2, 1.6], {"margin": 6.0}),
    Case("apart and the same", "contrastive", ([3.0, 4], [3.0, 4], 0.0), 1.0, [0.0, 0.0]),
    Case("far enough", "triplet_margin", ([0.0], [1.0], [5.0]), 0.0, [0.0]),
    Case("alone", "info_nce", ([[1.0, 2]], [[3.0, 1]]), 0.0, [[0.0, 0.0]]),
    Case("opposite views", "info_nce", ([[2.0, 0], [0, 3]], [[1.0, 0], [0, 1]]),
         math.log(1 + math.exp(-2)), None, {"temperature": 0.5}),
    Case("one pair", "nt_xent", ([[1.0, 2], [3, 1]], [1, 0]), 0.0),
    Case("two pairs", "nt_xent", ([[2.0, 0], [0, 1], [1, 0], [0, 3]], [2, 3, 0, 1]),
         math.log(1 + 2 / math.e), None, {"temperature": 1.0}),
    Case("unordered list", "pairwise_logistic", ([1.0, 2, 3], [5.0, 5, 5]), 0.0, [0.0, 0, 0]),
    Case("one pair in a padded list", "pairwise_logistic",
         ([0.0, 1.0, 9.0], [2.0, 1.0, 3.0], [True, True, False]),
         SOFTPLUS1, [-math.e / (1 + math.e), math.e / (1 + math.e), 0.0]),
    Case("no event", "cox_partial_likelihood", ([1.0, 2.0], [1.0, 2.0], [False, False]), 0.0,
         [0.0, 0.0]),
    Case("tied events", "cox_partial_likelihood", ([0.0, 0.0], [1.0, 1.0], [True, True]), LOG2,
         [0.0, 0.0]),
    Case("censored later", "cox_partial_likelihood",
         ([0.0, LOG2, 0.0], [1.0, 3.0, 2.0], [True, False, True]),
         (2 * LOG2 + LOG3) / 2, [(0.25 - 1) / 2, (0.5 + 2 / 3) / 2, (0.25 + 1 / 3 - 1) / 2]),
]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES, ids=[f"{case.loss}-{case.name}" for case in CASES])
def test_value_by_hand(case: Case, backend: str) -> None:
    value, gradients = ours(backend, case.loss, map(np.asarray, case.inputs), case.options)
    np.testing.assert_allclose(value, case.value, rtol=1e-13, atol=1e-14)
    if case.gradient is not None:
        np.testing.assert_allclose(gradients[0], case.gradient, rtol=1e-13, atol=1e-14)
