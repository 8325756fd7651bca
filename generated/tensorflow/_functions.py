"""Functions that TensorFlow lacks, accurate over the whole range of floats.

Nothing in here is ever differentiated: derivatives are kernels of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from ._options import Array


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow on either side."""
    return tf.sigmoid(x)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), accurate in both tails."""
    return tf.maximum(x, 0) + tf.math.log1p(tf.exp(-tf.abs(x)))


def log_cosh(x: Array) -> Array:
    """log(cosh(x)): `log1p(2 sinh(x/2)^2)` keeps the digits near 0 that the tail form cancels."""
    a = tf.abs(x)
    near = tf.math.log1p(2 * tf.square(_small_sinh(tf.minimum(a, 1) / 2)))
    far = (a - math.log(2)) + tf.math.log1p(tf.exp(-2 * a))
    return tf.where(a < 1, near, far)


def _small_sinh(x: Array) -> Array:
    """sinh(x) for |x| <= 1/2, by its series: XLA's own loses digits there."""
    square = tf.square(x)
    series = tf.ones_like(x)
    for n in (15, 13, 11, 9, 7, 5, 3):
        series = 1 + square / (n * (n - 1)) * series
    return x * series


def expm1_minus(x: Array) -> Array:
    """`exp(x) - 1 - x`: near 0 by its series, which the difference would cancel."""
    small = tf.where(tf.abs(x) < 1, x, tf.zeros_like(x))
    series = tf.ones_like(small)
    for n in range(20, 2, -1):
        series = 1 + series * small / n
    near = small * small / 2 * series
    return tf.where(tf.abs(x) < 1, near, tf.math.expm1(x) - x)


def minus_log1p(x: Array) -> Array:
    """`x - log(1 + x)`: near 0 by the series of `2 atanh(x / (2 + x))`, which is `log(1 + x)`."""
    small = tf.where(tf.abs(x) < 0.5, x, tf.zeros_like(x))
    z = small / (2 + small)
    square = z * z
    series = tf.zeros_like(z)
    for n in range(35, 1, -2):
        series = 1 / n + series * square
    near = z * (small - 2 * square * series)
    return tf.where(tf.abs(x) < 0.5, near, x - tf.math.log1p(x))


def itakura_saito(p: Any, q: Any) -> Array:
    """`p / q - 1 - log(p / q)`: near `p = q` by how far they are apart."""
    x = (p - q) / q
    far = p / q - 1 - (tf.math.log(p) - tf.math.log(q))
    return tf.where(tf.abs(x) < 0.5, minus_log1p(x), far)


def relative_entropy(p: Any, q: Any) -> Array:
    """`p log(p / q) - p + q`: near `p = q` by how far they are apart; `q` where `p` is 0."""
    x = (p - q) / q
    near = q * (x * tf.math.log1p(x) - minus_log1p(x))
    return tf.where(tf.abs(x) < 0.5, near, xlogy(p, p / q) - p + q)


def reciprocal(n: Array) -> Array:
    """`1 / n` of a length, and 0 where it is 0: the direction of a zero vector is taken to be 0."""
    zero = tf.equal(n, 0)
    return tf.where(zero, tf.zeros_like(n), 1 / tf.where(zero, tf.ones_like(n), n))


def unit(x: Array, n: Array) -> Array:
    """`x / n` of the entries of a vector of length n, and 0 where that is 0."""
    return tf.math.divide_no_nan(x, n)


def norm(x: Array, axis: int | tuple[int, ...]) -> Array:
    """The Euclidean norm along axes, scaled by the largest magnitude: no square overflows."""
    largest = tf.reduce_max(tf.abs(x), axis=axis, keepdims=True)
    plain = tf.logical_and(largest > 0, tf.math.is_finite(largest))
    scale = tf.where(plain, largest, tf.ones_like(largest))
    axes = list(axis) if isinstance(axis, tuple) else [axis]
    return tf.squeeze(scale, axes) * tf.sqrt(tf.reduce_sum(tf.square(x / scale), axis=axis))


def log1mexp(x: Array) -> Array:
    """`log(1 - exp(x))` of a negative x: whichever difference keeps the digits (Maechler, 2012)."""
    near = tf.math.log(-tf.math.expm1(x))
    return tf.where(x > -math.log(2), near, tf.math.log1p(-tf.exp(x)))


def odds(x: Array) -> Array:
    """`exp(x) / (1 - exp(x))` of a negative x: the odds of a log-probability."""
    return 1 / tf.math.expm1(-x)


def log_add_exp(a: Array, b: Array) -> Array:
    """`log(exp(a) + exp(b))`; -inf where both are."""
    peak = tf.maximum(a, b)
    total = peak + tf.math.log1p(tf.exp(-tf.abs(a - b)))
    return tf.where(tf.math.is_finite(peak), total, peak)


def pair_share(a: Array, b: Array) -> Array:
    """`exp(a) / (exp(a) + exp(b))`, and 0 where a is -inf whatever b is."""
    absent = tf.equal(a, tf.constant(-math.inf, a.dtype))
    zero = tf.zeros([], a.dtype)
    return tf.where(absent, zero, sigmoid(tf.where(absent, zero, a) - tf.where(absent, zero, b)))


