from __future__ import annotations

import pytest
import sympy as sp

from losscompiler.analysis import solver
from losscompiler.analysis.claims import Claim, Context
from losscompiler.analysis.sign import holds, infeasible, prove

x, y = sp.symbols("x y", real=True)
q = sp.Symbol("q", positive=True)
g = sp.Symbol("g", positive=True)
REAL = Context.over({x: sp.S.Reals, y: sp.S.Reals})
UNIT = Context.over({q: sp.Interval.open(0, 1), y: sp.Interval(0, 1)})

TRUE = [
    (x**2 - 2 * x + 1, ">=", REAL),
    (1 - sp.tanh(x) ** 2, ">=", REAL),
    (sp.exp(x) - x, ">", REAL),
    (x**4 - x + 1, ">", REAL),
    (x**2 + sp.Rational(199, 100) * x * y + y**2, ">=", REAL),
    (sp.exp(x) + sp.exp(-x) - 2, ">=", REAL),
    (1 / q + 1 / (1 - q) - 4, ">=", UNIT),
    (-sp.log(q), ">", UNIT),
    (y / q**2 + (1 - y) / (1 - q) ** 2, ">", UNIT),
    (2 - y, ">", UNIT),
    ((x - y) ** 2 - x**2 + 2 * x * y - y**2, "==", REAL),
    (sp.cosh(x) ** 2 - sp.sinh(x) ** 2 - 1, "==", REAL),
    (sp.sqrt(x**2 + 1) - 1, ">=", REAL),
    (sp.sin(x) ** 2 - 1, "<=", REAL),
]
FALSE = [
    (x**2 - sp.Rational(1, 10**6), ">=", REAL),
    (1 - y, ">", UNIT),
    (y, ">", UNIT),
    (x**2, ">", REAL),
    (sp.exp(x) - 1 - x, ">", REAL),
    (x, "==", REAL),
    (sp.exp(x) - x - 1 - sp.Rational(1, 10**6), ">=", REAL),
    (x**2 + 2 * x * y + sp.Rational(999, 1000) * y**2, ">=", REAL),
    (sp.Rational(1, 4) - q * (1 - q) - sp.Rational(1, 10**4), ">=", UNIT),
]


@pytest.mark.parametrize(("e", "relation", "context"), TRUE, ids=str)
def test_what_holds_is_proved(e: sp.Expr, relation: str, context: Context) -> None:
    e, relation = (-e, ">=") if relation == "<=" else (e, relation)
    assert prove(Claim(e, relation), context)


@pytest.mark.parametrize(("e", "relation", "context"), FALSE, ids=str)
def test_what_fails_somewhere_is_not_proved(e: sp.Expr, relation: str, context: Context) -> None:
    assert prove(Claim(e, relation), context) is None


@pytest.mark.parametrize(("e", "relation", "context"), FALSE, ids=str)
def test_nor_without_the_solver(
    e: sp.Expr, relation: str, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solver, "enabled", False)
    assert prove(Claim(e, relation), context) is None


def test_contradictory_facts_are_noticed() -> None:
    assert infeasible(REAL.given(Claim(x - 1, ">"), Claim(-x, ">")))
    assert infeasible(REAL.given(Claim(x - y, ">"), Claim(y - x, ">=")))
    assert not infeasible(REAL.given(Claim(x - 1, ">="), Claim(1 - x, ">=")))


def test_a_fact_is_used() -> None:
    assert not holds(x, ">", REAL)
    assert holds(x, ">", REAL.given(Claim(x - y, ">"), Claim(y, ">=")))


def test_roots_are_those_of_their_radicand() -> None:
    root = sp.sqrt(x**2 + y**2 + 1)
    assert holds(root - x, ">", REAL)
    assert not holds(root - x - y, ">=", REAL)
