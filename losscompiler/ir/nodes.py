"""What a value is made of: definitions over named axes.

A *value* of the graph is a scalar SymPy expression whose symbols are leaves. A *leaf* is a
definition applied to axes, as `x[i, d]` and `x[j, d]` are one input seen through two pairs of
axes: renaming an axis costs nothing. A *definition* is whatever is not elementwise: an input, a
reduction, a gather. Its bodies are values over its formal axes, which are `free` (the axes of the
result, in order) and `bound` (those it sums or gathers away). Batch axes are implicit everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True, order=True)
class Axis:
    """One axis of a value: `extent` is its name in the spec, `name` tells same-sized axes apart."""

    extent: str
    name: str


@dataclass(frozen=True)
class Definition:
    """A node that is not elementwise; `free` are the formal axes of its result."""

    free: tuple[Axis, ...]

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """The values that the definition is computed from."""
        return ()

    @property
    def bound(self) -> tuple[Axis, ...]:
        """Formal axes of the bodies that the result does not have."""
        return ()


@dataclass(frozen=True)
class Input(Definition):
    """An array argument of the kernel. `dtype` is float, int or bool."""

    name: str
    dtype: str = "float"


@dataclass(frozen=True)
class Positions(Definition):
    """0, 1, 2, ... along its one axis."""


@dataclass(frozen=True)
class Extent(Definition):
    """The size of an axis; a scalar."""

    extent: str


@dataclass(frozen=True)
class Reduce(Definition):
    """The sum, prod, max, min or Euclidean norm of the body over the bound axes."""

    kind: str
    body: sp.Expr
    over: tuple[Axis, ...]

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """What is reduced."""
        return (self.body,)

    @property
    def bound(self) -> tuple[Axis, ...]:
        """The axes that are reduced."""
        return self.over


@dataclass(frozen=True)
class Contract(Definition):
    """The sum over the bound axes of the product of the factors: a matrix product or einsum."""

    factors: tuple[sp.Expr, ...]
    over: tuple[Axis, ...]

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """The factors."""
        return self.factors

    @property
    def bound(self) -> tuple[Axis, ...]:
        """The summed axes."""
        return self.over


@dataclass(frozen=True)
class LogSumExp(Definition):
    """log(sum(weight * exp(body))) over the bound axes, where the condition holds."""

    body: sp.Expr
    weight: sp.Expr
    where: sp.Basic
    over: tuple[Axis, ...]

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """Exponent, weight and condition."""
        return (self.body, self.weight, self.where)

    @property
    def bound(self) -> tuple[Axis, ...]:
        """The summed axes."""
        return self.over


@dataclass(frozen=True)
class Gather(Definition):
    """The leaf `body` with its axis `along` replaced by the integer `index`."""

    body: sp.Symbol
    index: sp.Expr
    along: Axis

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """The array and the index into it."""
        return (self.body, self.index)

    @property
    def bound(self) -> tuple[Axis, ...]:
        """The axis that the index replaces."""
        return (self.along,)


@dataclass(frozen=True)
class Scatter(Definition):
    """The sum over the bound axes of the body, at position `index` of the free axis `onto`.

    `like` is a value with the axes of the result: an array whose shape the result takes.
    """

    body: sp.Expr
    index: sp.Expr
    onto: Axis
    over: tuple[Axis, ...]
    like: sp.Basic

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """What is spread, the index, and an array of the result's shape."""
        return (self.body, self.index, self.like)

    @property
    def bound(self) -> tuple[Axis, ...]:
        """The summed axes."""
        return self.over


@dataclass(frozen=True)
class Take(Definition):
    """The leaf `body` at one constant position of its axis `along`."""

    body: sp.Symbol
    along: Axis
    position: int

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """The array."""
        return (self.body,)

    @property
    def bound(self) -> tuple[Axis, ...]:
        """The axis that the position replaces."""
        return (self.along,)


@dataclass(frozen=True)
class Place(Definition):
    """Zero except for the parts, each at its constant position of the free axis `along`.

    `like` is a value with the axes of the result: an array whose shape the result takes.
    """

    along: Axis
    positions: tuple[int, ...]
    parts: tuple[sp.Expr, ...]
    like: sp.Basic

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """The parts, and an array of the result's shape."""
        return (*self.parts, self.like)


@dataclass(frozen=True)
class Shift(Definition):
    """The leaf `body` at `along + offset`; zero where that is outside the axis."""

    body: sp.Symbol
    along: Axis
    offset: int

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """The array."""
        return (self.body,)


@dataclass(frozen=True)
class Unit(Definition):
    """The body divided by its length over the axes `over`, which the result keeps; 0 at 0.

    A definition, since only whole vectors have simple derivatives: sums over their entries.
    """

    body: sp.Expr
    length: sp.Expr
    over: tuple[Axis, ...]

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """The vector and its length."""
        return (self.body, self.length)


@dataclass(frozen=True)
class Map(Definition):
    """An elementwise value that is computed once, into an array of its own."""

    body: sp.Basic

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """The value."""
        return (self.body,)


@dataclass(frozen=True)
class Local(Definition):
    """An array inside the step of a recurrence: a carry before the step, or an item at it.

    It has a value only there; `key` tells the locals of one graph apart.
    """

    key: int
    dtype: str = "float"


@dataclass(frozen=True)
class Scan(Definition):
    """A recurrence along an axis: the carries after every step, a tuple of arrays.

    `steps` are the next carries in terms of locals alone: `carries` are the former ones, which
    start as `inits`, and `items` are `xs` at the position. `reverse` runs from the last position
    to the first. Carries are seen through the free axes, items through the axes `inner`, which are
    those of `xs` other than `along`.
    """

    along: Axis
    reverse: bool
    inits: tuple[sp.Expr, ...]
    xs: tuple[sp.Basic, ...]
    steps: tuple[sp.Expr, ...]
    carries: tuple[sp.Symbol, ...]
    items: tuple[sp.Symbol, ...]
    inner: tuple[Axis, ...]

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """What the recurrence starts from, what it runs over, and its steps."""
        return (*self.inits, *self.xs, *self.steps)

    @property
    def bound(self) -> tuple[Axis, ...]:
        """The axes of what it runs over."""
        return self.inner


@dataclass(frozen=True)
class Carried(Definition):
    """One carry of the recurrence that the leaf `body` is, at every position.

    `others` are axes of the recurrence that this carry does not have.
    """

    body: sp.Symbol
    which: int
    others: tuple[Axis, ...]

    @property
    def bodies(self) -> tuple[sp.Basic, ...]:
        """The recurrence."""
        return (self.body,)

    @property
    def bound(self) -> tuple[Axis, ...]:
        """The axes of other carries alone."""
        return self.others
