"""Invariants of the graph, checked after every pass: a broken one is a bug of the compiler."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from losscompiler.ir import nodes
from losscompiler.ir.dependence import open_locals, own_locals
from losscompiler.ir.graph import Graph
from losscompiler.ir.program import Program


class InvariantError(AssertionError):
    """A pass left the graph in a state that it must never be in."""


def verify(graph: Graph, after: str, programs: Mapping[str, Program]) -> None:
    """Checks every definition that the programs reach, and that results have their axes."""
    for name, program in programs.items():
        values = [o.value for o in program.outputs]
        for definition in graph.topological(values):
            _definition(graph, definition, f"{after}, {name}")
        for output in program.outputs:
            extra = set(graph.axes(output.value)) - set(output.axes)
            if extra:
                raise InvariantError(f"after {after}, {name}: axes {extra} are not in the result")
            _expression(graph, output.value, f"{after}, {name}")
            if open_locals(graph, output.value):
                raise InvariantError(f"after {after}, {name}: a result reads locals of a step")
        known = {d.name for d in program.inputs}
        for definition in graph.topological(values):
            if isinstance(definition, nodes.Input) and definition.name not in known:
                raise InvariantError(f"after {after}, {name}: no argument `{definition.name}`")


def _definition(graph: Graph, definition: nodes.Definition, where: str) -> None:
    formal = {*definition.free, *definition.bound}
    if len(formal) != len(definition.free) + len(definition.bound):
        raise InvariantError(f"after {where}: formal axes of {definition} are not distinct")
    if isinstance(definition, nodes.Reduce | nodes.Contract | nodes.LogSumExp):
        missing = set(definition.over) - set(graph.axes(*definition.bodies))
        if missing:  # the array that is summed would have one entry along them
            raise InvariantError(f"after {where}: {definition} does not vary over {missing}")
    if isinstance(definition, nodes.Scan):
        _scan(graph, definition, where)
    for body in definition.bodies:
        extra = set(graph.axes(body)) - formal
        if extra:
            raise InvariantError(f"after {where}: {definition} reads axes {extra}")
        _expression(graph, body, where)


def _scan(graph: Graph, scan: nodes.Scan, where: str) -> None:
    """Steps read nothing but their own locals, and only what is run over has the axis."""
    own = {graph.definition(s) for s in own_locals(scan)}
    for step, init, carry in zip(scan.steps, scan.inits, scan.carries, strict=True):
        axes = set(graph.leaf_axes(carry))
        extra = {*graph.axes(step), *graph.axes(init)} - axes
        if scan.along in axes or extra:
            raise InvariantError(f"after {where}: a carry over {axes} would vary over {extra}")
        if not own >= open_locals(graph, step):
            raise InvariantError(f"after {where}: a step of {scan} reads what is no local of it")
    for item in scan.items:
        if not set(scan.inner) >= set(graph.leaf_axes(item)):
            raise InvariantError(f"after {where}: an item of {scan} has axes that `xs` have not")


def _expression(graph: Graph, e: sp.Basic, where: str) -> None:
    if e in graph.verified:
        return
    if not e.args:
        if e in (sp.nan, sp.zoo, sp.I) or e.is_Float:
            raise InvariantError(f"after {where}: {e} is no number of the graph")
        if isinstance(e, sp.Symbol):
            graph.definition(e)
    for argument in e.args:
        _expression(graph, argument, where)
    graph.verified.add(e)
