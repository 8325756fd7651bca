"""Derivatives of scalar expressions: cell by cell, and the minimum-norm subgradient between cells.

SymPy's own derivative loses jumps and leaks `DiracDelta`. Here each kinked node is differentiated
within its cells, and what the derivative is on a *facet*, where two cells meet, is settled
afterwards: the gradients of the two cells span a segment, and the derivative is its point of least
norm: 0 for `Abs` at 0, the common value where the formula is smooth after all, else the nearer end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mpmath
import sympy as sp

from losscompiler.analysis.evaluate import UndefinedError, bounds
from losscompiler.ir.graph import Graph
from losscompiler.ir.operators import Magnitude, Maximum, Minimum, Sign, XDivY
from losscompiler.passes.facets import (
    DIGITS,
    TINY,
    Facet,
    Point,
    assign_tie,
    facet_of,
    facets,
    is_facet,
    jumps,
    on_side,
    points_on,
    with_jumps,
)
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


def gradient(graph: Graph, e: sp.Expr, wrt: Sequence[sp.Symbol]) -> Slopes:
    """The derivative by each leaf, with the minimum-norm subgradient on every facet."""
    key = (e, tuple(wrt))
    if key not in graph.slopes:  # Hessian-vector product and diagonal ask for the same ones
        graph.slopes[key] = _gradient(graph, e, wrt)
    return graph.slopes[key]


def _gradient(graph: Graph, e: sp.Expr, wrt: Sequence[sp.Symbol]) -> Slopes:
    found = {x: derivative(e, x) for x in wrt}
    if any(not d.is_number for d in found.values()):
        with mpmath.workdps(DIGITS):
            met = facets(e, wrt)
            for facet in met:
                found |= _settled(graph, e, facet, found, crowded=len(met) > CROWDED)
    return found


def _settled(graph: Graph, e: sp.Expr, facet: Facet, found: Slopes, *, crowded: bool) -> Slopes:
    """The derivatives whose value where one guard vanishes is not yet right."""
    found = {x: d for x, d in found.items() if facet in jumps(d)}
    points = points_on(graph, facet, e) if found else []
    try:
        above, below, tie = (_at_points(found, facet, side, points) for side in (1, -1, 0))
    except UndefinedError:
        return {}
    # Away from its own jumps a derivative is continuous, and right as it is.
    jumping = {
        x: d
        for x, d in found.items()
        if not (_same(above[x], below[x]) and _same(tie[x], below[x]))
    }
    if not points or not jumping:
        return {}
    a, b, now = ([side[x] for x in jumping] for side in (above, below, tie))
    choice = _choice(graph, facet, jumping, a, b)
    if choice == "nearest" and crowded and len(jumping) > 1:
        # The exact point would take as much code as the derivative itself, for each facet.
        choice = "below" if _norm(b) < _norm(a) else "above"
    if choice in VALUES and all(map(_same, now, VALUES[choice](a, b))):
        return {}
    if choice in ("above", "below"):
        side = 1 if choice == "above" else -1
        return {x: assign_tie(d, facet, side) for x, d in jumping.items()}
    exact = _on_facet(choice, facet, jumping)
    at = facet.relation(sp.Eq)
    return {x: _cells([(exact[x], at), (d, sp.true)]) for x, d in jumping.items()}


def _at_points(
    found: Slopes, facet: Facet, side: int, points: Sequence[Point]
) -> dict[sp.Symbol, list[Any]]:
    memories: list[dict[sp.Basic, Any]] = [{} for _ in points]
    return {
        x: [on_side(d, p, facet, side, known) for p, known in zip(points, memories, strict=True)]
        for x, d in found.items()
    }


# ---- which point of the segment between two cells' gradients --------------------------------

Rows = list[list[Any]]  # one row per derivative, one entry per sample point
CROWDED = 3
VALUES: dict[str, Any] = {
    "above": lambda a, b: a,
    "below": lambda a, b: b,
    "zero": lambda a, b: [[mpmath.mpf(0)] * len(v) for v in a],
    "middle": lambda a, b: [
        [(x + y) / 2 for x, y in zip(v, w, strict=True)] for v, w in zip(a, b, strict=True)
    ],
}


def _choice(graph: Graph, facet: Facet, found: Slopes, above: Rows, below: Rows) -> str:
    """The point of least norm: an end, zero, the middle, or "nearest" if only the data can tell.

    Identities are decided at sample points in high precision; inequalities are proved by interval
    bounds or else left to run time.
    """
    zero = VALUES["zero"](above, below)
    if all(map(_same, above, below)) or all(map(_same, above, zero)):
        return "above"
    if all(map(_same, below, zero)):
        return "below"
    if all(map(_same, above, [[-x for x in v] for v in below])):
        return "zero"
    if len(found) == 1:
        (slope,) = found.values()
        domains = graph.domain_map()
        ends = (bounds(with_jumps(slope, facet, side), domains) for side in (1, -1))
        return _nearer_end(*ends)
    shares = [
        _share(v, w)
        for v, w in zip(zip(*above, strict=True), zip(*below, strict=True), strict=True)
    ]
    return "middle" if all(abs(s - 0.5) < TINY for s in shares) else "nearest"


def _share(above: tuple[Any, ...], below: tuple[Any, ...]) -> Any:
    jump = [p - q for p, q in zip(above, below, strict=True)]
    length = mpmath.fdot(jump, jump)
    return -mpmath.fdot(below, jump) / length if length else mpmath.nan


def _norm(rows: Rows) -> Any:
    return mpmath.fsum(x * x for row in rows for x in row)


def _nearer_end(a: tuple[Any, Any], b: tuple[Any, Any]) -> str:
    """Decides by bounds on the two one-sided derivatives."""
    if (a[0] >= 0 and b[1] <= 0) or (a[1] <= 0 and b[0] >= 0):
        return "zero"
    if (a[0] >= b[1] and b[0] >= 0) or (a[1] <= b[0] and b[1] <= 0):
        return "below"
    if (b[0] >= a[1] and a[0] >= 0) or (b[1] <= a[0] and a[1] <= 0):
        return "above"
    return "nearest"


def _same(a: list[Any], b: list[Any]) -> bool:
    return all(abs(x - y) <= TINY * (1 + abs(x)) for x, y in zip(a, b, strict=True))


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
    # 0 / 0 where squares of jumps that are not 0 underflow: any point is as near then.
    share = Minimum(Maximum(XDivY(-along, length), sp.S.Zero), sp.S.One)
    return {x: Piecewise((b[x] + share * jump[x], length > 0), (b[x], True)) for x in found}
