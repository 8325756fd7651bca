"""Functions that NumPy lacks, accurate over the whole range of floats and safe in dead branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np

from ._options import Array

_LOG_COSH_SWITCH = 4.0
_LOG_2 = 0.6931471805599453


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow on either side."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), accurate in both tails."""
    result: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return result


def log_cosh(x: Array) -> Array:
    """log(cosh(x)): `log1p(2 sinh(x/2)^2)` keeps the digits near 0 that the tail form cancels."""
    a = np.abs(x)
    near = np.log1p(2 * np.sinh(np.minimum(a, _LOG_COSH_SWITCH) / 2) ** 2)
    result: Array = np.where(a < _LOG_COSH_SWITCH, near, (a - _LOG_2) + np.log1p(np.exp(-2 * a)))
    return result


def expm1_minus(x: Array) -> Array:
    """`exp(x) - 1 - x`: near 0 by its series, which the difference would cancel."""
    small = np.where(np.abs(x) < 1, x, 0.0)
    series = np.ones_like(small)
    for n in range(20, 2, -1):
        series = 1 + series * small / n
    near = small * small / 2 * series
    result: Array = np.where(np.abs(x) < 1, near, np.expm1(x) - x)
    return result


def minus_log1p(x: Array) -> Array:
    """`x - log(1 + x)`: near 0 by the series of `2 atanh(x / (2 + x))`, which is `log(1 + x)`."""
    small = np.where(np.abs(x) < 0.5, x, 0.0)
    z = small / (2 + small)
    square = z * z
    series = np.zeros_like(z)
    for n in range(35, 1, -2):
        series = 1 / n + series * square
    near = z * (small - 2 * square * series)
    result: Array = np.where(np.abs(x) < 0.5, near, x - np.log1p(x))
    return result


def itakura_saito(p: Any, q: Any) -> Array:
    """`p / q - 1 - log(p / q)`: near `p = q` by how far they are apart."""
    x = (p - q) / q
    far = p / q - 1 - (np.log(p) - np.log(q))
    result: Array = np.where(np.abs(x) < 0.5, minus_log1p(x), far)
    return result


def relative_entropy(p: Any, q: Any) -> Array:
    """`p log(p / q) - p + q`: near `p = q` by how far they are apart; `q` where `p` is 0."""
    x = (p - q) / q
    near = q * (x * np.log1p(x) - minus_log1p(x))
    result: Array = np.where(np.abs(x) < 0.5, near, xlogy(p, p / q) - p + q)
    return result


def reciprocal(n: Array) -> Array:
    """`1 / n` of a length, and 0 where it is 0: the direction of a zero vector is taken to be 0."""
    result: Array = np.where(n == 0, 0, 1 / np.where(n == 0, 1, n))
    return result.astype(n.dtype, copy=False)


def unit(x: Array, n: Array) -> Array:
    """`x / n` of the entries of a vector of length n, and 0 where that is 0."""
    result: Array = x / np.where(n == 0, np.inf, n)
    return result.astype(n.dtype, copy=False)


def norm(x: Array, axis: int | tuple[int, ...]) -> Array:
    """The Euclidean norm along axes; where squares overflow or underflow, of scaled entries."""
    total = np.sum(x * x, axis=axis)
    limits = np.finfo(x.dtype)
    result: Array
    if np.all((total > limits.tiny / limits.eps) & (total < np.inf)):
        result = np.sqrt(total)
        return result
    largest = np.max(np.abs(x), axis=axis, initial=0, keepdims=True)
    scale = np.where((largest > 0) & (largest < np.inf), largest, 1).astype(x.dtype, copy=False)
    result = np.squeeze(scale, axis) * np.sqrt(np.sum((x / scale) ** 2, axis=axis))
    return result


def log1mexp(x: Array) -> Array:
    """`log(1 - exp(x))` of a negative x: whichever difference keeps the digits (Maechler, 2012)."""
    result: Array = np.where(x > -_LOG_2, np.log(-np.expm1(x)), np.log1p(-np.exp(x)))
    return result


def odds(x: Array) -> Array:
    """`exp(x) / (1 - exp(x))` of a negative x: the odds of a log-probability."""
    result: Array = 1 / np.expm1(-x)
    return result


