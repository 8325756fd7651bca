"""Derivatives cell by cell, and the minimum-norm subgradient where cells meet.

Every expected number is a closed form: the segment between the two one-sided derivatives, and its
point next to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

from losscompiler.analysis.evaluate import evaluate
from losscompiler.ir import nodes
from losscompiler.ir.graph import Graph
from losscompiler.ir.operators import LogCosh, Magnitude, Maximum, Minimum, Sign
from losscompiler.passes import compile_loss
from losscompiler.passes.scalar import gradient
from losscompiler.spec import (
    Abs,
    Loss,
    Max,
    Min,
    Param,
    Piecewise,
    Prediction,
    Target,
    exp,
    floor,
    log,
    sigmoid,
    sign,
    sqrt,
    stop_gradient,
    where,
)
from losscompiler.spec.expressions import Piecewise as Cells
from losscompiler.spec.expressions import softplus
from tests import compiled
from tests.spec_helpers import declare

X, Y = Prediction(), Target()
TAU = Param("0.7", interval=(0, 1))


def slopes(body: Callable[..., Any], x: Sequence[float], **others: Any) -> Any:
    """The gradient of a loss of one prediction, by each of its entries."""
    roles = {"x": X} | {n: Target() for n in others if n != "t"}
    roles |= {"t": TAU} if "t" in others else {}
    arrays = {n: v if n == "t" else np.full(len(x), v) for n, v in others.items()}
    return compiled.gradient(declare(body, **roles), {"x": np.asarray(x), **arrays})


# ---- one prediction: the table of one-sided derivatives ---------------------------------------


@pytest.mark.parametrize(
    ("body", "kink", "below", "at", "above"),
    [
        pytest.param(lambda x: Abs(x), 0, -1, 0, 1, id="abs"),
        pytest.param(lambda x: Abs(x - 2), 2, -1, 0, 1, id="shifted_abs"),
        pytest.param(lambda x: 3 * Abs(2 * x), 0, -6, 0, 6, id="scaled_abs"),
        pytest.param(lambda x: -Abs(x), 0, 1, 0, -1, id="concave"),
        pytest.param(lambda x: Max(0, 1 - x), 1, -1, 0, 0, id="hinge"),
        pytest.param(lambda x: Max(0, 1 - x) ** 2, 1, 0, 0, 0, id="squared_hinge"),
        pytest.param(lambda x: Min(x, 1), 1, 1, 0, 0, id="min"),
        pytest.param(lambda x: Max(x, 2 * x), 0, 1, 1, 2, id="max_of_two_slopes"),
        pytest.param(lambda x: Min(x, 3 * x), 0, 3, 1, 1, id="min_of_two_slopes"),
        pytest.param(lambda x: Abs(x) + 2 * x, 0, 1, 1, 3, id="asymmetric_right"),
        pytest.param(lambda x: Abs(x) - 2 * x, 0, -3, -1, -1, id="asymmetric_left"),
        pytest.param(lambda x: exp(Abs(x)), 0, -1, 0, 1, id="exp_of_abs"),
        pytest.param(lambda x: Abs(x) * x, 0, 0, 0, 0, id="smooth_after_all"),
        pytest.param(lambda x: Abs(x) ** 3, 0, 0, 0, 0, id="smooth_power"),
        pytest.param(lambda x: Abs(x) - Abs(x - 1), 1, 2, 0, 0, id="one_kink_of_two"),
        pytest.param(lambda x: Max(x, 0) - Max(-x, 0), 0, 1, 1, 1, id="kinks_that_cancel"),
        pytest.param(lambda x: Max(x, 0) + log(1 + exp(-Abs(x))), 0, 0.5, 0.5, 0.5, id="softplus"),
        pytest.param(lambda x: where(x > 1, 2 * x - 1, x**2), 1, 2, 2, 2, id="smooth_branches"),
        pytest.param(lambda x: where(x > 0, x, x**2), 0, 0, 0, 1, id="kinked_branches"),
        pytest.param(lambda x: where(x >= 0, -x, x), 0, 1, 0, -1, id="tent"),
        pytest.param(lambda x: Piecewise((x**2, x < 1), (3, True)), 1, 2, 0, 0, id="clipped"),
        pytest.param(lambda x: stop_gradient(Abs(x)) * x, 0, 0, 0, 0, id="stopped"),
        pytest.param(lambda x: sign(x) * x, 0, -1, 0, 1, id="sign_times_x"),
        pytest.param(lambda x: sqrt(x**2), 0, -1, 0, 1, id="root_of_square"),
    ],
)
def test_one_sided_slopes_and_the_point_between(
    body: Callable[..., Any], kink: float, below: float, at: float, above: float
) -> None:
    tiny = 2.0**-40
    found = slopes(body, [kink - tiny, kink, kink + tiny])
    np.testing.assert_allclose(found, [below, at, above], atol=1e-10)
    assert found[1] == pytest.approx(at, abs=1e-15)


def test_quantile_with_a_symbolic_level() -> None:
    def pinball(x: Any, y: Any, t: Any) -> Any:
        return Max(t * (y - x), (t - 1) * (y - x))

    for level in (0.25, 0.5, 0.9):
        found = slopes(pinball, [1.0, 2.0, 3.0], y=2.0, t=level)
        np.testing.assert_allclose(found, [-level, 0, 1 - level], rtol=1e-15)


@pytest.mark.parametrize("t", [0.0, 0.25, 0.75, 1.0])
def test_a_kink_whose_nearest_end_only_a_parameter_can_tell(t: float) -> None:
    found = slopes(lambda x, t: Abs(x) + 2 * (2 * t - 1) * x, [-1.0, 0.0, 1.0], t=t)
    lean = 2 * (2 * t - 1)
    ends = lean - 1, lean + 1
    nearest = 0 if ends[0] <= 0 <= ends[1] else min(ends, key=abs)
    np.testing.assert_allclose(found, [lean - 1, nearest, lean + 1], atol=1e-15)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_a_power_of_a_scaled_magnitude_is_curved_at_0(p: float) -> None:
    made = declare(lambda x, a, p: (Abs(x) / a) ** p, x=X, a=Target(positive=True), p=Param(2))
    x, a = np.array([-1.0, 0.0, 2.0]), np.full(3, 0.5)
    with np.errstate(divide="ignore"):
        expected = p * (p - 1) * np.abs(x) ** (p - 2) / a**p if p > 1 else 0 * x
        found = compiled.hessian_diagonal(made, {"x": x, "a": a, "p": p})
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_huber_is_smooth_where_its_pieces_meet() -> None:
    made = declare(
        lambda x, y, d: Piecewise(
            ((x - y) ** 2 / 2, Abs(x - y) <= d), (d * (Abs(x - y) - d / 2), True)
        ),
        x=X,
        y=Y,
        d=Param(1, positive=True),
    )
    x = np.array([-9.0, -1.5, -0.5, 0.0, 1.5, 2.0])
    arrays = {"x": x, "y": np.zeros(6), "d": 1.5}
    np.testing.assert_array_equal(compiled.gradient(made, arrays), np.clip(x, -1.5, 1.5))
    inside = compiled.hessian_diagonal(made, arrays)
    # The slope's own kink: 0 is the end next to 0 of the second derivatives 0 and 1.
    np.testing.assert_array_equal(inside, [0, 0, 1, 1, 0, 0])


def test_stable_cross_entropy_is_smooth_at_0() -> None:
    made = declare(
        lambda x, y: Max(x, 0) - x * y + log(1 + exp(-Abs(x))), x=X, y=Target(interval=(0, 1))
    )
    x, y = np.array([0.0, 0.0, 0.0, 2.0, -2.0]), np.array([0.0, 0.5, 1.0, 1.0, 0.0])
    arrays = {"x": x, "y": y}
    s = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(compiled.gradient(made, arrays), s - y, rtol=1e-15, atol=1e-16)
    np.testing.assert_allclose(compiled.hessian_diagonal(made, arrays), s * (1 - s), rtol=1e-14)


def test_the_second_derivative_of_a_squared_hinge_is_0_at_the_kink() -> None:
    made = declare(lambda x: Max(0, 1 - x) ** 2, x=X)
    found = compiled.hessian_diagonal(made, {"x": np.array([0.0, 1.0, 2.0])})
    np.testing.assert_array_equal(found, [2, 0, 0])


def test_a_jump_has_the_slopes_of_its_branches() -> None:
    made = declare(lambda x: Piecewise((x, x < 0), (5 + 3 * x, x < 2), (7, True)), x=X)
    x = np.array([-1.0, -1e-9, 1e-9, 1.0, 2.5])
    np.testing.assert_array_equal(compiled.value(made, {"x": x})[[0, 3, 4]], [-1, 8, 7])
    np.testing.assert_array_equal(compiled.gradient(made, {"x": x}), [1, 1, 3, 3, 0])
    at_jump = compiled.gradient(made, {"x": np.array([0.0, 2.0])})
    assert np.isfinite(at_jump).all()


def test_steps_are_flat() -> None:
    found = slopes(lambda x: floor(x) * x + sign(x), [-0.5, 0.5, 2.5])
    np.testing.assert_array_equal(found, [-1, 0, 2])


# ---- several predictions: the nearest point of a segment ---------------------------------------


def pair(body: Callable[..., Any], **roles: Any) -> Loss:
    return declare(body, x=X, y=X, **roles)


@pytest.mark.parametrize(
    ("body", "x", "y", "expected"),
    [
        pytest.param(lambda x, y: Max(x, y), 2.0, 1.0, (1, 0), id="max_first"),
        pytest.param(lambda x, y: Max(x, y), 1.0, 2.0, (0, 1), id="max_second"),
        pytest.param(lambda x, y: Max(x, y), 1.0, 1.0, (0.5, 0.5), id="max_shared"),
        pytest.param(lambda x, y: Min(x, y), 1.0, 1.0, (0.5, 0.5), id="min_shared"),
        pytest.param(lambda x, y: Abs(x - y), 1.0, 1.0, (0, 0), id="abs_difference"),
        pytest.param(lambda x, y: Max(0, x - y), 1.0, 1.0, (0, 0), id="relu_difference"),
        pytest.param(lambda x, y: Max(0, x - y) + x, 1.0, 1.0, (1, 0), id="leaning_relu"),
        # From (1, 0) to (0, 2): the foot of the perpendicular from 0.
        pytest.param(lambda x, y: Max(x, 2 * y), 2.0, 1.0, (0.8, 0.4), id="foot"),
        # From (3, 1) to (3, 2): the nearer end.
        pytest.param(
            lambda x, y: 3 * x + Max(y, 2 * y), 5.0, 0.0, (3, 1), id="end"
        ),
    ],
)  # fmt: skip
def test_two_predictions(
    body: Callable[..., Any], x: float, y: float, expected: tuple[float, float]
) -> None:
    found = compiled.gradient(pair(body), {"x": np.array([x]), "y": np.array([y])})
    np.testing.assert_allclose([g[0] for g in found], expected, atol=1e-15)


def test_margin_ranking() -> None:
    made = pair(lambda x, y, t, m: Max(0, m - t * (x - y)), t=Target(values={-1, 1}), m=Param(0))
    x, y = np.array([1.0, 1.0, 2.0, 1.0]), np.array([1.0, 2.0, 1.0, 3.0])
    arrays = {"x": x, "y": y, "t": np.array([1.0, 1.0, 1.0, -1.0])}
    by_x, by_y = compiled.gradient(made, arrays)
    np.testing.assert_array_equal(by_x, [0, -1, 0, 0])
    np.testing.assert_array_equal(by_y, [0, 1, 0, 0])


def test_three_way_ties_share_equally() -> None:
    made = declare(lambda x, y, z: Max(x, y, z), x=X, y=X, z=X)
    one = np.array([1.0])
    found = np.ravel(compiled.gradient(made, {"x": one, "y": one, "z": one * 0}))
    np.testing.assert_allclose(found, [0.5, 0.5, 0], atol=1e-15)


# ---- SymPy's traps ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lambda x, y: Abs(x - y), id="abs"),
        pytest.param(lambda x, y: Max(0, 1 - x * y) ** 2, id="squared_hinge"),
        pytest.param(lambda x, y: sign(x) * Abs(x - y) ** 3, id="sign"),
        pytest.param(lambda x, y: Max(x, y, 0) * Min(x, y), id="max_min"),
        pytest.param(lambda x, y: where(x > y, Abs(x), floor(x) * y), id="jumps"),
    ],
)
def test_nothing_of_sympys_distributions_is_left(body: Callable[..., Any]) -> None:
    (variant,) = compile_loss(pair(body)).variants.values()
    graph = variant.graph
    foreign = (sp.DiracDelta, sp.Heaviside, sp.Abs, sp.Max, sp.Min, sp.sign, sp.Derivative, sp.Subs)
    for program in variant.programs.values():
        values = [o.value for o in program.outputs]
        bodies = [b for d in graph.topological(values) for b in d.bodies]
        assert not any(e.has(*foreign, sp.Piecewise) for e in (*values, *bodies))


def test_the_cells_derivative_agrees_with_differences_away_from_kinks() -> None:
    graph = Graph()
    x, y = (graph.leaf(nodes.Input((), n), ()) for n in "xy")
    e = (
        Maximum(x, y) * Magnitude(x - 2 * y)
        + Minimum(x**2, softplus(y)) * Sign(x + y)
        + Cells((LogCosh(x * y), x > 2 * y), (sigmoid(x) * sp.tanh(y), sp.true))
    )
    found = gradient(graph, e, [x, y])
    step = mpmath.mpf(10) ** -15
    for a, b in [(0.3, 0.7), (-1.2, 0.4), (2.5, -0.8), (-0.6, -1.9), (1.4, 1.1)]:
        point = {x: mpmath.mpf(a), y: mpmath.mpf(b)}
        with mpmath.workdps(50):
            for leaf in (x, y):
                ends = [evaluate(e, {**point, leaf: point[leaf] + s}) for s in (step, -step)]
                expected = (ends[0] - ends[1]) / (2 * step)
                assert abs(evaluate(found[leaf], point) - expected) < 1e-25
