"""The oracle against closed forms, and its conventions at kinks and ties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.case import Case
from losscompiler.crosscheck.expected import LossOracle
from losscompiler.crosscheck.precision import MP
from losscompiler.crosscheck.subgradient import least_norm
from losscompiler.spec import (
    Abs,
    AxisMax,
    Eq,
    Label,
    Loss,
    Max,
    Mean,
    Norm,
    Param,
    Piecewise,
    Prediction,
    Sum,
    Target,
    cosh,
    exp,
    index,
    log,
    loss,
    sigmoid,
    sqrt,
    stop_gradient,
)


@loss
def absolute(z: Any = Prediction(), y: Any = Target()) -> Any:
    return Abs(z - y)


@loss
def tilted(z: Any = Prediction(), y: Any = Target()) -> Any:
    return Abs(z - y) + 2 * (z - y)


@loss
def hinge(z: Any = Prediction(), y: Any = Target(values={-1, 1})) -> Any:
    return Max(0, 1 - y * z)


@loss
def quantile(
    z: Any = Prediction(), y: Any = Target(), *, q: Any = Param(0.25, interval=(0, 1))
) -> Any:
    return Max(q * (y - z), (q - 1) * (y - z))


@loss
def huber(z: Any = Prediction(), y: Any = Target(), *, d: Any = Param(1, positive=True)) -> Any:
    r = z - y
    return Piecewise((r**2 / 2, Abs(r) <= d), (d * (Abs(r) - d / 2), True))


@loss
def expectile(z: Any = Prediction(), y: Any = Target()) -> Any:
    return Piecewise(((z - y) ** 2, z > y), (3 * (z - y) ** 2, True))


@loss
def stable_bce(z: Any = Prediction(), y: Any = Target(interval=(0, 1))) -> Any:
    return Max(z, 0) - z * y + log(1 + exp(-Abs(z)))


@loss
def naive_bce(z: Any = Prediction(), y: Any = Target(interval=(0, 1))) -> Any:
    p = sigmoid(z)
    return -(y * log(p) + (1 - y) * log(1 - p))


@loss
def bce(p: Any = Prediction(interval=(0, 1)), y: Any = Target(interval=(0, 1))) -> Any:
    return -(y * log(p) + (1 - y) * log(1 - p))


@loss
def log_cosh(z: Any = Prediction(), y: Any = Target()) -> Any:
    return log(cosh(z - y))


@loss
def root(z: Any = Prediction()) -> Any:
    return sqrt(Abs(z))


@loss
def frozen(a: Any = Prediction(), b: Any = Prediction()) -> Any:
    return stop_gradient(a) * a * b


@loss
def larger(a: Any = Prediction(), b: Any = Prediction()) -> Any:
    return Max(a, b)


@loss
def largest(s: Any = Prediction("class")) -> Any:
    k = index("class", "k")
    return AxisMax(s[k], k)


@loss
def distance(a: Any = Prediction("feature"), b: Any = Target("feature")) -> Any:
    d = index("feature", "d")
    return Norm(a[d] - b[d], d)


@loss
def naive_ce(s: Any = Prediction("class"), label: Any = Label("class")) -> Any:
    k = index("class", "k")
    return log(Sum(exp(s[k]), k)) - s[label]


@loss
def centred(s: Any = Prediction("batch")) -> Any:
    i, j = index("batch", "i j")
    return (s[i] - Mean(s[j], j)) ** 2


@loss
def jump(z: Any = Prediction(), y: Any = Target()) -> Any:
    return Piecewise((1, Eq(z, y)), (z, True))


def _at(of: Loss, *numbers: Any, **options: Any) -> dict[str, list[float]]:
    """Value, gradient, Hessian-vector product and diagonal at one point, as plain floats."""
    arrays = {
        name: np.asarray(x, dtype=np.int64 if of.roles[name].kind == "label" else np.float64)
        for name, x in zip(of.inputs, numbers, strict=True)
    }
    params = options.pop("parameters", {})
    found = LossOracle(of).expected(Case("", arrays, params, {"reduction": "none", **options}))
    return {
        quantity: [float(x) for e in each for x in e.choices[0][0].ravel()]
        for quantity, each in found.items()
    }


def test_values_round_to_the_nearest_double_however_small() -> None:
    assert _at(log_cosh, 1e-8, 0.0)["value"] == [5e-17]
    assert _at(naive_bce, 700.0, 1.0)["value"] == [math.exp(-700)]
    assert _at(naive_bce, -1e4, 1.0)["value"] == [1e4]
    assert _at(naive_bce, 1e4, 0.0)["value"] == [1e4]
    assert _at(naive_bce, 1e4, 1.0)["value"] == [0.0]


def test_derivatives_of_smooth_losses_are_those_of_the_closed_form() -> None:
    found = _at(naive_bce, 0.75, 0.25)
    p = 1 / (1 + math.exp(-0.75))
    assert found["gradient"] == pytest.approx([p - 0.25], rel=1e-15)
    assert found["hessian_diagonal"] == pytest.approx([p * (1 - p)], rel=1e-15)
    assert found["hvp"] == pytest.approx([p * (1 - p) / 2], rel=1e-15)
    assert _at(log_cosh, 1e-8, 0.0)["gradient"] == [1e-8]


def test_a_gradient_that_is_0_is_exactly_0() -> None:
    assert _at(log_cosh, 0.0, 0.0)["gradient"] == [0.0]
    assert _at(huber, 2.0, 2.0)["gradient"] == [0.0]


def test_stable_forms_are_smooth_at_their_ties() -> None:
    found = _at(stable_bce, 0.0, 0.25)
    assert found["gradient"] == [0.25]
    assert found["hessian_diagonal"] == [0.25]


@pytest.mark.parametrize(
    ("of", "point", "gradient"),
    [
        (absolute, (1.0, 1.0), 0.0),
        (tilted, (1.0, 1.0), 1.0),
        (hinge, (1.0, 1.0), 0.0),
        (hinge, (-1.0, -1.0), 0.0),
        (quantile, (2.0, 2.0), 0.0),
        (huber, (1.0, 0.0), 1.0),
        (expectile, (0.5, 0.5), 0.0),
    ],
)
def test_kinks_have_the_gradient_of_least_norm(
    of: Loss, point: Sequence[float], gradient: float
) -> None:
    assert _at(of, *point)["gradient"] == [gradient]


def test_second_derivatives_at_a_kink_are_the_nearest_to_0() -> None:
    assert _at(huber, 1.0, 0.0)["hessian_diagonal"] == [0.0]
    assert _at(expectile, 0.5, 0.5)["hessian_diagonal"] == [2.0]


def test_kinks_are_met_exactly_or_not_at_all() -> None:
    assert _at(absolute, 1.0 + 2**-52, 1.0)["gradient"] == [1.0]
    assert _at(absolute, 1e-300, 0.0)["gradient"] == [1.0]


def test_tied_maxima_share_equally() -> None:
    assert _at(larger, 1.0, 1.0)["gradient"] == [0.5, 0.5]
    shares = _at(largest, [1.0, 0.5, 1.0])["gradient"]
    assert shares == [0.5, 0.0, 0.5]
    assert _at(largest, [1.0, 1.0, 1.0])["gradient"] == [1 / 3] * 3


def test_a_norm_has_gradient_0_at_0() -> None:
    found = _at(distance, [0.5, -1.0], [0.5, -1.0])
    assert found["gradient"] == [0.0, 0.0]
    assert np.isnan(found["hessian_diagonal"]).all()


def test_stop_gradient_is_constant_to_every_derivative() -> None:
    found = _at(frozen, 2.0, 3.0)
    assert found["value"] == [12.0]
    assert found["gradient"] == [6.0, 4.0]
    assert found["hessian_diagonal"] == [0.0, 0.0]


def test_zero_times_infinity_is_0_where_the_zero_is_exact() -> None:
    for y in (0.0, 1.0):
        found = _at(bce, y, y)
        assert found["value"] == [0.0]
        assert found["gradient"] == [1.0 - 2 * y]
    assert _at(bce, 0.0, 1.0)["value"] == [math.inf]
    assert np.isnan(_at(bce, 0.0, 1.0)["gradient"]).all()


def test_infinite_slopes_are_not_compared() -> None:
    assert np.isnan(_at(root, 0.0)["gradient"]).all()


def test_a_jump_has_the_gradient_of_its_sides() -> None:
    found = _at(jump, 2.0, 2.0)
    assert found["value"] == [1.0]
    assert found["gradient"] == [1.0]


def test_losses_over_axes() -> None:
    found = _at(naive_ce, [20.0, 0.0, 0.0], 0)
    assert found["value"] == pytest.approx([math.log1p(2 * math.exp(-20))], rel=1e-15)
    coupled = _at(centred, [1.0, 2.0, 6.0])
    assert coupled["value"] == [4.0, 1.0, 9.0]
    assert coupled["gradient"] == [-4.0, -2.0, 6.0]


def test_reductions_have_one_meaning() -> None:
    z, y, w = [1.0, 2.0, 4.0], [0.0, 0.0, 0.0], np.array([1.0, 0.5, 2.0])
    assert _at(absolute, z, y, reduction="mean", weight=w)["value"] == [10 / 3.5]
    assert _at(absolute, z, y, reduction="sum", weight=w)["value"] == [10.0]
    assert _at(absolute, z, y, reduction="mean", normalizer=2.0)["value"] == [3.5]
    mask = np.array([True, False, True])
    masked = _at(absolute, [1.0, math.nan, 4.0], y, reduction="mean", mask=mask)
    assert masked["value"] == [2.5]
    assert masked["gradient"] == [0.5, 0.0, 0.5]
    nothing = _at(absolute, z, y, reduction="mean", mask=np.zeros(3, dtype=bool))
    assert nothing["value"] == [0.0]
    assert nothing["gradient"] == [0.0, 0.0, 0.0]


def test_class_weights_multiply_and_ignored_labels_do_not_count() -> None:
    s = np.zeros((3, 2))
    table = np.array([1.0, 3.0])
    found = _at(naive_ce, s, [0, 1, -1], reduction="sum", class_weight=table, ignore_index=-1)
    assert found["value"] == pytest.approx([4 * math.log(2)], rel=1e-15)


def test_response_is_the_condition_of_the_value() -> None:
    case = Case("", {"z": np.array(3.0), "y": np.array(1.0)}, {}, {"reduction": "none"})
    value = LossOracle(absolute).response(case, "value")[0].choices[0][0]
    assert value == pytest.approx(4.0, rel=1e-6)


@pytest.mark.parametrize(
    ("points", "nearest"),
    [
        ([[1.0], [3.0]], [1.0]),
        ([[-1.0], [3.0]], [0.0]),
        ([[1.0, 0.0], [0.0, 1.0]], [0.5, 0.5]),
        ([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]], [0.0, 0.0]),
        ([[1.0, 1.0], [1.0, -1.0], [4.0, 0.0]], [1.0, 0.0]),
        ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [2.0, 2.0, 2.0]], [1 / 3] * 3),
        ([[2.0, 2.0]], [2.0, 2.0]),
    ],
)
def test_least_norm(points: list[list[float]], nearest: list[float]) -> None:
    exact = [[MP.mpf(x) for x in p] for p in points]
    assert [float(x) for x in least_norm(exact, MP)] == nearest


def test_balls_know_what_they_do_not_know() -> None:
    field = balls.Field(100)
    third = field.divide(balls.ONE, balls.from_int(3))
    whole = field.multiply(third, balls.from_int(3))
    assert whole[1] is not None
    with pytest.raises(balls.Undecided):
        field.compare(whole, balls.ONE)
    assert field.compare(balls.from_float(0.5), field.divide(balls.ONE, balls.from_int(2))) == 0
    assert field.sqrt(balls.from_int(25)) == balls.from_int(5)
    with pytest.raises(balls.Undecided):
        field.log(field.subtract(whole, balls.ONE))
