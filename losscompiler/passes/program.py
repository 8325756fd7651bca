"""A program: what one kernel computes, and passes that visit every body of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import sympy as sp

from losscompiler.ir import nodes
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


def transform(program: Program, change: Callable[[sp.Basic], sp.Basic]) -> Program:
    """Applies a rewriting of scalar expressions to every body, innermost definitions first."""
    graph = program.graph
    values = [o.value for o in program.outputs]
    swapped: dict[Definition, Definition] = {}

    def rewritten(value: sp.Basic) -> sp.Basic:
        swaps = {}
        for leaf in graph.leaves(value):
            definition = graph.definition(leaf)
            if swapped.get(definition, definition) != definition:
                swaps[leaf] = graph.leaf(swapped[definition], graph.leaf_axes(leaf))
        return change(value.xreplace(swaps) if swaps else value)

    for definition in graph.topological(values):
        changes = {
            name: _map_bodies(value, rewritten)
            for name, value in vars(definition).items()
            if _has_bodies(value)
        }
        swapped[definition] = replace(definition, **changes) if changes else definition  # type: ignore[arg-type]
    outputs = tuple(replace(o, value=rewritten(o.value)) for o in program.outputs)
    return replace(program, outputs=outputs)


def _has_bodies(value: object) -> bool:
    return isinstance(value, sp.Basic) or (
        isinstance(value, tuple) and bool(value) and isinstance(value[0], sp.Basic)
    )


def _map_bodies(value: object, change: Callable[[sp.Basic], sp.Basic]) -> object:
    if isinstance(value, tuple):
        return tuple(change(v) for v in value)
    assert isinstance(value, sp.Basic)
    return change(value)