def log_add_exp(a: Array, b: Array) -> Array:
    """`log(exp(a) + exp(b))`; -inf where both are."""
    result: Array = np.logaddexp(a, b)
    return result


def pair_share(a: Array, b: Array) -> Array:
    """`exp(a) / (exp(a) + exp(b))`, and 0 where a is -inf whatever b is."""
    absent = a == -np.inf
    return np.where(absent, 0, sigmoid(np.where(absent, 0, a) - np.where(absent, 0, b)))


def share(a: Array, b: Array) -> Array:
    """`exp(a - b)`, and 0 where a is -inf whatever b is."""
    absent = a == -np.inf
    result: Array = np.where(absent, 0, np.exp(np.where(absent, 0, a) - np.where(absent, 0, b)))
    return result


def xlogy(a: Any, u: Any) -> Array:
    """`a * log(u)`, and 0 where a is 0 whatever u is."""
    zero = a == 0
    return np.where(zero, 0, a * np.log(np.where(zero, 1, u)))


def xlog1py(a: Any, u: Any) -> Array:
    """`a * log(1 + u)`, and 0 where a is 0 whatever u is."""
    zero = a == 0
    return np.where(zero, 0, a * np.log1p(np.where(zero, 0, u)))


def xdivy(a: Any, u: Any) -> Array:
    """`a / u`, and 0 where a is 0 whatever u is."""
    zero = a == 0
    return np.where(zero, 0, a / np.where(zero, 1, u))


def logsumexp(x: Array, axis: int | tuple[int, ...], where: Any = None) -> Array:
    """log(sum(exp(x))) over the entries that `where` keeps; -inf if there are none.

    One maximum is taken out of the sum: `peak + log1p(rest)` is exact where one entry dominates.
    """
    kept = x if where is None else np.where(where, x, -np.inf)
    peak = np.max(kept, axis=axis, keepdims=True, initial=-np.inf)
    is_peak = kept == peak
    powers = np.where(is_peak, 0, np.exp(kept - np.where(np.isfinite(peak), peak, 0)))
    others = np.sum(is_peak, axis=axis, keepdims=True) - 1
    rest = np.sum(powers, axis=axis, keepdims=True) + others.astype(powers.dtype)
    log_rest = np.log1p(np.where(np.isfinite(peak), rest, 0))
    result: Array = np.where(np.isfinite(peak), peak + log_rest, peak)
    return np.squeeze(result, axis=axis)


def size(x: Array, axis: int) -> int:
    """Number of entries along an axis."""
    return int(x.shape[axis])


def positions(x: Array, axis: int) -> Array:
    """0, 1, 2, ... along an axis of x."""
    return np.arange(x.shape[axis])


def gather(x: Array, index: Array, shared: int, own: int, trailing: int) -> Array:
    """`x[..., s, index[..., s, l], m]` with shape (lead, S..., L..., M...).

    x has the shape (lead, S..., A, M...) and the index (lead, S..., L...) with `shared` axes S,
    `own` axes L and `trailing` axes M; the leading axes may be missing in either.
    """
    own_shape, trailing_shape = _tail(index.shape, own), _tail(x.shape, trailing)
    outer = x.shape[: x.ndim - trailing]
    source = x.reshape((*outer, prod(trailing_shape)))
    chosen = index.reshape((*index.shape[: index.ndim - own], prod(own_shape), 1))
    rank = max(source.ndim, chosen.ndim)
    taken = np.take_along_axis(_leading(source, rank), _leading(chosen, rank), axis=-2)
    return taken.reshape((*taken.shape[:-2], *own_shape, *trailing_shape))


