"""The nodes of a recurrence over an axis: its result, and the former carries inside its step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import sympy as sp

from losscompiler.diagnostics import SpecError
from losscompiler.spec.expressions import Binder
from losscompiler.spec.tensors import Element, Index, Tensor, check_indices, split_shift

# While a step is called to find out what its carries vary over, they may lack axes.
finding_axes: ContextVar[bool] = ContextVar("finding_axes", default=False)
Indices = Callable[[sp.Basic], "set[Index] | frozenset[Index]"]


class Carry(Element):
    """A carry before the step at an index; `carry[s - 1]` is the same carry at another place.

    Its tensor has the axis of the recurrence first, then those that the carry varies over.
    """

    def __getitem__(self, indices: Any) -> sp.Basic:
        """The former carry elsewhere: each index takes the place of the one over its axis."""
        given = [sp.sympify(i) for i in (indices if isinstance(indices, tuple) else (indices,))]
        own = list(self.indices[1:])
        places = [0] if len(given) == len(own) == 1 else [_place(i, own) for i in given]
        known = sorted(p for p in places if p is not None)
        if len(given) != len(own) or known != list(range(len(own))):
            if finding_axes.get():
                return self
            raise SpecError(
                "LC132",
                f"this carry varies over ({', '.join(map(str, own)) or 'nothing'}), and "
                f"({', '.join(map(str, given))}) do not say where it is read",
                help="give one index for each of them, such as `carry[i - 1, j]`; a carry varies "
                "over the free indices of its initial value and of its step",
            )
        positions = (self.indices[0], *(given[places.index(k)] for k in range(len(own))))
        check_indices(self.tensor, positions)
        return self.func(self.tensor, *positions)

    def _sympystr(self, printer: Any) -> str:
        return f"carry[{', '.join(printer._print(i) for i in self.indices[1:])}]"


def _place(position: sp.Basic, own: Sequence[sp.Basic]) -> int | None:
    """Which of a carry's own indices a position takes the place of, if that is clear."""
    index, _ = split_shift(position)
    if index in own:
        return own.index(index)
    axis = index.axis if index else getattr(getattr(position, "tensor", None), "label_axis", None)
    same = [k for k, i in enumerate(own) if isinstance(i, Index) and i.axis == axis]
    return same[0] if len(same) == 1 else None


class Scan(Binder):
    """One carry of a recurrence, after the step at a position.

    `steps` are the next carries and `inits` those before the first step; `carries` are the former
    ones as the step sees them, over `indices`, of which the first is that of the recurrence. All
    indices are bound; `positions` say where the carry number `which` is read, one for each index
    of that carry.
    """

    def __new__(
        cls,
        steps: sp.Tuple,
        indices: sp.Tuple,
        inits: sp.Tuple,
        carries: sp.Tuple,
        positions: sp.Tuple,
        which: sp.Integer,
        reverse: sp.Basic,
    ) -> Scan:
        """Holds its arguments as they are."""
        node: Scan = sp.Expr.__new__(cls, steps, indices, inits, carries, positions, which, reverse)
        return node

    steps = property(lambda self: tuple(self.args[0]))
    inits = property(lambda self: tuple(self.args[2]))
    carries = property(lambda self: tuple(self.args[3]))
    positions = property(lambda self: tuple(self.args[4]))
    which = property(lambda self: int(self.args[5]))
    reverse = property(lambda self: self.args[6] == sp.true)

    @property
    def own(self) -> tuple[Index, ...]:
        """The indices of the carry that this is."""
        return tuple(self.carries[self.which].indices)

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """The symbols below, without the bound indices."""
        inside: set[sp.Basic] = set().union(*(e.free_symbols for e in (*self.steps, *self.inits)))
        return (inside - set(self.indices)).union(*(e.free_symbols for e in self.positions))

    def free_indices(self, of: Indices) -> set[Index]:
        """The indices that its value depends on; `of` finds those of a part."""
        inside: set[Index] = set().union(*(of(e) for e in (*self.steps, *self.inits)))
        return (inside - set(self.indices)).union(*(of(e) for e in self.positions))

    def _sympystr(self, printer: Any) -> str:
        return f"scan(..., {', '.join(printer._print(i) for i in self.positions)})"


def recurrence(
    steps: Sequence[sp.Basic],
    indices: Sequence[Index],
    inits: Sequence[sp.Basic],
    carries: Sequence[Element],
    reverse: bool,
) -> list[Scan]:
    """The results of a recurrence, each at its own indices.

    Carries are called by what the recurrence is: equal ones are one, and no two others, however
    they come to stand inside each other, share a carry.
    """
    names: dict[sp.Basic, str] = {i: f"#{n}" for n, i in enumerate(indices)}
    names |= {c.tensor: f"carry#{n}" for n, c in enumerate(carries)}
    told = ";".join(_told(e, names) for e in (*steps, *inits, *indices, *carries))
    digest = hashlib.sha256(f"{reverse}{told}".encode()).hexdigest()[:12]
    called = {
        c.tensor: Tensor(f"carry_{digest}_{n}", "carry", c.tensor.axes, c.tensor.symbol)
        for n, c in enumerate(carries)
    }
    after, before = sp.Tuple(*(s.xreplace(called) for s in steps)), sp.Tuple(*inits)
    own = sp.Tuple(*(c.xreplace(called) for c in carries))
    return [
        Scan(
            after,
            sp.Tuple(*indices),
            before,
            own,
            sp.Tuple(*c.indices),
            sp.Integer(which),
            sp.true if reverse else sp.false,
        )
        for which, c in enumerate(carries)
    ]


def _told(e: sp.Basic, names: dict[sp.Basic, str]) -> str:
    if e in names:
        return names[e]
    if not e.args:
        return f"{type(e).__name__}{e._hashable_content()!r}"
    return f"{type(e).__name__}({','.join(_told(a, names) for a in e.args)})"
