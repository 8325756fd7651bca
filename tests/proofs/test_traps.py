"""What SymPy itself gets wrong about functions with kinks, and the analysis does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sympy as sp
from sympy.calculus.util import is_convex

from losscompiler.analysis.ledger import Ledger
from losscompiler.analysis.problem import problem
from losscompiler.analysis.report import analyse
from losscompiler.analysis.smoothness import Smoothness, smoothness
from losscompiler.spec import (
    Abs,
    Interval,
    Max,
    Min,
    Ne,
    Param,
    Piecewise,
    Prediction,
    Rational,
    Target,
    exp,
    sin,
)
from tests.proofs import truths
from tests.spec_helpers import declare

X = {"x": Prediction()}
x = sp.Symbol("x", real=True)


def kinks(formula: Callable[..., Any], **roles: Any) -> Smoothness:
    question = problem(declare(formula, **(roles or X)))
    return smoothness(question, question.variables, Ledger())


def test_the_slopes_of_a_magnitude() -> None:
    (kink,) = kinks(lambda x: Abs(x)).kinks
    assert (kink.at, kink.order, kink.left, kink.right) == (0, 1, -1, 1)
    assert sp.diff(sp.Piecewise((-x, x < 0), (x, True))).subs(x, 0) == 1  # SymPy takes one side


def test_a_jump_is_not_lost_by_differentiating() -> None:
    assert sp.diff(sp.Piecewise((x, x < 0), (x + 1, True))) == 1
    (kink,) = kinks(lambda x: Piecewise((x, x < 0), (x + 1, True))).kinks
    assert (kink.order, kink.left, kink.right) == (0, 0, 1)


def test_second_derivatives_hold_no_dirac_delta() -> None:
    assert sp.diff(sp.Max(x, 0) ** 2, x, 2).has(sp.DiracDelta)
    (kink,) = kinks(lambda x: Max(x, 0) ** 2).kinks
    assert (kink.order, kink.left, kink.right) == (2, 0, 2)


def test_a_removable_point() -> None:
    found = analyse(declare(lambda x: Piecewise((sin(x) / x, Ne(x, 0)), (1, True)), **X))
    assert found["smoothness"].details.get("class") != "discontinuous"


def test_a_pole_between_two_halves_of_one_formula() -> None:
    halves = declare(lambda x: Piecewise((x**-2, x > 0), (x**-2, Ne(x, 0)), (0, True)), **X)
    found = analyse(halves)
    assert found["convex"].verdict == "refuted"
    assert found["smoothness"].details["class"] == "discontinuous"


def test_limits_of_slopes_in_pieces() -> None:
    found = analyse(truths.ALL["huber"])
    assert found["influence"].details["kind"] == "bounded"
    assert found["lipschitz"].details["constant"] == "delta"


def test_a_concave_minimum_is_not_called_convex() -> None:
    pieces = sp.Piecewise((x, x < sp.S.Half), (sp.S.Half, True))
    assert is_convex(pieces, x, domain=sp.Interval(0, 1))  # SymPy is wrong here
    loss = declare(lambda x: Min(x, Rational(1, 2)), x=Prediction(interval=(0, 1)))
    assert analyse(loss)["convex"].verdict == "refuted"


@pytest.mark.parametrize("name", ["bce_prob", "focal_prob", "focal_prob_2", "poisson_rate"])
def test_domains_are_those_of_the_spec(name: str) -> None:
    assert analyse(truths.ALL[name])["convex"].verdict == "proved"


def test_signs_of_parameters_split_limits() -> None:
    roles = {**X, "k": Param(1, real=True)}
    loss = declare(lambda x, k: exp(k * x), **roles)
    assert analyse(loss)["convex"].verdict == "proved"


def test_decimals_are_exact() -> None:
    loss = declare(
        lambda x, y: 0.5 * (x - y) ** 2 - (x - y) ** 2 / 2 + Abs(x - y), x=Prediction(), y=Target()
    )
    assert analyse(loss)["lipschitz"].details["constant"] == "1"


def test_a_domain_is_not_the_real_line() -> None:
    inside = declare(lambda x: x**3, x=Prediction(domain=Interval(0, 1)))
    assert analyse(inside)["convex"].verdict == "proved"
    assert analyse(declare(lambda x: x**3, **X))["convex"].verdict == "refuted"
