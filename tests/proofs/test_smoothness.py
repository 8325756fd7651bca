from __future__ import annotations

import pytest
import sympy as sp

from losscompiler.analysis.ledger import Ledger
from losscompiler.analysis.problem import problem
from losscompiler.analysis.smoothness import Smoothness, smoothness
from losscompiler.spec import (
    Abs,
    Eq,
    Loss,
    Max,
    Ne,
    Param,
    Piecewise,
    Prediction,
    exp,
    log,
    sign,
    sqrt,
)
from tests.proofs import truths
from tests.spec_helpers import declare

CLASSES = {
    "mse": "Cinf", "mae": "C0", "huber": "C1", "smooth_l1": "C1", "quantile": "C0",
    "expectile": "C1", "hinge": "C0", "squared_hinge": "C1", "modified_huber": "C1", "tukey": "C2",
    "bce_logit_stable": "Cinf", "multiclass_hinge3": "C0", "mape": "C0", "charbonnier": "Cinf",
    "epsilon_insensitive": "C0", "barron": "Cinf",
}  # fmt: skip
X = {"p": Prediction()}
FORMULAS = {
    "a jump that SymPy's derivative loses": (
        lambda p: Piecewise((p, p < 0), (p + 1, True)), "discontinuous"
    ),
    "a small jump": (lambda p: Abs(p) + Piecewise((0, p < 1), (sp.Rational(1, 10**6), True)),
                     "discontinuous"),
    "one point out of line": (lambda p: Piecewise((1, Eq(p, 2)), (p**2, True)), "discontinuous"),
    "one point in line": (lambda p: Piecewise((4, Eq(p, 2)), (p**2, True)), "Cinf"),
    "a point left out": (lambda p: Piecewise((p**2, Ne(p, 2)), (5, True)), "discontinuous"),
    "the square of a sign": (lambda p: p + sign(p) ** 2, "discontinuous"),
    "the square of a positive part": (lambda p: Max(p, 0) ** 2, "C1"),
    "a square in pieces": (lambda p: Max(p, 0) ** 2 + Max(-p, 0) ** 2, "Cinf"),
    "a cube in pieces": (lambda p: Abs(p) ** 3, "C2"),
    "a root of a square": (lambda p: sqrt(p**2), "C0"),
    "softplus in two notations": (
        lambda p: Piecewise((log(1 + exp(p)), p < 0), (p + log(1 + exp(-p)), True)), "Cinf"
    ),
}  # fmt: skip


def found(loss: Loss) -> Smoothness:
    question = problem(loss)
    return smoothness(question, question.variables, Ledger())


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name: str) -> None:
    assert found(truths.ALL[name]).name == CLASSES[name]


@pytest.mark.parametrize("name", FORMULAS)
def test_the_function_counts_not_the_formula(name: str) -> None:
    formula, expected = FORMULAS[name]
    assert found(declare(formula, **X)).name == expected


def test_kinks_have_their_slopes() -> None:
    (kink,) = found(truths.ALL["quantile"]).kinks
    (tau,) = (s for s, _ in problem(truths.ALL["quantile"]).context.domains if s.name == "tau")
    assert (kink.at, kink.order, kink.left, kink.right) == (0, 1, -tau, 1 - tau)


@pytest.mark.parametrize("sign_of", [1, -1])
def test_kinks_at_one_place_for_different_parameters_are_all_told(sign_of: int) -> None:
    loss = declare(
        lambda p, k: Piecewise((Abs(p), sign_of * k > 0), (p * Abs(p), True)), **X, k=Param(1)
    )
    told = found(loss)
    assert told.name == "C0"
    assert {(kink.order, str(kink.left)) for kink in told.kinks} == {(1, "-1"), (2, "-2")}
    assert len({kink.case for kink in told.kinks}) == 2
