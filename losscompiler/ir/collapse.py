"""Diagonals of nodes that look along an axis: sums over pairs of places that come apart.

Where the axis along which is summed becomes one with another axis of the body, the matrix of both
need not be built: factors that vary over one of them belong inside the sum or outside of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy as sp
from sympy.core.relational import Relational

from losscompiler.ir import along
from losscompiler.ir.nodes import Axis
from losscompiler.ir.operators import ExpDifference
from losscompiler.spec.expressions import Piecewise

if TYPE_CHECKING:
    from losscompiler.ir.graph import Graph


def collapsed(graph: Graph, node: along.Along, axes: tuple[Axis, ...]) -> sp.Expr | None:
    """A node over actual axes of which its own is one with another; None if they stay apart."""
    actual = dict(zip(node.free, axes, strict=True))
    others = [a for a in node.free if a != node.along]
    first = {actual[a]: a for a in reversed(others)}
    merge = {a: first[actual[a]] for a in others}
    if any(a != b for a, b in merge.items()):  # what is not looked along is one in the bodies
        bodies = tuple(graph.rename(body, merge) for body in node.bodies)
        return graph.rename(along.rebuilt(graph, node, bodies), actual)
    seed = first[actual[node.along]]
    if type(node) not in COLLAPSED or seed in graph.axes(*node.bodies[1:]):
        return None
    for terms in _splits(node.body):
        parts = [COLLAPSED[type(node)](graph, node, seed, t) for t in terms]
        if all(part is not None for part in parts):
            return graph.rename(sp.Add(*parts), actual)
    return None


def _splits(body: sp.Expr) -> Iterator[tuple[sp.Expr, ...]]:
    """The body in fewer terms first: differences that are summed apart may cancel."""
    yield (body,)
    yield sp.Add.make_args(body)
    yield sp.Add.make_args(sp.expand_mul(body, deep=False))


@dataclass
class _Apart:
    """Factors of a term by where they vary: along the sum's axis, over the seed, over both."""

    inner: sp.Expr
    outer: sp.Expr
    both: list[sp.Expr]


def _apart(graph: Graph, term: sp.Expr, axis: Axis, seed: Axis) -> _Apart:
    found = _Apart(sp.S.One, sp.S.One, [])
    for factor in sp.Mul.make_args(term):
        axes = graph.axes(factor)
        if seed not in axes:
            found.inner *= factor
        elif axis not in axes:
            found.outer *= graph.rename(factor, {seed: axis})
        else:
            found.both.append(factor)
    return found


def _cumulated(graph: Graph, node: along.Cumulate, seed: Axis, term: sp.Expr) -> sp.Expr | None:
    """The sum over s <= t of a term that knows t as its seed."""
    axis = node.along
    parts = _apart(graph, term, axis, seed)
    log_in, log_out = node.log_in, node.log_out
    for factor in parts.both:
        if isinstance(factor, ExpDifference):
            for e, sign in zip(factor.args, (1, -1), strict=True):
                for t in sp.Add.make_args(e):
                    axes = graph.axes(t)
                    if {axis, seed} <= set(axes):
                        return None
                    if seed in axes:
                        log_out -= sign * graph.rename(t, {seed: axis})
                    else:
                        log_in += sign * t
            continue
        holds = _places(graph, factor, axis, seed)
        if holds is None:
            return None
        if holds != (">=" if node.reverse else "<="):  # the one place where both are
            here = graph.rename(term / factor, {seed: axis})
            return here if log_in == log_out else here * ExpDifference(node.log_in, node.log_out)
    inner, reverse = parts.inner, node.reverse
    return parts.outer * along.cumulate(graph, inner, axis, log_in, log_out, reverse=reverse)


def _places(graph: Graph, factor: sp.Expr, axis: Axis, seed: Axis) -> str | None:
    """How the place on the axis compares with the seed where a factor is 1, else 0."""
    if not isinstance(factor, Piecewise) or [v for v, _ in factor.pairs] != [1, 0]:
        return None
    relation, place, at = factor.pairs[0][1], graph.positions(axis), graph.positions(seed)
    if not isinstance(relation, Relational) or set(relation.args) != {place, at}:
        return None
    turned = relation if relation.lhs == place else relation.reversed
    return str(turned.rel_op)


def _correlated(graph: Graph, node: along.Correlate, seed: Axis, term: sp.Expr) -> sp.Expr | None:
    """The weighted sum over neighbours of a term that knows the place as its seed."""
    axis = node.along
    parts = _apart(graph, term, axis, seed)
    taps = list(node.taps)
    for n in range(len(taps)):
        for factor in parts.both:
            weight = _weight(graph, factor, axis, seed, node.first + n)
            if weight is None:
                return None
            taps[n] *= weight
    return parts.outer * along.correlate(graph, parts.inner, axis, tuple(taps), node.first)


def _weight(graph: Graph, factor: sp.Expr, axis: Axis, seed: Axis, offset: int) -> sp.Expr | None:
    """What a window is worth so many places from its seed."""
    if not isinstance(factor, Piecewise):
        return None
    place, at = graph.positions(axis), graph.positions(seed)
    for weight, condition in factor.pairs:
        if graph.axes(weight):
            return None
        if condition == sp.true:
            return weight
        if not isinstance(condition, sp.Eq):
            return None
        away = sp.expand((condition.lhs - condition.rhs).xreplace({place: at + offset}))
        if not away.is_number:
            return None
        if away == 0:
            return weight
    return None


COLLAPSED: dict[type[along.Along], Callable[..., sp.Expr | None]] = {
    along.Cumulate: _cumulated,
    along.Correlate: _correlated,
}
