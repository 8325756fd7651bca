"""Losses with kernels written by hand, so that the NumPy runtime is tested without the compiler."""

from __future__ import annotations

from typing import Any

import numpy as np

from losscompiler.backends.numpy.runtime import _functions as fn
from losscompiler.backends.numpy.runtime._descriptors import (
    Argument,
    Definition,
    Kernels,
    Parameter,
)


def _unused(*_: Any) -> Any:
    raise AssertionError("this derivative is not tested")


def _huber_slope(prediction: Any, target: Any, delta: Any) -> Any:
    return np.clip(prediction - target, -delta, delta)


def _huber_value(prediction: Any, target: Any, delta: Any) -> Any:
    r = np.abs(prediction - target)
    return np.where(r <= delta, r**2 / 2, delta * (r - delta / 2))


def _huber_curvature(prediction: Any, target: Any, delta: Any) -> Any:
    return fn.select(np.abs(prediction - target) < delta, 1.0, 0.0, prediction)


HUBER = Definition(
    name="huber",
    arguments=(Argument("prediction", "prediction"), Argument("target", "target")),
    parameters=(Parameter("delta", 1.0, low=0.0, low_open=True, domain="delta > 0"),),
    loss_axes=(),
    kernels={
        (): Kernels(
            value=_huber_value,
            vjp=lambda p, t, d, g: (g * _huber_slope(p, t, d),),
            jvp=_unused,
            hvp=lambda p, t, d, g, v: (g * v * _huber_curvature(p, t, d),),
            hessian_diagonal=lambda p, t, d, g: (g * _huber_curvature(p, t, d),),
        )
    },
)


def softmax(x: Any) -> Any:
    return np.exp(x - fn.logsumexp(x, -1)[..., None])


def _entropy_vjp(x: Any, label: Any, g: Any) -> Any:
    return (g[..., None] * softmax(x) + fn.scatter(-g, label, x, 0, 0, 0),)


def _entropy_hvp(x: Any, label: Any, g: Any, v: Any) -> Any:
    p = softmax(x)
    return (g[..., None] * p * (v - np.sum(p * v, axis=-1)[..., None]),)


CROSS_ENTROPY = Definition(
    name="cross_entropy",
    arguments=(
        Argument("logits", "prediction", ("class",), rows=(None,)),
        Argument("label", "label", label_axis="class"),
    ),
    parameters=(),
    loss_axes=(),
    kernels={
        (): Kernels(
            value=lambda x, y: fn.logsumexp(x, -1) - fn.gather(x, y, 0, 0, 0),
            vjp=_entropy_vjp,
            jvp=_unused,
            hvp=_entropy_hvp,
            hessian_diagonal=lambda x, y, g: (g[..., None] * softmax(x) * (1 - softmax(x)),),
        )
    },
)


def _dice_vjp(p: Any, t: Any, smooth: Any, g: Any) -> Any:
    top = 2 * np.sum(p * t, axis=-1) + smooth
    bottom = np.sum(p + t, axis=-1) + smooth
    return (g[..., None] * (top[..., None] / bottom[..., None] - 2 * t) / bottom[..., None],)


DICE = Definition(
    name="dice",
    arguments=(
        Argument("probability", "prediction", ("class", "*spatial"), rows=(0, None)),
        Argument("target", "target", ("class", "*spatial"), rows=(0, None)),
    ),
    parameters=(Parameter("smooth", 1.0, low=0.0, domain="smooth >= 0"),),
    loss_axes=("class",),
    kernels={
        (): Kernels(
            value=lambda p, t, s: (
                1 - (2 * np.sum(p * t, axis=-1) + s) / (np.sum(p + t, axis=-1) + s)
            ),
            vjp=_dice_vjp,
            jvp=_unused,
            hvp=_unused,
            hessian_diagonal=_unused,
        )
    },
)


