"""Certified places where a loss is not smooth: a point, a direction, and what jumps along it.

If a loss had k continuous derivatives, its expansions on both sides of a point of a line would
agree up to the power k. Points are drawn from few short numbers, so that entries tie and guards
vanish.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import factorial
from typing import Any

import mpmath
import sympy as sp
from sympy.core.relational import Relational

from losscompiler.analysis import exact, lattice
from losscompiler.analysis.effort import spend
from losscompiler.analysis.exact import multiply
from losscompiler.analysis.expansions import EXPANSIONS
from losscompiler.analysis.instance import Instance, Slot, instance
from losscompiler.analysis.probe import seed
from losscompiler.analysis.series import (
    NEVER,
    Series,
    constant,
    difference,
    is_certain,
    made,
)
from losscompiler.analysis.walk import UndefinedError, Walk
from losscompiler.analysis.witness import rounded_down, shaped
from losscompiler.ir import operators as op
from losscompiler.spec import expressions as ex
from losscompiler.spec.decorator import Loss

SIZES = (2, 3, 2, 4)
LEAST, MOST, WORK = 20, 120, 3_000
"""How many points are tried: as many as the size of the formula allows."""
HIGHEST = 3
"""Derivatives up to this order are compared."""
FAILURES = (UndefinedError, ZeroDivisionError, ValueError, OverflowError, TypeError, IndexError)


@dataclass(frozen=True)
class Jump:
    """The first derivative along a line that differs between both sides, and where."""

    order: int
    left: str
    right: str
    tied: frozenset[sp.Basic]
    witness: dict[str, Any]


@dataclass
class Watching(Walk):
    """A walk along a ray that sees which kinks lie at its beginning."""

    tied: set[sp.Basic] = field(default_factory=set)

    def _value(self, e: sp.Basic) -> Any:
        value = super()._value(e)
        if any(_vanishes(gap) for gap in self._gaps(e, value)):
            self.tied.add(e)
        return value

    def _gaps(self, e: sp.Basic, value: Any) -> Iterator[Any]:
        """What vanishes where a node has a kink."""
        if isinstance(e, op.Maximum | op.Minimum | Relational):
            yield difference(*(self(a) for a in e.args))
        elif isinstance(e, op.Magnitude | op.Sign):
            yield self(e.args[0])
        elif isinstance(e, ex.Norm):
            yield from (value,) if e.p == 2 else self.along(e)
        elif isinstance(e, ex.AxisMax | ex.AxisMin):
            entries = self.along(e)
            yield from (difference(value, x) for x in entries)
        elif isinstance(e, ex.Sort | ex.Rank):
            keys = self.along(e, e.keys if isinstance(e, ex.Sort) else e.body)
            yield from (difference(a, b) for n, a in enumerate(keys) for b in keys[:n])
        elif e.is_Pow and not (e.exp.is_Integer and e.exp.is_positive):
            yield self(e.base)


def _vanishes(gap: Any) -> bool:
    return isinstance(gap, Series) and bool(gap.terms) and gap.lead > 0


def expansion(made_: Instance, values: dict[Slot, Any]) -> tuple[Any, frozenset[sp.Basic]]:
    """The value of a loss after a small step, and the kinks that lie where it begins."""
    first = {i: 0 for i in made_.loss.free_indices}
    walk = Watching(EXPANSIONS, made_.axis_sizes, values, index=first)
    return walk(made_.formula), frozenset(walk.tied)


def first_jump(
    made_: Instance, point: dict[Slot, Any], direction: dict[Slot, Fraction], sides: tuple[int, ...]
) -> Jump | None:
    """The first derivative that is seen to jump at a point, along a line."""
    found: dict[int, Series] = {}
    tied: frozenset[sp.Basic] = frozenset()
    for side in sides:
        values: dict[Slot, Any] = {}
        for slot, x in point.items():
            moving = direction.get(slot)
            if isinstance(x, bool | int):
                values[slot] = x
            elif moving is None:
                values[slot] = constant(x)
            else:
                values[slot] = made({Fraction(0): x, Fraction(1): side * moving}, NEVER)
        found[side], here = expansion(made_, values)
        if isinstance(found[side], float):
            return None
        tied |= here
    at = made_.evaluate(point, exactly=True)
    if isinstance(at, float):
        return None
    compared = _compared(found, at)
    if compared is None:
        return None
    order, left, right, gap = compared
    wrt = sorted({s[0] for s in direction})
    rest = [n for n in made_.loss.roles if n not in wrt]
    witness = {
        "point": _texts(shaped(made_, wrt, point)),
        "direction": _texts(shaped(made_, wrt, direction)),
        "fixed": _texts(shaped(made_, rest, point)),
        "order": order,
        "left": left,
        "right": right,
        "gap": gap,
    }
    return Jump(order, left, right, tied, witness)


def _compared(found: dict[int, Series], at: Any) -> tuple[int, str, str, str] | None:
    """The order of the first derivative that differs, both values, and by how much at least."""
    for order in range(HIGHEST + 1):
        for side, series in found.items():
            broken = [c for p, c in series.terms if _breaks(p, order)]
            if any(map(is_certain, broken)):
                ends = ["?", "infinite"] if side > 0 else ["infinite", "?"]
                return order, ends[0], ends[1], "oo"
            if broken:
                return None
        try:
            values = {
                side: multiply(Fraction(factorial(order) * side**order), s.coefficient(order))
                for side, s in found.items()
            }
        except UndefinedError:
            return None
        pairs = [(values[-1], values[1])] if len(values) == 2 else []
        if order == 0:
            pairs += [(at, value) for value in values.values()]
        for left, right in pairs:
            gap = _apart(left, right)
            if gap is not None:
                return order, _text(left), _text(right), str(rounded_down(gap))
    return None


def _breaks(power: Fraction, order: int) -> bool:
    """Whether a power of the step has derivatives below this order and no finite one of it."""
    return power < 0 if order == 0 else order - 1 < power < order


def _apart(a: Any, b: Any) -> Any:
    """By how much two numbers differ at least; None if they may be equal."""
    gap = exact.add(a, multiply(Fraction(-1), b))
    if exact.low(gap) > 0:
        return exact.low(gap)
    return -exact.high(gap) if exact.high(gap) < 0 else None


def _text(x: Any) -> str:
    if isinstance(x, Fraction):
        return str(x)
    with mpmath.mp.workprec(exact.PRECISION):
        return str(mpmath.nstr(mpmath.mpf(x.mid), 12))


def _texts(values: Any) -> Any:
    if isinstance(values, dict):
        return {n: _texts(v) for n, v in values.items()}
    if isinstance(values, list):
        return [_texts(v) for v in values]
    return values if isinstance(values, bool) else str(values)


def jumps(loss: Loss, formula: sp.Expr, wrt: tuple[str, ...]) -> Iterator[Jump]:
    """Jumps of derivatives at points of short numbers, over axes of a few sizes."""
    generator = seed(f"jumps {loss.name}")
    cost = 40 + formula.count_ops()
    shapes = [instance(loss, size).sizes for size in SIZES]
    for k in range(max(LEAST, min(MOST, WORK // cost))):
        spend(cost)
        here = Instance(loss, formula, shapes[k % len(shapes)])
        at = lattice.point(here, generator)
        if at is None:
            return
        along, sides = lattice.direction(here, wrt, at, generator)
        try:
            found = first_jump(here, at, along, sides)
        except FAILURES:
            continue
        if found is not None:
            yield found
