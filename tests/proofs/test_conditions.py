"""Parameters that decide whether a loss is convex: thresholds known from their formulas."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import sympy as sp

from losscompiler.analysis.conditions import convex_if, simplest
from losscompiler.analysis.ledger import InapplicableError
from losscompiler.analysis.report import analyse
from losscompiler.crosscheck.proofs import witnesses
from losscompiler.spec import Abs, Param, Piecewise, Prediction, Target, cos, exp, log, sqrt
from tests.spec_helpers import declare

PAIR = {"p": Prediction(), "y": Target()}
RATE = {"p": Prediction(positive=True), "y": Target(nonnegative=True)}
REAL = {"k": Param(1)}
POSITIVE = {"k": Param(1, positive=True)}

KNOWN: dict[str, tuple[Any, dict[str, Any], str, str | None]] = {
    "power": (lambda p, y, k: Abs(p - y) ** k,
              PAIR | {"k": Param(2, domain=sp.Interval.open(0, 4))}, "k >= 1", "k < 1"),
    "double well": (lambda p, y, k: (p - y) ** 4 + k * (p - y) ** 2, PAIR | REAL, "k >= 0",
                    "k < 0"),
    "ripple": (lambda p, y, k: (p - y) ** 2 + k * cos(p - y), PAIR | REAL, "-2 <= k <= 2", "k > 2"),
    "straight tails": (
        lambda p, y, k: Piecewise(((p - y) ** 2, Abs(p - y) <= 1), (k * Abs(p - y) + 1 - k, True)),
        PAIR | REAL, "k >= 2", None),
    "concave part": (lambda p, y, k: exp(p) + (k - 3) * exp(2 * p) - p * y, PAIR | REAL, "k >= 3",
                     "k < 3"),
    "mixture": (lambda p, y, k: (1 - k) * (p - y) ** 2 - k * exp(-((p - y) ** 2)),
                PAIR | {"k": Param(0, interval=(0, 1))}, "", None),
    "log and square root": (lambda p, y, k: k * log(p) - sqrt(p) + y / p * 0, RATE | REAL,
                            "k <= 0", None),
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in KNOWN if KNOWN[n][2]])
def test_thresholds(name: str) -> None:
    formula, roles, holds, fails = KNOWN[name]
    verdict = convex_if(declare(formula, **roles), "k")
    assert verdict.verdict == "proved", verdict.reason
    assert verdict.details["holds"] == holds
    if fails is not None:
        assert verdict.details["fails"] == fails


def test_an_irrational_threshold_is_never_claimed_wrongly() -> None:
    formula, roles, _, _ = KNOWN["mixture"]
    verdict = convex_if(declare(formula, **roles), "k")
    if verdict.verdict == "proved":
        end = sp.Rational(str(verdict.details["holds"]).split()[-1])
        assert 2 * (1 - end) - 4 * end * sp.exp(sp.Rational(-3, 2)) >= 0


def test_a_parameter_without_influence_is_no_question() -> None:
    with pytest.raises(InapplicableError):
        convex_if(declare(lambda p, y, k: k * (p - y) ** 2, **PAIR, **POSITIVE), "k")


def test_the_simplest_number_between_two() -> None:
    assert simplest(Fraction(31, 32), Fraction(33, 32)) == 1
    assert simplest(Fraction(-1, 8), Fraction(1, 8)) == 0
    assert simplest(Fraction(-7, 16), Fraction(-5, 16)) == Fraction(-1, 3)
    assert simplest(Fraction(1, 3), Fraction(2, 5)) == Fraction(1, 3)


def test_what_holds_at_the_defaults() -> None:
    loss = declare(lambda p, y, k: Abs(p - y) ** k, **PAIR, k=Param(2, positive=True))
    found = analyse(loss)
    assert found["convex"].verdict == "refuted"
    assert found["convex_at_defaults"].verdict == "proved"
    assert found["convex_at_defaults"].details["defaults"] == {"k": "2"}
    assert found["convex_if:k"].details["holds"] == "k >= 1"
    assert found["likelihood"].details["distribution"] == "generalised normal"


def test_a_witness_at_the_defaults_is_one_of_the_loss() -> None:
    loss = declare(
        lambda p, y, k: Abs(p - y) ** k, **PAIR, k=Param(sp.Rational(1, 2), positive=True)
    )
    verdict = analyse(loss)["convex_at_defaults"]
    assert verdict.verdict == "refuted"
    assert verdict.witness is not None
    assert verdict.witness["fixed"]["k"] == "1/2"
    assert witnesses.fault(loss, "convex_at_defaults", verdict.to_json()) == ""
