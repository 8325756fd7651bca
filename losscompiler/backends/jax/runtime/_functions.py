"""Functions that the kernels are written in, beside those of `jax.numpy`.

Each is accurate to a few units in the last place. JAX differentiates them correctly at any point
and to any order, without a rule of their own: they branch by `where`, never by `abs` or `maximum`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log, prod
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from ._options import Array, Result


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return jax.nn.sigmoid(x)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), accurate for every x."""
    positive = x > 0
    tail = jnp.log1p(jnp.exp(jnp.where(positive, -x, x)))
    return jnp.where(positive, x + tail, tail)


def log_cosh(x: Array) -> Array:
    """log(cosh(x)), accurate near 0 and for large |x|."""
    magnitude = jnp.where(x < 0, -x, x)
    small = magnitude <= 2
    # Near 0 this is log1p(2 sinh(x/2)**2). The series of sinh is summed here because XLA's own
    # loses up to four units in the last place, and squaring doubles that.
    half = jnp.where(small, magnitude, 2) / 2
    square = half * half
    series = jnp.ones_like(x)
    for n in range(18, 0, -2):
        series = 1 + series * square / (n * (n + 1))
    near = jnp.log1p(2 * (half * series) ** 2)
    far = (magnitude - log(2)) + jnp.log1p(jnp.exp(-2 * magnitude))
    return jnp.where(small, near, far)


def expm1_minus(x: Array) -> Array:
    """`exp(x) - 1 - x`: near 0 by its series, which the difference would cancel."""
    small = jnp.where(jnp.abs(x) < 1, x, 0)
    series = jnp.ones_like(small)
    for n in range(20, 2, -1):
        series = 1 + series * small / n
    near = small * small / 2 * series
    return jnp.where(jnp.abs(x) < 1, near, jnp.expm1(x) - x)


def minus_log1p(x: Array) -> Array:
    """`x - log(1 + x)`: near 0 by the series of `2 atanh(x / (2 + x))`, which is `log(1 + x)`."""
    small = jnp.where(jnp.abs(x) < 0.5, x, 0)
    z = small / (2 + small)
    square = z * z
    series = jnp.zeros_like(z)
    for n in range(35, 1, -2):
        series = 1 / n + series * square
    near = z * (small - 2 * square * series)
    return jnp.where(jnp.abs(x) < 0.5, near, x - jnp.log1p(x))


def itakura_saito(p: Array, q: Array) -> Array:
    """`p / q - 1 - log(p / q)`: near `p = q` by how far they are apart."""
    x = (p - q) / q
    far = p / q - 1 - (jnp.log(p) - jnp.log(q))
    return jnp.where(jnp.abs(x) < 0.5, minus_log1p(x), far)


def relative_entropy(p: Array, q: Array) -> Array:
    """`p log(p / q) - p + q`: near `p = q` by how far they are apart; `q` where `p` is 0."""
    x = (p - q) / q
    near = q * (x * jnp.log1p(x) - minus_log1p(x))
    return jnp.where(jnp.abs(x) < 0.5, near, xlogy(p, p / q) - p + q)


def reciprocal(n: Array) -> Array:
    """`1 / n` of a length, and 0 where it is 0: the direction of a zero vector is taken to be 0."""
    return jnp.where(n == 0, 0, 1 / jnp.where(n == 0, 1, n))


def unit(x: Array, n: Array) -> Array:
    """`x / n` of the entries of a vector of length n, and 0 where that is 0."""
    return jnp.where(n == 0, 0, x / jnp.where(n == 0, 1, n))


def norm(x: Array, axis: int | tuple[int, ...]) -> Array:
    """The Euclidean norm along axes, scaled by the largest magnitude: no square overflows."""
    largest = lax.stop_gradient(jnp.max(jnp.abs(x), axis=axis, initial=0, keepdims=True))
    scale = jnp.where((largest > 0) & (largest < jnp.inf), largest, 1)
    total = jnp.sum((x / scale) ** 2, axis=axis)
    root = jnp.where(total == 0, 0, jnp.sqrt(jnp.where(total == 0, 1, total)))
    return jnp.squeeze(scale, axis) * root


def log1mexp(x: Array) -> Array:
    """`log(1 - exp(x))` of a negative x: whichever difference keeps the digits (Maechler, 2012)."""
    return jnp.where(x > -log(2), jnp.log(-jnp.expm1(x)), jnp.log1p(-jnp.exp(x)))


def odds(x: Array) -> Array:
    """`exp(x) / (1 - exp(x))` of a negative x: the odds of a log-probability."""
    return 1 / jnp.expm1(-x)


def log_add_exp(a: Array, b: Array) -> Array:
    """`log(exp(a) + exp(b))`; -inf where both are."""
    return jnp.logaddexp(a, b)