def _contrast_value(query: Any, key: Any, temperature: Any) -> Any:
    s = query @ np.swapaxes(key, -1, -2) / temperature
    return fn.logsumexp(s, -1) - fn.diagonal(s, -2, -1)


def _contrast_vjp(query: Any, key: Any, temperature: Any, g: Any) -> Any:
    s = query @ np.swapaxes(key, -1, -2) / temperature
    c = g[..., None] * (softmax(s) - np.eye(s.shape[-1])) / temperature
    return c @ key, np.swapaxes(c, -1, -2) @ query, -np.sum(c * s, axis=(-1, -2))


CONTRAST = Definition(
    name="contrast",
    arguments=(
        Argument("query", "prediction", ("batch", "feature"), rows=(0, None), filler=0.5),
        Argument("key", "prediction", ("batch", "feature"), rows=(None, None), filler=0.5),
    ),
    parameters=(Parameter("temperature", 1.0, learnable=True, low=0.0, low_open=True),),
    loss_axes=("batch",),
    kernels={
        (): Kernels(
            value=_contrast_value,
            vjp=_contrast_vjp,
            jvp=_unused,
            hvp=_unused,
            hessian_diagonal=_unused,
        )
    },
)


def _center_vjp(embedding: Any, centers: Any, label: Any, g: Any) -> Any:
    r = g[..., None] * (embedding - fn.gather(centers, label, 0, 0, 1))
    return r, fn.scatter(-r, label, centers, 0, 0, 1)


CENTER = Definition(
    name="center",
    arguments=(
        Argument("embedding", "prediction", ("feature",), rows=(None,)),
        Argument("centers", "prediction", ("class", "feature"), rows=(None, None)),
        Argument("label", "label", label_axis="class"),
    ),
    parameters=(),
    loss_axes=(),
    kernels={
        (): Kernels(
            value=lambda e, c, y: np.sum((e - fn.gather(c, y, 0, 0, 1)) ** 2, axis=-1) / 2,
            vjp=_center_vjp,
            jvp=_unused,
            hvp=lambda e, c, y, g, v, w: _center_vjp(v, w, y, g),
            hessian_diagonal=_unused,
        )
    },
)

WEIGHTED_SQUARES = Definition(
    name="weighted_squares",
    arguments=(
        Argument("prediction", "prediction", ("output",), rows=(None,)),
        Argument("target", "target", ("output",), optional=True, rows=(None,)),
    ),
    parameters=(
        Parameter("scale", 1.0, ("output",), learnable=True, low=0.0, domain="scale >= 0"),
        Parameter("order", 2, integer=True, values=(1.0, 2.0), domain="order in {1, 2}"),
    ),
    loss_axes=(),
    kernels={
        (): Kernels(
            value=lambda p, t, s, n: np.sum(s * np.abs(p - t) ** n, axis=-1),
            vjp=lambda p, t, s, n, g: (
                g[..., None] * 2 * s * (p - t),
                g[..., None] * (p - t) ** 2,
            ),
            jvp=_unused,
            hvp=_unused,
            hessian_diagonal=lambda p, t, s, n, g: (g[..., None] * 2 * s, 0.0),
        ),
        ("target",): Kernels(
            value=lambda p, s, n: np.sum(s * np.abs(p) ** n, axis=-1),
            vjp=_unused,
            jvp=_unused,
            hvp=_unused,
            hessian_diagonal=_unused,
        ),
    },
)

TRACK = Definition(
    name="track",
    arguments=(
        Argument("x", "prediction", ("time",), rows=(0,)),
        Argument("y", "target", ("time",), rows=(0,)),
    ),
    parameters=(),
    loss_axes=("time",),
    kernels={
        (): Kernels(
            value=lambda x, y: (x - y) ** 2,
            vjp=lambda x, y, g: (2 * g * (x - y),),
            jvp=_unused,
            hvp=lambda x, y, g, v: (2 * g * v,),
            hessian_diagonal=lambda x, y, g: (2 * g,),
        )
    },
)