def share(a: Array, b: Array) -> Array:
    """`exp(a - b)`, and 0 where a is -inf whatever b is."""
    absent = tf.equal(a, tf.constant(-math.inf, a.dtype))
    zero = tf.zeros([], a.dtype)
    difference = tf.where(absent, zero, a) - tf.where(absent, zero, b)
    return tf.where(absent, zero, tf.exp(difference))


def xlogy(a: Any, u: Any) -> Array:
    """`a * log(u)`, and 0 where a is 0 whatever u is."""
    return tf.math.xlogy(a, u)


def xlog1py(a: Any, u: Any) -> Array:
    """`a * log(1 + u)`, and 0 where a is 0 whatever u is."""
    return tf.math.xlog1py(a, u)


def xdivy(a: Any, u: Any) -> Array:
    """`a / u`, and 0 where a is 0 whatever u is."""
    return tf.math.xdivy(a, u)


def logsumexp(x: Array, axis: int | tuple[int, ...], where: Any = None) -> Array:
    """log(sum(exp(x))) over the entries that `where` keeps; -inf if there are none.

    One maximum is taken out of the sum: `peak + log1p(rest)` is exact where one entry dominates.
    """
    kept = x if where is None else tf.where(where, x, tf.constant(-math.inf, x.dtype))
    peak = tf.reduce_max(kept, axis, keepdims=True)
    finite = tf.math.is_finite(peak)
    is_peak = tf.equal(kept, peak)
    powers = tf.exp(kept - tf.where(finite, peak, tf.zeros_like(peak)))
    ties = tf.reduce_sum(tf.cast(is_peak, x.dtype), axis, keepdims=True)
    rest = tf.reduce_sum(tf.where(is_peak, tf.zeros_like(kept), powers), axis, keepdims=True)
    total = tf.where(finite, peak + tf.math.log1p(rest + (ties - 1)), peak)
    return tf.squeeze(total, axis)


def size(x: Array, axis: int, like: Array | None = None) -> Any:
    """Number of entries along an axis: an integer if known, else a scalar like `like` or x."""
    known = x.shape[axis]
    dtype = x.dtype if like is None else like.dtype
    return tf.cast(tf.shape(x, tf.int64)[axis], dtype) if known is None else known


def positions(x: Array, axis: int) -> Array:
    """0, 1, 2, ... along an axis of x."""
    return tf.range(tf.shape(x, tf.int64)[axis])


def gather(x: Array, index: Array, shared: int, own: int, trailing: int) -> Array:
    """`x[..., s, index[..., s, l], m]` with shape (lead, S..., L..., M...).

    x has the shape (lead, S..., A, M...) and the index (lead, S..., L...) with `shared` axes S,
    `own` axes L and `trailing` axes M; the leading axes may be missing in either.
    """
    x_lead = x.shape.rank - shared - 1 - trailing
    index_lead = index.shape.rank - shared - own
    if shared and x_lead and not index_lead:
        outer = tf.concat([tf.shape(x)[: x_lead + shared], tf.shape(index)[shared:]], 0)
        index, index_lead = tf.broadcast_to(index, outer), x_lead
    if shared and index_lead and not x_lead:
        # The index's leading axes go behind the shared ones, and back again: x is not copied.
        index = _swap(index, index_lead, shared)
        return _swap(tf.gather(x, index, axis=shared, batch_dims=shared), shared, index_lead)
    batch_dims = shared + min(x_lead, index_lead)
    return tf.gather(x, index, axis=x_lead + shared, batch_dims=batch_dims)


def scatter(values: Any, index: Array, x: Array, shared: int, own: int, trailing: int) -> Array:
    """The adjoint of `gather`: values of shape (lead, S..., L..., M...) added up at the index.

    The result has the shape of x. Leading axes that x lacks are averaged: the result stands for one
    share per sample, which may be added to other shares before the shares are summed.
    """
    shape = tf.shape(x, tf.int64)
    before = x.shape.rank - trailing - 1  # axes of x before the indexed one
    values = tf.cast(values, x.dtype)
    lead = next(
        tf.shape(array, tf.int64)[:count]
        for array, count in (
            (x, before - shared),
            (index, index.shape.rank - shared - own),
            (values, max(values.shape.rank - shared - own - trailing, 0)),
        )
        if count or array is values
    )
    own_shape = tf.shape(index, tf.int64)[index.shape.rank - own :]
    entries = tf.concat([lead, shape[before - shared : before], own_shape], 0)

    # Positions in x with its axes up to the indexed one flattened: 64 bits, for large logits.
    rows, count = tf.reduce_prod(shape[:before]), shape[before]
    row = tf.reshape(tf.range(rows), tf.concat([shape[:before], tf.ones(own, tf.int64)], 0))
    at = tf.broadcast_to(row * count + tf.cast(index, tf.int64), entries)
    # Axes that x has one entry along are as long as those of the values.
    last = tf.shape(values, tf.int64)[max(values.shape.rank - trailing, 0) :]
    inner = tf.broadcast_dynamic_shape(shape[before + 1 :], last)
    added = tf.reshape(
        tf.broadcast_to(values, tf.concat([entries, inner], 0)),
        tf.concat([tf.reduce_prod(entries, keepdims=True), inner], 0),
    )
    total = tf.math.unsorted_segment_sum(added, tf.reshape(at, [-1]), rows * count)
    if before == shared:
        total /= tf.cast(tf.maximum(tf.reduce_prod(lead), 1), x.dtype)
    return tf.reshape(total, tf.concat([shape[: before + 1], inner], 0))


