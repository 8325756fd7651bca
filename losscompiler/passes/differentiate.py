"""Reverse mode over the graph, with a symbolic cotangent on the unreduced loss.

One derivation serves every reduction and weight: the cotangent is 1, w / sum(w), ... . Adjoints
are kept per definition, over its formal axes, so that `x[i, d]` and `x[j, d]` share one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from losscompiler.ir import along, nodes
from losscompiler.ir.dependence import depends_on
from losscompiler.ir.graph import Graph, Value
from losscompiler.ir.nodes import Axis, Definition
from losscompiler.ir.operators import ExpDifference, Reciprocal, Share
from losscompiler.passes import recurrence
from losscompiler.passes.scalar import gradient
from losscompiler.spec.expressions import Piecewise, stop_gradient


@dataclass
class Reverse:
    """One reverse sweep; `adjoints` are over the formal axes of each definition.

    That of a recurrence is a tuple, with one for each carry.
    """

    graph: Graph
    active: set[Definition]
    adjoints: dict[Definition, sp.Expr] = field(default_factory=dict)
    share_ties: bool = True

    def pull(self, value: sp.Expr, cotangent: sp.Expr, space: Sequence[Axis]) -> None:
        """Adds to the adjoints of the value's leaves; the value's entries range over `space`."""
        if cotangent == 0:
            return
        graph = self.graph
        wrt = [s for s in graph.leaves(value) if graph.definition(s) in self.active]
        found = gradient(graph, value, wrt, share_ties=self.share_ties)
        for leaf, slope in found.items():
            axes = graph.leaf_axes(leaf)
            self._add(leaf, graph.sum(slope * cotangent, [a for a in space if a not in axes]))

    def depends(self, value: sp.Expr) -> bool:
        """Whether a derivative flows through a value."""
        return any(self.graph.definition(s) in self.active for s in self.graph.leaves(value))

    def _add(self, leaf: sp.Symbol, adjoint: sp.Expr) -> None:
        graph = self.graph
        definition, axes = graph.definition(leaf), graph.leaf_axes(leaf)
        to_formal: dict[Axis, Axis] = {}
        for formal, actual in zip(definition.free, axes, strict=True):
            if actual in to_formal:  # a diagonal: the adjoint is zero off it
                same = graph.equal(graph.positions(formal), graph.positions(to_formal[actual]))
                adjoint = adjoint * same
            else:
                to_formal[actual] = formal
        adjoint = graph.rename(adjoint, to_formal)
        self.adjoints[definition] = self.adjoints.get(definition, sp.S.Zero) + adjoint

    def run(self, roots: Sequence[Value]) -> None:
        """Pulls each adjoint back through its definition, results first."""
        for definition in reversed(self.graph.topological(roots)):
            rule = RULES.get(type(definition))
            if rule is not None and definition in self.adjoints:
                rule(self, definition, self.adjoints[definition])


def vjp(
    graph: Graph,
    value: sp.Expr,
    cotangent: sp.Expr,
    space: Sequence[Axis],
    wrt: Sequence[nodes.Input],
    *,
    share_ties: bool = True,
) -> list[sp.Expr]:
    """The gradient of sum(cotangent * value) by each input, over the input's formal axes.

    At kinks it is the nearest of those of the cells around or, without `share_ties`, one of them.
    """
    sweep = Reverse(graph, depends_on(graph, [value], wrt), share_ties=share_ties)
    sweep.pull(value, cotangent, space)
    sweep.run([value])
    return [sweep.adjoints.get(definition, sp.S.Zero) for definition in wrt]


# ---- one rule per definition: its adjoint into its bodies -----------------------------------


def itself(graph: Graph, definition: Definition) -> sp.Symbol:
    """The leaf of a definition over its own formal axes."""
    return graph.leaf(definition, definition.free)


def share_of_maximum(graph: Graph, node: nodes.Reduce) -> sp.Expr:
    """1 / (number of tied maxima) at each maximum, else 0: the minimum-norm subgradient.

    Every maximum lies where this condition ties: to further derivatives it is a constant.
    """
    at_maximum = sp.Ge(stop_gradient(node.body), stop_gradient(itself(graph, node)))
    attained = Piecewise((sp.S.One, at_maximum), (sp.S.Zero, sp.true))
    return attained / graph.sum(attained, node.over)


def product_of_others(graph: Graph, node: nodes.Reduce) -> sp.Expr:
    """The product of all other entries: right where one or several entries are 0."""
    (axis,) = node.over
    other = graph.fresh(axis.extent)
    same = sp.Eq(graph.positions(axis), graph.positions(other))
    body = Piecewise((sp.S.One, same), (graph.rename(node.body, {axis: other}), sp.true))
    return graph.reduce("prod", body, (other,))


def softmax_of(graph: Graph, node: nodes.LogSumExp) -> sp.Expr:
    """exp(body - logsumexp), 0 where the condition fails: the guard is on the exponent's branch."""
    kind = Share if _may_be_empty(graph, node) else ExpDifference
    share = kind(node.body, itself(graph, node))
    return share if node.where == sp.true else Piecewise((share, node.where), (sp.S.Zero, True))


