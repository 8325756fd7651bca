"""Losses with kernels written by hand, for the tests of the JAX runtime."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from losscompiler.backends.jax.runtime import _functions as fn
from losscompiler.backends.jax.runtime import _support as support
from losscompiler.backends.jax.runtime._descriptors import (
    Argument,
    Definition,
    Kernels,
    Parameter,
)
from losscompiler.backends.jax.runtime._options import Options

RNG = np.random.default_rng(7)


def call(loss: Definition, *arrays: Any, params: tuple[Any, ...] = (), **options: Any) -> Any:
    return support.evaluate(loss, arrays, params, Options(**options))


def grads(loss: Definition, *arrays: Any, params: tuple[Any, ...] = (), **options: Any) -> Any:
    return support.value_and_grad(loss, arrays, params, Options(**options))


def normal(*shape: int) -> Any:
    return jnp.asarray(RNG.normal(size=shape))


def labels(count: int, *shape: int) -> Any:
    return jnp.asarray(RNG.integers(0, count, size=shape))


def assert_close(actual: Any, expected: Any, rtol: float = 1e-12) -> None:
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol), actual, expected
    )


def definition(
    name: str,
    arguments: tuple[Argument, ...],
    parameters: tuple[Parameter, ...],
    loss_axes: tuple[str, ...],
    *kernels: Any,
) -> Definition:
    return Definition(name, arguments, parameters, loss_axes, {(): Kernels(*kernels)})


PREDICTION = Argument("prediction", "prediction")
TARGET = Argument("target", "target")


# ---- elementwise ---------------------------------------------------------------------------------


def _huber(x: Any, t: Any, d: Any) -> Any:
    r = jnp.abs(x - t)
    return jnp.where(r <= d, r**2 / 2, d * (r - d / 2))


def _huber_inside(x: Any, t: Any, d: Any) -> Any:
    return jnp.where(jnp.abs(x - t) <= d, 1.0, 0.0).astype(x.dtype)


HUBER = definition(
    "huber",
    (PREDICTION, TARGET),
    (Parameter("delta", 1.0, low=0.0, low_open=True, domain="delta > 0"),),
    (),
    _huber,
    lambda x, t, d, g: (g * jnp.clip(x - t, -d, d),),
    lambda x, t, d, v: v * jnp.clip(x - t, -d, d),
    lambda x, t, d, g, v: (g * v * _huber_inside(x, t, d),),
    lambda x, t, d, g: (g * _huber_inside(x, t, d),),
)


def _bce_slope(x: Any, t: Any, w: Any) -> Any:
    return (1 - t) * fn.sigmoid(x) - w * t * fn.sigmoid(-x)


BCE = definition(
    "bce",
    (Argument("logit", "prediction"), TARGET),
    (Parameter("pos_weight", 1.0, low=0.0, domain="pos_weight >= 0"),),
    (),
    lambda x, t, w: (1 - t) * fn.softplus(x) + w * t * fn.softplus(-x),
    lambda x, t, w, g: (g * _bce_slope(x, t, w),),
    lambda x, t, w, v: v * _bce_slope(x, t, w),
    lambda x, t, w, g, v: (g * v * ((1 - t) + w * t) * fn.sigmoid(x) * fn.sigmoid(-x),),
    lambda x, t, w, g: (g * ((1 - t) + w * t) * fn.sigmoid(x) * fn.sigmoid(-x),),
)

# exp(-s) r^2 / 2 + s / 2, with the log-variance s learnable
GAUSSIAN = definition(
    "gaussian",
    (PREDICTION, TARGET),
    (Parameter("scale", 0.0, learnable=True),),
    (),
    lambda x, t, s: jnp.exp(-s) * (x - t) ** 2 / 2 + s / 2,
    lambda x, t, s, g: (g * jnp.exp(-s) * (x - t), g * (1 - jnp.exp(-s) * (x - t) ** 2) / 2),
    lambda x, t, s, v, u: v * jnp.exp(-s) * (x - t) + u * (1 - jnp.exp(-s) * (x - t) ** 2) / 2,
    lambda x, t, s, g, v, u: (
        g * jnp.exp(-s) * (v - (x - t) * u),
        g * jnp.exp(-s) * (x - t) * ((x - t) * u / 2 - v),
    ),
    lambda x, t, s, g: (g * jnp.exp(-s) + 0 * x, g * jnp.exp(-s) * (x - t) ** 2 / 2),
)

# Derivatives that no formula has, so that a result says which kernels it comes from.
MARKED = definition(
    "marked",
    (PREDICTION, TARGET),
    (),
    (),
    lambda x, t: (x - t) ** 2,
    lambda x, t, g: (5 * g * x,),
    lambda x, t, v: 5 * v * x,
    lambda x, t, g, v: (7 * g * v,),
    lambda x, t, g: (11 * g,),
)


# ---- over axes -----------------------------------------------------------------------------------


def _softmax(x: Any, axis: int = -1) -> Any:
    return jnp.exp(x - jnp.expand_dims(fn.logsumexp(x, axis), axis))


def _softmax_product(p: Any, v: Any) -> Any:
    return p * (v - jnp.sum(p * v, axis=-1, keepdims=True))


SPARSE_CE = definition(
    "sparse_ce",
    (
        Argument("logits", "prediction", ("class",), rows=(None,)),
        Argument("label", "label", label_axis="class"),
    ),
    (),
    (),
    lambda x, y: fn.logsumexp(x, -1) - fn.gather(x, y, 0, 0, 0),
    lambda x, y, g: (g[..., None] * _softmax(x) - fn.scatter(g, y, x, 0, 0, 0),),
    lambda x, y, v: jnp.sum(_softmax(x) * v, axis=-1) - fn.gather(v, y, 0, 0, 0),
    lambda x, y, g, v: (g[..., None] * _softmax_product(_softmax(x), v),),
    lambda x, y, g: (g[..., None] * _softmax(x) * (1 - _softmax(x)),),
)


def _pixels_last(x: Any) -> Any:
    return jnp.swapaxes(x, -1, -2)


def _pixel_gradient(x: Any, y: Any, g: Any) -> Any:
    z = _pixels_last(x)
    return _pixels_last(g[..., None] * _softmax(z) - fn.scatter(g, y, z, 1, 0, 0))


def _pixel_product(x: Any, y: Any, g: Any, v: Any) -> Any:
    p = _softmax(_pixels_last(x))
    return _pixels_last(g[..., None] * _softmax_product(p, _pixels_last(v)))


PIXEL_CE = definition(
    "pixel_ce",
    (
        Argument("logits", "prediction", ("class", "*spatial"), rows=(None, 0)),
        Argument("label", "label", ("*spatial",), label_axis="class", rows=(0,)),
    ),
    (),
    ("*spatial",),
    lambda x, y: fn.logsumexp(x, -2) - fn.gather(_pixels_last(x), y, 1, 0, 0),
    lambda x, y, g: (_pixel_gradient(x, y, g),),
    lambda x, y, v: jnp.sum(
        v * _pixel_gradient(x, y, jnp.ones((*x.shape[:-2], x.shape[-1]), x.dtype)), axis=-2
    ),
    lambda x, y, g, v: (_pixel_product(x, y, g, v),),
    lambda x, y, g: (g[..., None, :] * _softmax(x, -2) * (1 - _softmax(x, -2)),),
)


def _covered(x: Any) -> Any:
    return jnp.sum(x, axis=-1, keepdims=True)


def _dice(p: Any, t: Any, s: Any) -> tuple[Any, Any]:
    return 2 * _covered(p * t) + s, _covered(p) + _covered(t) + s


def _dice_slope(p: Any, t: Any, s: Any) -> Any:
    n, d = _dice(p, t, s)
    return n / d**2 - 2 * t / d


def _dice_product(p: Any, t: Any, s: Any, v: Any) -> Any:
    n, d = _dice(p, t, s)
    moved, covered = _covered(v), _covered(t * v)
    return 2 * t * moved / d**2 + 2 * covered / d**2 - 2 * n * moved / d**3


DICE = definition(
    "dice",
    (
        Argument("probability", "prediction", ("*spatial",), rows=(None,)),
        Argument("target", "target", ("*spatial",), rows=(None,)),
    ),
    (Parameter("smooth", 1.0, low=0.0, domain="smooth >= 0"),),
    (),
    lambda p, t, s: 1 - (_dice(p, t, s)[0] / _dice(p, t, s)[1])[..., 0],
    lambda p, t, s, g: (g[..., None] * _dice_slope(p, t, s),),
    lambda p, t, s, v: jnp.sum(v * _dice_slope(p, t, s), axis=-1),
    lambda p, t, s, g, v: (g[..., None] * _dice_product(p, t, s, v),),
    lambda p, t, s, g: (
        g[..., None] * (4 * t / _dice(p, t, s)[1] ** 2)
        - g[..., None] * 2 * _dice(p, t, s)[0] / _dice(p, t, s)[1] ** 3,
    ),
)


def _nce_parts(q: Any, k: Any, tau: Any) -> tuple[Any, Any]:
    s = q @ k.swapaxes(-1, -2) / tau
    return s, _softmax(s) - jnp.eye(s.shape[-1], dtype=s.dtype)


def _nce_vjp(q: Any, k: Any, tau: Any, g: Any) -> Any:
    s, slope = _nce_parts(q, k, tau)
    a = g[..., None] * slope / tau
    return a @ k, a.swapaxes(-1, -2) @ q, -jnp.sum(a * s, axis=(-1, -2))


def _nce_moved(q: Any, k: Any, tau: Any, s: Any, dq: Any, dk: Any, dtau: Any) -> Any:
    return (dq @ k.swapaxes(-1, -2) + q @ dk.swapaxes(-1, -2) - s * dtau) / tau


def _nce_jvp(q: Any, k: Any, tau: Any, dq: Any, dk: Any, dtau: Any) -> Any:
    s, slope = _nce_parts(q, k, tau)
    return jnp.sum(slope * _nce_moved(q, k, tau, s, dq, dk, dtau), axis=-1)


def _nce_hvp(q: Any, k: Any, tau: Any, g: Any, dq: Any, dk: Any, dtau: Any) -> Any:
    s, slope = _nce_parts(q, k, tau)
    moved = _nce_moved(q, k, tau, s, dq, dk, dtau)
    a = g[..., None] * slope / tau
    da = g[..., None] * _softmax_product(_softmax(s), moved) / tau - a * dtau / tau
    turned, dturned = a.swapaxes(-1, -2), da.swapaxes(-1, -2)
    return (
        da @ k + a @ dk,
        dturned @ q + turned @ dq,
        -jnp.sum(da * s + a * moved, axis=(-1, -2)),
    )


INFO_NCE = definition(
    "info_nce",
    (
        Argument("query", "prediction", ("batch", "feature"), rows=(0, None)),
        Argument("key", "prediction", ("batch", "feature"), rows=(None, None)),
    ),
    (Parameter("temperature", 0.5, learnable=True, low=0.0, low_open=True, domain="> 0"),),
    ("batch",),
    lambda q, k, tau: (
        fn.logsumexp(_nce_parts(q, k, tau)[0], -1) - fn.diagonal(_nce_parts(q, k, tau)[0], -1, -2)
    ),
    _nce_vjp,
    _nce_jvp,
    _nce_hvp,
    lambda q, k, tau, g: (0.0, 0.0, 0.0),
)


def _centered(x: Any, y: Any, c: Any) -> Any:
    return x - fn.gather(c, y, 0, 0, 1)


CENTERS = definition(
    "centers",
    (
        Argument("embedding", "prediction", ("feature",), rows=(None,)),
        Argument("label", "label", label_axis="class"),
        Argument("centers", "prediction", ("class", "feature"), rows=(None, None)),
    ),
    (),
    (),
    lambda x, y, c: jnp.sum(_centered(x, y, c) ** 2, axis=-1) / 2,
    lambda x, y, c, g: (
        g[..., None] * _centered(x, y, c),
        fn.scatter(-g[..., None] * _centered(x, y, c), y, c, 0, 0, 1),
    ),
    lambda x, y, c, v, u: jnp.sum(_centered(x, y, c) * _centered(v, y, u), axis=-1),
    lambda x, y, c, g, v, u: (
        g[..., None] * _centered(v, y, u),
        fn.scatter(-g[..., None] * _centered(v, y, u), y, c, 0, 0, 1),
    ),
    lambda x, y, c, g: (
        g[..., None],
        fn.scatter(jnp.broadcast_to(g[..., None], x.shape), y, c, 0, 0, 1),
    ),
)
