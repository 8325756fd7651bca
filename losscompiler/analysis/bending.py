"""Proofs that a loss is not convex, whatever value a parameter has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy as sp

from losscompiler.analysis.cells import Cell, side_claim, solved
from losscompiler.analysis.claims import Claim, Context, membership
from losscompiler.analysis.convexity import cases, pieces_of
from losscompiler.analysis.ledger import Ledger
from losscompiler.analysis.narrowed import defaults_of
from losscompiler.analysis.problem import Problem
from losscompiler.analysis.sign import holds
from losscompiler.spec.decorator import Loss

PLACES = tuple(sp.Rational(k, 4) for k in (4, -4, 1, -1, 2, -2, 3, 8, -8, 16, -16, 0))


def bends_for_all(
    loss: Loss, question: Problem, a: sp.Symbol, rest: sp.Interval, ledger: Ledger
) -> bool:
    """Whether it is proved for each of these values that the loss is not convex.

    All else has its default there, or a simple value of its domain.
    """
    if len(question.variables) != 1:
        return False
    (x,) = question.variables
    values = {n: v for n, v in defaults_of(loss).items() if n != dict(question.owner)[a]}
    swaps = {s: values[n] for s, n in question.owner if n in values}
    swaps |= {
        s: next((v for v in (sp.S.Zero, sp.S.One) if d.contains(v) == sp.true), sp.S.Half)
        for s, d in question.context.domains
        if s not in (x, a, *swaps) and not isinstance(d, sp.FiniteSet)
    }
    kept = {s: d for s, d in question.context.domains if s not in swaps}
    context = Context.over({**kept, a: rest})
    places = [
        *PLACES,
        *(k * (1 + 1 / (a - end) * sign) for k in (1, 4) for sign, end in _ends(rest)),
    ]
    for formula, _ in cases(question.formula.subs(swaps), context):
        groups: dict[tuple[tuple[sp.Expr, int], ...], list[Cell]] = {}
        for cell in pieces_of(formula, context):
            if all(side or not g.has(x) for g, side in cell.sides):
                own = tuple(side for side in cell.sides if not side[0].has(x))
                groups.setdefault(own, []).append(cell)
        if groups and all(
            any(_bends_down(c, x, a, places, context, ledger) for c in same)
            for same in groups.values()
        ):
            return True
    return False


def _ends(part: sp.Interval) -> Iterator[tuple[int, sp.Expr]]:
    """The finite ends of an interval, and the sign of the distance from them inside."""
    if part.inf.is_finite:
        yield 1, part.inf
    if part.sup.is_finite:
        yield -1, part.sup


def _bends_down(
    cell: Cell,
    x: sp.Symbol,
    a: sp.Symbol,
    places: Sequence[sp.Expr],
    context: Context,
    ledger: Ledger,
) -> bool:
    """Whether the curvature is negative somewhere in a cell, whatever the parameter is."""
    fixed = [solved(g, [a]) for g, side in cell.sides if side == 0]
    if None in fixed:
        return False
    swaps = dict(f for f in fixed if f is not None)
    own = [side_claim(g, s) for g, s in cell.sides if s and not g.has(x)]
    here = context.given(*(type(c)(c.expression.subs(swaps), c.relation) for c in own))
    curvature = sp.diff(cell.value.subs(swaps), x, 2)
    inside = [c for c in membership(x, context.domain(x)) if c.expression.has(x)]
    inside += [side_claim(g, s) for g, s in cell.sides if g.has(x)]
    claims = [c.expression.subs(swaps) for c in inside]
    for at in (place.subs(swaps) for place in places):
        if at.has(sp.zoo, sp.nan):
            continue
        value = curvature.subs(x, at)
        if value.has(sp.nan, sp.zoo) or not all(holds(c.subs(x, at), ">", here) for c in claims):
            continue
        if holds(-value, ">", here):
            ledger.require(f"the curvature at {at} is negative", -value, ">", here)
            return True
        beyond = here.given(Claim(x - at, ">"))
        if not at.has(a) or context.domain(x).sup != sp.oo:
            continue
        if all(holds(c, ">", beyond) for c in (-curvature, *claims)):
            ledger.require(f"the curvature beyond {at} is negative", -curvature, ">", beyond)
            return True
    return False
