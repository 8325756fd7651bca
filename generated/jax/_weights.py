"""Which loss entries count, and how much: weights, masks, ignored labels and class weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import jax.numpy as jnp

from ._checks import Call, Input, real_array
from ._derivatives import keep
from ._options import Array, Options

_REDUCTIONS = ("none", "sum", "mean")


@dataclass(frozen=True)
class Weights:
    """The weights of a call, in the canonical layout.

    `kept` is False where a loss entry is masked out (None: all are kept). `cotangent` holds the
    weights: 0 where masked, and NaN where a label is out of range, which a compiled function cannot
    report in any other way. `denominator` divides the sum. `labels` are the labels in range, 0
    where they are not read, by name.
    """

    kept: Array | None
    cotangent: Array
    denominator: Array
    labels: dict[str, Array]


def weigh(call: Call, options: Options) -> Weights:
    """Works out the weights of a call."""
    if options.reduction not in _REDUCTIONS:
        raise ValueError(
            f"{call.name}: `reduction` is {options.reduction!r}, but must be one of "
            f"{', '.join(map(repr, _REDUCTIONS))}"
        )
    kept = _kept(call, options)
    labels, wrong = _labels(call, kept)
    weight = _weight(call, options, labels)
    full = jnp.ones(call.shape, call.dtype) if weight is None else weight
    full = keep(kept, full)
    return Weights(
        kept,
        full if wrong is None else jnp.where(wrong, jnp.nan, full),
        _denominator(call, options, kept, None if weight is None else full),
        labels,
    )


def divide(total: Array, denominator: Array) -> Array:
    """The quotient, 0 where the denominator is 0; both branches are safe to differentiate."""
    empty = denominator == 0
    return jnp.where(empty, 0, total / jnp.where(empty, 1, denominator))


def read_by_kept(call: Call, part: Input, kept: Array) -> Array:
    """Where an input is read by a loss entry that is kept; broadcasts to the canonical input."""
    rows, lead = rows_of(part), len(call.lead)
    unread = [lead + n for n in range(len(call.definition.loss_axes)) if n not in rows]
    shared = list(range(lead)) if not part.lead else []
    kept = jnp.any(kept, axis=(*shared, *unread))
    start = len(part.lead)
    read = sorted(row for row in rows if row is not None)
    order = [start + read.index(row) for row in rows if row is not None]
    kept = jnp.transpose(kept, (*range(start), *order))
    return jnp.expand_dims(kept, tuple(start + k for k, row in enumerate(rows) if row is None))


def rows_of(part: Input) -> tuple[int | None, ...]:
    """The loss axis that each core axis of an input runs along; None if it is not along one."""
    rows = part.argument.rows or (None,) * len(part.argument.axes)
    return tuple(None if rows.count(row) > 1 else row for row in rows)


def _kept(call: Call, options: Options) -> Array | None:
    kept: Array | None = None
    if options.mask is not None:
        kept = _fit(call, "mask", real_array(call.definition.name, "mask", options.mask, "mask"))
    if options.ignore_index is not None:
        for part in _aligned_labels(call, "ignore_index"):
            label = call.pack(part.array, part.argument.axes, part.lead)
            used = _to_loss(call, part, _wide(label) != options.ignore_index, jnp.all)
            kept = jnp.broadcast_to(used, call.shape) if kept is None else kept & used
    return kept


def _labels(call: Call, kept: Array | None) -> tuple[dict[str, Array], Array | None]:
    """The labels, made safe, and where a loss entry reads one that is out of range."""
    labels: dict[str, Array] = {}
    wrong: Array | None = None
    for part in call.inputs:
        if part.argument.role != "label":
            continue
        label = _wide(call.pack(part.array, part.argument.axes, part.lead))
        axis = part.argument.label_axis or ""
        count = call.sizes.get(axis, call.sizes.get(f"*{axis}"))
        outside = label < 0 if count is None else (label < 0) | (label >= count)
        labels[part.argument.name] = jnp.where(outside, 0, label)
        if kept is not None:
            outside &= read_by_kept(call, part, kept)
        found = jnp.broadcast_to(_to_loss(call, part, outside, jnp.any), call.shape)
        found = found if kept is None else found & kept
        wrong = found if wrong is None else wrong | found
    return labels, wrong


def _wide(label: Array) -> Array:
    """A label in the default integer dtype, which holds any `ignore_index` and any size."""
    return label.astype(int)


def _weight(call: Call, options: Options, labels: dict[str, Array]) -> Array | None:
    name = call.definition.name
    weight: Array | None = None
    if options.weight is not None:
        weight = real_array(name, "weight", options.weight, "target").astype(call.dtype)
        weight = _fit(call, "weight", weight)
    if options.class_weight is not None:
        part, *others = _aligned_labels(call, "class_weight")
        axis = part.argument.label_axis or ""
        count = call.sizes.get(axis, call.sizes.get(f"*{axis}"))
        table = real_array(name, "class_weight", options.class_weight, "target")
        if others or table.ndim != 1 or (count is not None and table.size != count):
            raise ValueError(
                f"{call.name}: `class_weight` has shape {table.shape}, but must hold one number "
                f"for each of the {count} entries of axis `{axis}`, and there must be one label"
            )
        factor = jnp.take(table.astype(call.dtype), labels[part.argument.name], mode="fill")
        factor = jnp.broadcast_to(_to_loss(call, part, factor, jnp.sum), call.shape)
        weight = factor if weight is None else weight * factor
    return weight


def _denominator(call: Call, options: Options, kept: Array | None, weight: Array | None) -> Array:
    if options.reduction != "mean":
        return jnp.ones((), call.dtype)
    if options.normalizer is not None:
        number = real_array(call.definition.name, "normalizer", options.normalizer, "target")
        if number.ndim:
            raise ValueError(
                f"{call.name}: `normalizer` has shape {number.shape}, but must be a single number"
            )
        return number.astype(call.dtype)
    if weight is not None:
        return jnp.sum(weight)
    # Counted in integers: float32 stops counting at 2**24.
    count = jnp.asarray(prod(call.shape)) if kept is None else jnp.sum(kept)
    return count.astype(call.dtype)


def _fit(call: Call, name: str, array: Array) -> Array:
    """Broadcasts a weight or mask to the unreduced loss, in the canonical layout."""
    visible = call.visible_shape
    aligned = zip(array.shape[::-1], visible[::-1], strict=False)  # from the last axis
    if array.ndim > len(visible) or any(n not in (1, size) for n, size in aligned):
        raise ValueError(
            f"{call.name}: `{name}` has shape {array.shape}, which does not broadcast to the "
            f"unreduced loss of shape {visible}; give one entry per loss entry"
        )
    return call.pack(jnp.broadcast_to(array, visible), call.definition.loss_axes, call.lead)


def _aligned_labels(call: Call, option: str) -> list[Input]:
    labels = [i for i in call.inputs if i.argument.role == "label" and None not in rows_of(i)]
    if not labels:
        raise ValueError(
            f"{call.name}: `{option}` needs a label for each loss entry, and this loss combines "
            "several labels in one entry; use `weight` or `mask` instead"
        )
    return labels


def _to_loss(call: Call, part: Input, array: Array, reduce: Callable[..., Array]) -> Array:
    """An input's entries lined up with the loss entries that read them, reduced over the others."""
    start, every = len(part.lead), rows_of(part)
    array = reduce(array, axis=tuple(start + k for k, row in enumerate(every) if row is None))
    rows = [row for row in every if row is not None]
    order = sorted(range(len(rows)), key=rows.__getitem__)
    array = jnp.transpose(array, (*range(start), *(start + k for k in order)))
    missing = [n for n in range(len(call.definition.loss_axes)) if n not in rows]
    return jnp.expand_dims(array, tuple(start + n for n in missing))
