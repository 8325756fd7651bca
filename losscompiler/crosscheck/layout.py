"""Which entries of a call's arrays belong to which sample, and which loss entry is which output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscompiler.crosscheck.case import Case
from losscompiler.spec import Loss

Array = np.ndarray[Any, Any]
_PATTERN = (0.5, -1.25, 0.75, -0.25, 1.5, -0.625, 0.875)


@dataclass(frozen=True)
class Layout:
    """A call with its axes sorted out.

    `arrays` are the inputs and parameters with axes in canonical order: batch axes, then core axes,
    the starred one flattened. `shared` ones have no batch axes. `lead` is the shape of the batch
    axes, `core` that of the unreduced loss behind them.
    """

    loss: Loss
    case: Case
    absent: frozenset[str]
    arrays: dict[str, Array]
    shared: frozenset[str]
    lead: tuple[int, ...]
    sizes: dict[str, int]
    stars: tuple[int, ...]

    @property
    def core(self) -> tuple[int, ...]:
        """The shape of the unreduced loss behind the batch axes."""
        return tuple(self.sizes[i.axis] for i in self.loss.free_indices)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the unreduced loss, its starred axis unflattened."""
        star = _star(self.loss)
        core: list[int] = []
        for i in self.loss.free_indices:
            core += self.stars if i.axis == star else (self.sizes[i.axis],)
        return (*self.lead, *core)

    @property
    def differentiated(self) -> tuple[str, ...]:
        """The differentiated inputs that are present, in order."""
        return tuple(n for n in self.loss.differentiated if n not in self.absent)

    def samples(self) -> Iterator[tuple[tuple[int, ...], dict[str, Array]]]:
        """Every batch position with its own part of every array."""
        for at in np.ndindex(*self.lead):
            yield at, {n: a if n in self.shared else a[at] for n, a in self.arrays.items()}

    def restore(self, name: str, canonical: Array) -> Array:
        """An array of the canonical shape of an input, in the shape in which it was passed."""
        if name in self.loss.params:
            return canonical.reshape(np.shape(self.case.parameters.get(name, 0.0)))
        axes, shape = self.loss.roles[name].axes, canonical.shape
        if axes and axes[-1].startswith("*"):
            return canonical.reshape(*shape[:-1], *self.stars)
        if _moves(self.loss, axes):
            return np.moveaxis(canonical, -1, self.case.options.get("axis", -1))
        return canonical


def layout(loss: Loss, case: Case) -> Layout:
    """Sorts out the axes of a call."""
    absent = frozenset(n for n, role in loss.inputs.items() if n not in case.arrays)
    arrays: dict[str, Array] = {}
    leads: dict[str, tuple[int, ...]] = {}
    sizes: dict[str, int] = {}
    stars: tuple[int, ...] = ()
    batch_axes = case.options.get("batch_axes", 1)
    for name, array in case.arrays.items():
        axes = loss.roles[name].axes
        if axes and axes[-1].startswith("*"):
            lead = batch_axes if array.ndim >= batch_axes + len(axes) - 1 else 0
            kept = lead + len(axes) - 1
            stars = array.shape[kept:]
            flat = int(np.prod(stars, dtype=int))
            canonical = array.reshape(*array.shape[:kept], flat)
        elif _moves(loss, axes):
            canonical = np.moveaxis(array, case.options.get("axis", -1), -1)
        else:
            canonical = array
        split = canonical.ndim - len(axes)
        arrays[name], leads[name] = canonical, canonical.shape[:split]
        for axis, size in zip(axes, canonical.shape[split:], strict=True):
            sizes[axis.removeprefix("*")] = size
    lead = max(leads.values(), key=len)
    shared = {n for n in arrays if len(leads[n]) < len(lead)}
    for name, role in loss.params.items():
        value = case.parameters.get(name, None if role.default is None else float(role.default))
        array = np.asarray(value, dtype=np.float64)
        shape = tuple(sizes[axis.removeprefix("*")] for axis in role.axes)
        arrays[name] = np.broadcast_to(array, shape)
        shared.add(name)
    return Layout(loss, case, absent, arrays, frozenset(shared), lead, sizes, stars)


def vectors(laid: Layout) -> dict[str, Array]:
    """For every differentiated input a vector that is the same in every sample."""
    found = {}
    for order, name in enumerate(laid.differentiated):
        array = laid.arrays[name]
        rank = len(laid.loss.roles[name].axes)
        core = array.shape[array.ndim - rank :]
        flat = np.arange(int(np.prod(core, dtype=int))) + 3 * order
        pattern = np.take(np.array(_PATTERN), flat % len(_PATTERN)).reshape(core)
        found[name] = np.array(laid.restore(name, np.broadcast_to(pattern, array.shape)))
    return found


def _star(loss: Loss) -> str | None:
    for role in loss.roles.values():
        if role.axes and role.axes[-1].startswith("*"):
            return role.axes[-1].removeprefix("*")
    return None


def single_axis(loss: Loss) -> bool:
    """Whether the generated functions take `axis`."""
    return len({a for r in loss.roles.values() for a in r.axes}) == 1 and _star(loss) is None


def starred(loss: Loss) -> bool:
    """Whether the generated functions take `batch_axes`."""
    return _star(loss) is not None


def _moves(loss: Loss, axes: tuple[str, ...]) -> bool:
    return len(axes) == 1 and single_axis(loss)
