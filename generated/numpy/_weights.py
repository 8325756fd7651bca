"""Which loss entries count, and how much: weights, masks, ignored labels and class weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._checks import Call, Input, real_array
from ._options import Array, Options, Scalar

_REDUCTIONS = ("none", "sum", "mean")


@dataclass(frozen=True)
class Weighted:
    """A call whose masked entries are filled in.

    `keep` is False where a loss entry is masked out (None: all are kept), `weight` is 0 there
    (None: all are 1), and `denominator` divides the sum of the weighted loss. `is_empty` says that
    no entry is left, or that the denominator is 0: then everything is 0. `filled` is True, per
    input, where harmless values stand in (None: nowhere).
    """

    call: Call
    keep: Array | None
    weight: Array | None
    denominator: Any
    is_empty: bool
    filled: tuple[Array | None, ...]

    @property
    def operands(self) -> tuple[Array, ...]:
        """What the kernels are called with: the inputs, then the parameters."""
        return (*(i.array for i in self.call.inputs), *self.call.parameters)

    @property
    def cotangent(self) -> Array:
        """The derivative of the reduced loss in the unreduced loss."""
        one = np.ones((), self.call.dtype) if self.weight is None else self.weight
        return np.broadcast_to((one / self.denominator).astype(self.call.dtype), self.call.shape)


def weigh(call: Call, options: Options) -> Weighted:
    """Works out the weights of a call, and makes what they leave out harmless."""
    name = call.definition.name
    if options.reduction not in _REDUCTIONS:
        raise ValueError(
            f"{name}(): `reduction` is {options.reduction!r}, but must be one of "
            f"{', '.join(map(repr, _REDUCTIONS))}"
        )
    keep = _keep(call, options)
    weight = _weight(call, options, keep)
    denominator = _denominator(call, options, keep, weight)
    is_empty = bool(denominator == 0 or (0 in call.shape if keep is None else not keep.any()))
    if is_empty:
        keep = np.zeros(call.shape, np.bool_)
    kept = [None if keep is None else _read_by_kept(call, i, keep) for i in call.inputs]
    inputs = tuple(_fill(call, i, k) for i, k in zip(call.inputs, kept, strict=True))
    filled = tuple(None if k is None else ~k for k in kept)
    return Weighted(replace(call, inputs=inputs), keep, weight, denominator, is_empty, filled)


def _keep(call: Call, options: Options) -> Array | None:
    keep: Array | None = None
    if options.mask is not None:
        mask = real_array(call.definition.name, "mask", options.mask, "mask")
        keep = _fit(call, "mask", mask.astype(np.bool_))
    if options.ignore_index is not None:
        for label in _aligned_labels(call, "ignore_index"):
            used = _to_loss(call, label, label.array != options.ignore_index)
            keep = np.broadcast_to(used, call.shape) if keep is None else keep & used
    return keep


def _weight(call: Call, options: Options, keep: Array | None) -> Array | None:
    name = call.definition.name
    weight: Array | None = None
    if options.weight is not None:
        weight = _fit(call, "weight", real_array(name, "weight", options.weight))
        weight = weight.astype(call.dtype, copy=False)
    if options.class_weight is not None:
        (label, *others) = _aligned_labels(call, "class_weight")
        table = real_array(name, "class_weight", options.class_weight).astype(call.dtype)
        count = _label_size(call, label)
        if others or table.ndim != 1 or (count is not None and table.size != count):
            raise ValueError(
                f"{name}(): `class_weight` has shape {table.shape}, but must hold one number for "
                f"each of the {count} entries of axis `{label.argument.label_axis}`, and there "
                "must be one label"
            )
        index = _safe_label(call, label, None if keep is None else _read_by_kept(call, label, keep))
        factor = _to_loss(call, label, table[index] if table.size else np.zeros(index.shape))
        weight = np.broadcast_to(factor if weight is None else weight * factor, call.shape)
    if weight is not None and keep is not None:
        return np.where(keep, weight, 0).astype(call.dtype, copy=False)
    return keep.astype(call.dtype) if keep is not None else weight


def _denominator(call: Call, options: Options, keep: Array | None, weight: Array | None) -> Any:
    if options.reduction != "mean":
        return call.dtype.type(1)
    if options.normalizer is not None:
        return _number(call, options.normalizer)
    if weight is None:
        return call.dtype.type(np.prod(call.shape, dtype=np.float64))
    return np.sum(weight, dtype=call.dtype)


def _number(call: Call, normalizer: Scalar) -> Any:
    array = real_array(call.definition.name, "normalizer", normalizer)
    if array.ndim:
        raise ValueError(
            f"{call.definition.name}(): `normalizer` has shape {array.shape}, but must be a single "
            "number"
        )
    return call.dtype.type(array)


def _fit(call: Call, name: str, array: Array) -> Array:
    """Broadcasts a weight or mask to the unreduced loss, in the canonical layout."""
    visible = call.visible_shape
    try:
        full = np.broadcast_to(array, visible)
    except ValueError:
        raise ValueError(
            f"{call.definition.name}(): `{name}` has shape {array.shape}, which does not broadcast "
            f"to the unreduced loss of shape {visible}; give one entry per loss entry"
        ) from None
    return call.to_canonical(full)


def _aligned_labels(call: Call, option: str) -> list[Input]:
    labels = [i for i in call.inputs if i.argument.role == "label" and None not in i.argument.rows]
    if not labels:
        raise ValueError(
            f"{call.definition.name}(): `{option}` needs a label for each loss entry, and this "
            "loss combines several labels in one entry; use `weight` or `mask` instead"
        )
    return labels


# ---- inputs along the loss -----------------------------------------------------------------------


def _to_loss(call: Call, part: Input, array: Array) -> Array:
    """An input's entries lined up with the loss entries that read them."""
    rows = [row for row in part.argument.rows if row is not None]
    lead = len(part.lead)
    order = sorted(range(len(rows)), key=rows.__getitem__)
    turned = array.transpose(*range(lead), *(lead + k for k in order))
    inner = [1] * len(call.definition.loss_axes)
    for k, row in enumerate(rows):
        inner[row] = array.shape[lead + k]
    return turned.reshape((*part.lead, *inner))


