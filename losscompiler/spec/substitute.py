"""Substitution that knows which indices are bound: how one loss is used inside another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from losscompiler.diagnostics import SpecError
from losscompiler.spec.expressions import (
    At,
    Binder,
    Element,
    Index,
    LogSoftmax,
    LogSumExp,
    MaskElement,
    Size,
    Softmax,
    Tensor,
)
from losscompiler.spec.recurrence import Scan, recurrence
from losscompiler.spec.tensors import check_indices


def free_indices(e: sp.Basic) -> set[Index]:
    """The indices of an expression that no axis reduction binds."""
    if isinstance(e, Index):
        return {e}
    if isinstance(e, Scan):
        return e.free_indices(free_indices)
    found: set[Index] = set()
    for argument in e.args:
        found |= free_indices(argument)
    if isinstance(e, At):
        return free_indices(e.body) - set(e.indices) | free_indices(e.position)
    if isinstance(e, Binder) and not e.keeps_axis:
        return found - set(e.indices)
    return found


@dataclass
class Substitution:
    """Replaces tensors by tensors or expressions, and indices by indices, without capture.

    A tensor with axes may be replaced by an expression with one free index per axis; indexing it
    then substitutes these. `axes` renames axes.
    """

    tensors: Mapping[Tensor, Any]
    axes: Mapping[str, str] = field(default_factory=dict)
    indices: dict[Index, sp.Basic] = field(default_factory=dict)

    def __call__(self, e: Any) -> Any:
        """The expression with everything replaced."""
        if isinstance(e, Index):
            return self.indices.get(e, Index(e.name, self.axes.get(e.axis, e.axis)))
        if isinstance(e, Size):
            return Size(self.axes.get(e.axis, e.axis))
        if isinstance(e, Element | MaskElement):
            return self._element(e)
        if isinstance(e, Scan):
            return self._scan(e)
        if isinstance(e, Binder):
            return self._binder(e)
        if not e.args:
            return e
        return e.func(*(self(a) for a in e.args))

    def _element(self, e: Any) -> Any:
        positions = tuple(self(i) for i in e.indices)
        replacement = self.tensors.get(e.tensor, e.tensor)
        if isinstance(replacement, Tensor):
            check_indices(replacement, positions)
            return e.func(replacement, *positions)
        slots = axis_slots(e.tensor, replacement)
        return Substitution({}, {}, dict(zip(slots, positions, strict=True)))(replacement)

    def _binder(self, e: Binder) -> Any:
        if e.keeps_axis:
            return self._kept(e)
        bound = self._bound(e.indices, free_indices(e))
        within = Substitution(self.tensors, self.axes, {**self.indices, **bound})
        rest = e.args[2:]
        others = map(self if isinstance(e, At) else within, rest)
        return e.func(within(e.body), sp.Tuple(*bound.values()), *others)

    def _scan(self, e: Scan) -> Any:
        inside = sp.Tuple(*e.steps, *e.inits)
        bound = self._bound(e.indices, free_indices(inside))
        tensors = dict(self.tensors)
        for carry in e.carries:
            old = carry.tensor
            axes = tuple(self.axes.get(a, a) for a in old.axes)
            tensors[old] = Tensor(old.name, old.role, axes, old.symbol)
        within = Substitution(tensors, self.axes, {**self.indices, **bound})
        steps, inits, carries = (map(within, part) for part in (e.steps, e.inits, e.carries))
        made = recurrence(
            tuple(steps), tuple(bound.values()), tuple(inits), tuple(carries), e.reverse
        )[e.which]
        positions = sp.Tuple(*(self(p) for p in e.positions))
        return made.func(*made.args[:4], positions, *made.args[5:])

    def _bound(self, indices: Sequence[Index], inside: set[Index]) -> dict[Index, Index]:
        """What bound indices become, none of them one that is free in the result."""
        taken = self._outside(inside - set(indices))
        bound: dict[Index, Index] = {}
        for i in indices:
            fresh = Index(i.name, self.axes.get(i.axis, i.axis))
            while fresh in taken or fresh in bound.values():
                fresh = Index(fresh.name + "_", fresh.axis)
            bound[i] = fresh
        return bound

    def _outside(self, free: set[Index]) -> set[Index]:
        """The indices that may be free in the result, whatever the binder's own become."""
        values = [*self.indices.values(), *self.tensors.values()]
        values += [self(i) for i in free]
        taken: set[Index] = set()
        for value in values:
            taken |= free_indices(value) if isinstance(value, sp.Expr) else set()
        return taken

    def _kept(self, e: Binder) -> Any:
        """The index of a softmax is free in it: any position may take its place."""
        positions = [self(i) for i in e.indices]
        inner = {**self.indices, **dict(zip(e.indices, positions, strict=True))}
        chosen = Substitution(self.tensors, self.axes, inner)
        others = [i for value in self.tensors.values() for i in free_indices(value)]
        others += [self(i) for i in free_indices(e) - set(e.indices)]
        if all(isinstance(p, Index) and p not in others for p in positions):
            return e.func(chosen(e.body), sp.Tuple(*positions), *map(chosen, e.args[2:]))
        if type(e) in AT_POSITION:
            share = chosen(e.body) - self._binder(LogSumExp(e.body, e.args[1]))
            return AT_POSITION[type(e)](share)
        return self._at(e, positions)

    def _at(self, e: Binder, positions: list[sp.Basic]) -> Any:
        """The node with indices of its own, looked at in one place."""
        inner = dict(self.indices)
        for i in e.indices:
            fresh = Index(i.name, self.axes.get(i.axis, i.axis))
            while fresh in self._outside(free_indices(e) - set(e.indices)) or fresh in positions:
                fresh = Index(fresh.name + "_", fresh.axis)
            inner[i] = fresh
        within = Substitution(self.tensors, self.axes, inner)
        bound = sp.Tuple(*(inner[i] for i in e.indices))
        whole = e.func(within(e.body), bound, *map(within, e.args[2:]))
        for i, position in zip(bound, positions, strict=True):
            whole = At(whole, sp.Tuple(i), position)
        return whole


# What a normalised node is at one position, given the entry there less the log-sum-exp.
AT_POSITION: dict[type[Binder], Callable[[sp.Expr], sp.Expr]] = {
    Softmax: sp.exp,
    LogSoftmax: lambda log_share: log_share,
}


def axis_slots(tensor: Tensor, e: sp.Expr) -> tuple[Index, ...]:
    """The free index of `e` for each axis of the tensor that it stands in for."""
    free = free_indices(e)
    slots: list[Index] = []
    for axis in tensor.axes:
        name = axis.removeprefix("*")
        matching = [i for i in free if i.axis == name and i not in slots]
        if len(matching) != 1:
            raise SpecError(
                "LC119",
                f"`{tensor.name}` has the axis `{name}`, and `{e}` has {len(matching)} free "
                "indices over it",
                help=f'pass a tensor, or an expression with one index("{name}")',
            )
        slots.append(matching[0])
    return tuple(slots)
