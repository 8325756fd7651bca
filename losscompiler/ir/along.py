"""Definitions that look along an axis that their result keeps: orders, and what ties share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy as sp

from losscompiler.ir.nodes import Axis, Definition
from losscompiler.ir.operators import ExpDifference
from losscompiler.spec.expressions import Piecewise

if TYPE_CHECKING:
    from losscompiler.ir.graph import Graph


@dataclass(frozen=True)
class Along(Definition):
    """A node whose axis `along` is one of its body's and one of its result's."""

    body: sp.Expr
    along: Axis

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """The values that are looked at."""
        return (self.body,)


@dataclass(frozen=True)
class Order(Along):
    """Positions in the order of the body's entries, smallest first, equal ones by position.

    With `inverse`, where in that order each entry comes: its rank.
    """

    inverse: bool


@dataclass(frozen=True)
class TieMean(Along):
    """The mean of the body over the entries whose key is the same; `order` is that of the keys.

    Linear in the body, symmetric, and constant in the keys. Of the keys themselves it is the
    identity, whose derivative is shared by tied entries: the mean over all orders of them.
    """

    keys: sp.Expr
    order: sp.Symbol

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """What is averaged, and what says over which entries."""
        return (self.body, self.keys, self.order)


@dataclass(frozen=True)
class Cumulate(Along):
    """The sum over s <= t of `body[s] * exp(log_in[s] - log_out[t])`; s >= t if reversed.

    Derivatives of cumulated sums, and of their logarithms, are such sums again.
    """

    log_in: sp.Expr
    log_out: sp.Expr
    reverse: bool

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """What is summed, and the logarithms of its factors."""
        return (self.body, self.log_in, self.log_out)


@dataclass(frozen=True)
class LogCumulate(Along):
    """The logarithm of the cumulated sum of exp(body)."""

    reverse: bool


@dataclass(frozen=True)
class Correlate(Along):
    """The sum of `taps[n] * body` at the place `along + first + n`, 0 outside the axis."""

    taps: tuple[sp.Expr, ...]
    first: int

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """What is weighed, and its weights."""
        return (self.body, *self.taps)


def is_identity(definition: Definition) -> bool:
    """Whether a node computes its own body: it was there to be differentiated."""
    return isinstance(definition, TieMean) and definition.body == definition.keys


def order(graph: Graph, keys: sp.Expr, axis: Axis, *, inverse: bool = False) -> sp.Expr:
    """The positions in the order of the keys, or each entry's rank."""
    if axis not in graph.axes(keys):
        return graph.positions(axis)
    return graph.node(Order((), keys, axis, inverse), (), [keys])


def tie_mean(graph: Graph, value: sp.Expr, axis: Axis, keys: sp.Expr, by_keys: sp.Expr) -> sp.Expr:
    """The mean over entries with equal keys."""
    if axis not in graph.axes(value):
        return value
    bodies = [value, keys, by_keys]
    return graph.node(TieMean((), value, axis, keys, by_keys), (), bodies)


def permuted(graph: Graph, value: sp.Expr, axis: Axis, index: sp.Expr) -> sp.Expr:
    """The value with its entries along an axis in the order that the index says."""
    source = graph.fresh(axis.extent)
    return graph.gather(graph.rename(value, {axis: source}), source, index)


def cumulate(
    graph: Graph,
    value: sp.Expr,
    axis: Axis,
    log_in: sp.Expr = sp.S.Zero,
    log_out: sp.Expr = sp.S.Zero,
    *,
    reverse: bool = False,
) -> sp.Expr:
    """The cumulated sum; factors that do not vary along the axis stay outside."""
    if value == 0:
        return sp.S.Zero
    if axis not in graph.axes(value, log_in, log_out):
        factor = sp.S.One if log_in == log_out else ExpDifference(log_in, log_out)
        return value * factor * _count(graph, axis, reverse=reverse)
    total = sp.S.Zero
    for outer, inner in outside(graph, value, axis).items():
        bodies = [inner, log_in, log_out]
        if axis in graph.axes(*bodies):
            made = Cumulate((), inner, axis, log_in, log_out, reverse)
            total += outer * graph.node(made, (), bodies)
        else:
            total += cumulate(graph, outer * inner, axis, log_in, log_out, reverse=reverse)
    return total


