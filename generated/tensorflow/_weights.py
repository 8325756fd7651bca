"""Weights, masks and labels, lined up with the unreduced loss.

Masked entries never contribute: the loss is 0 there, and inputs that only masked entries read hold
harmless values instead, so that no derivative meets their NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import tensorflow as tf

from ._checks import Call, shape_of, tensor_of
from ._descriptors import Argument
from ._layout import Layout, Size, lay_out
from ._options import Array, ArrayLike


@dataclass(frozen=True)
class Problem:
    """A call as the kernels take it.

    `inputs` are their arguments. `keep` is False where a loss entry is masked out (None: all are
    kept) and `weight` is 0 there (None: all are 1); both have the shape of the unreduced loss.
    `read` says of each input where a kept entry reads it (None: everywhere). `scale` is NaN if
    sizes that are known only at run time do not agree, else 1 (None: all are known).
    """

    call: Call
    layout: Layout
    inputs: tuple[Array, ...]
    keep: Array | None
    weight: Array | None
    read: tuple[Array | None, ...]
    scale: Array | None


def pose(call: Call) -> Problem:
    """Lays out the inputs for the kernels, and weighs the entries of the loss."""
    layout = lay_out(call)
    packed = [
        layout.pack(x, argument.axes)
        for argument, x in zip(call.arguments, call.tensors, strict=False)
    ]
    keep = _keep(call, layout, packed)
    wrong: Array | None = None
    inputs: list[Array] = []
    read: list[Array | None] = []
    for k, (argument, x) in enumerate(zip(call.arguments, packed, strict=True)):
        kept = None if keep is None else _read_by_kept(layout, k, argument, keep)
        if argument.role == "label":
            x, out_of_range = _safe_label(call, layout, argument, x, kept)
            if out_of_range is not None:
                lost = _to_loss(layout, k, argument, out_of_range)
                wrong = lost if wrong is None else wrong | lost
        elif argument.role != "mask":
            x = tf.cast(x, call.dtype)
            x = x if kept is None else tf.where(kept, x, tf.constant(argument.filler, x.dtype))
        inputs.append(x)
        read.append(kept)
    weight = _weight(call, layout, inputs)
    if keep is not None:
        one = tf.ones_like(keep, call.dtype) if weight is None else weight
        weight = tf.where(keep, one, tf.zeros_like(one))
    if wrong is not None:
        one = tf.ones(layout.shape, call.dtype) if weight is None else weight
        lost = wrong if keep is None else wrong & keep
        weight = tf.where(lost, tf.constant(nan, call.dtype), one)
    for parameter, x in zip(call.definition.parameters, call.parameters, strict=True):
        x = tf.cast(x, call.dtype)
        if x.shape.rank < len(parameter.axes):  # one number for all entries
            x = tf.broadcast_to(x, [layout.sizes.get(axis, 1) for axis in parameter.axes])
        inputs.append(x)
    scale = None
    if layout.agree is not None:
        scale = tf.where(layout.agree, tf.ones([], call.dtype), tf.constant(nan, call.dtype))
    return Problem(call, layout, tuple(inputs), keep, weight, tuple(read), scale)


def _keep(call: Call, layout: Layout, packed: list[Array]) -> Array | None:
    keep: Array | None = None
    if call.options.mask is not None:
        mask = tensor_of(call.definition.name, "mask", call.options.mask, "mask", call.dtype)
        keep = _fit(call, layout, "mask", mask)
    if call.options.ignore_index is not None:
        for k, argument in _aligned_labels(call, "ignore_index"):
            used = _to_loss(layout, k, argument, tf.not_equal(packed[k], call.options.ignore_index))
            keep = tf.broadcast_to(used, layout.shape) if keep is None else keep & used
    return keep


def _weight(call: Call, layout: Layout, inputs: list[Array]) -> Array | None:
    name, options = call.definition.name, call.options
    weight: Array | None = None
    if options.weight is not None:
        given = tensor_of(name, "weight", options.weight, "target", call.dtype)
        weight = _fit(call, layout, "weight", given)
    if options.class_weight is not None:
        ((k, argument), *others) = _aligned_labels(call, "class_weight")
        table = tensor_of(name, "class_weight", options.class_weight, "target", call.dtype)
        count = layout.size_of_label(argument)
        if others or table.shape.rank != 1 or not _may_equal(table.shape[0], count):
            raise ValueError(
                f"{name}(): `class_weight` has shape {shape_of(table)}, but must hold one number "
                f"for each entry of axis `{argument.label_axis}`, and there must be one label"
            )
        factor = _to_loss(layout, k, argument, tf.gather(table, inputs[k]))
        factor = factor if weight is None else weight * factor
        weight = tf.broadcast_to(factor, layout.shape)
    return weight


def _fit(call: Call, layout: Layout, name: str, x: ArrayLike) -> Array:
    """Broadcasts a weight or mask to the unreduced loss, in the kernels' layout."""
    visible = layout.visible_shape
    pairs = zip(reversed(x.shape), reversed(visible), strict=False)
    if x.shape.rank > len(visible) or not all(a == 1 or _may_equal(a, b) for a, b in pairs):
        raise ValueError(
            f"{call.definition.name}(): `{name}` has shape {shape_of(x)}, which does not broadcast "
            f"to the unreduced loss of shape {_known(visible)}; give one entry per loss entry"
        )
    return layout.pack(tf.broadcast_to(x, visible), layout.loss_axes)


