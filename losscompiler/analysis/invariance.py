"""What a loss does not notice: shifts of prediction and target together, and scale."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy as sp

from losscompiler.analysis.abstraction import reduced
from losscompiler.analysis.exact import add, high, low, multiply
from losscompiler.analysis.instance import Slot, instance
from losscompiler.analysis.ledger import InapplicableError, Ledger
from losscompiler.analysis.probe import seed
from losscompiler.analysis.refute import COUNT, exactly
from losscompiler.analysis.scalar import Scalar
from losscompiler.analysis.verdict import Verdict, proved, refuted, unknown
from losscompiler.analysis.walk import UndefinedError
from losscompiler.analysis.witness import shaped, texts
from losscompiler.spec.decorator import Loss

TRIES = 24


def _data(loss: Loss) -> tuple[str, ...]:
    return tuple(n for n, r in loss.inputs.items() if r.kind in ("prediction", "target"))


def translation_invariant(loss: Loss, found: Scalar) -> Verdict:
    """Whether adding one number to prediction and target changes nothing."""
    if found.question.error is not None:
        return proved("the formula depends on prediction minus target alone")
    names = _data(loss)
    if any(loss.roles[n].domain != sp.S.Reals for n in names) or len(names) < 2:
        raise InapplicableError
    witness = _differs(loss, names)
    if witness is not None:
        return refuted("adding 1 to prediction and target changes the loss", witness)
    return unknown("whether a shift changes the loss")


def _differs(loss: Loss, names: tuple[str, ...]) -> dict[str, Any] | None:
    """A point at which a shift of some inputs changes the value, in exact numbers."""
    made = instance(loss, 2)
    values = made.fixed(seed(f"change {loss.name}"), COUNT, ())
    for k in range(TRIES):
        point = exactly(values, k)
        changed: dict[Slot, Any] = {s: v + 1 if s[0] in names else v for s, v in point.items()}
        try:
            before, after = (made.evaluate(p, exactly=True) for p in (point, changed))
            gap = add(after, multiply(Fraction(-1), before))
        except (UndefinedError, ZeroDivisionError, ValueError, OverflowError, TypeError):
            continue
        if low(gap) > 0 or high(gap) < 0:
            told = shaped(made, list(loss.roles), point)
            return {"point": texts(told), "shift": "1"}
    return None


def homogeneous(loss: Loss, found: Scalar) -> Verdict:
    """The degree k with which the loss scales: f(a p, a y) = a**k f(p, y) for every a > 0."""
    names = _data(loss)
    symbols = [found.x, *(s for s, n in found.question.owner if n in names and s != found.x)]
    if found.question.error is not None:
        symbols = [found.x]
    if any(not _is_cone(found.context.domain(s)) for s in symbols):
        raise InapplicableError
    degrees = set()
    ledger = Ledger()
    for case in found.cases:
        for cell in case.pieces:
            if cell.value == 0:
                continue
            scaled = sp.Add(*(s * sp.diff(cell.value, s) for s in symbols))
            degree = reduced(scaled / cell.value)
            if degree.has(*symbols):
                return unknown("the loss is not proved to be homogeneous")
            degrees.add(degree)
            rest = scaled - degree * cell.value
            ledger.require("Euler's equation", rest, "==", found.context)
        for cell in case.pieces:
            for guard, _ in cell.sides:
                if guard.has(*symbols) and not _scales(guard, symbols):
                    return unknown("the pieces do not scale")
    if len(degrees) != 1:
        return unknown("the pieces have different degrees")
    return proved("Euler's equation holds in each piece, and the pieces are cones",
                  tuple(ledger.obligations), degree=str(degrees.pop()))  # fmt: skip


def _scales(guard: sp.Expr, symbols: list[sp.Symbol]) -> bool:
    """Whether the sign of a guard does not change with scale."""
    return guard.is_polynomial(*symbols) and bool(sp.Poly(guard, *symbols).is_homogeneous)


def _is_cone(domain: sp.Set) -> bool:
    """Whether a set holds all positive multiples of its numbers."""
    cones = (sp.S.Reals, sp.Interval(0, sp.oo), sp.Interval.open(0, sp.oo))
    return domain in cones
