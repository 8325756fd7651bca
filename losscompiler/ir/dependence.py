"""What depends on what: the definitions below a value, and the locals that it cannot do without."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from losscompiler.ir import along, nodes
from losscompiler.ir.graph import Graph, Value
from losscompiler.ir.nodes import Definition


def depends_on(graph: Graph, values: Sequence[Value], wrt: Sequence[Definition]) -> set[Definition]:
    """The definitions below the values through which a derivative by `wrt` can flow."""
    active: set[Definition] = set()
    for definition in graph.topological(values):
        if isinstance(definition, along.Order):  # a step function
            continue
        below = (graph.definition(s) for body in definition.bodies for s in graph.leaves(body))
        if definition in wrt or any(d in active for d in below):
            active.add(definition)
    return active


def open_locals(graph: Graph, value: Value) -> frozenset[nodes.Local]:
    """The locals of recurrences around a value that it is computed from."""
    return frozenset[nodes.Local]().union(
        *(_below(graph, graph.definition(s)) for s in graph.leaves(value))
    )


def _below(graph: Graph, definition: Definition) -> frozenset[nodes.Local]:
    if isinstance(definition, nodes.Local):
        return frozenset([definition])
    if definition not in graph.open_locals:
        found = frozenset[nodes.Local]().union(*(open_locals(graph, b) for b in definition.bodies))
        if isinstance(definition, nodes.Scan):  # its own have a value inside its steps
            found -= {graph.definition(s) for s in own_locals(definition)}
        graph.open_locals[definition] = found
    return graph.open_locals[definition]


def own_locals(scan: nodes.Scan) -> tuple[sp.Symbol, ...]:
    """The locals that a recurrence gives a value to, as it sees them."""
    return (*scan.carries, *scan.items)
