"""Functions that the kernels of this package are written with, beyond what PyTorch has itself.

They are accurate to a few units in the last place on their whole domain, propagate no NaN from a
branch that is not taken, and use no in-place operation, so that they can be traced and vmapped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "diagonal",
    "gather",
    "log_add_exp",
    "log_cosh",
    "logsumexp",
    "pair_share",
    "place",
    "positions",
    "scan",
    "scatter",
    "select",
    "share",
    "shift",
    "sigmoid",
    "size",
    "softplus",
    "xdivy",
    "xlog1py",
    "xlogy",
]

LOG_2 = math.log(2.0)
# PyTorch has no annotations for it.
_broadcast_shapes: Callable[..., torch.Size] = torch.broadcast_shapes


def sigmoid(x: Tensor) -> Tensor:
    """`1 / (1 + exp(-x))`; `torch.sigmoid` flushes what it cannot reach by `exp(-x)` to 0."""
    return torch.where(x < -80.0, torch.exp(x), torch.sigmoid(x))


def softplus(x: Tensor) -> Tensor:
    """`log(1 + exp(x))`, which `F.softplus` rounds to `x` above its threshold of 20."""
    return torch.logaddexp(x, x.new_zeros(()))


def log_cosh(x: Tensor) -> Tensor:
    """`log(cosh(x))`, for small `x` without cancellation and for large `x` without overflow."""
    r = x.abs()
    near = torch.log1p(2.0 * torch.sinh(r.clamp(max=2.0) / 2.0).square())
    far = r + (torch.log1p(torch.exp(-2.0 * r)) - LOG_2)
    return torch.where(r < 2.0, near, far)


def expm1_minus(x: Tensor) -> Tensor:
    """`exp(x) - 1 - x`: near 0 by its series, which the difference would cancel."""
    small = torch.where(x.abs() < 1.0, x, 0.0)
    series = torch.ones_like(small)
    for n in range(20, 2, -1):
        series = 1 + series * small / n
    near = small * small / 2 * series
    return torch.where(x.abs() < 1.0, near, torch.expm1(x) - x)


def minus_log1p(x: Tensor) -> Tensor:
    """`x - log(1 + x)`: near 0 by the series of `2 atanh(x / (2 + x))`, which is `log(1 + x)`."""
    small = torch.where(torch.abs(x) < 0.5, x, 0.0)
    z = small / (2 + small)
    square = z * z
    series = torch.zeros_like(z)
    for n in range(35, 1, -2):
        series = 1 / n + series * square
    near = z * (small - 2 * square * series)
    return torch.where(torch.abs(x) < 0.5, near, x - torch.log1p(x))


def itakura_saito(p: Tensor, q: Tensor) -> Tensor:
    """`p / q - 1 - log(p / q)`: near `p = q` by how far they are apart."""
    x = (p - q) / q
    far = p / q - 1 - (torch.log(p) - torch.log(q))
    return torch.where(torch.abs(x) < 0.5, minus_log1p(x), far)


def relative_entropy(p: Tensor, q: Tensor) -> Tensor:
    """`p log(p / q) - p + q`: near `p = q` by how far they are apart; `q` where `p` is 0."""
    x = (p - q) / q
    near = q * (x * torch.log1p(x) - minus_log1p(x))
    return torch.where(torch.abs(x) < 0.5, near, xlogy(p, p / q) - p + q)


def reciprocal(n: Tensor) -> Tensor:
    """`1 / n` of a length, and 0 where it is 0: the direction of a zero vector is taken to be 0."""
    return torch.where(n == 0.0, 0.0, 1.0 / torch.where(n == 0.0, 1.0, n))


def unit(x: Tensor, n: Tensor) -> Tensor:
    """`x / n` of the entries of a vector of length n, and 0 where that is 0."""
    return x / torch.where(n == 0.0, math.inf, n)


def norm(x: Tensor, axis: int | tuple[int, ...]) -> Tensor:
    """The Euclidean norm along axes, scaled by the largest magnitude: no square overflows."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    if any(x.shape[a] == 0 for a in axes):
        return torch.sum(x, dim=axes)
    top = torch.amax(torch.abs(x), dim=axes, keepdim=True).detach()
    scale = torch.where((top > 0.0) & (top < math.inf), top, 1.0)
    return scale.squeeze(axes) * torch.sqrt(torch.sum(torch.square(x / scale), dim=axes))


