"""How a loss couples the entries of its inputs, read off its graph."""

from __future__ import annotations

from losscompiler.ir import nodes
from losscompiler.passes.compiled import Variant


def structure_of(variant: Variant) -> str:
    """`elementwise`, `scan`, `pairwise` (entries of one axis meet each other) or `reduction`."""
    graph = variant.graph
    definitions = graph.topological([variant.value])
    if any(isinstance(d, nodes.Scan) for d in definitions):
        return "scan"
    bodies = [body for d in definitions for body in d.bodies]
    for value in (variant.value, *bodies):
        extents = [axis.extent for axis in graph.axes(value)]
        if len(set(extents)) < len(extents):
            return "pairwise"
    if any(axes for axes in (d.free for d in variant.inputs.values())):
        return "reduction"
    return "elementwise"
