"""The tensor graph: leaves, their axes, and the few ways to build new ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import mpmath
import sympy as sp
from sympy.logic.boolalg import Boolean

from losscompiler.ir import indexing, nodes
from losscompiler.ir.along import Along, Order, TieMean
from losscompiler.ir.collapse import collapsed
from losscompiler.ir.diagonal import diagonal
from losscompiler.ir.nodes import Axis, Definition
from losscompiler.ir.operators import Magnitude, Reciprocal
from losscompiler.ir.replace import with_args
from losscompiler.ir.summation import summed
from losscompiler.spec.expressions import Piecewise

Value: TypeAlias = sp.Basic
ASSUMED = ("positive", "nonnegative", "negative", "nonpositive")


@dataclass
class Graph:
    """All leaves of one loss, interned: equal definitions over equal axes are one symbol.

    `order` ranks extents, so that formal axes, and with them all printed code, are deterministic.
    `domains` holds an interval for the entries of each input; `scalars` names those inputs that
    have no batch axes and no other. `slopes` remembers derivatives by leaves, `verified` the values
    that were found in order, `open_locals` the locals of recurrences below definitions.
    `has_nearest` tells whether some derivative is computed to be the nearest of many at a tie.
    """

    order: dict[str, int] = field(default_factory=dict)
    domains: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    scalars: frozenset[str] = frozenset()
    slopes: dict[tuple[Value, tuple[sp.Symbol, ...], bool], dict[sp.Symbol, sp.Expr]] = field(
        default_factory=dict
    )
    verified: set[Value] = field(default_factory=set)
    has_nearest: bool = False
    open_locals: dict[Definition, frozenset[nodes.Local]] = field(default_factory=dict)
    _leaves: dict[tuple[Definition, tuple[Axis, ...]], sp.Symbol] = field(default_factory=dict)
    _of: dict[sp.Symbol, tuple[Definition, tuple[Axis, ...]]] = field(default_factory=dict)
    _seen: dict[Value, tuple[sp.Symbol, ...]] = field(default_factory=dict)
    _axes: dict[Value, tuple[Axis, ...]] = field(default_factory=dict)
    _renamed: dict[tuple[Value, tuple[tuple[Axis, Axis], ...]], Value] = field(default_factory=dict)
    _scalar: dict[Definition, bool] = field(default_factory=dict)
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
            if isinstance(definition, nodes.Input | nodes.Local) and definition.dtype == "bool":
                facts = {}
            symbol = sp.Symbol(f"v{len(self._leaves)}", **facts)
            self._leaves[key] = symbol
            self._of[symbol] = key
        return symbol

    def definition(self, leaf: sp.Symbol) -> Definition:
        """What a leaf stands for."""
        return self._of[leaf][0]

    def leaf_axes(self, leaf: sp.Symbol) -> tuple[Axis, ...]:
        """The axes that a leaf is seen through."""
        return self._of[leaf][1]

    def _facts(self, definition: Definition) -> dict[str, bool]:
        if isinstance(definition, nodes.Positions | Order):
            return {"integer": True, "nonnegative": True}
        if isinstance(definition, nodes.Extent):
            return {"integer": True, "positive": True}
        if isinstance(definition, nodes.Input):
            return self._seen_facts(definition)
        if isinstance(definition, nodes.Local):
            return {"integer": True} if definition.dtype == "int" else {}
        if isinstance(definition, nodes.Reduce):
            if definition.kind == "norm":
                return {"nonnegative": True}
            keeps = ("nonnegative",) if definition.kind == "sum" else ASSUMED[:2]
            return {f: True for f in keeps if getattr(definition.body, f"is_{f}")}
        if isinstance(definition, nodes.Gather | nodes.Take | TieMean):
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
        if isinstance(definition, nodes.Unit):
            return mpmath.mpf(-1), mpmath.mpf(1)
        low = 0 if leaf.is_nonnegative else -mpmath.inf
        return mpmath.mpf(low), mpmath.mpf(0) if leaf.is_nonpositive else mpmath.inf

    def domain_map(self) -> dict[sp.Symbol, tuple[Any, Any]]:
        """The interval of every leaf that is a number."""
        return {leaf: self.bounds_of(leaf) for leaf in self._of if not self.is_condition(leaf)}

    def is_scalar(self, *values: Value) -> bool:
        """Whether values are one number for the whole call: no batch axes, nor any other."""
        return all(self._is_scalar(self.definition(s)) for v in values for s in self.leaves(v))

    def _is_scalar(self, definition: Definition) -> bool:
        if isinstance(definition, nodes.Input):
            return definition.name in self.scalars
        if isinstance(definition, nodes.Local):
            return False
        if definition not in self._scalar:
            self._scalar[definition] = not definition.free and self.is_scalar(*definition.bodies)
        return self._scalar[definition]

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
        if len(values) != 1:
            return self.sorted(a for value in values for a in self.axes(value))
        (value,) = values
        if value not in self._axes:
            self._axes[value] = self.sorted(a for s in self.leaves(value) for a in self._of[s][1])
        return self._axes[value]

    def sorted(self, axes: Iterable[Axis]) -> tuple[Axis, ...]:
        """Axes in the order of the program's arrays, each once."""
        return tuple(sorted(set(axes), key=lambda a: (self.order.get(a.extent, 99), a)))

    def fresh(self, extent: str) -> Axis:
        """An axis that nothing else has."""
        self._fresh += 1
        return Axis(extent, f"~{self._fresh}")

    def local(self, axes: Sequence[Axis], dtype: str = "float") -> sp.Symbol:
        """An array inside the step of a recurrence that nothing else is."""
        self._fresh += 1
        formal = tuple(Axis(a.extent, f"${k}") for k, a in enumerate(axes))
        return self.leaf(nodes.Local(formal, self._fresh, dtype), axes)

    # ---- axes are renamed, never moved ----------------------------------------------------

    def rename(self, value: Value, mapping: Mapping[Axis, Axis]) -> Value:
        """The value seen through other axes. Two axes may become one: the diagonal."""
        moved = tuple((a, mapping[a]) for a in self.axes(value) if mapping.get(a, a) != a)
        if not moved:
            return value
        if (value, moved) not in self._renamed:
            if value in self._of:
                definition, axes = self._of[value]
                actual = dict(moved)
                seen = tuple(actual.get(a, a) for a in axes)
                result = self.apply(definition, seen, value)
            else:
                result = with_args(value, [self.rename(a, mapping) for a in value.args])
            self._renamed[value, moved] = result
        return self._renamed[value, moved]

    def apply(self, definition: Definition, axes: tuple[Axis, ...], like: sp.Symbol) -> sp.Expr:
        """A definition over actual axes; where two of them coincide, its diagonal."""
        # Of whole arrays the printer takes the diagonal; moved along one axis alone, so it does.
        whole = nodes.Input | nodes.Local | nodes.Carried
        as_it_is = isinstance(definition, whole | nodes.Shift | nodes.Unit | Along)
        if len(set(axes)) == len(axes) or as_it_is:
            if len(set(axes)) < len(axes) and isinstance(definition, Along):
                found = collapsed(self, definition, axes)
                if found is not None:
                    return found
            return self.leaf(definition, axes, _assumptions(like))
        first: dict[Axis, Axis] = {}
        merge = {}
        for formal, actual in zip(definition.free, axes, strict=True):
            merge[formal] = first.setdefault(actual, formal)
        back = {formal: actual for actual, formal in first.items()}
        return diagonal(self, definition, merge, back)

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
        changes: dict[str, Any] = {"free": tuple(formal[a] for a in free)}
        for name, value in vars(make).items():
            if name != "free":
                changes[name] = self._formal(value, formal)
        return self.leaf(replace(make, **changes), free)

    def _formal(self, value: object, formal: Mapping[Axis, Axis]) -> object:
        if isinstance(value, Axis):
            return formal[value]
        if isinstance(value, sp.Basic):
            return self.rename(value, formal)
        if isinstance(value, tuple):
            return tuple(self._formal(v, formal) for v in value)
        return value

    def sum(self, value: sp.Expr, over: Sequence[Axis]) -> sp.Expr:
        """The sum over axes: matrix products where factors vary over different axes."""
        return summed(self, value, tuple(over))

    def reduce(self, kind: str, value: sp.Expr, over: Sequence[Axis]) -> sp.Expr:
        """A reduction; sums are split into matrix products where that saves memory."""
        if kind == "sum":
            return self.sum(value, over)
        inside = [a for a in over if a in self.axes(value)]
        outside = [a for a in over if a not in inside]
        if kind == "prod" and outside:
            value = value ** sp.Mul(*(self.extent(a.extent) for a in outside))
        if kind == "norm" and outside:
            value = value * sp.sqrt(sp.Mul(*(self.extent(a.extent) for a in outside)))
        if not inside:
            return Magnitude(value) if kind == "norm" else value
        return self.node(nodes.Reduce((), kind, value, tuple(inside)), inside, [value])

    def logsumexp(
        self,
        value: sp.Expr,
        over: Sequence[Axis],
        weight: sp.Expr = sp.S.One,
        where: Value = sp.true,
    ) -> sp.Expr:
        """log(sum(weight * exp(value))) over axes, where the condition holds."""
        inside = tuple(a for a in over if a in self.axes(value, weight, where))
        outside = [a for a in over if a not in inside]
        copies = sp.log(sp.Mul(*(self.extent(a.extent) for a in outside)))
        if not inside:
            total = value + copies + sp.log(weight)
            return total if where == sp.true else Piecewise((total, where), (-sp.oo, sp.true))
        made = nodes.LogSumExp((), value, weight, where, inside)
        return self.node(made, inside, [value, weight, where]) + copies

    def unit(self, value: sp.Expr, length: sp.Expr, over: Sequence[Axis]) -> sp.Expr:
        """A vector divided by its length, which is that over the axes; 0 at 0."""
        if not set(over) <= set(self.axes(value)):
            return value * Reciprocal(length)
        return self.node(nodes.Unit((), value, length, tuple(over)), (), [value, length])

    def extent(self, name: str) -> sp.Symbol:
        """The size of an axis."""
        return self.leaf(nodes.Extent((), name), ())

    def positions(self, axis: Axis) -> sp.Symbol:
        """0, 1, 2, ... along an axis."""
        return self.leaf(nodes.Positions((Axis(axis.extent, "$0"),)), (axis,))

    def gather(self, value: Value, axis: Axis, index: sp.Expr) -> Value:
        """The value with an axis replaced by an integer value."""
        return indexing.gather(self, value, axis, index)

    def at(self, value: Value, axis: Axis, position: int) -> Value:
        """The value at one constant position of an axis."""
        return indexing.at(self, value, axis, position)

    def shift(self, value: Value, axis: Axis, offset: int) -> Value:
        """The value at `axis + offset`, zero outside; positions themselves are just moved."""
        return indexing.shift(self, value, axis, offset)

    def scatter(
        self, value: sp.Expr, index: sp.Expr, onto: Axis, over: Sequence[Axis], like: Value
    ) -> sp.Expr:
        """The adjoint of gather: sums the value over axes, into position `index` of a new axis."""
        return indexing.scatter(self, value, index, onto, over, like)

    def place(
        self, along: Axis, positions: Sequence[int], parts: Sequence[Value], like: Value
    ) -> sp.Expr:
        """Zero except for the parts at their constant positions."""
        return indexing.place(self, along, positions, parts, like)

    def equal(self, a: sp.Expr, b: sp.Expr) -> sp.Expr:
        """1 where two integer values agree, else 0."""
        return Piecewise((sp.S.One, sp.Eq(a, b)), (sp.S.Zero, sp.true))

    def is_condition(self, value: Value) -> bool:
        """Whether a value is true or false, not a number."""
        if isinstance(value, sp.Symbol) and value in self._of:
            definition = self.definition(value)
            if isinstance(definition, nodes.Gather | nodes.Take | nodes.Shift):
                return self.is_condition(definition.body)
            if isinstance(definition, nodes.Input | nodes.Local):
                return definition.dtype == "bool"
            return False
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
