"""Where two smooth cells of an expression meet: guards, their sides, and points on them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mpmath
import sympy as sp
from sympy.core.relational import Relational

from losscompiler.analysis.evaluate import UndefinedError, evaluate
from losscompiler.ir.graph import Graph
from losscompiler.ir.operators import Magnitude, Maximum, Minimum, Sign
from losscompiler.spec.expressions import Piecewise, stop_gradient

Point = dict[sp.Basic, Any]
PROBES = 3
PATIENCE = 8  # tries in a row without news
DIGITS = 40
TINY = mpmath.mpf(10) ** -25
JUMPING = (Sign, sp.Lt, sp.Le, sp.Gt, sp.Ge)
KINKED = (*JUMPING, Magnitude, Maximum, Minimum)


@dataclass(frozen=True)
class Facet:
    """The set where `guard` vanishes; the guard is primitive and has a fixed sign convention."""

    guard: sp.Expr

    def relation(self, kind: Any, sign: int = 1) -> sp.Basic:
        """The relation of sign * guard to 0, with the guard's negative terms on the other side."""
        if sign < 0:
            kind = {sp.Gt: sp.Lt, sp.Lt: sp.Gt, sp.Ge: sp.Le, sp.Le: sp.Ge, sp.Eq: sp.Eq}[kind]
        terms = sp.Add.make_args(self.guard)
        negative = [t for t in terms if t.could_extract_minus_sign()]
        left = sp.Add(*(t for t in terms if t not in negative))
        return kind(left, sp.Add(*(-t for t in negative)))

    def orientation(self, node: sp.Basic) -> int:
        """1 if the node's own guard grows with this one, -1 if it falls, 0 if it is another."""
        facet, sign = facet_of(node)
        return sign if facet == self else 0


@lru_cache(maxsize=20_000)
def canonical(guard: sp.Expr) -> tuple[Facet, int]:
    """The facet of a guard, and the sign that its convention takes out of it."""
    expanded = _expanded(guard)
    content, primitive = expanded.primitive() if expanded.is_Add else expanded.as_coeff_Mul()
    sign = -1 if content.is_negative else 1
    if primitive.could_extract_minus_sign():
        return Facet(-primitive), -sign
    return Facet(primitive), sign


def _expanded(e: sp.Expr) -> sp.Expr:
    """Products of sums as sums of products, not looking into functions."""
    if e.is_Add:
        return sp.Add(*map(_expanded, e.args))
    if e.is_Mul and any(a.is_Add for a in e.args):
        return _expanded(sp.expand_mul(e, deep=False))
    return e


@lru_cache(maxsize=20_000)
def facet_of(node: sp.Basic) -> tuple[Facet, int]:
    """The facet at which a kinked node changes its cell."""
    if isinstance(node, Magnitude | Sign):
        return canonical(node.args[0])
    return canonical(node.args[0] - node.args[1])


def facets(e: sp.Basic, wrt: Sequence[sp.Symbol]) -> list[Facet]:
    """The facets that the leaves can cross, in order of appearance."""
    found: dict[Facet, None] = {}
    seen: set[sp.Basic] = set()
    stack = [e]
    while stack:
        node = stack.pop()
        if node in seen or not node.args:
            continue
        seen.add(node)
        if isinstance(node, Piecewise):
            stack.extend(a for pair in node.pairs if not is_facet(pair[1]) for a in pair[::-1])
            continue
        stack.extend(reversed(node.args))
        if isinstance(node, KINKED):
            facet, _ = facet_of(node)
            if any(_moves(facet.guard, x) for x in wrt):
                found[facet] = None
    return list(found)


@lru_cache(maxsize=1_000)
def jumps(e: sp.Basic) -> frozenset[Facet]:
    """The facets at which an expression need not be continuous."""
    steps = (node for node in _nodes(e) if isinstance(node, JUMPING))
    return frozenset(facet_of(node)[0] for node in steps)


def _moves(guard: sp.Basic, leaf: sp.Symbol) -> bool:
    """Whether a guard varies with a leaf: not if that is read through `stop_gradient` alone."""
    if isinstance(guard, stop_gradient):
        return False
    return guard == leaf or any(_moves(a, leaf) for a in guard.args if a.has(leaf))


def is_facet(condition: sp.Basic) -> bool:
    """An equation between real numbers holds on a set that no derivative looks at."""
    if isinstance(condition, sp.And):
        return any(is_facet(c) for c in condition.args)
    return isinstance(condition, sp.Eq) and not all(a.is_integer for a in condition.args)


def on_side(e: sp.Basic, point: Point, facet: Facet, side: int, known: dict[sp.Basic, Any]) -> Any:
    """The value at a point of the facet, with every kinked node of this facet on one side of it.

    `side` is 1 or -1 for the neighbouring cells, 0 for the facet itself; `known` remembers values
    from one expression to the next.
    """

    def kink(node: sp.Basic, values: list[Any]) -> Any:
        if not isinstance(node, Sign | Relational) or isinstance(node, sp.Eq | sp.Ne):
            return None  # |x| and max(x, y) are continuous
        own, sign = facet_of(node)
        if own != facet:
            return None
        orientation = sign * side
        if isinstance(node, Sign):
            return mpmath.mpf(orientation)
        return bool(type(node)(orientation, 0))

    return evaluate(e, point, kink, known)


