"""Functions that look along an axis that their result keeps: orders, ties, cumulated sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from ._options import Array, Result


def order(x: Array, axis: int) -> Array:
    """Positions in the order of the entries along an axis; equal ones stay as they are."""
    return jnp.argsort(x, axis=axis, stable=True)


def rank(x: Array, axis: int) -> Array:
    """How many entries come before each one in that order."""
    return jnp.argsort(order(x, axis), axis=axis)


def tie_mean(x: Array, keys: Array, order: Array, axis: int) -> Array:
    """The mean of x over the entries of an axis whose key is the same; `order` sorts the keys."""
    x, keys, order = (jnp.moveaxis(a, axis, -1) for a in jnp.broadcast_arrays(x, keys, order))
    ordered = jnp.take_along_axis(keys, order, -1)
    new = ordered[..., 1:] != ordered[..., :-1]
    group = jnp.cumsum(jnp.insert(new, 0, False, axis=-1), -1)[..., : x.shape[-1]]
    summed: Callable[..., Array] = partial(jax.ops.segment_sum, num_segments=x.shape[-1])
    for _ in range(x.ndim - 1):
        summed = jax.vmap(summed)
    terms = jnp.take_along_axis(x, order, -1)
    mean = summed(terms, group) / jnp.maximum(summed(jnp.ones_like(terms), group), 1)
    back = summed(jnp.take_along_axis(mean, group, -1), order)
    return jnp.moveaxis(back, -1, axis)


def cumsum(x: Array, axis: int, *, reverse: bool = False) -> Array:
    """The sum up to and including each entry of an axis; reversed, from there on."""
    return lax.cumsum(x, x.ndim + axis, reverse=reverse)


def logcumsumexp(x: Array, axis: int, *, reverse: bool = False) -> Array:
    """log(cumsum(exp(x))): of each sum one maximum is taken out, `peak + log1p(rest)`."""
    peak, rest = lax.associative_scan(_joined, (x, jnp.zeros_like(x)), reverse, x.ndim + axis)
    result: Array = peak + jnp.log1p(rest)
    return result


def cumulate(
    x: Result, log_in: Array, log_out: Array, axis: int, *, reverse: bool = False
) -> Array:
    """The sums over s <= t of `x[s] * exp(log_in[s] - log_out[t])`, terms scaled by the largest."""
    x, log_in, log_out = jnp.broadcast_arrays(jnp.asarray(x, log_in.dtype), log_in, log_out)
    peak, total = lax.associative_scan(_added, (log_in, x), reverse, x.ndim + axis)
    dead = (peak == -jnp.inf) | (log_out == jnp.inf)
    return jnp.where(dead, 0, total * jnp.exp(jnp.where(dead, 0, peak - log_out)))


Sums = tuple[Array, Array]


def _gap(peak: Array, other: Array) -> Array:
    return jnp.exp(-jnp.abs(jnp.where(peak == other, 0, peak - other)))


def _joined(one: Sums, two: Sums) -> Sums:
    """Of two sums `exp(peak) * (1 + rest)` the sum in that form."""
    (peak, rest), (other, others) = one, two
    gap = _gap(peak, other)
    whole = jnp.where(peak >= other, rest + (1 + others) * gap, others + (1 + rest) * gap)
    return jnp.maximum(peak, other), whole


def _added(one: Sums, two: Sums) -> Sums:
    """Of two sums `exp(peak) * total` the sum in that form."""
    (peak, total), (other, others) = one, two
    gap = _gap(peak, other)
    whole = jnp.where(peak >= other, total + others * gap, others + total * gap)
    return jnp.maximum(peak, other), whole


def correlate(x: Array, taps: Sequence[Result], axis: int, first: int) -> Array:
    """The sum of `taps[n] * x` at the place `first + n` further on, 0 outside the axis."""
    before, after = max(-first, 0), max(first + len(taps) - 1, 0)
    padding = [(0, 0)] * x.ndim
    padding[axis] = (before, after)
    padded, length, start = jnp.pad(x, padding), x.shape[axis], before + first
    total = jnp.zeros_like(x)
    for n, tap in enumerate(taps):
        total += tap * lax.slice_in_dim(padded, start + n, start + n + length, axis=axis)
    return total
