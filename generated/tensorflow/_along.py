"""Functions that look along an axis that their result keeps: orders, ties, cumulated sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from ._options import Array


def order(x: Array, axis: int) -> Array:
    """Positions in the order of the entries along an axis; equal ones stay as they are."""
    return tf.cast(tf.argsort(x, axis, stable=True), tf.int64)


def rank(x: Array, axis: int) -> Array:
    """How many entries come before each one in that order."""
    return order(order(x, axis), axis)


def tie_mean(x: Array, keys: Array, order: Array, axis: int) -> Array:
    """The mean of x over the entries of an axis whose key is the same; `order` sorts the keys."""
    shape = tf.broadcast_dynamic_shape(
        tf.broadcast_dynamic_shape(tf.shape(x), tf.shape(keys)), tf.shape(order)
    )
    x, keys, order = (_rows(tf.broadcast_to(a, shape), axis) for a in (x, keys, order))
    ordered = tf.gather(keys, order, batch_dims=1)
    new = tf.cast(ordered[:, 1:] != ordered[:, :-1], tf.int64)
    count, length = tf.shape(x, tf.int64)[0], tf.shape(x, tf.int64)[1]
    group = tf.pad(tf.cumsum(new, 1), [[0, 0], [1, 0]])[:, :length]
    row = tf.range(count)[:, None] * length
    flat = tf.reshape(row + group, [-1])
    terms = tf.reshape(tf.gather(x, order, batch_dims=1), [-1])
    total = tf.math.unsorted_segment_sum(terms, flat, count * length)
    size = tf.math.unsorted_segment_sum(tf.ones_like(terms), flat, count * length)
    mean = tf.gather(total / tf.maximum(size, 1), flat)
    back = tf.reshape(row + order, [-1])
    result = tf.math.unsorted_segment_sum(mean, back, count * length)
    return _from_rows(result, shape, axis)


def _turns(rank: int, axis: int) -> list[int]:
    """The axes in order, one of them last."""
    return [*(k for k in range(rank) if k != rank + axis), rank + axis]


def _rows(x: Array, axis: int) -> Array:
    """An array as a matrix whose rows run along an axis."""
    shape = tf.shape(x)
    turned = tf.transpose(x, _turns(x.shape.rank, axis))
    return tf.reshape(turned, [tf.size(x) // tf.maximum(shape[axis], 1), shape[axis]])


def _from_rows(x: Array, shape: Array, axis: int) -> Array:
    """An array of a shape from what `_rows` made of it."""
    turns = _turns(shape.shape[0], axis)
    turned = tf.reshape(x, tf.gather(shape, turns))
    return tf.transpose(turned, [turns.index(k) for k in range(len(turns))])


def cumsum(x: Array, axis: int, *, reverse: bool = False) -> Array:
    """The sum up to and including each entry of an axis; reversed, from there on."""
    return tf.cumsum(x, axis, reverse=reverse)


def logcumsumexp(x: Array, axis: int, *, reverse: bool = False) -> Array:
    """log(cumsum(exp(x))): of each sum one maximum is taken out, `peak + log1p(rest)`."""
    peak, rest = _scanned(_joined, x, tf.zeros_like(x), -1.0, axis, reverse)
    return peak + tf.math.log1p(rest)


def cumulate(x: Any, log_in: Array, log_out: Array, axis: int, *, reverse: bool = False) -> Array:
    """The sums over s <= t of `x[s] * exp(log_in[s] - log_out[t])`, terms scaled by the largest."""
    x = tf.cast(x, log_in.dtype)
    shape = tf.broadcast_dynamic_shape(
        tf.broadcast_dynamic_shape(tf.shape(x), tf.shape(log_in)), tf.shape(log_out)
    )
    x, log_in, log_out = (tf.broadcast_to(a, shape) for a in (x, log_in, log_out))
    peak, total = _scanned(_added, log_in, x, 0.0, axis, reverse)
    dead = tf.equal(peak, -math.inf) | tf.equal(log_out, math.inf)
    zero = tf.zeros_like(peak)
    return tf.where(dead, zero, total * tf.exp(tf.where(dead, zero, peak - log_out)))


def _scanned(
    join: Any, peak: Array, part: Array, nothing: float, axis: int, reverse: bool
) -> tuple[Array, Array]:
    """All sums along an axis, twice as long ones in every step; `nothing` is that of no terms."""
    along = tf.reshape(tf.range(tf.shape(peak, tf.int64)[axis]), [-1] + [1] * (-axis - 1))
    length = tf.shape(peak, tf.int64)[axis]
    place = length - 1 - along if reverse else along

    def longer(step: Array, peak: Array, part: Array) -> tuple[Array, Array, Array]:
        shift = -step if reverse else step
        there = place >= step
        before = tf.where(there, tf.roll(peak, shift, axis), tf.constant(-math.inf, peak.dtype))
        sums = tf.where(there, tf.roll(part, shift, axis), tf.constant(nothing, part.dtype))
        return (2 * step, *join(before, sums, peak, part))

    step = tf.constant(1, tf.int64)
    _, peak, part = tf.while_loop(lambda step, *_: step < length, longer, (step, peak, part))
    return peak, part


def _gap(peak: Array, other: Array) -> Array:
    return tf.exp(-tf.abs(tf.where(tf.equal(peak, other), tf.zeros_like(peak), peak - other)))


def _joined(peak: Array, rest: Array, other: Array, others: Array) -> tuple[Array, Array]:
    """Of two sums `exp(peak) * (1 + rest)` the sum in that form."""
    gap = _gap(peak, other)
    whole = tf.where(peak >= other, rest + (1 + others) * gap, others + (1 + rest) * gap)
    return tf.maximum(peak, other), whole


def _added(peak: Array, total: Array, other: Array, others: Array) -> tuple[Array, Array]:
    """Of two sums `exp(peak) * total` the sum in that form."""
    gap = _gap(peak, other)
    whole = tf.where(peak >= other, total + others * gap, others + total * gap)
    return tf.maximum(peak, other), whole


def correlate(x: Array, taps: Sequence[Any], axis: int, first: int) -> Array:
    """The sum of `taps[n] * x` at the place `first + n` further on, 0 outside the axis."""
    before, after = max(-first, 0), max(first + len(taps) - 1, 0)
    paddings, begin = [[0, 0] for _ in range(x.shape.rank)], [0] * x.shape.rank
    paddings[axis] = [before, after]
    padded, total = tf.pad(x, paddings), tf.zeros_like(x)
    for n, tap in enumerate(taps):
        begin[axis] = before + first + n
        total += tap * tf.slice(padded, begin, tf.shape(x))
    return total
