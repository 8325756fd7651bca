"""Derivatives of recurrences: recurrences again, of the step's own derivatives.

With `c[t] = f(c[t-1], x[t])` and adjoints `a[t]` of the carries, what reaches the former carries is
`p[t] = J[t]' (p[t+1] + a[t])`: a recurrence the other way round, whose step is the reverse sweep of
the step `f`, with its Jacobian `J[t]` taken at all positions at once. In forward mode
`d[t] = J[t] d[t-1] + (df/dx) dx[t]` runs the way that the recurrence itself does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import sympy as sp

from losscompiler.ir import nodes
from losscompiler.ir.dependence import depends_on
from losscompiler.ir.graph import Graph, Value
from losscompiler.ir.nodes import Axis, Definition
from losscompiler.ir.recurrence import carried, formal_swap, recurrence, substituted
from losscompiler.spec.expressions import Piecewise

if TYPE_CHECKING:
    from losscompiler.passes.differentiate import Reverse
    from losscompiler.passes.tangent import Forward
    from losscompiler.passes.terms import Terms

Swaps = Mapping[Definition, Value]


def _first(graph: Graph, scan: nodes.Scan, along: Axis) -> sp.Basic:
    """Whether a position is where the recurrence starts."""
    last = graph.extent(along.extent) - 1
    return sp.Eq(graph.positions(along), last if scan.reverse else 0)


def _inside(graph: Graph, scan: nodes.Scan, along: Axis) -> dict[Definition, Value]:
    """The locals of a step at all positions of an axis: the carries before it, and the items."""
    swaps: dict[Definition, Value] = {}
    whole = graph.leaf(scan, scan.free)
    for which, local in enumerate(scan.carries):
        after = graph.rename(carried(graph, whole, which), {scan.along: along})
        before = graph.shift(after, along, 1 if scan.reverse else -1)
        first = (scan.inits[which], _first(graph, scan, along))
        swaps |= [formal_swap(graph, local, Piecewise(first, (before, True)))]
    for local, x in zip(scan.items, scan.xs, strict=True):
        swaps |= [formal_swap(graph, local, graph.rename(x, {scan.along: along}))]
    return swaps


def _active(graph: Graph, values: Sequence[Value], active: set[Definition]) -> bool:
    return any(graph.definition(s) in active for value in values for s in graph.leaves(value))


# ---- reverse mode -----------------------------------------------------------------------------


def collect(sweep: Reverse, node: nodes.Carried, adjoint: sp.Expr) -> None:
    """Adds the adjoint of one carry to those of its recurrence, which are a tuple."""
    graph = sweep.graph
    scan, axes = graph.definition(node.body), graph.leaf_axes(node.body)
    assert isinstance(scan, nodes.Scan)
    nothing = sp.Tuple(*[sp.S.Zero] * len(scan.carries))
    collected = list(sweep.adjoints.get(scan, nothing))
    own = graph.rename(adjoint, dict(zip(axes, scan.free, strict=True)))
    collected[node.which] += own
    sweep.adjoints[scan] = sp.Tuple(*collected)


def pull(sweep: Reverse, scan: nodes.Scan, adjoints: sp.Tuple) -> None:
    """Pulls the adjoints of all carries back to the items and to the initial values."""
    graph, size = sweep.graph, len(scan.carries)
    along = graph.fresh(scan.along.extent)
    given = [graph.rename(a, {scan.along: along}) for a in adjoints]
    cotangents = [graph.local(graph.leaf_axes(c)) for c in scan.carries]
    moving = [k for k, x in enumerate(scan.xs) if _active(graph, [x], sweep.active)]
    locals_ = [*scan.carries, *(scan.items[k] for k in moving)]
    by_local = _step_adjoints(sweep, scan, cotangents, locals_)
    here = _inside(graph, scan, along)

    def at(later: Sequence[Value], values: Sequence[Value]) -> list[Value]:
        """The values, with cotangents given and what comes from later steps."""
        totals = (a + p for a, p in zip(given, later, strict=True))
        swaps = (formal_swap(graph, c, t) for c, t in zip(cotangents, totals, strict=True))
        return substituted(graph, values, {**here, **dict(swaps)})

    former = recurrence(
        graph, along, [sp.S.Zero] * size, lambda later: at(later, by_local[:size]),
        reverse=not scan.reverse,
    )  # fmt: skip
    later = [graph.shift(p, along, -1 if scan.reverse else 1) for p in former]
    for k, cotangent in zip(moving, at(later, by_local[size:]), strict=True):
        space = (scan.along, *graph.leaf_axes(scan.items[k]))
        sweep.pull(scan.xs[k], graph.rename(cotangent, {along: scan.along}), space)
    for carry, init, p in zip(scan.carries, scan.inits, former, strict=True):
        if _active(graph, [init], sweep.active):
            at_first = Piecewise((p, _first(graph, scan, along)), (sp.S.Zero, True))
            sweep.pull(init, graph.sum(at_first, (along,)), graph.leaf_axes(carry))


def _step_adjoints(
    sweep: Reverse,
    scan: nodes.Scan,
    cotangents: Sequence[sp.Symbol],
    locals_: Sequence[sp.Symbol],
) -> list[sp.Expr]:
    """The adjoint of each local at one position, over the axes that the recurrence sees it by."""
    graph = sweep.graph
    wrt = [graph.definition(s) for s in locals_]
    inner = type(sweep)(graph, depends_on(graph, scan.steps, wrt))
    for carry, step, cotangent in zip(scan.carries, scan.steps, cotangents, strict=True):
        inner.pull(step, cotangent, graph.leaf_axes(carry))
    inner.run(scan.steps)
    found = []
    for local in locals_:
        definition = graph.definition(local)
        actual = dict(zip(definition.free, graph.leaf_axes(local), strict=True))
        found.append(graph.rename(inner.adjoints.get(definition, sp.S.Zero), actual))
    return found


# ---- forward mode -----------------------------------------------------------------------------


def tangents(sweep: Forward, scan: nodes.Scan) -> list[sp.Expr]:
    """The tangents of all carries, over the formal axes and those of seeds."""
    graph = sweep.graph
    along = graph.fresh(scan.along.extent)
    swaps = _inside(graph, scan, along)
    inner = type(sweep)(graph, set(), share_ties=sweep.share_ties, seeds=sweep.seeds)
    for local, x in zip(scan.items, scan.xs, strict=True):
        tangent = multiplied_out(graph, sweep.of(x)) if _active(graph, [x], sweep.active) else 0
        if tangent != 0:
            moved = graph.rename(tangent, {scan.along: along})
            swaps |= [formal_swap(graph, _moving(inner, local), moved)]
    carries = [_moving(inner, local) for local in scan.carries]
    inner.active = depends_on(graph, scan.steps, list(inner.known))
    slopes = [multiplied_out(graph, inner.of(step)) for step in scan.steps]

    def step(former: Sequence[sp.Expr]) -> Sequence[sp.Expr]:
        moved = (formal_swap(graph, c, d) for c, d in zip(carries, former, strict=True))
        return substituted(graph, slopes, {**swaps, **dict(moved)})

    starts = [multiplied_out(graph, sweep.of(init)) for init in scan.inits]
    found = recurrence(graph, along, starts, step, reverse=scan.reverse)
    return [graph.rename(d, {along: scan.along}) for d in found]


def _moving(sweep: Forward, local: sp.Symbol) -> sp.Symbol:
    """A local that stands for the tangent of another one."""
    graph = sweep.graph
    definition = graph.definition(local)
    tangent = graph.local(graph.leaf_axes(local))
    sweep.known[definition] = {frozenset(): graph.leaf(graph.definition(tangent), definition.free)}
    return tangent


def multiplied_out(graph: Graph, terms: Terms) -> sp.Expr:
    """A tangent as one value: its deltas become factors, its seeds further axes."""
    total = sp.S.Zero
    for deltas, value in terms.items():
        for axis, seed in sorted(deltas):
            value = value * graph.equal(graph.positions(axis), graph.positions(seed))
        total = total + value
    return total
