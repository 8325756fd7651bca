"""What derivatives take for a constant, and what ties at a maximum share, to the second order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from losscompiler.spec import (
    AxisMax,
    AxisMin,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    log_softmax,
    loss,
    sigmoid,
    softmax,
    stop_gradient,
)
from tests.compiled import gradient, hessian_diagonal, value
from tests.hessians import checked
from tests.spec_helpers import declare

LIST, WEIGHTS = Prediction("class"), Target("class")
i, j, k = index("class", "i j k")
RANDOM = np.random.default_rng(8)


# ---- stop_gradient ----------------------------------------------------------------------------


def test_a_stopped_factor_is_constant_to_both_derivatives() -> None:
    made = declare(
        lambda x, w: Sum(w[k] * stop_gradient(sigmoid(x[k])) ** 2 * exp(x[k]), k), x=LIST, w=WEIGHTS
    )
    arrays = {"x": RANDOM.normal(size=(2, 4)), "w": RANDOM.normal(size=(2, 4))}
    stopped = torch.tensor(arrays["x"]).sigmoid() ** 2
    checked(made, lambda x, w: w * stopped * x.exp(), arrays)


def test_a_stopped_reduction_is_constant_to_both_derivatives() -> None:
    made = declare(
        lambda x, w: Sum(stop_gradient(softmax(x[k], k) - w[k]) * log_softmax(x[k], k) ** 2, k),
        x=LIST, w=WEIGHTS,
    )  # fmt: skip
    arrays = {"x": RANDOM.normal(size=(2, 4)), "w": RANDOM.normal(size=(2, 4))}
    stopped = torch.tensor(arrays["x"]).softmax(-1) - torch.tensor(arrays["w"])
    checked(made, lambda x, w: stopped * x.log_softmax(-1) ** 2, arrays)


def test_stopped_pairs_are_constant_to_both_derivatives() -> None:
    made = declare(
        lambda x: Sum(stop_gradient(exp(x[i] * x[j])) * (x[i] - x[j]) ** 4, i, j), x=LIST
    )
    arrays = {"x": RANDOM.normal(size=4)}
    start = torch.tensor(arrays["x"])
    stopped = (start[:, None] * start).exp()
    checked(made, lambda x: stopped * (x[:, None] - x) ** 4, arrays)


def test_what_is_stopped_twice_or_inside_another_loss_stays_constant() -> None:
    @loss
    def frozen(x: Any = Prediction("class"), w: Any = Target("class")) -> Any:
        return Sum(stop_gradient(x[k] * stop_gradient(w[k])) * x[k], k)

    made = declare(lambda x, w: frozen(x[k] ** 2, x[k] * w[k]), x=LIST, w=WEIGHTS)
    arrays = {"x": RANDOM.normal(size=3), "w": RANDOM.normal(size=3)}
    stopped = torch.tensor(arrays["x"] ** 3 * arrays["w"])
    checked(made, lambda x, w: stopped * x**2, arrays)


# ---- maxima and minima along an axis ----------------------------------------------------------

LARGEST = declare(lambda x: AxisMax(x[k], k), x=LIST)
SMALLEST = declare(lambda x: AxisMin(x[k] ** 2, k), x=LIST)
INF = np.inf


@pytest.mark.parametrize(
    ("x", "largest", "slope"),
    [
        ([1.0, 3.0, 3.0, 2.0], 3.0, [0, 1 / 2, 1 / 2, 0]),
        ([2.0, 2.0, 2.0, 2.0], 2.0, [1 / 4] * 4),
        ([-INF, 1.0, -INF, 1.0], 1.0, [0, 1 / 2, 0, 1 / 2]),
        ([-INF, -INF], -INF, [1 / 2, 1 / 2]),
        ([5.0], 5.0, [1]),
    ],
)
def test_tied_maxima_share_the_derivative(x: Any, largest: float, slope: Any) -> None:
    assert value(LARGEST, {"x": x}) == largest
    np.testing.assert_array_equal(gradient(LARGEST, {"x": x}), slope)
    np.testing.assert_array_equal(hessian_diagonal(LARGEST, {"x": x}), np.zeros(len(x)))


def test_a_maximum_of_what_is_no_number_is_none() -> None:
    assert np.isnan(value(LARGEST, {"x": [1.0, np.nan, 3.0]}))


def test_tied_minima_share_the_derivative() -> None:
    x = [-2.0, 3.0, 2.0]
    assert value(SMALLEST, {"x": x}) == 4
    np.testing.assert_array_equal(gradient(SMALLEST, {"x": x}), [-2, 0, 2])