def _may_equal(a: Size, b: Size) -> bool:
    return not (isinstance(a, int) and isinstance(b, int)) or a == b


def _known(shape: list[Size]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _aligned_labels(call: Call, option: str) -> list[tuple[int, Argument]]:
    labels = [
        (k, argument)
        for k, argument in enumerate(call.arguments)
        if argument.role == "label" and None not in argument.rows
    ]
    if not labels:
        raise ValueError(
            f"{call.definition.name}(): `{option}` needs a label for each loss entry, and this "
            "loss combines several labels in one entry; use `weight` or `mask` instead"
        )
    return labels


def _safe_label(
    call: Call, layout: Layout, argument: Argument, label: Array, kept: Array | None
) -> tuple[Array, Array | None]:
    """Labels with 0 where they are out of range, and where that matters (None: nowhere)."""
    count = layout.size_of_label(argument)
    outside = label < 0
    if count is not None:
        outside |= label >= tf.cast(count, label.dtype)
    safe = tf.where(outside, tf.zeros_like(label), label)
    wrong = outside if kept is None else outside & kept
    if tf.is_symbolic_tensor(wrong):
        return safe, wrong
    if tf.reduce_any(wrong):
        raise ValueError(
            f"{call.definition.name}(): `{argument.name}` of shape {shape_of(label)} holds "
            f"{label[wrong][0].numpy()}, but axis `{argument.label_axis}` has {count} entries, so "
            f"labels lie between 0 and {(count or 0) - 1}; use `ignore_index` or `mask` for "
            "entries without a label"
        )
    return safe, None


def _to_loss(layout: Layout, k: int, argument: Argument, x: Array) -> Array:
    """An input's entries lined up with the loss entries that read them.

    What is true of an entry that all loss entries read is true of all of them.
    """
    lead = layout.leads[k]
    unaligned = [lead + n for n, row in enumerate(argument.rows) if row is None]
    if unaligned:
        x = tf.reduce_any(x, unaligned)
    rows = [row for row in argument.rows if row is not None]
    order = sorted(range(len(rows)), key=rows.__getitem__)
    x = tf.transpose(x, [*range(lead), *(lead + n for n in order)])
    for row in range(len(layout.loss_axes)):
        x = x if row in rows else tf.expand_dims(x, lead + row)
    return x


def _read_by_kept(layout: Layout, k: int, argument: Argument, keep: Array) -> Array:
    """Where an input is read by a loss entry that is kept; broadcasts to the input."""
    lead = len(layout.lead)
    rows = [row for row in argument.rows if row is not None]
    unread = [lead + n for n in range(len(layout.loss_axes)) if n not in rows]
    shared = [] if layout.leads[k] else list(range(lead))
    kept = tf.reduce_any(keep, [*shared, *unread]) if shared or unread else keep
    start = lead - len(shared)
    order = [start + sorted(rows).index(row) for row in rows]
    kept = tf.transpose(kept, [*range(start), *order])
    for n, row in enumerate(argument.rows):
        kept = tf.expand_dims(kept, start + n) if row is None else kept
    return kept