def log1mexp(x: Tensor) -> Tensor:
    """`log(1 - exp(x))` of a negative x: whichever difference keeps the digits (Maechler, 2012)."""
    return torch.where(x > -LOG_2, torch.log(-torch.expm1(x)), torch.log1p(-torch.exp(x)))


def odds(x: Tensor) -> Tensor:
    """`exp(x) / (1 - exp(x))` of a negative x: the odds of a log-probability."""
    return 1.0 / torch.expm1(-x)


def log_add_exp(a: Tensor, b: Tensor) -> Tensor:
    """`log(exp(a) + exp(b))`; -inf where both are."""
    return torch.logaddexp(a, b)


def pair_share(a: Tensor, b: Tensor) -> Tensor:
    """`exp(a) / (exp(a) + exp(b))`, and 0 where a is -inf whatever b is."""
    absent = a == -math.inf
    difference = torch.where(absent, 0.0, a) - torch.where(absent, 0.0, b)
    return torch.where(absent, 0.0, sigmoid(difference))


def share(a: Tensor, b: Tensor) -> Tensor:
    """`exp(a - b)`, and 0 where `a` is -inf, whatever `b` is."""
    absent = a == -math.inf
    difference = torch.where(absent, 0.0, a) - torch.where(absent, 0.0, b)
    return torch.where(absent, 0.0, torch.exp(difference))


def xlogy(a: Tensor | float, u: Tensor) -> Tensor:
    """`a * log(u)`, and 0 where `a` is 0, whatever `u` is there."""
    if not isinstance(a, Tensor):
        return a * torch.log(u) if a else torch.zeros_like(u)
    zero = a == 0.0
    return torch.where(zero, 0.0, a * torch.log(torch.where(zero, 1.0, u)))


def xlog1py(a: Tensor | float, u: Tensor) -> Tensor:
    """`a * log(1 + u)`, and 0 where `a` is 0, whatever `u` is there."""
    if not isinstance(a, Tensor):
        return a * torch.log1p(u) if a else torch.zeros_like(u)
    zero = a == 0.0
    return torch.where(zero, 0.0, a * torch.log1p(torch.where(zero, 0.0, u)))


def xdivy(a: Tensor | float, u: Tensor) -> Tensor:
    """`a / u`, and 0 where `a` is 0, whatever `u` is there."""
    if not isinstance(a, Tensor):
        return a / u if a else torch.zeros_like(u)
    zero = a == 0.0
    return torch.where(zero, 0.0, a / torch.where(zero, 1.0, u))


def logsumexp(x: Tensor, axis: int | tuple[int, ...], where: Tensor | None = None) -> Tensor:
    """`log(sum(exp(x)))` over the entries where `where` holds; -inf if there is none.

    One maximum is taken out of the sum: `peak + log1p(rest)` is exact where one entry dominates.
    """
    if where is not None:
        x = torch.where(where, x, -math.inf)
    axes = (axis,) if isinstance(axis, int) else axis
    if 0 in [x.shape[a] for a in axes]:
        return torch.logsumexp(x, axes)
    peak = torch.amax(x, axes, keepdim=True)
    is_peak = x == peak
    finite = torch.isfinite(peak)
    powers = torch.where(is_peak, 0.0, torch.exp(x - torch.where(finite, peak, 0.0)))
    rest = powers.sum(axes, keepdim=True) + (is_peak.sum(axes, keepdim=True) - 1)
    log_rest = torch.log1p(torch.where(finite, rest, 0.0))
    return torch.where(finite, peak + log_rest, peak).squeeze(axes)


def size(x: Tensor, axis: int) -> int:
    """The number of entries along an axis."""
    return x.shape[axis]


def positions(x: Tensor, axis: int) -> Tensor:
    """0, 1, 2, ... along an axis of `x`."""
    return torch.arange(x.shape[axis], device=x.device)