def _read_by_kept(call: Call, part: Input, keep: Array) -> Array:
    """Where an input is read by a loss entry that is kept; broadcasts to the input."""
    argument, lead = part.argument, len(call.lead)
    unread = [lead + n for n in range(len(call.definition.loss_axes)) if n not in argument.rows]
    if not part.lead:
        unread += range(lead)
    kept = np.any(keep, axis=tuple(unread), keepdims=True)
    kept = kept.reshape(kept.shape[lead:]) if not part.lead else kept
    start = len(part.lead)
    rows = [row for row in argument.rows if row is not None]
    order = [*range(start), *(start + row for row in rows)]
    kept = kept.transpose(*order, *(n for n in range(kept.ndim) if n not in order))
    inner = [
        1 if row is None else call.sizes[call.definition.loss_axes[row]] for row in argument.rows
    ]
    return np.asarray(kept.reshape((*part.lead, *inner)))


def _fill(call: Call, part: Input, kept: Array | None) -> Input:
    """Puts harmless values where only masked loss entries read an input; checks the labels."""
    if part.argument.role == "label":
        return replace(part, array=_safe_label(call, part, kept))
    if kept is None or part.argument.role == "mask":
        return part
    return replace(part, array=np.where(kept, part.array, call.dtype.type(part.argument.filler)))


def _label_size(call: Call, part: Input) -> int | None:
    axis = part.argument.label_axis or ""
    return call.sizes.get(axis, call.sizes.get(f"*{axis}"))


def _safe_label(call: Call, part: Input, kept: Array | None) -> Array:
    """Labels with 0 where they are not read; one that is read must be in range."""
    label = part.array if kept is None else np.where(kept, part.array, 0)
    count = _label_size(call, part)
    wrong = (label < 0) if count is None else (label < 0) | (label >= count)
    wrong = wrong if kept is None else wrong & kept
    if wrong.any():
        where = tuple(int(n) for n in np.argwhere(wrong)[0])
        axis = part.argument.label_axis
        allowed = "labels count from 0"
        if count is not None:
            allowed = f"axis `{axis}` has {count} entries: labels lie between 0 and {count - 1}"
        raise ValueError(
            f"{call.definition.name}(): `{part.argument.name}` of shape {part.given.shape} holds "
            f"{int(label[where])} at {where}, but {allowed}; use `ignore_index` or `mask` for "
            "entries without a label"
        )
    return label
