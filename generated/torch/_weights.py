"""Which loss entries count, and how much: weights, masks, ignored labels and class weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ._checks import broadcasts, checked_labels, checked_reduction, checked_tensor
from ._layout import Call, Input
from ._options import Options, Scalar


@dataclass(frozen=True)
class Weighted:
    """A call whose masked entries are filled in.

    Attributes:
        call: The call, with harmless values where only masked entries read an input.
        keep: False where a loss entry is masked out; None if all are kept.
        factor: What a loss entry is multiplied with, NaN if its label is out of range; None for 1.
        denominator: Divides the sum of the loss; None for 1.
        kept: Per input, where it is not filled in; None if nowhere.
    """

    call: Call
    keep: Tensor | None
    factor: Tensor | None
    denominator: Tensor | float | None
    kept: tuple[Tensor | None, ...]

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """What the kernels are called with: the inputs, then the parameters."""
        return tuple(i.tensor for i in (*self.call.inputs, *self.call.parameters))

    def weighted(self, loss: Tensor) -> Tensor:
        """The loss times its weights, 0 where it is masked out."""
        if self.factor is not None:
            loss = loss * self.factor
        return loss if self.keep is None else torch.where(self.keep, loss, 0.0)

    def divided(self, total: Tensor) -> Tensor:
        """A sum over the denominator, 0 where that is 0."""
        if self.denominator is None:
            return total
        if not isinstance(self.denominator, Tensor):
            return total / self.denominator
        empty = self.denominator == 0
        return torch.where(empty, 0.0, total / torch.where(empty, 1.0, self.denominator))

    @property
    def cotangent(self) -> Tensor:
        """The derivative of the reduced loss in the unreduced loss."""
        one = torch.ones((), dtype=self.call.dtype, device=self.call.device)
        return self.divided(self.weighted(one)).expand(self.call.shape)


def weigh(call: Call, options: Options) -> Weighted:
    """Works out the weights of a call, and makes what they leave out harmless."""
    checked_reduction(call.name, options.reduction)
    keep = _keep(call, options)
    kept = [None if keep is None else _read_by_kept(call, i, keep) for i in call.inputs]
    inputs, doubtful = [], []
    for part, where in zip(call.inputs, kept, strict=True):
        filled, wrong = _fill(call, part, where)
        inputs.append(filled)
        if wrong is not None:
            doubtful.append(_any_to_loss(call, part, wrong))
    call = replace(call, inputs=tuple(inputs))
    weight = _weight(call, options)
    denominator = _denominator(call, options, keep, weight)
    factor = weight
    for wrong in doubtful:
        poison = torch.where(
            wrong, torch.full((), math.nan, dtype=call.dtype, device=call.device), 1.0
        )
        factor = poison if factor is None else factor * poison
    return Weighted(call, keep, factor, denominator, tuple(kept))


def _keep(call: Call, options: Options) -> Tensor | None:
    keep: Tensor | None = None
    if options.mask is not None:
        mask = checked_tensor(call.name, "mask", options.mask, "mask")
        keep = _fit(call, "mask", mask)
    if options.ignore_index is not None:
        for label in _aligned_labels(call, "ignore_index"):
            used = _to_loss(call, label, label.tensor != options.ignore_index)
            keep = used.expand(call.shape) if keep is None else keep & used
    return keep


def _weight(call: Call, options: Options) -> Tensor | None:
    weight: Tensor | None = None
    if options.weight is not None:
        given = checked_tensor(call.name, "weight", options.weight)
        weight = _fit(call, "weight", given.to(call.dtype))
    if options.class_weight is not None:
        (label, *others) = _aligned_labels(call, "class_weight")
        table = checked_tensor(call.name, "class_weight", options.class_weight).to(call.dtype)
        count = _label_size(call, label)
        if others or table.ndim != 1 or (count is not None and table.shape[0] != count):
            raise ValueError(
                f"{call.name}(): `class_weight` has shape {tuple(table.shape)}, but must hold one "
                f"number for each of the {count} entries of axis `{label.argument.label_axis}`, "
                "and there must be one label"
            )
        entries = table.index_select(0, label.tensor.reshape(-1))
        factor = _to_loss(call, label, entries.reshape(label.tensor.shape))
        weight = factor if weight is None else weight * factor
    return weight


def _denominator(
    call: Call, options: Options, keep: Tensor | None, weight: Tensor | None
) -> Tensor | float | None:
    if options.reduction != "mean":
        return None
    if options.normalizer is not None:
        return _number(call, options.normalizer)
    if keep is None and weight is None:
        return max(math.prod(call.shape), 1)  # the sum over no entries is 0 already
    weight = torch.ones((), dtype=call.dtype, device=call.device) if weight is None else weight
    weight = weight.expand(call.shape)
    return (weight if keep is None else torch.where(keep, weight, 0.0)).sum()


def _number(call: Call, normalizer: Scalar) -> Tensor | float:
    if not isinstance(normalizer, Tensor):
        zero = torch.zeros((), dtype=call.dtype, device=call.device)
        return normalizer if normalizer else zero
    if normalizer.ndim:
        raise ValueError(
            f"{call.name}(): `normalizer` has shape {tuple(normalizer.shape)}, but must be a "
            "single number"
        )
    return checked_tensor(call.name, "normalizer", normalizer).to(call.dtype)


def _fit(call: Call, name: str, tensor: Tensor) -> Tensor:
    """Broadcasts a weight or mask to the unreduced loss, in the canonical layout."""
    visible = tuple(call.to_visible(tensor.new_empty(()).expand(call.shape)).shape)
    if not broadcasts(tensor.shape, visible):
        raise ValueError(
            f"{call.name}(): `{name}` has shape {tuple(tensor.shape)}, which does not broadcast "
            f"to the unreduced loss of shape {visible}; give one entry per loss entry"
        )
    return call.to_canonical(tensor.expand(visible))


def _aligned_labels(call: Call, option: str) -> list[Input]:
    labels = [i for i in call.inputs if i.argument.role == "label" and None not in i.argument.rows]
    if not labels:
        raise ValueError(
            f"{call.name}(): `{option}` needs a label for each loss entry, and this loss combines "
            "several labels in one entry; use `weight` or `mask` instead"
        )
    return labels


# ---- inputs along the loss -----------------------------------------------------------------------


def _any_to_loss(call: Call, part: Input, wrong: Tensor) -> Tensor:
    """Which loss entries read an entry that is wrong."""
    lead = len(part.lead)
    unaligned = [lead + k for k, row in enumerate(part.argument.rows) if row is None]
    return _to_loss(call, part, wrong.any(unaligned) if unaligned else wrong)


def _to_loss(call: Call, part: Input, tensor: Tensor) -> Tensor:
    """An input's entries lined up with the loss entries that read them."""
    rows = [row for row in part.argument.rows if row is not None]
    lead = len(part.lead)
    order = sorted(range(len(rows)), key=rows.__getitem__)
    turned = tensor.permute((*range(lead), *(lead + k for k in order)))
    for position in range(len(call.definition.loss_axes)):
        if position not in rows:
            turned = turned.unsqueeze(lead + position)
    return turned