def gather(x: Tensor, index: Tensor, shared: int, own: int, trailing: int) -> Tensor:
    """Picks entries of one axis of `x` by label.

    `x` is (lead, S..., A, M...) and `index` is (lead, S..., L...); the result is
    (lead, S..., L..., M...). Either may lack the leading axes.

    Args:
        x: What is picked from.
        index: Positions on the axis A.
        shared: The number of axes S, which `x` and `index` have in common.
        own: The number of axes L, which only `index` has.
        trailing: The number of axes M, which only `x` has.
    """
    split = x.ndim - trailing
    kept, picked = x.shape[split:], index.shape[index.ndim - own :]
    if split == 1:  # `x[index]` would ask for the value of an index without axes, also in traces
        return x.index_select(0, index.reshape(-1)).reshape((*index.shape, *kept))
    rows = _broadcast_shapes(x.shape[: split - 1], index.shape[: index.ndim - own])
    flat_x = x.reshape(*x.shape[:split], kept.numel()).expand(*rows, -1, -1)
    flat_index = index.reshape(*index.shape[: index.ndim - own], picked.numel(), 1)
    entries = torch.gather(flat_x, -2, flat_index.expand(*rows, -1, kept.numel()))
    return entries.reshape((*rows, *picked, *kept))


def scatter(
    values: Tensor, index: Tensor, x: Tensor, shared: int, own: int, trailing: int
) -> Tensor:
    """Adds `values` up at the labels `index` into zeros of the shape of `x`: `gather`'s adjoint.

    `values` is (lead, S..., L..., M...). If `x` lacks the leading axes, the result is the mean over
    them: it stands for one share per sample, and what is shared by samples sums those up.

    Args:
        values: What is added.
        index: Positions on the axis A of `x`.
        x: The tensor whose shape the result has; (lead, S..., A, M...).
        shared: The number of axes S, which `x` and `index` have in common.
        own: The number of axes L, which only `index` has.
        trailing: The number of axes M, which only `x` has.
    """
    split = x.ndim - trailing
    # Axes that `x` has one entry along are as long as those of the values.
    last = values.shape[values.ndim - min(trailing, values.ndim) :]
    kept, picked = _broadcast_shapes(x.shape[split:], last), index.shape[index.ndim - own :]
    batched = values.ndim - shared - own - trailing
    rows = _broadcast_shapes(
        values.shape[: batched + shared], index.shape[: index.ndim - own], x.shape[: split - 1]
    )
    count, width = picked.numel(), kept.numel()  # -1 in a shape could be anything in an empty batch
    flat_values = values.expand((*rows, *picked, *kept)).reshape(*rows, count, width)
    flat_index = index.reshape(*index.shape[: index.ndim - own], count, 1)
    flat_index = flat_index.expand(*rows, count, width)
    lead = len(rows) - shared
    if lead > split - 1 - shared:
        # `x` is shared by the batch, whose axes become part of what is added up.
        order = [*range(lead, lead + shared), *range(lead), -2, -1]
        samples = rows[:lead].numel()
        flat = (*rows[lead:], samples * count, width)
        flat_index = flat_index.permute(order).reshape(flat)
        flat_values = flat_values.permute(order).reshape(flat) / max(samples, 1)
    zeros = flat_values.new_zeros(*x.shape[:split], width)
    return zeros.scatter_add(-2, flat_index, flat_values).reshape((*x.shape[:split], *kept))


def place(parts: Sequence[Tensor | float], at: Sequence[int], x: Tensor, axis: int) -> Tensor:
    """Zeros like `x`, but `parts[n]` at position `at[n]` of an axis."""
    tensors = [torch.as_tensor(part, dtype=x.dtype, device=x.device) for part in parts]
    shape = _broadcast_shapes(x.select(axis, 0).shape, *(part.shape for part in tensors))
    length = x.shape[axis]
    whole = (*shape[: len(shape) + axis + 1], length, *shape[len(shape) + axis + 1 :])
    result = x.new_zeros(whole)
    for part, position in zip(tensors, at, strict=True):
        result = torch.select_scatter(result, part.expand(shape), axis, position)
    return result


def shift(x: Tensor, offset: int, axis: int) -> Tensor:
    """`x[t + offset]` at position `t` of an axis, and 0 where that is outside of it."""
    length = x.shape[axis]
    steps = max(-length, min(length, offset))
    return F.pad(x, (0, 0) * (-axis - 1) + (-steps, steps))


def order(x: Tensor, axis: int) -> Tensor:
    """Positions in the order of the entries along an axis; equal ones stay as they are."""
    return torch.argsort(x, dim=axis, stable=True)


