"""Derivatives of scalar expressions: cell by cell, and the minimum-norm subgradient between cells.

SymPy's own derivative loses jumps and leaks `DiracDelta`. Here each kinked node is differentiated
within its cells, and what the derivative is on a *facet*, where two cells meet, is settled
afterwards: the gradients of the two cells span a segment, and the derivative is its point of least
norm: 0 for `Abs` at 0, the common value where the formula is smooth after all, else the nearer end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from losscompiler.analysis.evaluate import bounds
from losscompiler.ir.graph import Graph
from losscompiler.ir.operators import Magnitude, Maximum, Minimum, Sign
from losscompiler.passes.facets import (
    Facet,
    assign_tie,
    facet_of,
    facets,
    is_facet,
    jumps,
    with_jumps,
)
from losscompiler.passes.samples import DIGITS, NEAR, DoubtfulError, Sides, alike, on_facet
from losscompiler.spec.expressions import Piecewise, stop_gradient

CONSTANT_HEADS = (Sign, sp.floor, sp.ceiling, stop_gradient)
Slopes = dict[sp.Symbol, sp.Expr]


def derivative(e: sp.Expr, x: sp.Symbol, known: dict[sp.Basic, sp.Expr] | None = None) -> sp.Expr:
    """The derivative cell by cell; on facets it takes the value of either cell."""
    known = {} if known is None else known
    if e == x:
        return sp.S.One
    if not e.args:
        return sp.S.Zero
    if e not in known:
        known[e] = _derivative(e, x, known)
    return known[e]


def _derivative(e: sp.Expr, x: sp.Symbol, known: dict[sp.Basic, sp.Expr]) -> sp.Expr:
    def d(a: sp.Expr) -> sp.Expr:
        return derivative(a, x, known)

    if e.is_Add:
        return sp.Add(*(d(a) for a in e.args))
    if e.is_Mul:
        slopes = [(k, d(a)) for k, a in enumerate(e.args)]
        return sp.Add(*(s * sp.Mul(*e.args[:k], *e.args[k + 1 :]) for k, s in slopes if s != 0))
    if e.is_Pow:
        base, exponent = e.args
        by_base, by_exponent = d(base), d(exponent)
        slope = exponent * base ** (exponent - 1) * by_base if by_base != 0 else sp.S.Zero
        return slope + (e * sp.log(base) * by_exponent if by_exponent != 0 else sp.S.Zero)
    if isinstance(e, Magnitude):
        slope = d(e.args[0])
        return Sign(e.args[0]) * slope if slope != 0 else slope
    if isinstance(e, Maximum | Minimum):
        if d(e.args[0]) == d(e.args[1]):
            return d(e.args[0])
        facet, sign = facet_of(e)
        above = facet.relation(sp.Gt, sign if isinstance(e, Maximum) else -sign)
        return _cells([(d(e.args[0]), above), (d(e.args[1]), sp.true)])
    if isinstance(e, Piecewise):
        # What holds on a facet only, the leaf cannot leave unless the condition moves with it.
        return _cells([(d(v), c) for v, c in e.pairs if not (is_facet(c) and c.has(x))])
    if isinstance(e, CONSTANT_HEADS):
        return sp.S.Zero
    if isinstance(e, sp.tanh):  # SymPy's 1 - tanh(x)**2 cancels
        return d(e.args[0]) / sp.cosh(e.args[0]) ** 2
    slopes = [(k, d(a)) for k, a in enumerate(e.args)]
    return sp.Add(*(e.fdiff(k + 1) * s for k, s in slopes if s != 0))


def _cells(pairs: list[tuple[sp.Expr, sp.Basic]]) -> sp.Expr:
    while len(pairs) > 1 and pairs[-1][0] == pairs[-2][0]:
        pairs = pairs[:-1]
    return Piecewise(*pairs[:-1], (pairs[-1][0], sp.true))


def gradient(
    graph: Graph, e: sp.Expr, wrt: Sequence[sp.Symbol], *, share_ties: bool = True
) -> Slopes:
    """The derivative by each leaf, with the minimum-norm subgradient on every facet.

    Without `share_ties` it is that of one cell where this would have to be computed.
    """
    key = (e, tuple(wrt), share_ties)
    if key not in graph.slopes:  # Hessian-vector product and diagonal ask for the same ones
        graph.slopes[key] = _gradient(graph, e, wrt, share_ties=share_ties)
    return graph.slopes[key]


def _gradient(graph: Graph, e: sp.Expr, wrt: Sequence[sp.Symbol], *, share_ties: bool) -> Slopes:
    found = {x: derivative(e, x) for x in wrt}
    if any(not d.is_number for d in found.values()):
        met = facets(e, wrt)
        for facet in met:
            few = len(met) <= CROWDED
            jumping = {x: d for x, d in found.items() if facet in jumps(d)}
            if jumping:
                found |= _settled(graph, facet, jumping, few=few, share_ties=share_ties)
    return found


def _settled(
    graph: Graph, facet: Facet, found: Slopes, *, few: bool, share_ties: bool
) -> Mapping[sp.Symbol, sp.Expr]:
    """The derivatives whose value where one guard vanishes is not yet right."""
    for sides in on_facet(graph, facet, found):
        with suppress(DoubtfulError):
            return _decided(graph, facet, found, sides, few=few, share_ties=share_ties)
    return {}


def _decided(
    graph: Graph, facet: Facet, found: Slopes, sides: Sides, *, few: bool, share_ties: bool
) -> Mapping[sp.Symbol, sp.Expr]:
    above, below, tie = sides.above, sides.below, sides.tie
    # Away from its own jumps a derivative is continuous, and right as it is.
    jumping = {
        x: d
        for x, d in found.items()
        if not (alike(sides, above[x], below[x]) and alike(sides, tie[x], below[x]))
    }
    if not jumping:
        return {}
    a, b, now = (np.array([side[x] for x in jumping]) for side in (above, below, tie))
    choice = _choice(graph, facet, jumping, sides, a, b)
    exact = share_ties or few if len(jumping) == 1 else share_ties and few
    if choice == "nearest" and not exact:
        # The exact point would take as much code as the derivative itself, for each facet.
        choice = "below" if np.sum(b * b) < np.sum(a * a) else "above"
    if choice in VALUES and alike(sides, now.ravel(), VALUES[choice](a, b).ravel()):
        return {}
    if choice in ("above", "below"):
        side = 1 if choice == "above" else -1
        return {x: assign_tie(d, facet, side) for x, d in jumping.items()}
    graph.has_nearest |= choice == "nearest"
    there = _on_facet(choice, facet, jumping)
    at = facet.relation(sp.Eq)
    return {x: _cells([(there[x], at), (d, sp.true)]) for x, d in jumping.items()}


# ---- which point of the segment between two cells' gradients --------------------------------

Rows = Any  # one row per derivative, one entry per sample point
CROWDED = 3
VALUES: dict[str, Callable[[Rows, Rows], Rows]] = {
    "above": lambda a, b: a,
    "below": lambda a, b: b,
    "zero": lambda a, b: 0 * a,
    "middle": lambda a, b: (a + b) / 2,
}


def _choice(
    graph: Graph, facet: Facet, found: Slopes, sides: Sides, above: Rows, below: Rows
) -> str:
    """The point of least norm: an end, zero, the middle, or "nearest" if only the data can tell.

    Identities are decided at sample points; inequalities are proved by interval bounds or else
    left to run time.
    """

    def same(a: Rows, b: Rows) -> bool:
        return alike(sides, a.ravel(), b.ravel())

    if same(above, below) or same(above, 0 * above):
        return "above"
    if same(below, 0 * below):
        return "below"
    if same(above, -below):
        return "zero"
    if len(found) == 1:
        (slope,) = found.values()
        seen = ((rows.min() + NEAR, rows.max() - NEAR) for rows in (above, below))
        if _nearer_end(*seen) == "nearest":  # what is not so at these points is not so everywhere
            return "nearest"
        domains = graph.domain_map()
        with mpmath.workdps(DIGITS):
            ends = (bounds(with_jumps(slope, facet, side), domains) for side in (1, -1))
            return _nearer_end(*ends)
    lengths = (np.sum(rows * rows, axis=0) for rows in (above, below))
    return "middle" if same(*lengths) else "nearest"


def _nearer_end(a: tuple[Any, Any], b: tuple[Any, Any]) -> str:
    """Decides by bounds on the two one-sided derivatives."""
    if (a[0] >= 0 and b[1] <= 0) or (a[1] <= 0 and b[0] >= 0):
        return "zero"
    if (a[0] >= b[1] and b[0] >= 0) or (a[1] <= b[0] and b[1] <= 0):
        return "below"
    if (b[0] >= a[1] and a[0] >= 0) or (b[1] <= a[0] and a[1] <= 0):
        return "above"
    return "nearest"


def _on_facet(choice: str, facet: Facet, found: Slopes) -> Mapping[sp.Symbol, sp.Expr]:
    """The derivatives on the facet itself, as expressions."""
    if choice == "zero":
        return dict.fromkeys(found, sp.S.Zero)
    a = {x: with_jumps(d, facet, 1) for x, d in found.items()}
    b = {x: with_jumps(d, facet, -1) for x, d in found.items()}
    if choice == "middle":
        return {x: (a[x] + b[x]) / 2 for x in found}
    if len(found) == 1:
        return {x: Maximum(Minimum(a[x], b[x]), Minimum(Maximum(a[x], b[x]), 0)) for x in found}
    jump = {x: a[x] - b[x] for x in found}
    along = sp.Add(*(b[x] * jump[x] for x in found))
    length = sp.Add(*(jump[x] ** 2 for x in found))
    # Where the squares of jumps underflow, any point is as near as another.
    divisor = Piecewise((length, length > 0), (sp.S.One, True))
    share = Minimum(Maximum(-along / divisor, sp.S.Zero), sp.S.One)
    return {x: b[x] + share * jump[x] for x in found}
