"""How low a loss over axes gets, and what an outlier does to it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy as sp

from losscompiler.analysis import lattice
from losscompiler.analysis.composition import plain
from losscompiler.analysis.curvature import predictions
from losscompiler.analysis.effort import SpentError, limited, spend
from losscompiler.analysis.exact import high, low
from losscompiler.analysis.instance import instance
from losscompiler.analysis.ledger import InapplicableError, Ledger
from losscompiler.analysis.lines import Line, beyond
from losscompiler.analysis.positivity import Signs
from losscompiler.analysis.probe import seed
from losscompiler.analysis.regularity import Parts
from losscompiler.analysis.verdict import Verdict, proved, unknown
from losscompiler.analysis.walk import UndefinedError
from losscompiler.analysis.witness import shaped
from losscompiler.spec.decorator import Loss

SEARCH = 4_000
TRIES = 30


def lower_bound(loss: Loss, known: Sequence[Line], point: dict[str, Any] | None) -> Verdict:
    """Whether 0 is a lower bound, and taken at a point or approached, or whether there is none.

    `exact` tells whether no greater number is a bound for all data and parameters.
    """
    formula = plain(loss.expression)
    names = predictions(loss)
    if Signs(Parts(loss, names, Ledger())).nonnegative(formula):
        if point is not None:
            return Verdict("proved", "no term is negative, and 0 is a value", point,
                           {"bound": "0", "minimiser": None, "exact": True})  # fmt: skip
        line = beyond(known, Line.value, (sp.S.Zero,))
        reason = "no term is negative"
        if line is not None:
            told = {"bound": "0", "minimiser": None, "exact": True}
            return Verdict("proved", f"{reason}, and values go to 0 along a line", line, told)
        return proved(reason, bound="0", minimiser=None, exact=False)
    line = beyond(known, Line.value, (-sp.oo,))
    if line is not None:
        told = {"bound": "-oo", "minimiser": None, "exact": True}
        return Verdict("proved", "it falls beyond all bounds along a line", line, told)
    return unknown("whether the formula is nowhere negative")


def zero(loss: Loss) -> dict[str, Any] | None:
    """A point of short numbers at which the loss is exactly 0."""
    generator = seed(f"zero {loss.name}")
    made = instance(loss, 2)
    names = predictions(loss)
    try:
        with limited(SEARCH):
            for _ in range(TRIES):
                spend(20 + loss.expression.count_ops())
                at = lattice.point(made, generator)
                if at is None:
                    return None
                try:
                    value = made.evaluate(at, exactly=True)
                    if low(value) == 0 == high(value):
                        rest = [n for n in loss.roles if n not in names]
                        return {
                            "point": texts(shaped(made, names, at)),
                            "fixed": texts(shaped(made, rest, at)),
                            "value": "0",
                        }
                except (UndefinedError, ValueError, TypeError, ZeroDivisionError, OverflowError):
                    continue
    except SpentError:
        pass
    return None


def texts(values: Any) -> Any:
    """Exact rationals as text, arrays as lists."""
    if isinstance(values, dict):
        return {n: texts(v) for n, v in values.items()}
    if isinstance(values, list):
        return [texts(v) for v in values]
    return values if isinstance(values, bool) else str(Fraction(values))


def influence(loss: Loss, lipschitz: Verdict) -> Verdict:
    """Whether the pull of a far prediction stays bounded; raises InapplicableError."""
    names = predictions(loss)
    if any(loss.roles[n].domain != sp.S.Reals for n in names):
        raise InapplicableError
    if lipschitz.verdict != "proved":
        return unknown("whether the slope is bounded")
    if lipschitz.details["constant"] != "oo":
        return proved("the slope is bounded", kind="bounded")
    line = lipschitz.witness
    if line is not None and line.get("far") == "oo":
        return Verdict("proved", "the slope grows along a line", line, {"kind": "unbounded"})
    return unknown("whether the slope is bounded far out")
