"""Forward mode over the graph, with Kronecker deltas: Jacobian-, Hessian-vector and diagonals.

A tangent is a sum of terms, each a value times deltas between axes of the node and *seed* axes.
Without deltas this is ordinary forward mode (a Jacobian-vector product; applied to a gradient, a
Hessian-vector product). Seeded with `delta(i, i0) * delta(c, c0)` it is the derivative by one
entry, and setting the seeds to the node's own axes in the end leaves the diagonal of a Hessian,
without ever building the matrix: a reduced axis meets its delta and is just renamed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sympy as sp

from losscompiler.ir import along, nodes
from losscompiler.ir.dependence import depends_on
from losscompiler.ir.graph import Graph
from losscompiler.ir.nodes import Axis, Definition
from losscompiler.ir.operators import Reciprocal
from losscompiler.passes import recurrence, tangent_along
from losscompiler.passes.differentiate import itself, slopes, softmax_of
from losscompiler.passes.scalar import gradient
from losscompiler.passes.terms import NO_DELTAS, Deltas, Terms, added, scaled
from losscompiler.spec.expressions import Piecewise


@dataclass(frozen=True)
class Reordered:
    """A seed axis made from another one by an order: where its entries come in that order."""

    seed: Axis
    order: along.Order


@dataclass
class Forward:
    """One forward sweep; `known` are the tangents of definitions over their formal axes.

    Derivatives of gradients are those of one cell: `share_ties` is for values. `carried` are the
    tangents of recurrences, one for each carry.
    """

    graph: Graph
    active: set[Definition]
    known: dict[Definition, Terms] = field(default_factory=dict)
    share_ties: bool = True
    seeds: dict[Axis, Reordered] = field(default_factory=dict)
    carried: dict[Definition, list[sp.Expr]] = field(default_factory=dict)

    def of(self, value: sp.Expr) -> Terms:
        """The tangent of a value."""
        graph = self.graph
        wrt = [s for s in graph.leaves(value) if graph.definition(s) in self.active]
        slope = gradient(graph, value, wrt, share_ties=self.share_ties)
        return added(*(scaled(self._leaf(s), slope[s]) for s in wrt))

    def by_seeds(self, value: sp.Expr) -> Terms:
        """The tangent of a value by the axes that it was seeded with, however orders moved them."""
        graph = self.graph
        parts: list[Terms] = []
        for deltas, term in self.of(value).items():
            moved = [axis for axis in reversed(self.seeds) if axis in dict(deltas)]
            for axis, seed in deltas:
                if seed in self.seeds and axis not in self.seeds:
                    term = term * graph.equal(graph.positions(axis), graph.positions(seed))
            for axis in moved:
                term = in_place(graph, term, axis)
            kept = ((a, s) for a, s in deltas if not {a, s} & self.seeds.keys())
            parts.append({frozenset(kept): term})
        return added(*parts)

    def _leaf(self, leaf: sp.Symbol) -> Terms:
        graph = self.graph
        definition = graph.definition(leaf)
        if definition not in self.known:
            self.known[definition] = RULES[type(definition)](self, definition)
        actual = dict(zip(definition.free, graph.leaf_axes(leaf), strict=True))
        renamed: list[Terms] = []
        for deltas, value in self.known[definition].items():
            moved = frozenset((actual.get(a, a), seed) for a, seed in deltas)
            renamed.append({moved: graph.rename(value, actual)})
        return added(*renamed)

    def summed(self, terms: Terms, over: Sequence[Axis]) -> Terms:
        """The sum of a tangent over axes: deltas on them collapse into a renaming."""
        graph = self.graph
        result: list[Terms] = []
        for deltas, value in terms.items():
            collapse = {a: seed for a, seed in deltas if a in over}
            left = frozenset((a, s) for a, s in deltas if collapse.get(a) != s)
            # A second delta on a collapsed axis ties two seeds together.
            ties = [(collapse[a], s) for a, s in left if a in collapse]
            kept = frozenset((a, s) for a, s in left if a not in collapse)
            value = graph.rename(value, collapse)
            for one, other in ties:
                value = value * graph.equal(graph.positions(one), graph.positions(other))
            result.append({kept: graph.sum(value, [a for a in over if a not in collapse])})
        return added(*result)


def jvp(
    graph: Graph,
    values: Sequence[sp.Expr],
    tangents: Mapping[nodes.Input, sp.Expr],
    *,
    share_ties: bool = True,
) -> list[sp.Expr]:
    """The derivative of each value in the direction of the tangents (over formal axes).

    Of gradients it is that of one cell where entries tie: `share_ties` is for values.
    """
    sweep = Forward(graph, depends_on(graph, values, list(tangents)), share_ties=share_ties)
    sweep.known.update({d: {NO_DELTAS: t} for d, t in tangents.items()})
    return [sweep.of(value).get(NO_DELTAS, sp.S.Zero) for value in values]


def diagonal(graph: Graph, gradient_value: sp.Expr, by: nodes.Input) -> sp.Expr:
    """The derivative of gradient[k] by input[k], entry by entry, over the input's formal axes."""
    seeds = {axis: graph.fresh(axis.extent) for axis in by.free}
    sweep = Forward(graph, depends_on(graph, [gradient_value], [by]), share_ties=False)
    sweep.known[by] = {frozenset(seeds.items()): sp.S.One}
    back = {seed: axis for axis, seed in seeds.items()}
    total = sp.S.Zero
    for deltas, value in sweep.by_seeds(gradient_value).items():
        for axis, seed in deltas:
            if back[seed] != axis:
                value = value * graph.equal(graph.positions(axis), graph.positions(seed))
        total = total + graph.rename(value, back)
    return total


