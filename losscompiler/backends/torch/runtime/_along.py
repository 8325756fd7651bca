"""Functions that look along an axis that their result keeps: orders, ties, cumulated sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# PyTorch has no annotations for it.
_broadcast_shapes: Callable[..., torch.Size] = torch.broadcast_shapes


def _broadcast(*arrays: Tensor) -> tuple[Tensor, ...]:
    """Arrays of one shape; PyTorch's own `broadcast_tensors` knows no vmap."""
    shape = _broadcast_shapes(*(a.shape for a in arrays))
    return tuple(torch.zeros(shape, dtype=a.dtype, device=a.device) + a for a in arrays)


def order(x: Tensor, axis: int) -> Tensor:
    """Positions in the order of the entries along an axis; equal ones stay as they are."""
    return torch.argsort(x, dim=axis, stable=True)


def rank(x: Tensor, axis: int) -> Tensor:
    """How many entries come before each one in that order."""
    return torch.argsort(order(x, axis), dim=axis)


def tie_mean(x: Tensor, keys: Tensor, order: Tensor, axis: int) -> Tensor:
    """The mean of `x` over the entries of an axis whose key is the same; `order` sorts `keys`."""
    x, keys, order = (a.movedim(axis, -1) for a in _broadcast(x, keys, order))
    ordered = torch.gather(keys, -1, order)
    new = ordered[..., 1:] != ordered[..., :-1]
    group = F.pad(torch.cumsum(new, -1), (1, 0))[..., : x.shape[-1]]
    zeros = torch.zeros_like(x)
    total = zeros.scatter_add(-1, group, torch.gather(x, -1, order))
    count = zeros.scatter_add(-1, group, torch.ones_like(x))
    mean = torch.gather(total / count.clamp(min=1.0), -1, group)
    return zeros.scatter(-1, order, mean).movedim(-1, axis)


def cumsum(x: Tensor, axis: int, *, reverse: bool = False) -> Tensor:
    """The sum up to and including each entry of an axis; reversed, from there on."""
    return _turned(torch.cumsum(_turned(x, axis, reverse), axis), axis, reverse)


def logcumsumexp(x: Tensor, axis: int, *, reverse: bool = False) -> Tensor:
    """`log(cumsum(exp(x)))`: of each sum one maximum is taken out, `peak + log1p(rest)`."""
    x = _turned(x, axis, reverse).movedim(axis, -1)
    peak, rest = _scanned(_joined, x, torch.zeros_like(x))
    return _turned((peak + torch.log1p(rest)).movedim(-1, axis), axis, reverse)


def cumulate(
    x: Tensor | float, log_in: Tensor, log_out: Tensor, axis: int, *, reverse: bool = False
) -> Tensor:
    """The sums over s <= t of `x[s] * exp(log_in[s] - log_out[t])`, terms scaled by the largest."""
    given = _broadcast(
        torch.as_tensor(x, dtype=log_in.dtype, device=log_in.device), log_in, log_out
    )
    x, log_in, log_out = (_turned(a, axis, reverse).movedim(axis, -1) for a in given)
    peak, total = _scanned(_added, log_in, x)
    dead = (peak == -math.inf) | (log_out == math.inf)
    result = torch.where(dead, 0.0, total * torch.exp(torch.where(dead, 0.0, peak - log_out)))
    return _turned(result.movedim(-1, axis), axis, reverse)


def _turned(x: Tensor, axis: int, reverse: bool) -> Tensor:
    return torch.flip(x, (axis,)) if reverse else x


def _scanned(join: Callable[..., Any], peak: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
    """All sums along the last axis, twice as long ones in every step."""
    step = 1
    while step < peak.shape[-1]:
        new = join(peak[..., :-step], part[..., :-step], peak[..., step:], part[..., step:])
        peak, part = (
            torch.cat([old[..., :step], longer], -1)
            for old, longer in zip((peak, part), new, strict=True)
        )
        step *= 2
    return peak, part


def _gap(peak: Tensor, other: Tensor) -> Tensor:
    return torch.exp(-torch.where(peak == other, 0.0, peak - other).abs())


def _joined(peak: Tensor, rest: Tensor, other: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Of two sums `exp(peak) * (1 + rest)` the sum in that form."""
    gap = _gap(peak, other)
    whole = torch.where(peak >= other, rest + (1.0 + others) * gap, others + (1.0 + rest) * gap)
    return torch.maximum(peak, other), whole


def _added(peak: Tensor, total: Tensor, other: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Of two sums `exp(peak) * total` the sum in that form."""
    gap = _gap(peak, other)
    whole = torch.where(peak >= other, total + others * gap, others + total * gap)
    return torch.maximum(peak, other), whole


def correlate(x: Tensor, taps: Sequence[Tensor | float], axis: int, first: int) -> Tensor:
    """The sum of `taps[n] * x` at the place `first + n` further on, 0 outside the axis."""
    before, after = max(-first, 0), max(first + len(taps) - 1, 0)
    padded = F.pad(x, (0, 0) * (-axis - 1) + (before, after))
    length, start = x.shape[axis], before + first
    total = torch.zeros_like(x)
    for n, tap in enumerate(taps):
        total = total + tap * padded.narrow(axis, start + n, length)
    return total
