"""Points where a guard vanishes, and what derivatives are there, as one comes from either side."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import sympy as sp
from sympy.core.relational import Relational

from losscompiler.analysis import arrays
from losscompiler.analysis.evaluate import UndefinedError, evaluate
from losscompiler.ir.graph import Graph
from losscompiler.ir.operators import Sign
from losscompiler.passes.facets import Facet, every_facet, facet_of

POINTS = 96  # in double precision, in as many directions as the guard has leaves
EXACT = 8  # of them in 40 digits, where double precision does not tell
DIGITS = 40
STEPS = 24
NEAR = 1e-9  # of a facet
Array = Any
Point = dict[sp.Symbol, Any]
Rows = dict[sp.Symbol, Array]  # the values of one derivative at all points


@dataclass(frozen=True)
class Sides:
    """Derivatives on a facet, taken as above, below and on it; equal if nearer than `same`.

    What is farther apart than that, but not farther than `doubt`, may be equal or not.
    """

    above: Rows
    below: Rows
    tie: Rows
    same: float
    doubt: float


class DoubtfulError(ArithmeticError):
    """Rounding errors may explain the difference."""


def alike(sides: Sides, a: Array, b: Array) -> bool:
    """Whether values are equal at all points.

    Raises:
        DoubtfulError: If these digits do not tell.
    """
    gap = max(abs(a - b) / (1 + abs(a)), default=0)
    if sides.same < gap <= sides.doubt:
        raise DoubtfulError
    return bool(gap <= sides.same)


def on_facet(graph: Graph, facet: Facet, found: Mapping[sp.Symbol, sp.Expr]) -> Iterator[Sides]:
    """Derivatives at points on the facet: at many in double precision, at some in 40 digits."""
    wanted = sp.Tuple(facet.guard, *found.values())
    leaves = graph.leaves(wanted)
    moved = [s for s in leaves if facet.guard.has(s) and not graph.is_condition(s)]
    moved = [s for s in moved if not s.is_integer] or moved
    batches = [_solved(graph, facet, leaves, leaf, POINTS // len(moved)) for leaf in moved]
    points = {s: np.concatenate([batch[s] for batch in batches]) for s in leaves}
    by = [leaf for leaf, batch in zip(moved, batches, strict=True) for _ in batch[leaf]]
    sides = [_from(found, points, facet, side) for side in (1, -1, 0)]
    fine = np.all([np.isfinite(row) for rows in sides for row in rows.values()], axis=0)
    apart = fine & _off_others(facet, wanted, points, len(by))
    chosen = np.flatnonzero(apart if apart.any() else fine)
    if not len(chosen):
        return
    above, below, tie = ({x: row[chosen] for x, row in rows.items()} for rows in sides)
    yield Sides(above, below, tie, same=1e-10, doubt=1e-5)
    some = chosen[:: -(-len(chosen) // EXACT)]
    with mpmath.workdps(DIGITS):
        exact = [_polished(facet, {s: points[s][n] for s in leaves}, by[n]) for n in some]
        yield from _exactly(found, [p for p in exact if p is not None], facet)


def _solved(
    graph: Graph, facet: Facet, leaves: Sequence[sp.Symbol], leaf: sp.Symbol, count: int
) -> Point:
    """Pseudo-random points inside the domains, one leaf of each chosen so that the guard is 0."""
    rng = random.Random(f"{facet.guard} {leaf}")
    points = {s: _sample(graph, s, rng, count) for s in leaves}

    def guard(x: Array) -> Array:
        return np.broadcast_to(arrays.values(facet.guard, {**points, leaf: x}), count)

    x, y = points[leaf], points[leaf] + 0.37
    fx, fy = guard(x), guard(y)
    scale = abs(fx)
    for _ in range(STEPS):
        still = (fy == 0) | (fx == fy) | np.isnan(fy)
        if still.all():
            break
        with np.errstate(all="ignore"):
            next_y = np.where(still, y, y - fy * (y - x) / (fy - fx))
        x, fx, y = y, fy, next_y
        fy = guard(y)
    low, high = map(float, graph.bounds_of(leaf))
    kept = (abs(fy) < 1e-12 * (1 + scale)) & (low < y) & (y < high)
    return {s: a[kept] for s, a in {**points, leaf: y}.items()}


def _sample(graph: Graph, leaf: sp.Symbol, rng: random.Random, count: int) -> Array:
    if graph.is_condition(leaf):
        return np.array([rng.random() < 0.5 for _ in range(count)])
    low, high = map(float, graph.bounds_of(leaf))
    if leaf.is_integer:
        least = max(0, int(low)) if low > -np.inf else 0
        return np.array([float(rng.randint(least, 5)) for _ in range(count)])
    if low == -np.inf:
        low = high - 4 if high < np.inf else -4.0
    high = low + 4 - min(low, 0) if high == np.inf else high
    return np.array([low + (high - low) * rng.randint(1, 9999) / 10000 for _ in range(count)])


def _from(found: Mapping[sp.Symbol, sp.Expr], points: Point, facet: Facet, side: int) -> Rows:
    count = max((np.size(a) for a in points.values()), default=0)

    def jump(node: sp.Basic) -> Array | None:
        on = _on_side(node, facet, side)
        return None if on is None else np.float64(on) if isinstance(node, Sign) else np.bool_(on)

    known: dict[sp.Basic, Array] = {}
    return {
        x: np.broadcast_to(np.asarray(arrays.values(d, points, jump, known), float), count)
        for x, d in found.items()
    }


def _off_others(facet: Facet, wanted: sp.Basic, points: Point, count: int) -> Array:
    """Whether points are on no other facet, where still other cells meet."""
    known: dict[sp.Basic, Array] = {}
    away = np.ones(count, bool)
    for other in every_facet(wanted):
        if other != facet:
            away &= abs(arrays.values(other.guard, points, known=known)) > NEAR
    return away


def _on_side(node: sp.Basic, facet: Facet, side: int) -> int | bool | None:
    """What a node that jumps at the facet is on one side of it (0: on it); None for others."""
    if not isinstance(node, Sign | Relational) or isinstance(node, sp.Eq | sp.Ne):
        return None  # |x| and max(x, y) are continuous
    own, sign = facet_of(node)
    if own != facet:
        return None
    return sign * side if isinstance(node, Sign) else bool(type(node)(sign * side, 0))


# ---- in 40 digits ----------------------------------------------------------------------------


def _polished(facet: Facet, point: Point, leaf: sp.Symbol) -> Point | None:
    exact = {
        s: bool(x) if isinstance(x, np.bool_) else mpmath.mpf(float(x)) for s, x in point.items()
    }
    try:
        x, y = exact[leaf] + mpmath.mpf("1e-9"), exact[leaf]
        fx, fy = (evaluate(facet.guard, {**exact, leaf: v}) for v in (x, y))
        for _ in range(STEPS):
            if abs(fy) < mpmath.mpf(10) ** -52:
                return {**exact, leaf: y}
            if fx == fy:
                return None
            x, fx, y = y, fy, y - fy * (y - x) / (fy - fx)
            fy = evaluate(facet.guard, {**exact, leaf: y})
    except UndefinedError:
        return None
    return None


def _exactly(
    found: Mapping[sp.Symbol, sp.Expr], points: Sequence[Point], facet: Facet
) -> Iterator[Sides]:
    def rows(side: int) -> Rows:
        def jump(node: sp.Basic, values: list[Any]) -> Any:
            on = _on_side(node, facet, side)
            return mpmath.mpf(on) if isinstance(node, Sign) and on is not None else on

        known: list[dict[sp.Basic, Any]] = [{} for _ in points]
        return {
            x: np.array([evaluate(d, p, jump, k) for p, k in zip(points, known, strict=True)])
            for x, d in found.items()
        }

    try:
        yield Sides(rows(1), rows(-1), rows(0), same=1e-25, doubt=1e-25)
    except UndefinedError:
        return