def _may_be_empty(graph: Graph, node: nodes.LogSumExp) -> bool:
    """Whether all terms may be exp(-oo), in formulas that write -oo or carry it along."""
    below = graph.topological([node.body])
    return node.body.has(-sp.oo) or any(
        isinstance(d, nodes.Local | nodes.Carried) or any(b.has(-sp.oo) for b in d.bodies)
        for d in below
    )


def direction(graph: Graph, node: nodes.Reduce) -> sp.Expr:
    """The unit vector along a vector."""
    return graph.unit(node.body, itself(graph, node), node.over)


def slopes(graph: Graph, node: nodes.Reduce) -> sp.Expr:
    """The derivative of a reduction by the entries of its body."""
    by_kind: dict[str, Callable[[Graph, nodes.Reduce], sp.Expr]] = {
        "sum": lambda *_: sp.S.One,
        "max": share_of_maximum,
        "prod": product_of_others,
        "norm": direction,
    }
    return by_kind[node.kind](graph, node)


def _reduce(sweep: Reverse, node: nodes.Reduce, adjoint: sp.Expr) -> None:
    space = (*node.free, *node.over)
    sweep.pull(node.body, adjoint * slopes(sweep.graph, node), space)


def _contract(sweep: Reverse, node: nodes.Contract, adjoint: sp.Expr) -> None:
    space = (*node.free, *node.over)
    for k, factor in enumerate(node.factors):
        others = sp.Mul(*node.factors[:k], *node.factors[k + 1 :])
        sweep.pull(factor, adjoint * others, space)


def _logsumexp(sweep: Reverse, node: nodes.LogSumExp, adjoint: sp.Expr) -> None:
    space = (*node.free, *node.over)
    share = adjoint * softmax_of(sweep.graph, node)
    sweep.pull(node.body, share * node.weight, space)
    sweep.pull(node.weight, share, space)


def _gather(sweep: Reverse, node: nodes.Gather, adjoint: sp.Expr) -> None:
    graph = sweep.graph
    kept = graph.leaf_axes(node.body)
    over = [a for a in node.free if a not in kept]
    spread = graph.scatter(adjoint, node.index, node.along, over, node.body)
    sweep.pull(node.body, spread, kept)


def _scatter(sweep: Reverse, node: nodes.Scatter, adjoint: sp.Expr) -> None:
    graph = sweep.graph
    cotangent = graph.gather(adjoint, node.onto, node.index)
    space = [a for a in (*node.free, *node.over) if a != node.onto]
    sweep.pull(node.body, cotangent, space)


