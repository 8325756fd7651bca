"""Diagonals: two axes of a definition become one, and no matrix is built for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sympy as sp

from losscompiler.ir import along, nodes
from losscompiler.ir.nodes import Axis, Definition

if TYPE_CHECKING:
    from losscompiler.ir.graph import Graph, Value


def diagonal(
    graph: Graph, definition: Definition, merge: dict[Axis, Axis], back: dict[Axis, Axis]
) -> sp.Expr:
    """A definition with some of its free axes made one (`merge`), then renamed by `back`."""
    if isinstance(definition, nodes.Place):
        here = merge[definition.along]
        same = [a for a in definition.free if merge[a] == here and a != definition.along]
        parts = [
            graph.at(graph.rename(graph.rename(p, {a: here for a in same}), merge), here, k)
            for k, p in zip(definition.positions, definition.parts, strict=True)
        ]
        like = graph.rename(definition.like, merge)
        return graph.rename(graph.place(here, definition.positions, parts, like), back)
    if isinstance(definition, nodes.Scatter):
        here = merge[definition.onto]
        same = [a for a in definition.free if merge[a] == here and a != definition.onto]
        if set(same) & set(graph.axes(definition.index)):
            # The index moves along the diagonal, too: what counts is where it points here.
            body, index = (graph.rename(e, merge) for e in (definition.body, definition.index))
            hits = graph.equal(index, graph.positions(here))
            return graph.rename(graph.sum(body * hits, definition.over), back)
        body = graph.rename(definition.body, {a: here for a in same})
        body = graph.gather(body, here, definition.index)
        outside = {a: b for a, b in merge.items() if a != definition.onto}
        body = graph.rename(body, outside)
        index = graph.rename(definition.index, outside)
        like = graph.rename(definition.like, merge)
        return graph.rename(graph.scatter(body, index, here, definition.over, like), back)
    # Bound axes may share formal names with other definitions' axes, never with their own.
    bodies = [graph.rename(b, merge) for b in definition.bodies]
    return graph.rename(rebuilt(graph, definition, bodies), back)


def rebuilt(graph: Graph, definition: Definition, bodies: Sequence[Value]) -> sp.Expr:
    """The same node over other bodies, over the definition's own formal axes."""
    if isinstance(definition, nodes.Reduce):
        return graph.reduce(definition.kind, bodies[0], definition.over)
    if isinstance(definition, nodes.Contract):
        return graph.sum(sp.Mul(*bodies), definition.over)
    if isinstance(definition, nodes.LogSumExp):
        return graph.logsumexp(bodies[0], definition.over, bodies[1], bodies[2])
    if isinstance(definition, nodes.Gather):
        return graph.gather(bodies[0], definition.along, bodies[1])
    if isinstance(definition, nodes.Scatter):
        body, index, like = bodies
        return graph.scatter(body, index, definition.onto, definition.over, like)
    if isinstance(definition, nodes.Take):
        return graph.at(bodies[0], definition.along, definition.position)
    if isinstance(definition, nodes.Place):
        return graph.place(definition.along, definition.positions, bodies[:-1], bodies[-1])
    if isinstance(definition, nodes.Unit):
        return graph.unit(bodies[0], bodies[1], definition.over)
    if isinstance(definition, nodes.Shift):
        return graph.shift(bodies[0], definition.along, definition.offset)
    if isinstance(definition, along.Along):
        return along.rebuilt(graph, definition, tuple(bodies))
    if isinstance(definition, nodes.Map):
        return bodies[0]
    raise TypeError(f"{type(definition).__name__} has no bodies to rebuild")
