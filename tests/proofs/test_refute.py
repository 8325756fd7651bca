from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp

from losscompiler.analysis.curvature import convexity
from losscompiler.spec import Abs, Eq, Piecewise, Prediction, Sum, exp, index
from tests.proofs import truths
from tests.spec_helpers import declare

X = {"p": Prediction()}
TINY = sp.Rational(1, 10**6)
NOT_CONVEX = {
    "a jump of 1e-6": lambda p: p**2 + Piecewise((0, p < 1), (TINY, True)),
    "a jump down of 1e-6": lambda p: Piecewise((p**2, p < 1), (p**2 - TINY, True)),
    "a point out of line": lambda p: p**2 + Piecewise((TINY, Eq(p, 3)), (0, True)),
    "a dent of 1e-3": lambda p: p**2 - sp.Rational(1, 10**3) * exp(-((100 * (p - 1)) ** 2)),
    "a slope that drops": lambda p: Abs(p) + Piecewise((0, p < 2), (-TINY * (p - 2), True)),
    "two shallow wells": lambda p: (p**2 - sp.Rational(1, 10**4)) ** 2,
    "a concave tail far out": lambda p: Piecewise(
        (p**2, Abs(p) < 1000), (1000000 + sp.sqrt(Abs(p)) - sp.sqrt(1000), True)
    ),
}


@pytest.mark.parametrize("name", NOT_CONVEX)
def test_small_faults_are_found(name: str) -> None:
    found = convexity(declare(NOT_CONVEX[name], **X))
    assert found.verdict == "refuted", found.reason


def test_a_witness_is_exact() -> None:
    witness = convexity(truths.ALL["cauchy"]).witness
    assert witness is not None
    a, b = (Fraction(point["p"]) for point in witness["points"])
    c, y = Fraction(witness["fixed"]["c"]), Fraction(witness["fixed"]["y"])

    def value(p: Fraction) -> sp.Expr:
        ratio = sp.Rational((p - y) / c)
        return sp.Rational(c**2) / 2 * sp.log(1 + ratio**2)

    gap = value((a + b) / 2) - (value(a) + value(b)) / 2
    assert 0 < Fraction(witness["gap"]) <= float(gap) * (1 + 1e-9)
    assert sp.N(gap - sp.Rational(witness["gap"]), 30) >= 0


def test_arrays_are_lists() -> None:
    k = index("class")
    loss = declare(lambda x: -Sum(x[k] ** 2, k), x=Prediction("class"))
    witness = convexity(loss).witness
    assert witness is not None
    assert [len(point["x"]) for point in witness["points"]] == [2, 2]