def in_place(graph: Graph, value: sp.Expr, seed: Axis) -> sp.Expr:
    """The sum over a seed axis that one place of it alone contributes to."""
    if value.is_Add:
        return sp.Add(*(in_place(graph, term, seed) for term in value.args))
    for factor in sp.Mul.make_args(value):
        if isinstance(factor, Piecewise) and isinstance(factor.pairs[0][1], sp.Eq):
            sides = factor.pairs[0][1].args
            here = graph.positions(seed)
            if here in sides and factor == graph.equal(*sides):
                place = sides[0] if sides[1] == here else sides[1]
                return graph.gather(value / factor, seed, place)
    apart = sp.expand_mul(value, deep=False)
    return graph.sum(value, [seed]) if apart == value else in_place(graph, apart, seed)


# ---- one rule per definition ----------------------------------------------------------------


def _input(sweep: Forward, node: nodes.Input) -> Terms:
    return {}


def _reduce(sweep: Forward, node: nodes.Reduce) -> Terms:
    return sweep.summed(scaled(sweep.of(node.body), slopes(sweep.graph, node)), node.over)


def _contract(sweep: Forward, node: nodes.Contract) -> Terms:
    parts = []
    for k, factor in enumerate(node.factors):
        others = sp.Mul(*node.factors[:k], *node.factors[k + 1 :])
        parts.append(sweep.summed(scaled(sweep.of(factor), others), node.over))
    return added(*parts)


def _logsumexp(sweep: Forward, node: nodes.LogSumExp) -> Terms:
    share = softmax_of(sweep.graph, node)
    inner = added(scaled(sweep.of(node.body), node.weight), sweep.of(node.weight))
    return sweep.summed(scaled(inner, share), node.over)


def _gather(sweep: Forward, node: nodes.Gather) -> Terms:
    graph = sweep.graph
    parts: list[Terms] = []
    for deltas, value in sweep.of(node.body).items():
        seeds = [s for a, s in deltas if a == node.along]
        kept = frozenset((a, s) for a, s in deltas if a != node.along)
        order = _order_of(graph, node.index)
        if len(seeds) == 1 and order is not None:
            parts.append(_reordered(sweep, node, order, value, kept, seeds[0]))
            continue
        value = graph.gather(value, node.along, node.index)
        for seed in seeds:
            value = value * graph.equal(node.index, graph.positions(seed))
        parts.append({kept: value})
    return added(*parts)


def _order_of(graph: Graph, index: sp.Expr) -> along.Order | None:
    definition = graph.definition(index) if isinstance(index, sp.Symbol) else None
    return definition if isinstance(definition, along.Order) and not definition.inverse else None


def _reordered(
    sweep: Forward,
    node: nodes.Gather,
    order: along.Order,
    value: sp.Expr,
    kept: Deltas,
    seed: Axis,
) -> Terms:
    """An order moves the one entry that differs to its rank: no matrix of all places is built.

    The term is one of a sum over the new seed axis, which its own delta, with the old one, tells.
    """
    graph = sweep.graph
    axes = graph.leaf_axes(node.index)
    moved = graph.fresh(seed.extent)
    sweep.seeds[moved] = Reordered(seed, order)
    here = axes[order.free.index(order.along)]
    rank = graph.rename(_inverse(graph, order, axes), {here: seed})
    at_seed = graph.rename(value, {node.along: seed})
    place = graph.equal(graph.positions(moved), rank)
    return {kept | {(here, moved), (moved, seed)}: at_seed * place}


def _inverse(graph: Graph, order: along.Order, axes: Sequence[Axis]) -> sp.Expr:
    inverse = replace(order, inverse=True)
    return graph.leaf(inverse, axes)