def _take(sweep: Reverse, node: nodes.Take, adjoint: sp.Expr) -> None:
    graph = sweep.graph
    placed = graph.place(node.along, (node.position,), (adjoint,), node.body)
    sweep.pull(node.body, placed, (*node.free, node.along))


def _place(sweep: Reverse, node: nodes.Place, adjoint: sp.Expr) -> None:
    space = [a for a in node.free if a != node.along]
    for position, part in zip(node.positions, node.parts, strict=True):
        sweep.pull(part, sweep.graph.at(adjoint, node.along, position), space)


def _shift(sweep: Reverse, node: nodes.Shift, adjoint: sp.Expr) -> None:
    moved = _shift_value(sweep.graph, adjoint, node)
    sweep.pull(node.body, moved, node.free)


def _shift_value(graph: Graph, adjoint: sp.Expr, node: nodes.Shift) -> sp.Expr:
    """The adjoint of a shift is the opposite shift of the whole adjoint, positions included."""
    back = graph.shift(adjoint, node.along, -node.offset)
    position = graph.positions(node.along)
    inside = (
        sp.Ge(position, node.offset)
        if node.offset > 0
        else sp.Lt(position, graph.extent(node.along.extent) + node.offset)
    )
    return Piecewise((back, inside), (sp.S.Zero, True))


def _tie_mean(sweep: Reverse, node: along.TieMean, adjoint: sp.Expr) -> None:
    shared = along.tie_mean(sweep.graph, adjoint, node.along, node.keys, node.order)
    sweep.pull(node.body, shared, node.free)


def _cumulate(sweep: Reverse, node: along.Cumulate, adjoint: sp.Expr) -> None:
    graph = sweep.graph
    share = along.cumulate(
        graph, adjoint, node.along, -node.log_out, -node.log_in, reverse=not node.reverse
    )
    sweep.pull(node.body, share, node.free)
    sweep.pull(node.log_in, share * node.body, node.free)
    sweep.pull(node.log_out, -adjoint * itself(graph, node), node.free)


def _log_cumulate(sweep: Reverse, node: along.LogCumulate, adjoint: sp.Expr) -> None:
    graph = sweep.graph
    share = along.cumulate(
        graph, adjoint, node.along, -itself(graph, node), -node.body, reverse=not node.reverse
    )
    sweep.pull(node.body, share, node.free)


def _correlate(sweep: Reverse, node: along.Correlate, adjoint: sp.Expr) -> None:
    graph = sweep.graph
    last = node.first + len(node.taps) - 1
    back = along.correlate(graph, adjoint, node.along, node.taps[::-1], -last)
    sweep.pull(node.body, back, node.free)
    for n, tap in enumerate(node.taps):
        if sweep.depends(tap):
            entry = along.neighbour(graph, node.body, node.along, node.first + n)
            sweep.pull(tap, adjoint * entry, node.free)


def _unit(sweep: Reverse, node: nodes.Unit, adjoint: sp.Expr) -> None:
    """What is left of the adjoint across the vector; a length is no input of its own."""
    graph = sweep.graph
    unit = itself(graph, node)
    across = adjoint - unit * graph.sum(unit * adjoint, node.over)
    sweep.pull(node.body, Reciprocal(node.length) * across, node.free)


RULES: dict[type[Definition], Callable[[Reverse, Any, sp.Expr], None]] = {
    nodes.Reduce: _reduce,
    nodes.Contract: _contract,
    nodes.LogSumExp: _logsumexp,
    nodes.Gather: _gather,
    nodes.Scatter: _scatter,
    nodes.Take: _take,
    nodes.Place: _place,
    nodes.Shift: _shift,
    nodes.Unit: _unit,
    along.TieMean: _tie_mean,
    along.Correlate: _correlate,
    along.Cumulate: _cumulate,
    along.LogCumulate: _log_cumulate,
    nodes.Carried: recurrence.collect,
    nodes.Scan: recurrence.pull,
}