def pair_share(a: Array, b: Array) -> Array:
    """`exp(a) / (exp(a) + exp(b))`, and 0 where a is -inf whatever b is."""
    absent = jnp.isneginf(a)
    return jnp.where(absent, 0, sigmoid(jnp.where(absent, 0, a) - jnp.where(absent, 0, b)))


def share(a: Array, b: Array) -> Array:
    """`exp(a - b)`, and 0 where a is -inf whatever b is."""
    absent = jnp.isneginf(a)
    return jnp.where(absent, 0, jnp.exp(jnp.where(absent, 0, a) - jnp.where(absent, 0, b)))


def xlogy(a: Result, u: Array) -> Array:
    """The product a * log(u), and 0 where a is 0 whatever u is."""
    absent = jnp.equal(a, 0)
    return jnp.where(absent, 0, a * jnp.log(jnp.where(absent, 1, u)))


def xlog1py(a: Result, u: Array) -> Array:
    """The product a * log(1 + u), and 0 where a is 0 whatever u is."""
    absent = jnp.equal(a, 0)
    return jnp.where(absent, 0, a * jnp.log1p(jnp.where(absent, 0, u)))


def xdivy(a: Result, u: Array) -> Array:
    """The quotient a / u, and 0 where a is 0 whatever u is."""
    absent = jnp.equal(a, 0)
    return jnp.where(absent, 0, a / jnp.where(absent, 1, u))


def logsumexp(x: Array, axis: int | tuple[int, ...], where: Array | None = None) -> Array:
    """log(sum(exp(x))) over `axis`, of the entries that `where` selects; -inf if there are none."""
    if where is not None:
        x = jnp.where(where, x, -jnp.inf)
    largest = jnp.max(lax.stop_gradient(x), axis=axis, keepdims=True, initial=-jnp.inf)
    infinite = jnp.isinf(largest)
    away = x - jnp.where(infinite, 0, largest)
    # The largest terms are exactly 1 each. Adding them as integers, all but one, leaves log1p a
    # sum that has not been rounded at 1: the loss of a confident prediction is small, not 0.
    # expm1 is 0 there, and has the derivatives of exp.
    tied = x == largest
    others = jnp.sum(tied, axis=axis, keepdims=True) - 1
    rest = jnp.sum(jnp.where(tied, jnp.expm1(away), jnp.exp(away)), axis=axis, keepdims=True)
    rest = jnp.where(infinite, 0, rest + others.astype(x.dtype))
    return jnp.squeeze(jnp.log1p(rest) + largest, axis)


def size(x: Array, axis: int) -> int:
    """The number of entries along an axis."""
    return int(x.shape[axis])


def positions(x: Array, axis: int) -> Array:
    """0, 1, 2, ... along an axis of x."""
    return jnp.arange(x.shape[axis])


def _entry(row: Array, at: Array) -> Array:
    # fill, not clamp: an index out of range may give NaN but never another entry's value
    return row.at[at].get(mode="fill")


def gather(x: Array, index: Array, shared: int, own: int, trailing: int) -> Array:
    """`x[..., s, index[..., s, l], m]` at `[..., s, l, m]`.

    Args:
        x: of shape (lead, S, A, M).
        index: integers below A, of shape (lead, S, L). `x` or `index` may lack the lead axes.
        shared: the number of axes S.
        own: the number of axes L.
        trailing: the number of axes M.
    """
    pick: Callable[[Array, Array], Array] = _entry
    for _ in range(shared):
        pick = jax.vmap(pick)
    x_lead, index_lead = x.ndim - shared - 1 - trailing, index.ndim - shared - own
    axes = (0 if x_lead else None, 0 if index_lead else None)
    for _ in range(max(x_lead, index_lead)):
        pick = jax.vmap(pick, in_axes=axes)
    return pick(x, index)


