"""A program: what one kernel computes, and passes that visit every body of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from losscompiler.ir import nodes
from losscompiler.ir.along import is_identity
from losscompiler.ir.diagonal import rebuilt
from losscompiler.ir.graph import Graph
from losscompiler.ir.nodes import Axis, Definition


@dataclass(frozen=True)
class Output:
    """One result: its value, and its axes in the order of the array that is returned."""

    value: sp.Expr
    axes: tuple[Axis, ...]


@dataclass(frozen=True)
class Program:
    """One kernel: named inputs in order, results in order."""

    graph: Graph
    inputs: tuple[nodes.Input, ...]
    outputs: tuple[Output, ...]


Swaps = Mapping[sp.Symbol, sp.Expr]


def transform(
    program: Program, change: Callable[[sp.Basic, Swaps], sp.Basic], *, last: bool = False
) -> Program:
    """Applies a rewriting of scalar expressions to every body, innermost definitions first.

    `change` gets a body and what has become of its leaves. The `last` one also leaves out the nodes
    that compute their own body, and were there to be differentiated.
    """
    graph = program.graph
    values = [o.value for o in program.outputs]
    swapped: dict[Definition, sp.Expr] = {}  # values over the free axes of each definition

    def rewritten(value: sp.Basic) -> sp.Basic:
        swaps: dict[sp.Symbol, sp.Expr] = {}
        for leaf in graph.leaves(value):
            definition = graph.definition(leaf)
            if definition in swapped:
                actual = dict(zip(definition.free, graph.leaf_axes(leaf), strict=True))
                swaps[leaf] = graph.rename(swapped[definition], actual)
        return change(value, swaps)

    for definition in graph.topological(values):
        changes: dict[str, Any] = {
            name: _map_bodies(value, rewritten)
            for name, value in vars(definition).items()
            if _has_bodies(value)
        }
        changed = replace(definition, **changes)
        if last and is_identity(changed):
            swapped[definition] = _itself(graph, changed)
        elif changed != definition:
            swapped[definition] = _value(graph, changed)
    outputs = tuple(replace(o, value=rewritten(o.value)) for o in program.outputs)
    return replace(program, outputs=outputs)


def _value(graph: Graph, definition: Definition) -> sp.Expr:
    """A definition over its formal axes; a sum of what no longer varies over them is built anew."""
    if isinstance(definition, nodes.Contract) and sp.S.Zero in definition.factors:
        return sp.S.Zero
    whole = isinstance(definition, nodes.Reduce | nodes.Contract | nodes.LogSumExp)
    if not whole or {*definition.bound, *definition.free} <= set(graph.axes(*definition.bodies)):
        return graph.leaf(definition, definition.free)
    return rebuilt(graph, definition, definition.bodies)


def _itself(graph: Graph, definition: Definition) -> sp.Expr:
    """The body of a definition as a leaf."""
    body = definition.bodies[0]
    if isinstance(body, sp.Symbol):
        return body
    return graph.leaf(nodes.Map(definition.free, body), definition.free)


def _has_bodies(value: object) -> bool:
    return isinstance(value, sp.Basic) or (
        isinstance(value, tuple) and bool(value) and isinstance(value[0], sp.Basic)
    )


def _map_bodies(value: object, change: Callable[[sp.Basic], sp.Basic]) -> object:
    if isinstance(value, tuple):
        return tuple(change(v) for v in value)
    assert isinstance(value, sp.Basic)
    return change(value)
