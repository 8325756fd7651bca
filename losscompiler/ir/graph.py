"""The tensor graph: leaves, their axes, and the few ways to build new ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import mpmath
import sympy as sp
from sympy.logic.boolalg import Boolean

from losscompiler.ir import nodes
from losscompiler.ir.nodes import Axis, Definition
from losscompiler.spec.expressions import Piecewise

Value = sp.Basic
ASSUMED = ("positive", "nonnegative", "negative", "nonpositive")


@dataclass
class Graph:
    """All leaves of one loss, interned: equal definitions over equal axes are one symbol.

    `order` ranks extents, so that formal axes, and with them all printed code, are deterministic.
    `domains` holds an interval for the entries of each input.
    """

    order: dict[str, int] = field(default_factory=dict)
    domains: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    _leaves: dict[tuple[Definition, tuple[Axis, ...]], sp.Symbol] = field(default_factory=dict)
    _of: dict[sp.Symbol, tuple[Definition, tuple[Axis, ...]]] = field(default_factory=dict)
    _seen: dict[Value, tuple[sp.Symbol, ...]] = field(default_factory=dict)
    _fresh: int = 0

    # ---- leaves --------------------------------------------------------------------------

    def leaf(
        self,
        definition: Definition,
        axes: Sequence[Axis],
        assumptions: Mapping[str, bool] | None = None,
    ) -> sp.Symbol:
        """The symbol that stands for a definition seen through the given axes."""
        key = (definition, tuple(axes))
        symbol = self._leaves.get(key)
        if symbol is None:
            facts = {"real": True, **(assumptions or self._facts(definition))}
            if isinstance(definition, nodes.Input) and definition.dtype == "bool":
                facts = {}
            symbol = sp.Symbol(f"v{len(self._leaves)}", **facts)
            self._leaves[key] = symbol
            self._of[symbol] = key
        return symbol

    def definition(self, leaf: sp.Symbol) -> Definition:
        return self._of[leaf][0]

    def leaf_axes(self, leaf: sp.Symbol) -> tuple[Axis, ...]:
        return self._of[leaf][1]

    def _facts(self, definition: Definition) -> dict[str, bool]:
        if isinstance(definition, nodes.Positions):
            return {"integer": True, "nonnegative": True}
        if isinstance(definition, nodes.Extent):
            return {"integer": True, "positive": True}
        if isinstance(definition, nodes.Input):
            return self._seen_facts(definition)
        if isinstance(definition, nodes.Reduce):
            facts = {f"is_{fact}": getattr(definition.body, f"is_{fact}") for fact in ASSUMED}
            keeps = ("nonnegative",) if definition.kind == "sum" else ASSUMED[:2]
            return {f: True for f in keeps if facts[f"is_{f}"]}
        if isinstance(definition, nodes.Gather | nodes.Take):
            return {f: True for f in ASSUMED if getattr(definition.body, f"is_{f}")}
        return {}

    def _seen_facts(self, definition: nodes.Input) -> dict[str, bool]:
        for (known, _), symbol in self._leaves.items():
            if known == definition:
                return dict(symbol.assumptions0)
        return {"integer": True} if definition.dtype == "int" else {}

    def bounds_of(self, leaf: sp.Symbol) -> tuple[Any, Any]:
        """An interval that holds every entry of a leaf."""
        definition = self.definition(leaf)
        if isinstance(definition, nodes.Input) and definition.name in self.domains:
            return self.domains[definition.name]
        if isinstance(definition, nodes.Gather | nodes.Take):
            return self.bounds_of(definition.body)
        low = 0 if leaf.is_nonnegative else -mpmath.inf
        return mpmath.mpf(low), mpmath.mpf(0) if leaf.is_nonpositive else mpmath.inf

    def domain_map(self) -> dict[sp.Symbol, tuple[Any, Any]]:
        return {leaf: self.bounds_of(leaf) for leaf in self._of if not self.is_condition(leaf)}

    def leaves(self, value: Value) -> tuple[sp.Symbol, ...]:
        """The leaves of a value, in a deterministic order."""
        known = self._seen.get(value)
        if known is None:
            found = {value} if value in self._of else set()
            for argument in value.args:
                found.update(self.leaves(argument))
            known = tuple(sorted(found, key=lambda s: int(s.name[1:])))
            self._seen[value] = known
        return known

    def axes(self, *values: Value) -> tuple[Axis, ...]:
        """The axes that the values vary over, ordered."""
        leaves = {s for value in values for s in self.leaves(value)}
        return self.sorted(a for s in leaves for a in self.leaf_axes(s))

    def sorted(self, axes: Iterable[Axis]) -> tuple[Axis, ...]:
        return tuple(sorted(set(axes), key=lambda a: (self.order.get(a.extent, 99), a)))

    def fresh(self, extent: str) -> Axis:
        self._fresh += 1
        return Axis(extent, f"~{self._fresh}")

    # ---- axes are renamed, never moved ----------------------------------------------------

    def rename(self, value: Value, mapping: Mapping[Axis, Axis]) -> Value:
        """The value seen through other axes. Two axes may become one: the diagonal."""
        swaps: dict[Value, Value] = {}
        for symbol in self.leaves(value):
            definition, axes = self._of[symbol]
            renamed = tuple(mapping.get(a, a) for a in axes)
            if renamed != axes:
                swaps[symbol] = self.apply(definition, renamed, symbol)
        return value.xreplace(swaps) if swaps else value

    def apply(self, definition: Definition, axes: tuple[Axis, ...], like: sp.Symbol) -> sp.Expr:
        """A definition over actual axes; where two of them coincide, its diagonal."""
        if len(set(axes)) == len(axes) or isinstance(definition, nodes.Input):
            return self.leaf(definition, axes, _assumptions(like))
        first: dict[Axis, Axis] = {}
        merge = {}
        for formal, actual in zip(definition.free, axes, strict=True):
            merge[formal] = first.setdefault(actual, formal)
        back = {formal: actual for actual, formal in first.items()}
        return self._diagonal(definition, merge, back)

    def _diagonal(
        self, definition: Definition, merge: dict[Axis, Axis], back: dict[Axis, Axis]
    ) -> sp.Expr:
        """Rebuilds a definition with some free axes made one, so that no matrix is built."""
        if isinstance(definition, nodes.Place):
            here = merge[definition.along]
            same = [a for a in definition.free if merge[a] == here and a != definition.along]
            parts = [
                self.at(self.rename(self.rename(p, {a: here for a in same}), merge), here, k)
                for k, p in zip(definition.positions, definition.parts, strict=True)
            ]
            like = self.rename(definition.like, merge)
            return self.rename(self.place(here, definition.positions, parts, like), back)
        if isinstance(definition, nodes.Scatter):
            here = merge[definition.onto]
            same = [a for a in definition.free if merge[a] == here and a != definition.onto]
            body = self.rename(definition.body, {a: here for a in same})
            body = self.gather(body, here, definition.index)
            outside = {a: b for a, b in merge.items() if a != definition.onto}
            body = self.rename(body, outside)
            index = self.rename(definition.index, outside)
            like = self.rename(definition.like, merge)
            return self.rename(self.scatter(body, index, here, definition.over, like), back)
        # Bound axes may share formal names with other definitions' axes, never with their own.
        bodies = [self.rename(b, merge) for b in definition.bodies]
        return self.rename(self.rebuild(definition, bodies), back)

    def rebuild(self, definition: Definition, bodies: Sequence[Value]) -> sp.Expr:
        """The same node over other bodies, over the definition's own formal axes."""
        if isinstance(definition, nodes.Reduce):
            return self.reduce(definition.kind, bodies[0], definition.over)
        if isinstance(definition, nodes.Contract):
            return self.sum(sp.Mul(*bodies), definition.over)
        if isinstance(definition, nodes.LogSumExp):
            return self.logsumexp(bodies[0], definition.over, bodies[1], bodies[2])
        if isinstance(definition, nodes.Gather):
            return self.gather(bodies[0], definition.along, bodies[1])
        if isinstance(definition, nodes.Scatter):
            body, index, like = bodies
            return self.scatter(body, index, definition.onto, definition.over, like)
        if isinstance(definition, nodes.Take):
            return self.at(bodies[0], definition.along, definition.position)
        if isinstance(definition, nodes.Place):
            return self.place(definition.along, definition.positions, bodies[:-1], bodies[-1])
        if isinstance(definition, nodes.Shift):
            return self.shift(bodies[0], definition.along, definition.offset)
        raise TypeError(f"{type(definition).__name__} has no bodies to rebuild")

    # ---- building ------------------------------------------------------------------------

    def node(self, make: Definition, bound: Sequence[Axis], bodies: Sequence[Value]) -> sp.Expr:
        """Interns a definition written over actual axes: renames them to formal ones."""
        free = [a for a in self.axes(*bodies) if a not in bound]
        if isinstance(make, nodes.Scatter | nodes.Place):
            extra = make.onto if isinstance(make, nodes.Scatter) else make.along
            free = list(self.sorted([*free, extra]))
        if isinstance(make, nodes.Shift):
            free = list(self.axes(*bodies))
        formal = {a: Axis(a.extent, f"${k}") for k, a in enumerate(free)}
        formal |= {a: Axis(a.extent, f"#{k}") for k, a in enumerate(bound)}
        changes: dict[str, object] = {"free": tuple(formal[a] for a in free)}
        for name, value in vars(make).items():
            if name != "free":
                changes[name] = self._formal(value, formal)
        return self.leaf(replace(make, **changes), free)  # type: ignore[arg-type]

    def _formal(self, value: object, formal: Mapping[Axis, Axis]) -> object:
        if isinstance(value, Axis):
            return formal[value]
        if isinstance(value, sp.Basic):
            return self.rename(value, formal)
        if isinstance(value, tuple):
            return tuple(self._formal(v, formal) for v in value)
        return value

    def sum(self, value: sp.Expr, over: Sequence[Axis]) -> sp.Expr:
        from losscompiler.ir.summation import summed

        return summed(self, value, tuple(over))

    def reduce(self, kind: str, value: sp.Expr, over: Sequence[Axis]) -> sp.Expr:
        """A reduction; sums are split into matrix products where that saves memory."""
        if kind == "sum":
            return self.sum(value, over)
        inside = [a for a in over if a in self.axes(value)]
        outside = [a for a in over if a not in inside]
        if kind == "prod" and outside:
            value = value ** sp.Mul(*(self.extent(a.extent) for a in outside))
        if not inside:
            return value
        return self.node(nodes.Reduce((), kind, value, tuple(inside)), inside, [value])

    def logsumexp(
        self,
        value: sp.Expr,
        over: Sequence[Axis],
        weight: sp.Expr = sp.S.One,
        where: Value = sp.true,
    ) -> sp.Expr:
        inside = tuple(a for a in over if a in self.axes(value, weight, where))
        outside = [a for a in over if a not in inside]
        copies = sp.log(sp.Mul(*(self.extent(a.extent) for a in outside)))
        if not inside:
            return value + copies + sp.log(weight)
        made = nodes.LogSumExp((), value, weight, where, inside)
        return self.node(made, inside, [value, weight, where]) + copies

    def extent(self, name: str) -> sp.Symbol:
        return self.leaf(nodes.Extent((), name), ())

    def positions(self, axis: Axis) -> sp.Symbol:
        return self.leaf(nodes.Positions((Axis(axis.extent, "$0"),)), (axis,))

    def gather(self, value: Value, axis: Axis, index: sp.Expr) -> Value:
        """The value with an axis replaced by an integer value.

        Elementwise parts stay as they are, and of a matrix product only what is asked for is
        computed: row times picked column.
        """

        def pick(leaf: sp.Symbol) -> sp.Expr:
            definition, axes = self._of[leaf]
            if isinstance(definition, nodes.Contract) and len(set(axes)) == len(axes):
                return self._gather_product(definition, axes, axis, index)
            return self.node(nodes.Gather((), leaf, index, axis), (axis,), [leaf, index])

        return self._reindex(value, axis, pick, index)

    def _gather_product(
        self, product: nodes.Contract, axes: tuple[Axis, ...], axis: Axis, index: sp.Expr
    ) -> sp.Expr:
        fresh = {a: self.fresh(a.extent) for a in product.over}
        actual = dict(zip(product.free, axes, strict=True)) | fresh
        picked = [self.gather(self.rename(f, actual), axis, index) for f in product.factors]
        return self.sum(sp.Mul(*picked), tuple(fresh.values()))

    def at(self, value: Value, axis: Axis, position: int) -> Value:
        """The value at one constant position of an axis."""

        def take(leaf: sp.Symbol) -> sp.Expr:
            definition, axes = self._of[leaf]
            if isinstance(definition, nodes.Place):
                onto = axes[definition.free.index(definition.along)]
                if onto == axis:
                    actual = dict(zip(definition.free, axes, strict=True))
                    found = dict(zip(definition.positions, definition.parts, strict=True))
                    return self.rename(found.get(position, sp.S.Zero), actual)
            return self.node(nodes.Take((), leaf, axis, position), (axis,), [leaf])

        return self._reindex(value, axis, take, sp.Integer(position))

    def shift(self, value: Value, axis: Axis, offset: int) -> Value:
        """The value at `axis + offset`, zero outside; positions themselves are just moved."""
        if offset == 0:
            return value
        return self._reindex(
            value,
            axis,
            lambda leaf: self.node(nodes.Shift((), leaf, axis, offset), (), [leaf]),
            self.positions(axis) + offset,
        )

    def _reindex(self, value: Value, axis: Axis, make, index: sp.Expr) -> Value:  # type: ignore[no-untyped-def]
        swaps: dict[Value, Value] = {}
        for leaf in self.leaves(value):
            if axis in self.leaf_axes(leaf):
                is_position = isinstance(self.definition(leaf), nodes.Positions)
                swaps[leaf] = index if is_position else make(leaf)
        return value.xreplace(swaps) if swaps else value

    def scatter(
        self, value: sp.Expr, index: sp.Expr, onto: Axis, over: Sequence[Axis], like: Value
    ) -> sp.Expr:
        """The adjoint of gather: sums the value over axes, into position `index` of a new axis."""
        if value == 0:
            return sp.S.Zero
        inside = tuple(a for a in over if a in self.axes(value, index))
        outside = [a for a in over if a not in inside]
        value = value * sp.Mul(*(self.extent(a.extent) for a in outside))
        alone = tuple(a for a in inside if a not in self.axes(index))
        value = self.sum(value, alone)
        bound = tuple(a for a in inside if a not in alone)
        made = nodes.Scatter((), value, index, onto, bound, like)
        return self.node(made, bound, [value, index, like])

    def place(
        self, along: Axis, positions: Sequence[int], parts: Sequence[Value], like: Value
    ) -> sp.Expr:
        """Zero except for the parts at their constant positions."""
        kept = [(k, p) for k, p in zip(positions, parts, strict=True) if p != 0]
        if not kept:
            return sp.S.Zero
        at, values = zip(*sorted(kept, key=lambda pair: pair[0]), strict=True)
        made = nodes.Place((), along, tuple(at), tuple(values), like)
        return self.node(made, (), [*values, like])

    def equal(self, a: sp.Expr, b: sp.Expr) -> sp.Expr:
        """1 where two integer values agree, else 0."""
        return Piecewise((sp.S.One, sp.Eq(a, b)), (sp.S.Zero, sp.true))

    def is_condition(self, value: Value) -> bool:
        if isinstance(value, sp.Symbol) and value in self._of:
            definition = self.definition(value)
            if isinstance(definition, nodes.Gather | nodes.Take | nodes.Shift):
                return self.is_condition(definition.body)
            return isinstance(definition, nodes.Input) and definition.dtype == "bool"
        return isinstance(value, Boolean)

    # ---- order ---------------------------------------------------------------------------

    def topological(self, values: Iterable[Value]) -> list[Definition]:
        """The definitions that the values need, each after those it is computed from."""
        done: dict[Definition, None] = {}

        def visit(value: Value) -> None:
            for leaf in self.leaves(value):
                definition = self.definition(leaf)
                if definition not in done:
                    for body in definition.bodies:
                        visit(body)
                    done[definition] = None

        for value in values:
            visit(value)
        return list(done)


def _assumptions(symbol: sp.Symbol) -> dict[str, bool]:
    return {k: v for k, v in symbol.assumptions0.items() if v is not None and k != "commutative"}
