"""Functions that the kernels are written in, beside those of `jax.numpy`.

Each is accurate to a few units in the last place. `softplus`, `log_cosh` and `logsumexp` carry
their own derivative, because their stable forms branch where the functions are smooth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from ._options import Array, Result


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return jax.nn.sigmoid(x)


@jax.custom_jvp
def softplus(x: Array) -> Array:
    """log(1 + exp(x)), accurate for every x."""
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


softplus.defjvps(lambda tangent, _, x: tangent * sigmoid(x))


@jax.custom_jvp
def log_cosh(x: Array) -> Array:
    """log(cosh(x)), accurate near 0 and for large |x|."""
    magnitude = jnp.abs(x)
    # Near 0 this is log1p(2 sinh(x/2)**2). The series of sinh is summed here because XLA's own
    # loses up to four units in the last place, and squaring doubles that.
    half = jnp.minimum(magnitude, 2) / 2
    square = half * half
    series = jnp.ones_like(x)
    for n in range(18, 0, -2):
        series = 1 + series * square / (n * (n + 1))
    near = jnp.log1p(2 * (half * series) ** 2)
    far = (magnitude - math.log(2)) + jnp.log1p(jnp.exp(-2 * magnitude))
    return jnp.where(magnitude <= 2, near, far)


log_cosh.defjvps(lambda tangent, _, x: tangent * jnp.tanh(x))


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
    return _logsumexp(axis, x if where is None else jnp.where(where, x, -jnp.inf))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _logsumexp(axis: int | tuple[int, ...], x: Array) -> Array:
    largest = jnp.max(x, axis=axis, keepdims=True, initial=-jnp.inf)
    top = jnp.where(jnp.isfinite(largest), largest, 0)
    at_top = x == top
    # The largest terms are exactly 1 each. Adding them as integers, all but one, leaves log1p a
    # sum that has not been rounded at 1: the loss of a confident prediction is small, not 0.
    rest = jnp.sum(jnp.where(at_top, 0, jnp.exp(x - top)), axis=axis)
    ties = jnp.sum(at_top, axis=axis)
    result = jnp.log1p(rest + (ties - 1).astype(x.dtype)) + jnp.squeeze(top, axis)
    largest = jnp.squeeze(largest, axis)
    return jnp.where(jnp.isinf(largest), largest, result)


@_logsumexp.defjvp
def _logsumexp_jvp(
    axis: int | tuple[int, ...], primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    result = _logsumexp(axis, x)
    base = jnp.expand_dims(result, axis)
    softmax = jnp.exp(x - jnp.where(jnp.isinf(base), 0, base))
    return result, jnp.sum(softmax * tangent, axis=axis)


def size(x: Array, axis: int) -> int:
    """The number of entries along an axis."""
    return int(x.shape[axis])


def positions(x: Array, axis: int) -> Array:
    """0, 1, 2, ... along an axis of x."""
    return jnp.arange(x.shape[axis])


def gather(x: Array, index: Array, shared: int, own: int, trailing: int) -> Array:
    """`x[..., s, index[..., s, l], m]` at `[..., s, l, m]`.

    Args:
        x: of shape (lead, S, A, M).
        index: integers below A, of shape (lead, S, L). `x` or `index` may lack the lead axes.
        shared: the number of axes S.
        own: the number of axes L.
        trailing: the number of axes M.
    """
    # fill, not clamp: an index out of range may give NaN but never another entry's value
    pick: Callable[[Array, Array], Array] = lambda row, at: row.at[at].get(mode="fill")  # noqa: E731
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
        values: of shape (lead, S, L, M).
        index: integers below A, of shape (lead, S, L), or without the lead axes.
        x: gives the shape (lead, S, A, M); if it lacks the lead axes, they are summed.
        shared: the number of axes S.
        own: the number of axes L.
        trailing: the number of axes M.
    """
    lead = values.ndim - shared - own - trailing
    index = jnp.broadcast_to(index, values.shape[: values.ndim - trailing])
    batch = x.ndim - 1 - trailing
    if batch < lead + shared:  # x has no lead axes: they become axes of entries to add
        source, target = range(lead), range(shared, shared + lead)
        values = jnp.moveaxis(values, source, target)
        index = jnp.moveaxis(index, source, target)
    zeros = jnp.zeros(x.shape[batch:], x.dtype)
    add: Callable[[Array, Array], Array] = lambda at, part: zeros.at[at].add(part)  # noqa: E731
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


def select(condition: Array, a: float, b: float, like: Array) -> Array:
    """The number a where `condition` holds and b elsewhere, in the dtype of `like`."""
    return jnp.where(condition, jnp.asarray(a, like.dtype), jnp.asarray(b, like.dtype))