def scatter(values: Any, index: Array, x: Array, shared: int, own: int, trailing: int) -> Array:
    """The adjoint of `gather`: values of shape (lead, S..., L..., M...) added up at the index.

    The result has the shape of x, but for trailing axes of size 1, which values may widen. Leading
    axes that x lacks are averaged: the result stands for one share per sample, which may be added
    to other shares before the shares are summed.
    """
    own_shape = _tail(index.shape, own)
    wider = _tail(np.shape(values), min(trailing, np.ndim(values)))
    trailing_shape = np.broadcast_shapes(_tail(x.shape, trailing), wider)
    lead = x.shape[: x.ndim - trailing - 1 - shared]
    batch = np.broadcast_shapes(lead, index.shape[: index.ndim - own - shared])
    common = x.shape[len(lead) : len(lead) + shared]
    full = (*batch, *common, *own_shape)
    at = np.broadcast_to(index, full).reshape((*batch, *common, prod(own_shape)))
    added = np.broadcast_to(values, (*full, *trailing_shape))
    added = added.reshape((*at.shape, prod(trailing_shape)))
    total = np.zeros((*lead, *common, x.shape[len(lead) + shared], added.shape[-1]), added.dtype)
    if own == 0 and len(lead) == len(batch):
        np.put_along_axis(total, at[..., None], added, axis=-2)
    else:
        # Axes of the result before the indexed one, lined up with those of `at`.
        skipped = at.ndim - 1 - (total.ndim - 2)
        grid = [_along(n, skipped + k, at.ndim) for k, n in enumerate(total.shape[:-2])]
        np.add.at(total, (*grid, at), added)
    if len(lead) < len(batch):
        total /= prod(batch)
    return total.reshape((*x.shape[: x.ndim - trailing], *trailing_shape))


def place(parts: Sequence[Any], at: Sequence[int], x: Array, axis: int) -> Array:
    """Zeros like x, with `parts[n]` at position `at[n]` of an axis."""
    shapes = [np.expand_dims(part, axis).shape for part in parts if np.ndim(part)]
    result = np.zeros(np.broadcast_shapes(x.shape, *shapes), x.dtype)
    for part, position in zip(parts, at, strict=True):
        np.moveaxis(result, axis, -1)[..., position] += part
    return result


def shift(x: Array, offset: int, axis: int) -> Array:
    """`x[t + offset]` along an axis, 0 where that lies outside."""
    result = np.zeros_like(x)
    source, target = np.moveaxis(x, axis, 0), np.moveaxis(result, axis, 0)
    if offset >= 0:
        target[: max(len(source) - offset, 0)] = source[offset:]
    else:
        target[-offset:] = source[:offset]
    return result


def diagonal(x: Array, axis1: int, axis2: int) -> Array:
    """The diagonal over two axes, as a new last axis."""
    return np.diagonal(x, axis1=axis1, axis2=axis2)


Step: TypeAlias = Callable[[tuple[Array, ...], tuple[Array, ...]], tuple[Array, ...]]


def scan(
    step: Step,
    inits: Sequence[Array],
    sizes: Sequence[tuple[int, ...]],
    xs: Sequence[Array],
    axes: Sequence[int],
    reverse: bool = False,
) -> tuple[Array, ...]:
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
    moved = [np.moveaxis(x, axis, 0) for x, axis in zip(xs, axes, strict=True)]
    count = len(moved[0])
    items = tuple(x[0] if count else np.zeros(x.shape[1:], x.dtype) for x in moved)
    carries = tuple(
        np.broadcast_to(c, (*c.shape[: max(c.ndim - len(s), 0)], *s))
        for c, s in zip(inits, sizes, strict=True)
    )
    while True:  # the leading axes of any of them become those of all that depend on it
        after = step(carries, items)
        shapes = [
            np.broadcast_shapes(c.shape, a.shape) for c, a in zip(carries, after, strict=True)
        ]
        if shapes == [c.shape for c in carries]:
            break
        carries = tuple(np.broadcast_to(c, s) for c, s in zip(carries, shapes, strict=True))
    results = tuple(np.empty((count, *c.shape), c.dtype) for c in carries)
    for t in reversed(range(count)) if reverse else range(count):
        after = step(carries, tuple(x[t] for x in moved))
        for result, value in zip(results, after, strict=True):
            result[t] = value
        carries = tuple(result[t] for result in results)
    return tuple(np.moveaxis(r, 0, -1 - len(s)) for r, s in zip(results, sizes, strict=True))


def select(condition: Any, a: Any, b: Any, like: Array) -> Array:
    """`a` where the condition holds, else `b`, in the precision of `like`."""
    result: Array = np.where(condition, like.dtype.type(a), like.dtype.type(b))
    return result


def _tail(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    return shape[len(shape) - count :]


def _leading(x: Array, rank: int) -> Array:
    return x.reshape((*(1,) * (rank - x.ndim), *x.shape))


def _along(count: int, axis: int, rank: int) -> Array:
    """0 .. count - 1 along one of `rank` axes."""
    return np.arange(count).reshape([count if k == axis else 1 for k in range(rank)])