def outside(graph: Graph, value: sp.Expr, axis: Axis) -> dict[sp.Expr, sp.Expr]:
    """A sum of products: by the factors that do not vary along an axis, those that do.

    Terms that have different ones stay together unless they make a larger array.
    """
    found: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(value):
        factors = sp.Mul.make_args(term)
        outer = sp.Mul(*(f for f in factors if axis not in graph.axes(f)))
        inner = sp.Mul(*(f for f in factors if axis in graph.axes(f)))
        found[outer] = found.get(outer, sp.S.Zero) + inner
    shrinks = graph.axes(*found.values()) != graph.axes(value)
    return found if len(found) == 1 or shrinks else {sp.S.One: value}


def log_cumulate(graph: Graph, value: sp.Expr, axis: Axis, *, reverse: bool = False) -> sp.Expr:
    """The logarithm of a cumulated sum of exponentials."""
    if axis not in graph.axes(value):
        return value + sp.log(_count(graph, axis, reverse=reverse))
    return graph.node(LogCumulate((), value, axis, reverse), (), [value])


def correlate(
    graph: Graph, value: sp.Expr, axis: Axis, taps: tuple[sp.Expr, ...], first: int
) -> sp.Expr:
    """The weighted sum over neighbours; factors that do not vary along the axis stay outside."""
    if value == 0 or all(tap == 0 for tap in taps):
        return sp.S.Zero
    total = sp.S.Zero
    for outer, inner in outside(graph, value, axis).items():
        if axis in graph.axes(inner):
            made = Correlate((), inner, axis, taps, first)
            total += outer * graph.node(made, (), [inner, *taps])
        else:
            inside = (tap * _inside(graph, axis, first + n) for n, tap in enumerate(taps))
            total += outer * inner * sp.Add(*inside)
    return total


def neighbour(graph: Graph, value: sp.Expr, axis: Axis, offset: int) -> sp.Expr:
    """The value so many places further on, 0 outside the axis."""
    return graph.shift(value, axis, offset) * _inside(graph, axis, offset)


def window(graph: Graph, place: Axis, seed: Axis, taps: tuple[sp.Expr, ...], first: int) -> sp.Expr:
    """The weight that an entry has in the weighted sum at a place."""
    here, there = graph.positions(place), graph.positions(seed)
    cells = [(tap, sp.Eq(there, here + first + n)) for n, tap in enumerate(taps) if tap != 0]
    return Piecewise(*cells, (sp.S.Zero, sp.true))


def _inside(graph: Graph, axis: Axis, offset: int) -> sp.Expr:
    if offset == 0:
        return sp.S.One
    here = graph.positions(axis)
    holds = sp.Lt(here, graph.extent(axis.extent) - offset)
    return Piecewise((sp.S.One, sp.Ge(here, -offset) if offset < 0 else holds), (0, sp.true))


def _count(graph: Graph, axis: Axis, *, reverse: bool) -> sp.Expr:
    """How many terms a cumulated sum has at each place."""
    here = graph.positions(axis)
    return graph.extent(axis.extent) - here if reverse else here + 1


def before(graph: Graph, one: Axis, other: Axis, *, reverse: bool) -> sp.Expr:
    """1 where a place on one axis is among those that are cumulated at a place on another."""
    a, b = graph.positions(one), graph.positions(other)
    holds = sp.Ge(a, b) if reverse else sp.Le(a, b)
    return Piecewise((sp.S.One, holds), (sp.S.Zero, sp.true))


def rebuilt(graph: Graph, node: Along, bodies: tuple[sp.Expr, ...]) -> sp.Expr:
    """The same node over other bodies."""
    if isinstance(node, Order):
        return order(graph, bodies[0], node.along, inverse=node.inverse)
    if isinstance(node, TieMean):
        return tie_mean(graph, bodies[0], node.along, bodies[1], bodies[2])
    if isinstance(node, LogCumulate):
        return log_cumulate(graph, bodies[0], node.along, reverse=node.reverse)
    if isinstance(node, Correlate):
        return correlate(graph, bodies[0], node.along, tuple(bodies[1:]), node.first)
    assert isinstance(node, Cumulate), node
    return cumulate(graph, bodies[0], node.along, bodies[1], bodies[2], reverse=node.reverse)