def _read_by_kept(call: Call, part: Input, keep: Tensor) -> Tensor:
    """Where an input is read by a loss entry that is kept; broadcasts to the input."""
    rows, lead = part.argument.rows, len(call.lead)
    unread = [lead + n for n in range(len(call.definition.loss_axes)) if n not in rows]
    unread += [] if part.lead else range(lead)
    kept = keep.any(unread) if unread else keep
    aligned = sorted(row for row in rows if row is not None)
    start = len(part.lead)
    kept = kept.permute((*range(start), *(start + aligned.index(r) for r in rows if r is not None)))
    for position, row in enumerate(rows):
        if row is None:
            kept = kept.unsqueeze(start + position)
    return kept


def _fill(call: Call, part: Input, kept: Tensor | None) -> tuple[Input, Tensor | None]:
    """Puts harmless values where only masked loss entries read an input; checks the labels."""
    argument, tensor = part.argument, part.tensor
    if argument.role == "label":
        axis = argument.label_axis or ""
        size = _label_size(call, part)
        label, wrong = checked_labels(call.name, argument.name, tensor, axis, size, kept)
        return replace(part, tensor=label), wrong
    if kept is None or argument.role == "mask":
        return part, None
    return replace(part, tensor=torch.where(kept, tensor, argument.filler)), None


def _label_size(call: Call, part: Input) -> int | None:
    axis = part.argument.label_axis or ""
    return call.sizes.get(axis, call.sizes.get(f"*{axis}"))