def scatter(values: Array, index: Array, x: Array, shared: int, own: int, trailing: int) -> Array:
    """The adjoint of `gather`: zeros of x's shape, with `values` added at `index`.

    Args:
        values: of shape (lead, S, L, M), or 1 where they are equal along an axis.
        index: integers below A, of shape (lead, S, L), or without the lead axes.
        x: gives the shape (lead, S, A, M). If it lacks the lead axes, the result is the mean over
            them, so that each sample holds an equal share, as it does of other terms.
        shared: the number of axes S.
        own: the number of axes L.
        trailing: the number of axes M.
    """
    batch = x.ndim - 1 - trailing
    rows = jnp.broadcast_shapes(
        values.shape[: values.ndim - own - trailing],
        index.shape[: index.ndim - own],
        x.shape[:batch],
    )
    entries = (*rows, *index.shape[index.ndim - own :])
    index = jnp.broadcast_to(index, entries)
    # Axes that x has one entry along are as long as those of the values.
    last = values.shape[values.ndim - min(trailing, values.ndim) :]
    kept = jnp.broadcast_shapes(x.shape[batch + 1 :], last)
    values = jnp.broadcast_to(values, (*entries, *kept))
    lead = len(rows) - shared
    if batch < lead + shared:  # x has no lead axes: they become axes of entries to add
        values = values / max(prod(rows[:lead]), 1)
        source, target = range(lead), range(shared, shared + lead)
        values = jnp.moveaxis(values, source, target)
        index = jnp.moveaxis(index, source, target)
    zeros = jnp.zeros((x.shape[batch], *kept), x.dtype)

    def added(at: Array, part: Array) -> Array:
        return zeros.at[at].add(part)

    add: Callable[[Array, Array], Array] = added
    for _ in range(batch):
        add = jax.vmap(add)
    return add(index, values.astype(x.dtype))


def place(parts: Sequence[Result], at: Sequence[int], x: Array, axis: int) -> Array:
    """Zeros like x, except `parts[n]` at position `at[n]` of an axis."""
    rest = list(x.shape)
    length = rest.pop(axis)
    slab = jnp.broadcast_shapes(tuple(rest), *(jnp.shape(part) for part in parts))
    result = jnp.zeros((*slab, length), x.dtype)
    for part, position in zip(parts, at, strict=True):
        result = result.at[..., position].add(part)
    return jnp.moveaxis(result, -1, axis)


def shift(x: Array, offset: int, axis: int) -> Array:
    """`x[t + offset]` at t, and 0 where that is outside."""
    length = x.shape[axis]
    drop = max(-length, min(offset, length))
    padding = [(0, 0, 0)] * x.ndim
    padding[axis] = (-drop, drop, 0)
    return lax.pad(x, jnp.zeros((), x.dtype), padding)


def diagonal(x: Array, axis1: int, axis2: int) -> Array:
    """The diagonal over two axes, as a new last axis."""
    result: Array = jnp.diagonal(x, axis1=axis1, axis2=axis2)
    return result


Carries: TypeAlias = tuple[Array, ...]
Step: TypeAlias = Callable[[Carries, Carries], Carries]
_SHORT = 64  # steps that run sooner than `lax.scan` is compiled, for each call anew outside of jit


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
    moved = tuple(jnp.moveaxis(x, axis, 0) for x, axis in zip(xs, axes, strict=True))
    items = jax.eval_shape(lambda: tuple(jnp.zeros(x.shape[1:], x.dtype) for x in moved))
    carries = tuple(
        jnp.broadcast_to(c, (*c.shape[: max(c.ndim - len(s), 0)], *s))
        for c, s in zip(inits, sizes, strict=True)
    )
    while True:  # the leading axes of any of them become those of all that depend on it
        after = jax.eval_shape(step, carries, items)
        shapes = [
            jnp.broadcast_shapes(c.shape, a.shape) for c, a in zip(carries, after, strict=True)
        ]
        if shapes == [c.shape for c in carries]:
            break
        carries = tuple(jnp.broadcast_to(c, s) for c, s in zip(carries, shapes, strict=True))

    def run(former: Carries, current: Carries) -> tuple[Carries, Carries]:
        pairs = zip(step(former, current), former, strict=True)
        following = tuple(jnp.broadcast_to(a, c.shape).astype(c.dtype) for a, c in pairs)
        return following, following

    traced = any(isinstance(x, jax.core.Tracer) for x in (*moved, *carries))
    if traced or not 0 < len(moved[0]) < _SHORT:
        _, results = lax.scan(run, carries, moved, reverse=reverse)
    else:
        _, results = _step_by_step(run, carries, moved, reverse=reverse)
    return tuple(jnp.moveaxis(r, 0, -1 - len(s)) for r, s in zip(results, sizes, strict=True))


def _step_by_step(
    run: Callable[[Carries, Carries], tuple[Carries, Carries]],
    carries: Carries,
    moved: Carries,
    reverse: bool,
) -> tuple[Carries, Carries]:
    """What `lax.scan` does, for arrays with values."""
    found: list[Carries] = []
    order = range(len(moved[0]))
    for t in reversed(order) if reverse else order:
        carries, results = run(carries, tuple(x[t] for x in moved))
        found.append(results)
    ordered = found[::-1] if reverse else found
    return carries, tuple(jnp.stack(values) for values in zip(*ordered, strict=True))


def select(condition: Array, a: float, b: float, like: Array) -> Array:
    """The number a where `condition` holds and b elsewhere, in the dtype of `like`."""
    return jnp.where(condition, jnp.asarray(a, like.dtype), jnp.asarray(b, like.dtype))
