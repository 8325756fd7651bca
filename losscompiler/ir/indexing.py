"""Entries picked along an axis, and their adjoints: gather, take, shift, scatter and place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import sympy as sp

from losscompiler.ir import nodes
from losscompiler.ir.nodes import Axis
from losscompiler.ir.replace import replaced

if TYPE_CHECKING:
    from losscompiler.ir.graph import Graph, Value


def gather(graph: Graph, value: Value, axis: Axis, index: sp.Expr) -> Value:
    """The value with an axis replaced by an integer value.

    Elementwise parts stay as they are, and of a matrix product only what is asked for is
    computed: row times picked column.
    """

    def pick(leaf: sp.Symbol) -> sp.Expr:
        definition, axes = graph.definition(leaf), graph.leaf_axes(leaf)
        if isinstance(definition, nodes.Contract) and len(set(axes)) == len(axes):
            return _gather_product(graph, definition, axes, axis, index)
        if isinstance(definition, nodes.Gather) and len(set(axes)) == len(axes):
            actual = dict(zip(definition.free, axes, strict=True))
            if graph.rename(definition.index, actual) == index:
                # Two axes that are picked along at the same places: those of their diagonal.
                one = graph.rename(definition.body, {**actual, definition.along: axis})
                return graph.gather(one, axis, index)
        return graph.node(nodes.Gather((), leaf, index, axis), (axis,), [leaf, index])

    return _reindex(graph, value, axis, pick, lambda v, a: gather(graph, v, a, index), index)


def _gather_product(
    graph: Graph, product: nodes.Contract, axes: tuple[Axis, ...], axis: Axis, index: sp.Expr
) -> sp.Expr:
    fresh = {a: graph.fresh(a.extent) for a in product.over}
    actual = dict(zip(product.free, axes, strict=True)) | fresh
    picked = [graph.gather(graph.rename(f, actual), axis, index) for f in product.factors]
    return graph.sum(sp.Mul(*picked), tuple(fresh.values()))


def at(graph: Graph, value: Value, axis: Axis, position: int) -> Value:
    """The value at one constant position of an axis."""

    def take(leaf: sp.Symbol) -> sp.Expr:
        definition, axes = graph.definition(leaf), graph.leaf_axes(leaf)
        if isinstance(definition, nodes.Place):
            onto = axes[definition.free.index(definition.along)]
            if onto == axis:
                actual = dict(zip(definition.free, axes, strict=True))
                found = dict(zip(definition.positions, definition.parts, strict=True))
                return graph.rename(found.get(position, sp.S.Zero), actual)
        return graph.node(nodes.Take((), leaf, axis, position), (axis,), [leaf])

    index = sp.Integer(position)
    return _reindex(graph, value, axis, take, lambda v, a: at(graph, v, a, position), index)


def shift(graph: Graph, value: Value, axis: Axis, offset: int) -> Value:
    """The value at `axis + offset`, zero outside; positions themselves are just moved."""
    if offset == 0:
        return value
    return _reindex(
        graph,
        value,
        axis,
        lambda leaf: graph.node(nodes.Shift((), leaf, axis, offset), (), [leaf]),
        lambda v, a: shift(graph, v, a, offset),
        graph.positions(axis) + offset,
    )


def _reindex(
    graph: Graph,
    value: Value,
    axis: Axis,
    make: Callable[[sp.Symbol], sp.Expr],
    again: Callable[[Value, Axis], Value],
    index: sp.Expr,
) -> Value:
    """Replaces the leaves that vary over an axis; positions along it become the index.

    `again` is the whole operation: a diagonal, `x[i, i]`, takes it once per occurrence of the axis.
    """
    swaps: dict[Value, Value] = {}
    for leaf in graph.leaves(value):
        definition, axes = graph.definition(leaf), graph.leaf_axes(leaf)
        if isinstance(definition, nodes.Positions) and axis in axes:
            swaps[leaf] = index
        elif axes.count(axis) > 1:
            apart, at_first = graph.fresh(axis.extent), axes.index(axis)
            spread = graph.apply(definition, (*axes[:at_first], apart, *axes[at_first + 1 :]), leaf)
            swaps[leaf] = graph.rename(again(again(spread, apart), axis), {apart: axis})
        elif axis in axes:
            swaps[leaf] = make(leaf)
    return replaced(value, swaps)


def scatter(
    graph: Graph, value: sp.Expr, index: sp.Expr, onto: Axis, over: Sequence[Axis], like: Value
) -> sp.Expr:
    """The adjoint of gather: sums the value over axes, into position `index` of a new axis."""
    if value == 0:
        return sp.S.Zero
    inside = tuple(a for a in over if a in graph.axes(value, index))
    outside = [a for a in over if a not in inside]
    value = value * sp.Mul(*(graph.extent(a.extent) for a in outside))
    alone = tuple(a for a in inside if a not in graph.axes(index))
    value = graph.sum(value, alone)
    bound = tuple(a for a in inside if a not in alone)
    made = nodes.Scatter((), value, index, onto, bound, like)
    return graph.node(made, bound, [value, index, like])


def place(
    graph: Graph, along: Axis, positions: Sequence[int], parts: Sequence[Value], like: Value
) -> sp.Expr:
    """Zero except for the parts at their constant positions."""
    kept = [(k, p) for k, p in zip(positions, parts, strict=True) if p != 0]
    if not kept:
        return sp.S.Zero
    at, values = zip(*sorted(kept, key=lambda pair: pair[0]), strict=True)
    made = nodes.Place((), along, tuple(at), tuple(values), like)
    return graph.node(made, (), [*values, like])