def rank(x: Tensor, axis: int) -> Tensor:
    """How many entries come before each one in that order."""
    return torch.argsort(order(x, axis), dim=axis)


def tie_mean(x: Tensor, keys: Tensor, order: Tensor, axis: int) -> Tensor:
    """The mean of `x` over the entries of an axis whose key is the same; `order` sorts `keys`."""
    shape = _broadcast_shapes(x.shape, keys.shape, order.shape)
    x, keys, order = (a.expand(shape).movedim(axis, -1) for a in (x, keys, order))
    ordered = torch.gather(keys, -1, order)
    new = ordered[..., 1:] != ordered[..., :-1]
    group = F.pad(torch.cumsum(new, -1), (1, 0))[..., : x.shape[-1]]
    zeros = torch.zeros_like(x)
    total = zeros.scatter_add(-1, group, torch.gather(x, -1, order))
    count = zeros.scatter_add(-1, group, torch.ones_like(x))
    mean = torch.gather(total / count.clamp(min=1.0), -1, group)
    return zeros.scatter(-1, order, mean).movedim(-1, axis)


def largest(x: Tensor, axis: int | tuple[int, ...]) -> Tensor:
    """The largest entry along axes; minus infinity where there are none."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    if any(x.shape[a] == 0 for a in axes):
        gone = {a % x.ndim for a in axes}
        return x.new_full([n for a, n in enumerate(x.shape) if a not in gone], -math.inf)
    return torch.amax(x, dim=axes)


def diagonal(x: Tensor, axis1: int, axis2: int) -> Tensor:
    """The diagonal over two axes, as the last axis of the result."""
    return torch.diagonal(x, dim1=axis1, dim2=axis2)


Step: TypeAlias = Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], tuple[Tensor, ...]]


def scan(
    step: Step,
    inits: Sequence[Tensor],
    sizes: Sequence[tuple[int, ...]],
    xs: Sequence[Tensor],
    axes: Sequence[int],
    reverse: bool = False,
) -> tuple[Tensor, ...]:
    """`carries = step(carries, items)` along an axis: the carries after every step.

    Args:
        step: The next carries, given the former ones and the items at a position.
        inits: The carries before the first step, each broadcast to its sizes.
        sizes: The shape of each carry behind the leading axes.
        xs: What is run over; the step gets them without the axis.
        axes: The number of that axis in each of them, from the end.
        reverse: Whether to run from the last position to the first.

    Returns:
        One array per carry, of shape (lead, positions, sizes).
    """
    count = xs[0].shape[axes[0]]
    moved = [x.movedim(axis, 0) for x, axis in zip(xs, axes, strict=True)]
    items = tuple(x[0] if count else x.new_zeros(x.shape[1:]) for x in moved)
    carries = tuple(
        c.expand((*c.shape[: max(c.ndim - len(s), 0)], *s))
        for c, s in zip(inits, sizes, strict=True)
    )
    while True:  # the leading axes of any of them become those of all that depend on it
        after = step(carries, items)
        shapes = [_broadcast_shapes(c.shape, a.shape) for c, a in zip(carries, after, strict=True)]
        # Ranks first: to compare shapes of two ranks would bind a symbolic size to another.
        if all(len(s) == c.ndim and s == c.shape for s, c in zip(shapes, carries, strict=True)):
            break
        carries = tuple(c.expand(s) for c, s in zip(carries, shapes, strict=True))
    found: list[tuple[Tensor, ...]] = []
    for t in reversed(range(count)) if reverse else range(count):
        after = step(carries, tuple(x[t] for x in moved))
        carries = tuple(a.expand(c.shape) for a, c in zip(after, carries, strict=True))
        found.append(carries)
    if not found:
        return tuple(
            c.new_zeros((*c.shape[: c.ndim - len(s)], 0, *c.shape[c.ndim - len(s) :]))
            for c, s in zip(carries, sizes, strict=True)
        )
    ordered = found[::-1] if reverse else found
    return tuple(
        torch.stack([values[n] for values in ordered], -1 - len(s)) for n, s in enumerate(sizes)
    )


def select(condition: Tensor, a: float, b: float, like: Tensor) -> Tensor:
    """`a` where the condition holds, else `b`, in the dtype of `like`."""
    return torch.where(condition, torch.full((), a, dtype=like.dtype, device=like.device), b)
