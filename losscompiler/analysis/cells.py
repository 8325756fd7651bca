"""Smooth pieces of a formula: where each holds, and where two of them meet.

A *guard* is an irreducible formula whose sign decides between pieces. A cell has a side (1 or -1)
for each guard it depends on; a cell with a side 0 says what the formula is on the guard itself,
which matters where a condition, not a continuous function, switches there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import sympy as sp
from sympy.core.relational import Relational

from losscompiler.analysis.claims import Claim, Context
from losscompiler.analysis.effort import remembered, spend
from losscompiler.analysis.elementary import elementary, positive
from losscompiler.analysis.sign import holds, infeasible
from losscompiler.ir import operators as op
from losscompiler.ir.kinks import guard_of, is_switch

MOST_CELLS = 32
MOST_GUARD_TERMS = 30


class TooManyCellsError(ValueError):
    """A formula with more pieces than are worth looking at."""


@dataclass(frozen=True)
class Cell:
    """A smooth piece of a formula, and the sides of the guards where it holds."""

    value: sp.Expr
    sides: tuple[tuple[sp.Expr, int], ...]

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The inequalities that describe where the piece holds."""
        return tuple(side_claim(guard, side) for guard, side in self.sides)

    @property
    def is_open(self) -> bool:
        """Whether the piece holds on more than the zeros of a guard."""
        return all(side for _, side in self.sides)

    def side(self, guard: sp.Expr) -> int | None:
        """On which side of a guard it holds; None if on both."""
        return dict(self.sides).get(guard)


@dataclass(frozen=True)
class Facet:
    """Where two cells meet: `guard` vanishes at `at`, the value of its `variable`."""

    guard: sp.Expr
    above: Cell
    below: Cell
    variable: sp.Symbol
    at: sp.Expr
    context: Context

    @property
    def orientation(self) -> sp.Expr:
        """The rate at which the guard grows with the variable."""
        return sp.diff(self.guard, self.variable)


def side_claim(guard: sp.Expr, side: int) -> Claim:
    """That a guard has a sign."""
    return Claim(guard, "==") if side == 0 else Claim(guard if side > 0 else -guard, ">")


@lru_cache(maxsize=20_000)
def guards(e: sp.Expr) -> tuple[int, tuple[tuple[sp.Expr, bool], ...]]:
    """The sign that a formula has beside those of its guards; the guards, and which are odd.

    Equal zero sets give equal guards, as far as factoring shows it; factors that are evidently
    positive are left out.
    """
    sign, found = 1, []
    numerator, denominator = sp.fraction(sp.together(sp.expand(e)))
    for part in (numerator, denominator):
        for factor in sp.Mul.make_args(sp.factor_terms(sp.expand(part))):
            base, exponent = factor.as_base_exp()
            if base.is_number:
                sign *= 1 if factor > 0 else -1
                continue
            if positive(base):
                continue
            even = bool(exponent.is_Integer and exponent.is_even)
            scale, guarded = _factors(base)
            sign *= 1 if even else scale
            for guard, multiplicity in guarded:
                if positive(guard):
                    continue
                chosen, orientation = _oriented(guard)
                odd = multiplicity % 2 == 1 and not even
                sign *= orientation if odd else 1
                found.append((chosen, odd))
    return sign, tuple(dict.fromkeys(found))


def _factors(e: sp.Expr) -> tuple[int, list[tuple[sp.Expr, int]]]:
    """The sign that factoring a polynomial takes out of it, and its irreducible factors."""
    if len(sp.Add.make_args(e)) > MOST_GUARD_TERMS or not e.is_polynomial(*e.free_symbols):
        return 1, [(e, 1)]
    content, factors = sp.factor_list(e)
    return (1 if content > 0 else -1), factors


def _oriented(e: sp.Expr) -> tuple[sp.Expr, int]:
    content, primitive = e.primitive() if e.is_Add else e.as_coeff_Mul()
    sign = -1 if content.is_negative else 1
    terms = sorted(sp.Add.make_args(primitive), key=sp.default_sort_key)
    if terms[0].could_extract_minus_sign():
        return -primitive, -sign
    return primitive, sign


def _innermost(e: sp.Basic) -> sp.Basic | None:
    """A kink without kinks below it, in a fixed order."""
    for node in sp.postorder_traversal(e):
        if is_switch(node):
            return node
    return None


def _at_zero(node: sp.Basic) -> sp.Basic:
    if isinstance(node, Relational):
        return sp.true if node.rel_op in ("==", "<=", ">=") else sp.false
    return sp.S.Zero if isinstance(node, op.Sign | op.Magnitude) else node.args[0]


def _resolved(node: sp.Basic, side: int) -> sp.Basic:
    """What a kink is where its difference has a sign."""
    if side == 0:
        return _at_zero(node)
    if isinstance(node, Relational):
        if node.rel_op in ("==", "!="):
            return sp.true if node.rel_op == "!=" else sp.false
        return sp.true if (node.rel_op in (">", ">=")) == (side > 0) else sp.false
    if isinstance(node, op.Magnitude):
        return node.args[0] * side
    if isinstance(node, op.Sign):
        return sp.Integer(side)
    larger = isinstance(node, op.Maximum) == (side > 0)
    return node.args[0] if larger else node.args[1]


