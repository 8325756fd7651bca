"""Every rule of stable arithmetic: the same value, and right where the plain formula is not."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

from losscompiler.analysis.evaluate import evaluate
from losscompiler.backends.emit import kernel_view
from losscompiler.backends.numpy.operators import SPELLING
from losscompiler.backends.numpy.runtime import _functions
from losscompiler.ir import nodes
from losscompiler.ir import operators as op
from losscompiler.ir.graph import Graph
from losscompiler.ir.program import Output, Program
from losscompiler.passes.stabilise import stabilise
from losscompiler.spec.expressions import Piecewise, sigmoid, softplus, stop_gradient

x, y, a, u = sp.symbols("x y a u", real=True)
p, q = sp.symbols("p q", positive=True)
ZERO = (sp.S.Zero, sp.true)


@dataclass(frozen=True)
class Rule:
    """One rewriting: an expression, what it becomes, and where its own formula is wrong."""

    name: str
    before: sp.Expr
    after: sp.Expr
    hazard: Mapping[sp.Symbol, float]


RULES = (
    Rule("exp_minus_one", sp.exp(x) - 1, op.Expm1(x), {x: 1e-12}),
    Rule("one_minus_exp", 1 - sp.exp(x), -op.Expm1(x), {x: -1e-12}),
    Rule("scaled_exp_minus_one", 2 * sp.exp(x) - 2, 2 * op.Expm1(x), {x: 1e-12}),
    Rule("exp_minus_one_minus_x", sp.exp(x) - x - 1, op.Expm1MinusX(x), {x: 1e-6}),
    Rule("linex", sp.exp(a * x) - a * x - 1, op.Expm1MinusX(a * x), {a: 0.5, x: -1e-5}),
    Rule("log1p", sp.log(1 + x), op.Log1p(x), {x: 1e-18}),
    Rule("xlog1py", op.XLogY(a, 1 - u), op.XLog1pY(a, -u), {a: 2.0, u: 1e-18}),
    Rule("complement", 1 - sigmoid(x), sigmoid(-x), {x: 40.0}),
    Rule(
        "sigmoids",
        a * sigmoid(x) * sigmoid(-x) ** 2 - a * sigmoid(-x) * sigmoid(x) ** 2,
        -a * sigmoid(x) * sigmoid(-x) * sp.tanh(x / 2),
        {a: 2.0, x: 1e-12},
    ),
    Rule(
        "difference_of_logs",
        op.XLogY(a, p) - op.XLogY(a, q),
        op.XLogY(a, p / q),
        {a: 0.3, p: 1e300 * (1 + 1e-13), q: 1e300},
    ),
    Rule("common_factor", a * p - a * q, a * (p - q), {a: 0.1, p: 1 + 2.0**-52, q: 1.0}),
    Rule(
        "probability_of_odds",
        a * sigmoid(x) * (1 + u) ** 2 - a * u * (1 + u),
        a * (1 + u) * (sigmoid(x) - sigmoid(-x) * u),
        {a: 0.3, x: 30.0, u: 1e12},
    ),
    Rule("square_minus_one", (1 + u) ** 2 - 1, u * (u + 2), {u: 1e-12}),
    Rule("cube_minus_one", (1 - u) ** 3 - 1, -u * (u**2 - 3 * u + 3), {u: 1e-12}),
    Rule(
        "zero_times_infinity",
        Piecewise((x, x > 1), ZERO) * sp.exp(y),
        Piecewise((x * sp.exp(y), x > 1), ZERO),
        {x: 0.5, y: 800.0},
    ),
    Rule(
        "zeros_of_two_factors",
        Piecewise((x, x > 1), ZERO) * Piecewise((y, y > 1), ZERO) * sp.exp(a),
        Piecewise((x * y * sp.exp(a), sp.And(x > 1, y > 1)), ZERO),
        {x: 0.5, y: 2.0, a: 800.0},
    ),
    Rule("root_minus_one", sp.sqrt(1 + u) - 1, u / (1 + sp.sqrt(1 + u)), {u: 1e-20}),
    Rule("one_minus_cosine", 1 - sp.cos(u), 2 * sp.sin(u / 2) ** 2, {u: 1e-9}),
    Rule(
        "difference_of_log1p",
        sp.log(1 + p) - sp.log(1 + q),
        op.Log1p((p - q) / (1 + q)),
        {p: 1e-18, q: 3e-18},
    ),
    Rule("fair", p - sp.log(1 + p), op.XMinusLog1p(p), {p: 1e-9}),
    Rule(
        "gamma_deviance",
        p / q - 1 + 2 * (sp.log(q) - sp.log(p)) - sp.log(q) + sp.log(p),
        op.ItakuraSaito(p, q),
        {p: 0.3, q: 0.3 * (1 + 1e-9)},
    ),
    Rule(
        "itakura_saito_of_tiny_numbers",
        3 * p / q - 3 - 3 * (sp.log(p) - sp.log(q)),
        3 * op.ItakuraSaito(p, q),
        {p: 1e-200 * (1 + 1e-9), q: 1e-200},
    ),
    Rule(
        "gaussian_divergence",
        (p / q) ** 2 / 2 - sp.log(p) + sp.log(q) - sp.Rational(1, 2),
        op.ItakuraSaito(p**2, q**2) / 2,
        {p: 0.3, q: 0.3 * (1 + 1e-9)},
    ),
    Rule(
        "poisson_deviance",
        op.XLogY(p, p) - op.XLogY(p, q) - p + q,
        op.RelativeEntropy(p, q),
        {p: 0.3, q: 0.3 * (1 + 1e-9)},
    ),
    Rule(
        "curvature_of_a_root",
        (1 + x**2) ** sp.Rational(-1, 2) - x**2 * (1 + x**2) ** sp.Rational(-3, 2),
        (1 + x**2) ** sp.Rational(-3, 2),
        {x: 1e6},
    ),
    Rule(
        "slope_of_a_ratio",
        2 * x / (x**2 + 4) - 2 * x**3 / (x**2 + 4) ** 2,
        8 * x / (x**2 + 4) ** 2,
        {x: 1e9},
    ),
    Rule("softmax", op.ExpDifference(x, y), op.ExpDifference(x, y), {x: 1000.0, y: 999.0}),
    Rule("softplus", softplus(x), softplus(x), {x: 800.0}),
    Rule("softplus_left", softplus(x), softplus(x), {x: -40.0}),
    Rule("log_cosh", op.LogCosh(x), op.LogCosh(x), {x: -800.0}),
    Rule("zero_times_log", op.XLogY(a, u), op.XLogY(a, u), {a: 0.0, u: 0.0}),
    Rule("zero_over_zero", op.XDivY(a, u), op.XDivY(a, u), {a: 0.0, u: 0.0}),
)
BY_NAME = [pytest.param(rule, id=rule.name) for rule in RULES]

EXACT: dict[type[sp.Basic], Any] = {
    op.Expm1: mpmath.expm1,
    op.Expm1MinusX: lambda t: mpmath.exp(t) - 1 - t,
    op.ItakuraSaito: lambda s, t: s / t - 1 - mpmath.log(s / t),
    op.Log1p: mpmath.log1p,
    op.RelativeEntropy: lambda s, t: s * mpmath.log(s / t) - s + t,
    op.XMinusLog1p: lambda t: t - mpmath.log1p(t),
    op.XLog1pY: lambda s, t: s * mpmath.log1p(t) if s else mpmath.mpf(0),
}
FORMULAS: dict[type[sp.Basic], Any] = {
    sigmoid: lambda t: 1 / (1 + sp.exp(-t)),
    softplus: lambda t: sp.log(1 + sp.exp(t)),
    op.LogCosh: lambda t: sp.log(sp.cosh(t)),
    op.XLogY: lambda s, t: s * sp.log(t),
    op.XDivY: lambda s, t: s / t,
    Piecewise: lambda *pairs: sp.Piecewise(*pairs),
}


def exactly(e: sp.Expr, point: Mapping[sp.Symbol, float]) -> Any:
    """An expression in high precision, the arithmetic operators included."""

    def arithmetic(node: sp.Basic, values: list[Any]) -> Any:
        found = EXACT.get(type(node))
        return found(*values) if found else None

    with mpmath.workdps(900):
        return evaluate(e, {s: mpmath.mpf(v) for s, v in point.items()}, arithmetic)


def naively(e: sp.Expr, point: Mapping[sp.Symbol, float]) -> float:
    """What the operators abbreviate, in float64; a product of exponentials is left as one."""
    if isinstance(e, op.ExpDifference):
        with np.errstate(all="ignore"):
            return float(np.exp(point[e.args[0]]) / np.exp(np.float64(point[e.args[1]])))
    plain = e
    for head, formula in FORMULAS.items():
        plain = plain.replace(head, formula)
    function = sp.lambdify(list(point), plain, "numpy", cse=False)
    with np.errstate(all="ignore"):
        return float(function(*(np.asarray([v]) for v in point.values()))[0])


def spelled(e: sp.Expr, point: Mapping[sp.Symbol, float]) -> float:
    """What a NumPy kernel computes."""
    graph = Graph()
    inputs = tuple(nodes.Input((), s.name) for s in point)
    leaves = dict(zip(point, (graph.leaf(d, ()) for d in inputs), strict=True))
    program = Program(graph, inputs, (Output(e.xreplace(leaves), ()),))
    view = kernel_view("kernel", "", program, SPELLING, returns_tuple=False)
    names: dict[str, Any] = {"np": np, "fn": _functions}
    names |= {name: np.asarray([v]) for name, v in zip(view.arguments, point.values(), strict=True)}
    with np.errstate(all="ignore"):
        exec("\n".join([*view.lines, f"result = {view.result}"]), names)
    return float(names["result"][0])


@pytest.mark.parametrize("rule", BY_NAME)
def test_the_rule_fires(rule: Rule) -> None:
    assert stabilise(rule.before) == rule.after or sp.simplify(
        stabilise(rule.before) - rule.after
    ) == 0  # fmt: skip


@pytest.mark.parametrize("rule", BY_NAME)
def test_both_sides_are_equal(rule: Rule) -> None:
    rng = random.Random(rule.name)
    stable = stabilise(rule.before)
    for _ in range(12):
        point = {s: rng.uniform(0.01, 0.99) * rng.choice((1, 3)) for s in rule.hazard}
        if rule.name == "xlog1py":
            point[u] = rng.uniform(-5, 0.9)
        expected, found = exactly(rule.before, point), exactly(stable, point)
        assert abs(expected - found) <= mpmath.mpf(10) ** -300 * (1 + abs(expected))


@pytest.mark.parametrize("rule", BY_NAME)
def test_the_operators_formula_is_wrong_at_its_hazard(rule: Rule) -> None:
    expected = float(exactly(rule.before, rule.hazard))
    assert not np.isclose(naively(rule.before, rule.hazard), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("rule", BY_NAME)
def test_the_spelled_form_is_right_at_the_hazard(rule: Rule) -> None:
    expected = float(exactly(rule.before, rule.hazard))
    found = spelled(stabilise(rule.before), rule.hazard)
    # p / q, or its square, is rounded before its distance from 1 is looked at.
    bound = {"difference_of_logs": 3e-3, "gaussian_divergence": 1e-6}.get(rule.name, 5e-16)
    np.testing.assert_allclose(found, expected, rtol=bound, atol=0)


@pytest.mark.parametrize("vector", [0.0, 4.0])
def test_roots_of_squares(vector: float) -> None:
    root = 2.0 if vector else 0.0
    assert spelled(stabilise(op.Root(x)), {x: vector}) == root
    assert spelled(stabilise(op.Reciprocal(op.Root(x))), {x: vector}) == (0.5 if vector else 0.0)


def test_what_is_constant_to_derivatives_is_a_value_in_the_end() -> None:
    assert stabilise(stop_gradient(x**2)) == x**2


def test_equal_branches_are_none() -> None:
    assert stabilise(Piecewise((x, x > 0), (x, True))) == x


def test_nested_branches_with_one_zero_are_one() -> None:
    nested = Piecewise((Piecewise((x, y > 0), ZERO), x > 0), ZERO)
    assert stabilise(nested) == Piecewise((x, sp.And(x > 0, y > 0)), ZERO)


@pytest.mark.parametrize(
    "e", [sp.exp(x) - 2, sp.exp(x) + 1, sp.log(2 + x), 2 - sigmoid(x), (2 + u) ** 2 - 1]
)
def test_what_only_looks_alike_keeps_its_value(e: sp.Expr) -> None:
    point = {s: 0.9 for s in e.free_symbols}
    assert stabilise(e) == e
    np.testing.assert_allclose(spelled(e, point), float(exactly(e, point)), rtol=5e-16)


def test_no_power_of_zero_is_divided_by() -> None:
    assert stabilise(p**2 * q * p ** (a - 2)) == q * p**a
    assert stabilise(a * p ** (a - 1)) == a * p ** (a - 1)


def test_the_curvature_of_a_power_does_not_vanish_with_its_sign() -> None:
    curvature = a * (a - 1) * op.Magnitude(x) ** (a - 2) * op.Sign(x) ** 2
    assert spelled(stabilise(curvature), {x: 0.0, a: 2.0}) == 2
    assert spelled(stabilise(curvature), {x: 0.0, a: 3.0}) == 0
