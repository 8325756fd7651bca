"""The least upper bound of a formula on the cells of another, as a formula in the parameters.

Candidates are its values and limits where cells end and where its derivative vanishes. The smallest
that is proved to be an upper bound is the least one, for the formula comes as close as one likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sympy as sp

from losscompiler.analysis.abstraction import Abstraction, NotPolynomialError, reduced
from losscompiler.analysis.cells import Cell, solved
from losscompiler.analysis.claims import Context, membership
from losscompiler.analysis.growth import limit_at, limit_towards
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.analysis.probe import refuted_by_sample
from losscompiler.analysis.sign import holds

INFINITE = (sp.oo, -sp.oo)
HIGHEST = 4
"""Derivatives of higher degree are not solved for their roots."""


@dataclass(frozen=True)
class Bound:
    """A least upper bound, and where it is attained; None if only in the limit."""

    value: sp.Expr
    at: sp.Expr | None = None


def supremum(
    parts: Sequence[tuple[sp.Expr, Cell]], x: sp.Symbol, context: Context, ledger: Ledger
) -> list[Bound]:
    """Bounds of which the largest is the least upper bound of all parts on their cells.

    Raises:
        OpenError: If no candidate is proved to be a bound.
    """
    found = [_on_cell(reduced(e), cell, x, context, ledger) for e, cell in parts]
    if any(b.value == sp.oo for b in found):
        return [Bound(sp.oo)]
    return largest(found, context)


def largest(bounds: Iterable[Bound], context: Context) -> list[Bound]:
    """The bounds that are not below another."""
    kept: list[Bound] = []
    for bound in bounds:
        if any(holds(k.value - bound.value, ">=", context) for k in kept):
            same = [k for k in kept if k.value == bound.value and k.at is None and bound.at]
            kept = [bound if k in same else k for k in kept]
            continue
        kept = [k for k in kept if not holds(bound.value - k.value, ">=", context)]
        kept.append(bound)
    return kept


def _on_cell(e: sp.Expr, cell: Cell, x: sp.Symbol, context: Context, ledger: Ledger) -> Bound:
    if not e.has(x):
        return Bound(e, _some_place(cell, x))
    here = context.given(*cell.claims)
    tried: set[sp.Expr] = set()
    for candidate in _candidates(e, cell, x, context):
        if candidate.value == sp.oo:
            return candidate
        if candidate.value == -sp.oo or candidate.value in tried:
            continue
        tried.add(candidate.value)
        if refuted_by_sample(candidate.value - e, ">=", here):
            continue
        if holds(candidate.value - e, ">=", here):
            ledger.require("an upper bound", candidate.value - e, ">=", here)
            return candidate
    raise OpenError(f"a least upper bound of {e}")


def _some_place(cell: Cell, x: sp.Symbol) -> sp.Expr | None:
    for guard, _ in cell.sides:
        if guard.has(x) and (solution := solved(guard, [x])) is not None:
            return solution[1]
    return None


def unbounded(cell: Cell, x: sp.Symbol, direction: int, context: Context) -> bool:
    """Whether a cell reaches to infinity at fixed parameters."""
    for guard, side in cell.sides:
        if not guard.has(x):
            continue
        slope = sp.diff(guard, x)
        if slope.has(x) or not holds(slope * side * direction, ">", context):
            return False
    return True


def _candidates(e: sp.Expr, cell: Cell, x: sp.Symbol, context: Context) -> Iterator[Bound]:
    """Values that the formula takes or approaches on a cell, those that cost least first."""
    for guard, _ in cell.sides:
        if guard.has(x) and (solution := solved(guard, [x])) is not None:
            yield from _at_point(e, solution[1], cell, x, context)
    yield from _at_point(e, sp.S.Zero, cell, x, context)
    for target in sorted(e.free_symbols - {x}, key=str):
        if context.domain(target) == context.domain(x):
            yield from _at_point(e, target, cell, x, context)
    for root in _stationary(e, x):
        yield from _at_point(e, root, cell, x, context)
    domain = context.domain(x)
    for end, direction in ((domain.sup, 1), (domain.inf, -1)):
        if end in INFINITE:
            if unbounded(cell, x, direction, context):
                limit = limit_at(e, x, direction, context)
                if limit is not None:
                    yield Bound(limit)
        elif not any(g.has(x) for g, _ in cell.sides):
            yield from _at_end(e, x, end, -direction, context)


def _at_point(
    e: sp.Expr, at: sp.Expr, cell: Cell, x: sp.Symbol, context: Context
) -> Iterator[Bound]:
    """The value at a point, if that lies in the closure of the cell."""
    if at.has(sp.I) or (at.is_number and context.domain(x).contains(at) == sp.false):
        return
    value = e.subs(x, at)
    if value.is_real is False or value.has(sp.I, sp.nan, sp.zoo, *INFINITE):
        return
    claims = [*cell.claims, *membership(x, context.domain(x))]
    if all(holds(c.expression.subs(x, at), ">=", context) for c in claims):
        yield Bound(_plain(value), at)


def _plain(value: sp.Expr) -> sp.Expr:
    """A value in a readable form."""
    if value.is_number and value.is_algebraic:
        return sp.radsimp(sp.expand(sp.radsimp(value)))
    return sp.simplify(value) if value.count_ops() < 40 else value


def _at_end(e: sp.Expr, x: sp.Symbol, end: sp.Expr, side: int, context: Context) -> Iterator[Bound]:
    value = e.subs(x, end)
    if not value.has(sp.nan, sp.zoo, *INFINITE):
        yield Bound(value, end if context.domain(x).contains(end) == sp.true else None)
        return
    limit = limit_towards(e, x, end, side, context)
    if limit is not None:
        yield Bound(limit)


def _stationary(e: sp.Expr, x: sp.Symbol) -> list[sp.Expr]:
    """Roots of the derivative, of polynomials in x or in one exponential of x."""
    abstraction = Abstraction()
    try:
        slope = sp.diff(e, x)
        abstraction.survey([slope])
        value = abstraction(slope)
    except NotPolynomialError:
        return []
    numerator = sp.numer(sp.together(value))
    moving = {v: k for k, v in abstraction.variables.items() if sp.Tuple(*k[1:]).has(x)}
    used = [v for v in moving if numerator.has(v)]
    if not used:
        return [r for r in _roots(numerator, x) if not r.has(*abstraction.variables.values())]
    if len(used) != 1 or numerator.has(x):
        return []
    key = moving[used[0]]
    if key[0] != "power" or key[1] is not sp.E or sp.diff(key[2], x).has(x):
        return []
    rate = sp.diff(key[2] * key[3], x)
    rest = key[2] * key[3] - rate * x
    return [(sp.log(r) - rest) / rate for r in _roots(numerator, used[0]) if r.is_positive]


def _roots(e: sp.Expr, x: sp.Symbol) -> list[sp.Expr]:
    try:
        factors = sp.factor_list(e, x)[1]
    except sp.PolynomialError:
        return []
    found = []
    for factor, _ in factors:
        polynomial = sp.Poly(factor, x)
        if 0 < polynomial.degree() <= HIGHEST:
            roots = sp.roots(polynomial, cubics=False, quartics=False)
            found += [r for r in roots if r.is_real is not False]
    return sorted(found, key=sp.default_sort_key)