def place(parts: Sequence[Any], at: Sequence[int], x: Array, axis: int) -> Array:
    """Zeros like x, with `parts[n]` at position `at[n]` of an axis."""
    # Positions, lined up with the axis.
    along = tf.reshape(positions(x, axis), [-1] + [1] * (-axis - 1))
    zero = tf.zeros([], x.dtype)
    result = tf.zeros_like(x)
    for part, position in zip(parts, at, strict=True):
        part = tf.cast(part, x.dtype)
        part = tf.expand_dims(part, axis) if part.shape.rank else part
        result += tf.where(tf.equal(along, position), part, zero)
    return result


def shift(x: Array, offset: int, axis: int) -> Array:
    """`x[t + offset]` along an axis, 0 where that lies outside."""
    rank = x.shape.rank
    paddings, begin = [[0, 0] for _ in range(rank)], [0] * rank
    paddings[axis] = [max(-offset, 0), max(offset, 0)]
    begin[axis] = max(offset, 0)
    return tf.slice(tf.pad(x, paddings), begin, tf.shape(x))


def diagonal(x: Array, axis1: int, axis2: int) -> Array:
    """The diagonal over two axes, as a new last axis."""
    rank = x.shape.rank
    kept = [k for k in range(rank) if k not in (rank + axis1, rank + axis2)]
    return tf.linalg.diag_part(tf.transpose(x, [*kept, rank + axis1, rank + axis2]))


Step: TypeAlias = Callable[[tuple[Array, ...], tuple[Array, ...]], tuple[Array, ...]]


def scan(
    step: Step,
    inits: Sequence[Array],
    sizes: Sequence[tuple[Any, ...]],
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
    moved = [_moved(x, x.shape.rank + axis, 0) for x, axis in zip(xs, axes, strict=True)]
    items = tuple(tf.zeros(tf.shape(x)[1:], x.dtype) for x in moved)
    carries = tuple(_sized(c, s) for c, s in zip(inits, sizes, strict=True))
    while True:  # the leading axes of any of them become those of all that depend on it
        pairs = list(zip(carries, step(carries, items), strict=True))
        if all(c.shape.rank >= a.shape.rank for c, a in pairs):
            break
        wider = (a if a.shape.rank > c.shape.rank else c for c, a in pairs)
        carries = tuple(
            tf.broadcast_to(c, tf.shape(w)) for c, w in zip(carries, wider, strict=True)
        )
    known = moved[0].shape[0]
    count = tf.shape(moved[0])[0] if known is None else known

    def run(n: Array, former: tuple[Array, ...], found: tuple[Any, ...]) -> tuple[Any, ...]:
        t = count - 1 - n if reverse else n
        pairs = zip(step(former, tuple(x[t] for x in moved)), former, strict=True)
        following = tuple(
            tf.ensure_shape(tf.broadcast_to(a, tf.shape(c)), c.shape) for a, c in pairs
        )
        return n + 1, following, tuple(r.write(t, c) for r, c in zip(found, following, strict=True))

    empty = tuple(tf.TensorArray(c.dtype, count, element_shape=c.shape) for c in carries)
    _, _, found = tf.while_loop(
        lambda n, *_: n < count, run, (0, carries, empty), maximum_iterations=count
    )
    stacked = [r.stack() for r in found]
    return tuple(
        _moved(r, 0, r.shape.rank - 1 - len(s)) for r, s in zip(stacked, sizes, strict=True)
    )


def _sized(x: Array, sizes: tuple[Any, ...]) -> Array:
    """An array with its last axes of these sizes, which may be known at run time only."""
    if not sizes:
        return x
    lead = tf.shape(x)[: max(x.shape.rank - len(sizes), 0)]
    return tf.broadcast_to(x, tf.concat([lead, [tf.cast(s, tf.int32) for s in sizes]], 0))


def _moved(x: Array, source: int, target: int) -> Array:
    """The array with one of its axes moved to another place."""
    order = [k for k in range(x.shape.rank) if k != source]
    return tf.transpose(x, [*order[:target], source, *order[target:]])


def select(condition: Any, a: Any, b: Any, like: Array) -> Array:
    """`a` where the condition holds, else `b`, in the precision of `like`."""
    return tf.where(condition, tf.constant(a, like.dtype), tf.constant(b, like.dtype))


def _swap(x: Array, first: int, second: int) -> Array:
    """Exchanges the first axes of x with the `second` axes that follow them."""
    end = first + second
    return tf.transpose(x, [*range(first, end), *range(first), *range(end, x.shape.rank)])
