"""Where the axes of a call lie: the caller's layout, and the kernels' (batch axes..., core axes).

A size is a Python integer where it is known, else a scalar tensor. Sizes that are known must agree
while tracing; the others are asserted when the graph runs. XLA drops assertions, so `Layout.agree`
says it there, and a call whose sizes do not agree gives NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import tensorflow as tf

from ._checks import Call, shape_of
from ._descriptors import Argument
from ._options import Array

Size: TypeAlias = Any


@dataclass(frozen=True)
class Layout:
    """The axes of one call.

    `leads` holds the number of batch axes of each input (0: it is shared), `lead` the sizes of
    the batch axes, `sizes` those of the core axes, `spatial` those that a starred axis stands
    for. `axis` is where the core axis lies in the caller's arrays, None if it is the last one.
    """

    loss_axes: tuple[str, ...]
    leads: tuple[int, ...]
    lead: tuple[Size, ...]
    sizes: dict[str, Size]
    spatial: tuple[Size, ...]
    axis: int | None
    agree: Array | None

    @property
    def shape(self) -> list[Size]:
        """The shape of the unreduced loss in the kernels' layout."""
        return [*self.lead, *(self.sizes[axis] for axis in self.loss_axes)]

    @property
    def visible_shape(self) -> list[Size]:
        """The shape of the unreduced loss in the caller's layout."""
        shape = self.shape
        if _starred(self.loss_axes):
            shape[-1:] = self.spatial
        if self._moves(self.loss_axes, len(shape)):
            shape.insert(self.axis or 0, shape.pop())
        return shape

    def pack(self, x: Array, axes: tuple[str, ...]) -> Array:
        """Brings a tensor with the given core axes into the kernels' layout."""
        if self._moves(axes, x.shape.rank):
            order = list(range(x.shape.rank))
            order.append(order.pop(self.axis or 0))
            x = tf.transpose(x, order)
        if _starred(axes) and len(self.spatial) != 1:
            kept = sizes_of(x)[: x.shape.rank - len(self.spatial)]
            x = tf.reshape(x, [*kept, prod(self.spatial)])
        return x

    def unpack_loss(self, loss: Array) -> Array:
        """Brings an unreduced loss back into the caller's layout."""
        if _starred(self.loss_axes) and len(self.spatial) != 1:
            loss = tf.reshape(loss, [*sizes_of(loss)[:-1], *self.spatial])
        if self._moves(self.loss_axes, loss.shape.rank):
            order = list(range(loss.shape.rank))
            order.insert(self.axis or 0, order.pop())
            loss = tf.transpose(loss, order)
        return loss

    def size_of_label(self, argument: Argument) -> Size | None:
        """The number of labels there are, None if no input has the axis that they point into."""
        axis = argument.label_axis or ""
        return self.sizes.get(axis, self.sizes.get(f"*{axis}"))

    def _moves(self, axes: tuple[str, ...], rank: int) -> bool:
        # A vector is shared, or there are no batch axes: its one axis is the core axis.
        return self.axis is not None and len(axes) == 1 and rank > 1


def sizes_of(x: Array) -> list[Size]:
    """The size of each axis of a tensor."""
    static = x.shape.as_list()
    if None not in static:
        return list(static)
    dynamic = tf.shape(x)
    return [dynamic[k] if size is None else size for k, size in enumerate(static)]


def lay_out(call: Call) -> Layout:
    """Finds the axes of every input, and checks that equal axes have equal sizes."""
    axis = _core_axis(call)
    has_star = any(_starred(argument.axes) for argument in call.definition.arguments)
    batch_axes = _batch_axes(call) if has_star else None
    known: dict[str, _Seen] = {}
    doubts: list[Array] = []
    leads = []
    for argument, x in zip(call.arguments, call.tensors, strict=False):
        sizes = sizes_of(x)
        if axis is not None and len(argument.axes) == 1 and len(sizes) > 1:
            sizes.append(sizes.pop(axis))
        groups, lead = _split(call, argument, x, sizes, batch_axes)
        core = [prod(found) for name, found in groups if name != _BATCH]
        _check_least(call, doubts, argument, x, core)
        for name, found in groups:
            _enter(call, known, doubts, name, _Seen(found, argument.name, x))
        leads.append(lead)
    for parameter, x in zip(call.definition.parameters, call.parameters, strict=True):
        for name, size in zip(parameter.axes, sizes_of(x), strict=False):
            _enter(call, known, doubts, name, _Seen((size,), parameter.name, x))
    return Layout(
        loss_axes=call.definition.loss_axes,
        leads=tuple(leads),
        lead=known[_BATCH].sizes if _BATCH in known else (),
        sizes={name: prod(seen.sizes) for name, seen in known.items() if name != _BATCH},
        spatial=next((seen.sizes for name, seen in known.items() if name.startswith("*")), ()),
        axis=axis,
        agree=tf.reduce_all(tf.stack(doubts)) if doubts else None,
    )