def _scatter(sweep: Forward, node: nodes.Scatter) -> Terms:
    graph = sweep.graph
    parts: list[Terms] = []
    for deltas, value in sweep.of(node.body).items():
        collapse = {a: s for a, s in deltas if a in node.over}
        kept = frozenset((a, s) for a, s in deltas if a not in node.over)
        value = graph.rename(value, collapse)
        index = graph.rename(node.index, collapse)
        over = [a for a in node.over if a not in collapse]
        back = _back_from(sweep, value, index, collapse)
        if back is not None and not over:
            parts.append({kept | {(node.onto, back[0])}: back[1]})
            continue
        order = _order_of(graph, index)
        if sweep.seeds and not collapse and order is not None:
            (place,) = over
            rank = _inverse(graph, order, graph.leaf_axes(index))
            value = graph.gather(value, place, graph.rename(rank, {place: node.onto}))
        elif collapse and not over:
            value = value * graph.equal(index, graph.positions(node.onto))
        else:
            value = graph.scatter(value, index, node.onto, over, node.like)
        parts.append({kept: value})
    return added(*parts)


def _back_from(
    sweep: Forward, value: sp.Expr, index: sp.Expr, collapsed: Mapping[Axis, Axis]
) -> tuple[Axis, sp.Expr] | None:
    """The seed to whose entry an order takes back what it had moved to its rank."""
    graph = sweep.graph
    made = sweep.seeds.get(next(iter(collapsed.values()))) if len(collapsed) == 1 else None
    if made is None or not isinstance(index, sp.Symbol) or graph.definition(index) != made.order:
        return None
    (moved,) = collapsed.values()
    axes = [made.seed if a == moved else a for a in graph.leaf_axes(index)]
    rank = _inverse(graph, made.order, axes)
    place = graph.equal(graph.positions(moved), rank)
    terms = [sp.Mul.make_args(t) for t in sp.Add.make_args(value)]
    return (made.seed, value) if all(place in factors for factors in terms) else None


def _take(sweep: Forward, node: nodes.Take) -> Terms:
    graph = sweep.graph
    parts: list[Terms] = []
    for deltas, value in sweep.of(node.body).items():
        seeds = [s for a, s in deltas if a == node.along]
        kept = frozenset((a, s) for a, s in deltas if a != node.along)
        value = graph.at(value, node.along, node.position)
        for seed in seeds:
            value = value * graph.equal(sp.Integer(node.position), graph.positions(seed))
        parts.append({kept: value})
    return added(*parts)


def _place(sweep: Forward, node: nodes.Place) -> Terms:
    graph = sweep.graph
    by_deltas: dict[Deltas, dict[int, sp.Expr]] = {}
    for position, part in zip(node.positions, node.parts, strict=True):
        for deltas, value in sweep.of(part).items():
            by_deltas.setdefault(deltas, {})[position] = value
    return {
        deltas: graph.place(node.along, tuple(parts), tuple(parts.values()), node.like)
        for deltas, parts in by_deltas.items()
    }


def _shift(sweep: Forward, node: nodes.Shift) -> Terms:
    graph = sweep.graph
    parts: list[Terms] = []
    for deltas, value in sweep.of(node.body).items():
        seeds = [s for a, s in deltas if a == node.along]
        kept = frozenset((a, s) for a, s in deltas if a != node.along)
        value = graph.shift(value, node.along, node.offset)
        for seed in seeds:
            moved = graph.positions(node.along) + node.offset
            value = value * graph.equal(moved, graph.positions(seed))
        parts.append({kept: value})
    return added(*parts)


def _unit(sweep: Forward, node: nodes.Unit) -> Terms:
    unit, inner = itself(sweep.graph, node), sweep.of(node.body)
    along_it = sweep.summed(scaled(inner, unit), node.over)
    return scaled(added(inner, scaled(along_it, -unit)), Reciprocal(node.length))


def _carried(sweep: Forward, node: nodes.Carried) -> Terms:
    graph = sweep.graph
    scan, axes = graph.definition(node.body), graph.leaf_axes(node.body)
    assert isinstance(scan, nodes.Scan)
    if scan not in sweep.carried:
        sweep.carried[scan] = recurrence.tangents(sweep, scan)
    actual = dict(zip(scan.free, axes, strict=True))
    return added({NO_DELTAS: graph.rename(sweep.carried[scan][node.which], actual)})


RULES: dict[type[Definition], Callable[[Forward, Any], Terms]] = {
    nodes.Input: _input,
    nodes.Reduce: _reduce,
    nodes.Contract: _contract,
    nodes.LogSumExp: _logsumexp,
    nodes.Gather: _gather,
    nodes.Scatter: _scatter,
    nodes.Take: _take,
    nodes.Place: _place,
    nodes.Shift: _shift,
    nodes.Unit: _unit,
    nodes.Carried: _carried,
    **tangent_along.RULES,
}