def points_on(graph: Graph, facet: Facet, e: sp.Basic) -> list[Point]:
    """A few pseudo-random points on the facet, inside the domains of the leaves.

    What else switches in the expression is on and off at some of them, as far as it can be there.
    """
    switches = _switches(graph, facet, sp.Tuple(facet.guard, e))
    unseen = {(s, on) for s in switches for on in (True, False)}
    leaves = graph.leaves(sp.Tuple(facet.guard, e))
    rng = random.Random(str(facet.guard))
    found: list[Point] = []
    idle = 0
    while idle < PATIENCE and (len(found) < PROBES or unseen):
        idle += 1
        point = {leaf: _sample(graph, leaf, rng) for leaf in leaves}
        solved = _moved_onto(graph, facet, point)
        if solved is None:
            continue
        seen = _state(switches, solved)
        if len(found) < PROBES or seen & unseen:
            found.append(solved)
            unseen -= seen
            idle = 0
    return found


def _switches(graph: Graph, facet: Facet, e: sp.Basic) -> list[sp.Basic]:
    """The conditions that decide which cell of the other kinks a point on the facet lies in."""
    conditions = [s for s in graph.leaves(e) if graph.is_condition(s)]
    return [*conditions, *(f.relation(sp.Gt) for f in _every_facet(e) if f != facet)]


@lru_cache(maxsize=1_000)
def _every_facet(e: sp.Basic) -> tuple[Facet, ...]:
    kinked = {node: None for node in _nodes(e) if isinstance(node, KINKED)}
    return tuple(f for f in dict.fromkeys(facet_of(n)[0] for n in kinked) if f.guard.free_symbols)


def _nodes(e: sp.Basic) -> list[sp.Basic]:
    """Every subexpression once."""
    found: dict[sp.Basic, None] = {}
    stack = [e]
    while stack:
        node = stack.pop()
        if node not in found:
            found[node] = None
            stack.extend(reversed(node.args))
    return list(found)


def _state(switches: list[sp.Basic], point: Point) -> set[tuple[sp.Basic, bool]]:
    """Which switches are on and off at a point, where they are defined."""
    known: dict[sp.Basic, Any] = {}
    found = set()
    for switch in switches:
        with suppress(UndefinedError):
            found.add((switch, bool(evaluate(switch, point, known=known))))
    return found


def _moved_onto(graph: Graph, facet: Facet, point: Point) -> Point | None:
    """The point with one coordinate changed so that the guard vanishes."""
    symbols = [s for s in point if facet.guard.has(s) and not graph.is_condition(s)]
    for leaf in sorted(symbols, key=lambda s: bool(s.is_integer)):
        root = _root(facet.guard, point, leaf)
        low, high = graph.bounds_of(leaf)
        if root is not None and low < root < high:
            return {**point, leaf: root}
    return None


def _root(guard: sp.Expr, point: Point, leaf: sp.Symbol) -> Any:
    """A zero of the guard along one coordinate, by the secant method."""
    try:
        x, y = point[leaf], point[leaf] + mpmath.mpf("0.37")
        fx, fy = (evaluate(guard, {**point, leaf: v}) for v in (x, y))
        for _ in range(24):
            if abs(fy) < TINY * TINY / 100:
                return y
            if fx == fy:
                return None
            x, fx, y = y, fy, y - fy * (y - x) / (fy - fx)
            fy = evaluate(guard, {**point, leaf: y})
    except UndefinedError:
        return None
    return None


def _sample(graph: Graph, leaf: sp.Symbol, rng: random.Random) -> Any:
    if graph.is_condition(leaf):
        return rng.random() < 0.5
    low, high = graph.bounds_of(leaf)
    if leaf.is_integer:
        return mpmath.mpf(rng.randint(max(0, int(low)) if low > -mpmath.inf else 0, 5))
    if low == -mpmath.inf:
        low = high - 4 if high < mpmath.inf else -4
    high = low + 4 - min(low, 0) if high == mpmath.inf else high
    return low + (high - low) * mpmath.mpf(rng.randint(1, 9999)) / 10000


def with_jumps(e: sp.Basic, facet: Facet, side: int) -> sp.Basic:
    """The expression on a facet, with its jumps taken as on one side of it.

    What is continuous keeps its form, so that both sides share it.
    """

    def change(node: sp.Basic, orientation: int) -> sp.Basic:
        if isinstance(node, Sign):
            return sp.Integer(orientation * side)
        if isinstance(node, Relational):
            return sp.sympify(type(node)(orientation * side, 0))
        return node

    return _rebuilt(e, facet, change, {})


def assign_tie(e: sp.Basic, facet: Facet, side: int) -> sp.Basic:
    """Makes the conditions of an expression put the facet itself on one side."""

    def change(node: sp.Basic, orientation: int) -> sp.Basic:
        upward = orientation == side
        if isinstance(node, Sign):
            holds = (sp.Ge if upward else sp.Gt)(node.args[0], 0)
            return Piecewise((sp.S.One, holds), (sp.S.NegativeOne, True))
        if isinstance(node, sp.Gt | sp.Ge):
            return (sp.Ge if upward else sp.Gt)(*node.args)
        if isinstance(node, sp.Lt | sp.Le):
            return (sp.Lt if upward else sp.Le)(*node.args)
        return node

    return _rebuilt(e, facet, change, {})


def _rebuilt(
    e: sp.Basic,
    facet: Facet,
    change: Callable[[sp.Basic, int], sp.Basic],
    known: dict[sp.Basic, sp.Basic],
) -> sp.Basic:
    if not e.args:
        return e
    if e not in known:
        orientation = facet.orientation(e) if isinstance(e, KINKED) else 0
        if orientation and not isinstance(e, Magnitude | Maximum | Minimum):
            known[e] = change(e, orientation)
        else:
            args = [_rebuilt(a, facet, change, known) for a in e.args]
            known[e] = e if list(e.args) == args else e.func(*args)
    return known[e]