_BATCH = ""  # stands for all batch axes, beside the names of the core axes


@dataclass(frozen=True)
class _Seen:
    """The sizes of an axis (several for batch axes and starred ones) in one of the inputs."""

    sizes: tuple[Size, ...]
    name: str
    tensor: Array


def _enter(
    call: Call, known: dict[str, _Seen], doubts: list[Array], axis: str, found: _Seen
) -> None:
    """Compares the sizes of an axis with those known from another input."""
    first = known.setdefault(axis, found)
    message = (
        f"{call.definition.name}(): `{first.name}` has shape {shape_of(first.tensor)} and "
        f"`{found.name}` has shape {shape_of(found.tensor)}: their {axis or 'batch'} axes differ, "
        "and inputs are not broadcast against each other; reshape or index one of them"
    )
    if len(first.sizes) != len(found.sizes):
        raise ValueError(message)
    merged = []
    for one, other in zip(first.sizes, found.sizes, strict=True):
        if isinstance(one, int) and isinstance(other, int):
            if one != other:
                raise ValueError(message)
        elif one is not other:
            tf.debugging.assert_equal(one, other, message)
            doubts.append(tf.equal(one, other))
        merged.append(other if isinstance(other, int) else one)
    known[axis] = _Seen(tuple(merged), first.name, first.tensor)


def _split(
    call: Call, argument: Argument, x: Array, sizes: list[Size], batch_axes: int | None
) -> tuple[list[tuple[str, tuple[Size, ...]]], int]:
    """The sizes of the axes of an input by name, and the number of its batch axes."""
    starred = _starred(argument.axes)
    named = argument.axes[:-1] if starred else argument.axes
    lead = len(sizes) - len(named) if batch_axes is None else batch_axes
    if not starred and len(sizes) == len(named):
        lead = 0
    rest = len(sizes) - lead - len(named)
    if lead < 0 or rest < 0 or (rest > 0 and not starred):
        batch = (
            "any batch axes" if batch_axes is None else f"{batch_axes} batch axes (`batch_axes`)"
        )
        raise ValueError(
            f"{call.definition.name}(): `{argument.name}` has shape {shape_of(x)}, but must have "
            f"{batch} and then the core axes ({', '.join(argument.axes)})"
        )
    groups = [(_BATCH, tuple(sizes[:lead]))] if lead else []
    groups += [(name, (size,)) for name, size in zip(named, sizes[lead:], strict=False)]
    if starred:
        groups.append((argument.axes[-1], tuple(sizes[len(sizes) - rest :])))
    return groups, lead


def _check_least(
    call: Call, doubts: list[Array], argument: Argument, x: Array, core: list[Size]
) -> None:
    """Checks that constant indices lie within their axes."""
    for axis, size, least in zip(
        argument.axes, core, argument.least or [0] * len(core), strict=True
    ):
        message = (
            f"{call.definition.name}(): `{argument.name}` has shape {shape_of(x)}: its {axis} axis "
            f"must have {least} entries or more, as the loss reads entry {least - 1}, counted "
            "from 0"
        )
        if not isinstance(size, int):
            if least:
                tf.debugging.assert_greater_equal(size, least, message)
                doubts.append(tf.greater_equal(size, least))
        elif size < least:
            raise ValueError(message)


def _core_axis(call: Call) -> int | None:
    """The position of the core axis, from 0, or None if it is last everywhere."""
    name, axis = call.definition.name, call.options.axis
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise ValueError(f"{name}(): `axis` is {axis!r}, but must be an integer")
    inputs = list(zip(call.arguments, call.tensors, strict=False))
    for argument, x in inputs:
        if x.shape.rank is None:
            raise ValueError(f"{name}(): the number of axes of `{argument.name}` is unknown")
    if axis == -1:
        return None
    moved = [(a, x) for a, x in inputs if len(a.axes) == 1 and x.shape.rank > 1]
    rank = max((x.shape.rank for _, x in moved), default=1)
    for argument, x in moved:
        if not -rank <= axis < rank or axis % rank >= x.shape.rank:
            raise ValueError(
                f"{name}(): `axis` is {axis}, but `{argument.name}` has shape {shape_of(x)}"
            )
    return axis % rank if moved else None


def _batch_axes(call: Call) -> int:
    count = call.options.batch_axes
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ValueError(
            f"{call.definition.name}(): `batch_axes` is {count!r}, but must be an integer >= 0"
        )
    return count


def _starred(axes: tuple[str, ...]) -> bool:
    return bool(axes) and axes[-1].startswith("*")