def cells(formula: sp.Expr, context: Context) -> tuple[Cell, ...]:
    """The pieces of a formula, those that are empty left out as far as that is proved.

    Raises:
        TooManyCellsError: If there are more than are worth looking at.
    """
    return _cells(elementary(formula), context)


@remembered
@lru_cache(maxsize=2_000)
def _cells(formula: sp.Expr, context: Context) -> tuple[Cell, ...]:
    found: list[Cell] = []

    def split(e: sp.Expr, sides: dict[sp.Expr, int]) -> None:
        spend(20)
        node = _innermost(e)
        if node is None:
            found.append(Cell(e, tuple(sides.items())))
            if len(found) > MOST_CELLS:
                raise TooManyCellsError
            return
        difference = guard_of(node)
        sign, factors = guards(difference)
        if difference.is_number or not factors:
            value = difference if difference.is_number else sp.Integer(sign)
            side = 0 if value.is_zero else 1 if value > 0 else -1
            split(e.xreplace({node: _resolved(node, side)}), sides)
            return
        for factor, odd in factors:
            if not odd and not _jumps(node):
                continue
            known = sides.get(factor)
            if known == 0:
                split(e.xreplace({node: _resolved(node, 0)}), sides)
                return
            if known is None:
                here = context.given(*(side_claim(g, s) for g, s in sides.items()))
                for chosen in _sides(node, factor, here):
                    split(e, {**sides, factor: chosen})
                return
            sign *= known if odd else 1
        split(e.xreplace({node: _resolved(node, sign)}), sides)

    split(formula, {})
    return tuple(found)


def _jumps(node: sp.Basic) -> bool:
    return isinstance(node, Relational | op.Sign)


def _sides(node: sp.Basic, guard: sp.Expr, context: Context) -> Iterator[int]:
    """The sides of a guard that can occur; its zeros where a condition or sign switches there."""
    for side in (1, -1, 0) if _jumps(node) else (1, -1):
        if not infeasible(context.given(side_claim(guard, side))):
            yield side


def facets(
    pieces: Sequence[Cell], variables: Sequence[sp.Symbol], context: Context
) -> Iterator[Facet | str]:
    """Where open cells meet along a guard that varies; a text where that is unclear."""
    opened = [c for c in pieces if c.is_open]
    for first, second in combinations(opened, 2):
        flipped = [g for g, s in first.sides if second.side(g) == -s]
        moving = [g for g in flipped if g.has(*variables)]
        if len(flipped) > 1:
            if len(moving) > 1 and not all(g.is_polynomial(*g.free_symbols) for g in moving):
                yield f"the guards {', '.join(map(str, moving))} may vanish together"
            continue
        if not moving:
            continue
        above, below = (first, second) if first.side(moving[0]) == 1 else (second, first)
        yield from _facet(moving[0], above, below, variables, context)


def _facet(
    guard: sp.Expr, above: Cell, below: Cell, variables: Sequence[sp.Symbol], context: Context
) -> Iterator[Facet | str]:
    others = dict(claim for cell in (above, below) for claim in cell.sides)
    del others[guard]
    solution = solved(guard, variables)
    if solution is None:
        yield f"the guard {guard} is not linear in a prediction"
        return
    variable, at = solution
    rest = [side_claim(g.subs(variable, at), s) for g, s in others.items()]
    if any(c.expression == 0 for c in rest):
        return
    inside = _membership_at(variable, at, context)
    here = context.given(*rest, *inside)
    if infeasible(here):
        return
    slope = sp.diff(guard, variable)
    if not slope.is_number and not holds(slope.subs(variable, at), "!=", here):
        yield f"the guard {guard} may be flat in {variable}"
        return
    yield Facet(guard, above, below, variable, at, here)


def _membership_at(variable: sp.Symbol, at: sp.Expr, context: Context) -> list[Claim]:
    """That the point where a guard vanishes lies inside the domain of its variable."""
    claims = [c for c in context.about([variable]) if c.expression.has(variable)]
    return [
        Claim(c.expression.subs(variable, at), ">" if c.relation == ">=" else c.relation)
        for c in claims
    ]


@lru_cache(maxsize=5_000)
def _solutions(guard: sp.Expr, variable: sp.Symbol) -> sp.Expr | None:
    if guard.is_polynomial(variable):
        found = sp.Poly(guard, variable)
        if found.degree() == 1:
            slope, rest = found.all_coeffs()
            return sp.expand(-rest / slope) if slope.is_number else -rest / slope
        return None
    return None


def solved(guard: sp.Expr, variables: Sequence[sp.Symbol]) -> tuple[sp.Symbol, sp.Expr] | None:
    """A variable in which a guard is linear, and its value where the guard vanishes."""
    found = [(v, _solutions(guard, v)) for v in variables if guard.has(v)]
    usable = [(v, at) for v, at in found if at is not None]
    usable.sort(key=lambda s: (not sp.diff(guard, s[0]).is_number, str(s[0])))
    return usable[0] if usable else None
