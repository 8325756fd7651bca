"""Recurrences: built from a step over whole arrays, and built anew when these change.

A step is first written over whole arrays and the former carries. What does not depend on the
carries is cut out of it, in the largest pieces that there are: these become the items, computed
for all positions at once before the recurrence runs. The rest is the step at one position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from losscompiler.ir import nodes
from losscompiler.ir.dependence import open_locals
from losscompiler.ir.diagonal import rebuilt
from losscompiler.ir.graph import Graph, Value
from losscompiler.ir.nodes import Axis, Definition
from losscompiler.ir.replace import replaced, with_args

Step = Callable[[Sequence[sp.Expr]], Sequence[sp.Expr]]


def recurrence(
    graph: Graph, along: Axis, inits: Sequence[sp.Expr], step: Step, *, reverse: bool = False
) -> list[sp.Expr]:
    """The carries of a recurrence at every position, after its step there.

    Args:
        graph: Where the values live.
        along: The axis it runs along.
        inits: The carries before the first step; they do not vary along the axis.
        step: The next carries, given the former ones; called until their axes are known.
        reverse: Whether it runs from the last position to the first.
    """
    zeros = {k for k, init in enumerate(inits) if init == 0}  # carries that nothing ever fills
    axes = [graph.axes(init) for init in inits]
    while True:
        former = [sp.S.Zero if k in zeros else graph.local(a) for k, a in enumerate(axes)]
        steps = step(former)
        filled = {k for k in zeros if steps[k] != 0}
        grown = [
            graph.sorted({*known, *graph.axes(value)} - {along})
            for known, value in zip(axes, steps, strict=True)
        ]
        if not filled and grown == axes:
            break
        zeros, axes = zeros - filled, grown
    live = [k for k in range(len(inits)) if k not in zeros]
    if not live:
        return [sp.S.Zero] * len(inits)
    carries = tuple(former[k] for k in live)
    cut = _Cut(graph, along, frozenset(graph.definition(c) for c in carries))
    at_position = tuple(cut(steps[k]) for k in live)
    inner = graph.sorted(a for x in cut.items.values() for a in graph.leaf_axes(x))
    made = nodes.Scan(
        (), along, reverse, tuple(inits[k] for k in live), tuple(cut.items), at_position,
        carries, tuple(cut.items.values()), inner,
    )  # fmt: skip
    leaf = graph.node(made, inner, [graph.positions(along), *carries])
    results = [sp.S.Zero] * len(inits)
    for which, k in enumerate(live):
        results[k] = carried(graph, leaf, which)
    return results


def carried(graph: Graph, leaf: sp.Symbol, which: int) -> sp.Expr:
    """One carry of the recurrence that a leaf is."""
    scan, axes = graph.definition(leaf), graph.leaf_axes(leaf)
    assert isinstance(scan, nodes.Scan)
    own = {scan.along, *graph.leaf_axes(scan.carries[which])}
    others = tuple(a for formal, a in zip(scan.free, axes, strict=True) if formal not in own)
    return graph.node(nodes.Carried((), leaf, which, others), others, [leaf])


def substituted(
    graph: Graph, values: Sequence[Value], swaps: Mapping[Definition, Value]
) -> list[Value]:
    """The values with locals replaced by values over the locals' formal axes.

    Further axes of what replaces them must be fresh ones.
    """
    change = _Substitution(graph, swaps)
    return [change(value) for value in values]


def formal_swap(graph: Graph, local: sp.Symbol, value: Value) -> tuple[Definition, Value]:
    """An entry for `substituted`: the value is over the axes that the local is seen through."""
    definition = graph.definition(local)
    to_formal = dict(zip(graph.leaf_axes(local), definition.free, strict=True))
    return definition, graph.rename(value, to_formal)


# ---- building anew ----------------------------------------------------------------------------


@dataclass
class _Rebuilding:
    """Definitions that are built anew because what they are computed from changes."""

    graph: Graph
    known: dict[object, Value] = field(default_factory=dict)
    scans: dict[object, list[sp.Expr]] = field(default_factory=dict)

    def again(self, definition: Definition, change: Callable[[Value], Value], key: object) -> Value:
        """A definition over its formal axes, its bodies changed."""
        if key not in self.known:
            if isinstance(definition, nodes.Carried):
                raise TypeError("a carry is built anew with its recurrence")
            bodies = [change(body) for body in definition.bodies]
            self.known[key] = rebuilt(self.graph, definition, bodies)
        return self.known[key]

    def scan_again(
        self,
        scan: nodes.Scan,
        change: Callable[[Value], Value],
        key: object,
        inside: Callable[[Value, Sequence[sp.Expr]], Value] | None = None,
    ) -> list[sp.Expr]:
        """The carries of a recurrence over its formal axes.

        What is outside of the step changes, or `inside`, given its new carries, the step itself.
        """
        if key not in self.scans:
            graph = self.graph
            # Bodies of the step have formal axes of their own, which `along` must not meet there.
            along = graph.fresh(scan.along.extent)
            xs = scan.xs if inside else [change(x) for x in scan.xs]
            swaps = dict(
                formal_swap(graph, item, graph.rename(x, {scan.along: along}))
                for item, x in zip(scan.items, xs, strict=True)
            )

            def step(former: Sequence[sp.Expr]) -> Sequence[sp.Expr]:
                carries = zip(scan.carries, former, strict=True)
                more = dict(formal_swap(graph, c, value) for c, value in carries)
                values = substituted(graph, scan.steps, {**swaps, **more})
                return [inside(v, former) for v in values] if inside else values

            inits = [change(init) for init in scan.inits]
            results = recurrence(graph, along, inits, step, reverse=scan.reverse)
            self.scans[key] = [graph.rename(r, {along: scan.along}) for r in results]
        return self.scans[key]


@dataclass
class _Substitution:
    """Replaces locals below a value."""

    graph: Graph
    swaps: Mapping[Definition, Value]
    building: _Rebuilding = field(init=False)

    def __post_init__(self) -> None:
        self.building = _Rebuilding(self.graph)

    def __call__(self, value: Value) -> Value:
        graph = self.graph
        swaps: dict[Value, Value] = {}
        for leaf in graph.leaves(value):
            definition = graph.definition(leaf)
            if definition in self.swaps:
                new = self.swaps[definition]
            elif open_locals(graph, leaf).isdisjoint(self.swaps):
                continue
            elif isinstance(definition, nodes.Carried):
                new = self._carried(definition)
            else:
                new = self.building.again(definition, self, definition)
            actual = dict(zip(definition.free, graph.leaf_axes(leaf), strict=True))
            swaps[leaf] = graph.rename(new, actual)
        return replaced(value, swaps)

    def _carried(self, node: nodes.Carried) -> Value:
        graph = self.graph
        scan, axes = graph.definition(node.body), graph.leaf_axes(node.body)
        assert isinstance(scan, nodes.Scan)
        value = self.building.scan_again(scan, self, scan)[node.which]
        return graph.rename(value, dict(zip(scan.free, axes, strict=True)))


@dataclass
class _Cut:
    """Takes a step apart: `items` are what the carries do not enter, and the leaf for each."""

    graph: Graph
    along: Axis
    carries: frozenset[Definition]
    items: dict[Value, sp.Symbol] = field(default_factory=dict)
    known: dict[tuple[Value, Axis], Value] = field(init=False, default_factory=dict)
    building: _Rebuilding = field(init=False)

    def __post_init__(self) -> None:
        self.building = _Rebuilding(self.graph)

    def __call__(self, value: Value, along: Axis | None = None) -> Value:
        """The value at one position of `along`, which definitions call by names of their own."""
        key = (value, along or self.along)
        if key not in self.known:
            self.known[key] = self._cut(*key)
        return self.known[key]

    def _cut(self, value: Value, along: Axis) -> Value:
        if isinstance(value, sp.Tuple):
            return with_args(value, [self(a, along) for a in value.args])
        if not self._inside(value):
            return self._outside(value, along)
        if isinstance(value, sp.Symbol):
            return self._leaf(value, along)
        args = list(value.args)
        if value.is_Add or value.is_Mul:
            apart = [a for a in args if not self._inside(a) and not self._constant(a)]
            args = [a for a in args if a not in apart]
            args += [value.func(*apart)] if apart else []
            return value.func(*(self(a, along) for a in args))
        return with_args(value, [self(a, along) for a in args])

    def _inside(self, value: Value) -> bool:
        return not open_locals(self.graph, value).isdisjoint(self.carries)

    def _constant(self, value: Value) -> bool:
        definitions = map(self.graph.definition, self.graph.leaves(value))
        return all(isinstance(d, nodes.Extent) for d in definitions)

    def _outside(self, value: Value, along: Axis) -> Value:
        if self._constant(value):
            return value
        if isinstance(value, Boolean) and value.args and not _is_of_integers(value):
            # The facets of comparisons of reals are met inside the step, by their sides.
            return value.func(*(self(a, along) for a in value.args))
        return self._item(value, along)

    def _item(self, value: Value, along: Axis) -> sp.Symbol:
        graph = self.graph
        axes = tuple(a for a in graph.axes(value) if a != along)
        inner = {a: Axis(a.extent, f"@{k}") for k, a in enumerate(axes)}
        x = graph.rename(value, {**inner, along: self.along})
        if x not in self.items:
            self.items[x] = graph.local(tuple(inner.values()), self._dtype(value))
        return graph.leaf(graph.definition(self.items[x]), axes)

    def _dtype(self, value: Value) -> str:
        if self.graph.is_condition(value):
            return "bool"
        return "int" if isinstance(value, sp.Symbol) and value.is_integer else "float"

    def _leaf(self, leaf: sp.Symbol, along: Axis) -> Value:
        graph = self.graph
        definition, axes = graph.definition(leaf), graph.leaf_axes(leaf)
        if isinstance(definition, nodes.Local):
            return leaf
        actual = dict(zip(definition.free, axes, strict=True))
        here = tuple(formal for formal, a in actual.items() if a == along)
        if isinstance(definition, nodes.Carried):
            return graph.rename(self._carried(definition, here), actual)
        value = self.building.again(definition, self._at(here), (definition, here))
        return graph.rename(value, actual)

    def _at(self, here: tuple[Axis, ...]) -> Callable[[Value], Value]:
        """What becomes of the bodies of a definition that calls the axis `here`, perhaps twice."""
        position = here[0] if here else Axis("", "nowhere")
        return lambda body: self(self.graph.rename(body, dict.fromkeys(here, position)), position)

    def _carried(self, node: nodes.Carried, here: tuple[Axis, ...]) -> Value:
        """A carry of a recurrence inside the step: that recurrence at one position of this one."""
        graph = self.graph
        scan, axes = graph.definition(node.body), graph.leaf_axes(node.body)
        assert isinstance(scan, nodes.Scan)
        there = tuple(formal for formal, a in zip(scan.free, axes, strict=True) if a in here)
        value = self.building.scan_again(
            scan,
            self._at(there),
            (scan, there),
            lambda e, former: self._within(former)._at(there)(e),
        )[node.which]
        return graph.rename(value, dict(zip(scan.free, axes, strict=True)))

    def _within(self, former: Sequence[sp.Expr]) -> _Cut:
        """Takes the step of a recurrence inside this one apart: its carries stay in it, too."""
        more = {self.graph.definition(c) for c in former if c != 0}
        return replace(self, carries=self.carries | more)


def _is_of_integers(condition: Value) -> bool:
    """Whether data alone decide: positions, sizes, labels and masks."""
    return all(a.is_integer for r in condition.atoms(Relational) for a in r.args)
