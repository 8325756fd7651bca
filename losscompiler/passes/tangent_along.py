"""Tangents of the nodes that keep the axis they look along: a delta on it becomes a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import sympy as sp

from losscompiler.ir import along
from losscompiler.ir.nodes import Definition
from losscompiler.ir.operators import ExpDifference
from losscompiler.passes.differentiate import itself
from losscompiler.passes.terms import Terms, added, scaled

if TYPE_CHECKING:
    from losscompiler.passes.tangent import Forward


def _tie_mean(sweep: Forward, node: along.TieMean) -> Terms:
    terms = sweep.of(node.body)
    if not sweep.share_ties:
        return terms
    return {
        deltas: along.tie_mean(sweep.graph, value, node.along, node.keys, node.order)
        for deltas, value in terms.items()
    }


def _cumulated(
    sweep: Forward,
    terms: Terms,
    node: along.Cumulate | along.LogCumulate,
    log_in: sp.Expr,
    log_out: sp.Expr,
) -> Terms:
    """The cumulated sum of a tangent: a delta leaves one term, which counts from its place on."""
    graph, axis, reverse = sweep.graph, node.along, node.reverse
    parts: list[Terms] = []
    for deltas, value in terms.items():
        seeds = sorted(seed for a, seed in deltas if a == axis)
        kept = frozenset((a, s) for a, s in deltas if a != axis)
        if not seeds:
            value = along.cumulate(graph, value, axis, log_in, log_out, reverse=reverse)
            parts.append({kept: value})
            continue
        seed, *others = seeds
        value = graph.rename(value, {axis: seed})
        if log_in != log_out:
            value = value * ExpDifference(graph.rename(log_in, {axis: seed}), log_out)
        for other in others:
            value = value * graph.equal(graph.positions(seed), graph.positions(other))
        parts.append({kept: value * along.before(graph, seed, axis, reverse=reverse)})
    return added(*parts)


def _cumulate(sweep: Forward, node: along.Cumulate) -> Terms:
    inner = added(sweep.of(node.body), scaled(sweep.of(node.log_in), node.body))
    outer = scaled(sweep.of(node.log_out), -itself(sweep.graph, node))
    return added(_cumulated(sweep, inner, node, node.log_in, node.log_out), outer)


def _log_cumulate(sweep: Forward, node: along.LogCumulate) -> Terms:
    whole = itself(sweep.graph, node)
    return _cumulated(sweep, sweep.of(node.body), node, node.body, whole)


def _correlate(sweep: Forward, node: along.Correlate) -> Terms:
    """A delta leaves a window: the weights that its entry has at every place."""
    graph, axis = sweep.graph, node.along
    parts: list[Terms] = []
    for deltas, value in sweep.of(node.body).items():
        seeds = sorted(seed for a, seed in deltas if a == axis)
        kept = frozenset((a, s) for a, s in deltas if a != axis)
        if seeds:
            value = graph.rename(value, {axis: seeds[0]})
            windows = (along.window(graph, axis, s, node.taps, node.first) for s in seeds[:1])
            same = (graph.equal(*map(graph.positions, (seeds[0], s))) for s in seeds[1:])
            value = sp.Mul(value, *windows, *same)
        else:
            value = along.correlate(graph, value, axis, node.taps, node.first)
        parts.append({kept: value})
    for n, tap in enumerate(node.taps):
        entry = along.neighbour(graph, node.body, axis, node.first + n)
        parts.append(scaled(sweep.of(tap), entry))
    return added(*parts)


RULES: dict[type[Definition], Callable[[Forward, Any], Terms]] = {
    along.TieMean: _tie_mean,
    along.Correlate: _correlate,
    along.Cumulate: _cumulate,
    along.LogCumulate: _log_cumulate,
}
