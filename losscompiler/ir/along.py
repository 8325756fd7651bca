"""Definitions that look along an axis that their result keeps: orders, and what ties share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy as sp

from losscompiler.ir.nodes import Axis, Definition

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


def rebuilt(graph: Graph, node: Along, bodies: tuple[sp.Expr, ...]) -> sp.Expr:
    """The same node over other bodies."""
    if isinstance(node, Order):
        return order(graph, bodies[0], node.along, inverse=node.inverse)
    assert isinstance(node, TieMean), node
    return tie_mean(graph, bodies[0], node.along, bodies[1], bodies[2])
