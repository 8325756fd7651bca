"""Losses for the tests of the TensorFlow runtime, with kernels as the compiler would write them.

Beside each stands its formula as a TensorFlow user would write it (`*_plain`), for the values and
for TensorFlow's own derivatives of them.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from losscompiler.backends.tensorflow.runtime import _functions as fn
from losscompiler.backends.tensorflow.runtime._descriptors import (
    Argument,
    Definition,
    Kernels,
    Parameter,
)

PAIR = (Argument("prediction", "prediction"), Argument("target", "target"))


# ---- huber: elementwise --------------------------------------------------------------------------


def huber_value(x: Any, y: Any, delta: Any) -> Any:
    r = tf.abs(x - y)
    return tf.where(r <= delta, 0.5 * r**2, delta * (r - 0.5 * delta))


def huber_vjp(x: Any, y: Any, delta: Any, g: Any) -> tuple[Any, ...]:
    return (g * tf.clip_by_value(x - y, -delta, delta),)


def huber_jvp(x: Any, y: Any, delta: Any, u: Any) -> Any:
    return u * tf.clip_by_value(x - y, -delta, delta)


def huber_hvp(x: Any, y: Any, delta: Any, g: Any, u: Any) -> tuple[Any, ...]:
    return (g * u * fn.select(tf.abs(x - y) <= delta, 1.0, 0.0, x),)


def huber_hessian_diagonal(x: Any, y: Any, delta: Any, g: Any) -> tuple[Any, ...]:
    return (g * fn.select(tf.abs(x - y) <= delta, 1.0, 0.0, x),)


HUBER = Definition(
    "huber",
    PAIR,
    (Parameter("delta", 1.0, low=0.0, low_open=True, domain="delta > 0"),),
    (),
    {
        (): Kernels(huber_value, huber_vjp, huber_jvp, huber_hvp, huber_hessian_diagonal),
    },
)


def huber_plain(x: Any, y: Any, delta: Any) -> Any:
    r = tf.abs(x - y)
    return tf.where(r <= delta, 0.5 * r**2, delta * (r - 0.5 * delta))


# ---- binary cross-entropy with logits, positives weighted ----------------------------------------


def bce_value(z: Any, y: Any, w: Any) -> Any:
    return (1 - y) * fn.softplus(z) + w * y * fn.softplus(-z)


def bce_vjp(z: Any, y: Any, w: Any, g: Any) -> tuple[Any, ...]:
    return (g * ((1 - y) * fn.sigmoid(z) - w * y * fn.sigmoid(-z)),)


def bce_jvp(z: Any, y: Any, w: Any, u: Any) -> Any:
    return u * ((1 - y) * fn.sigmoid(z) - w * y * fn.sigmoid(-z))


def bce_hvp(z: Any, y: Any, w: Any, g: Any, u: Any) -> tuple[Any, ...]:
    return (g * u * (1 - y + w * y) * fn.sigmoid(z) * fn.sigmoid(-z),)


def bce_hessian_diagonal(z: Any, y: Any, w: Any, g: Any) -> tuple[Any, ...]:
    return (g * (1 - y + w * y) * fn.sigmoid(z) * fn.sigmoid(-z),)


BCE = Definition(
    "bce_with_logits",
    (Argument("logit", "prediction"), Argument("target", "target")),
    (Parameter("pos_weight", 1.0, low=0.0, domain="pos_weight >= 0"),),
    (),
    {(): Kernels(bce_value, bce_vjp, bce_jvp, bce_hvp, bce_hessian_diagonal)},
)


def bce_plain(z: Any, y: Any, w: Any) -> Any:
    return -w * y * tf.math.log(tf.sigmoid(z)) - (1 - y) * tf.math.log(1 - tf.sigmoid(z))


# ---- cross-entropy of an integer label -----------------------------------------------------------


def _softmax(z: Any) -> Any:
    return tf.exp(z - fn.logsumexp(z, -1)[..., None])


def sparse_value(z: Any, label: Any) -> Any:
    return fn.logsumexp(z, -1) - fn.gather(z, label, 0, 0, 0)


def sparse_vjp(z: Any, label: Any, g: Any) -> tuple[Any, ...]:
    return (g[..., None] * _softmax(z) + fn.scatter(-g, label, z, 0, 0, 0),)


def sparse_jvp(z: Any, label: Any, u: Any) -> Any:
    return tf.reduce_sum(_softmax(z) * u, -1) - fn.gather(u, label, 0, 0, 0)


def sparse_hvp(z: Any, label: Any, g: Any, u: Any) -> tuple[Any, ...]:
    p = _softmax(z)
    return (g[..., None] * p * (u - tf.reduce_sum(p * u, -1, keepdims=True)),)


def sparse_hessian_diagonal(z: Any, label: Any, g: Any) -> tuple[Any, ...]:
    p = _softmax(z)
    return (g[..., None] * p * (1 - p),)


SPARSE = Definition(
    "sparse_cross_entropy",
    (
        Argument("logits", "prediction", ("class",), rows=(None,)),
        Argument("label", "label", label_axis="class"),
    ),
    (),
    (),
    {(): Kernels(sparse_value, sparse_vjp, sparse_jvp, sparse_hvp, sparse_hessian_diagonal)},
)


def sparse_plain(z: Any, label: Any) -> Any:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(label, z)


# ---- dice, one loss per class --------------------------------------------------------------------


def _dice_parts(p: Any, t: Any) -> tuple[Any, Any]:
    total = tf.reduce_sum(p, -1, keepdims=True) + tf.reduce_sum(t, -1, keepdims=True) + 1
    return 2 * tf.reduce_sum(p * t, -1, keepdims=True) + 1, total


def dice_value(p: Any, t: Any) -> Any:
    n, d = _dice_parts(p, t)
    return tf.squeeze(1 - n / d, -1)


def dice_vjp(p: Any, t: Any, g: Any) -> tuple[Any, ...]:
    n, d = _dice_parts(p, t)
    return (g[..., None] * (n / d - 2 * t) / d,)


def dice_jvp(p: Any, t: Any, u: Any) -> Any:
    n, d = _dice_parts(p, t)
    return tf.reduce_sum(u * (n / d - 2 * t) / d, -1)


def dice_hvp(p: Any, t: Any, g: Any, u: Any) -> tuple[Any, ...]:
    n, d = _dice_parts(p, t)
    dn, dd = 2 * tf.reduce_sum(t * u, -1, keepdims=True), tf.reduce_sum(u, -1, keepdims=True)
    return (g[..., None] * (2 * t * dd + dn - 2 * n * dd / d) / d**2,)


def dice_hessian_diagonal(p: Any, t: Any, g: Any) -> tuple[Any, ...]:
    n, d = _dice_parts(p, t)
    return (g[..., None] * (4 * t - 2 * n / d) / d**2,)


DICE = Definition(
    "dice",
    (
        Argument("probability", "prediction", ("class", "*spatial"), rows=(0, None)),
        Argument("target", "target", ("class", "*spatial"), rows=(0, None)),
    ),
    (),
    ("class",),
    {(): Kernels(dice_value, dice_vjp, dice_jvp, dice_hvp, dice_hessian_diagonal)},
)


def dice_plain(p: Any, t: Any) -> Any:
    axes = list(range(2, p.shape.rank))
    total = tf.reduce_sum(p, axes) + tf.reduce_sum(t, axes) + 1
    return 1 - (2 * tf.reduce_sum(p * t, axes) + 1) / total


# ---- info_nce: couples the samples, two predictions ----------------------------------------------


def _scores(q: Any, k: Any, tau: Any) -> Any:
    return tf.einsum("...id,...jd->...ij", q, k) / tau


def info_nce_value(q: Any, k: Any, tau: Any) -> Any:
    s = _scores(q, k, tau)
    return fn.logsumexp(s, -1) - fn.diagonal(s, -2, -1)


def info_nce_vjp(q: Any, k: Any, tau: Any, g: Any) -> tuple[Any, ...]:
    gp = g[..., None] * _softmax(_scores(q, k, tau))
    return (
        (tf.matmul(gp, k) - g[..., None] * k) / tau,
        (tf.matmul(gp, q, transpose_a=True) - g[..., None] * q) / tau,
    )


def info_nce_jvp(q: Any, k: Any, tau: Any, u: Any, v: Any) -> Any:
    ds = _scores(u, k, tau) + _scores(q, v, tau)
    return tf.reduce_sum(_softmax(_scores(q, k, tau)) * ds, -1) - fn.diagonal(ds, -2, -1)


def info_nce_hvp(q: Any, k: Any, tau: Any, g: Any, u: Any, v: Any) -> tuple[Any, ...]:
    p = _softmax(_scores(q, k, tau))
    ds = _scores(u, k, tau) + _scores(q, v, tau)
    g = g[..., None]
    dp = g * p * (ds - tf.reduce_sum(p * ds, -1, keepdims=True))
    gp = g * p
    return (
        (tf.matmul(dp, k) + tf.matmul(gp, v) - g * v) / tau,
        (tf.matmul(dp, q, transpose_a=True) + tf.matmul(gp, u, transpose_a=True) - g * u) / tau,
    )


def info_nce_hessian_diagonal(q: Any, k: Any, tau: Any, g: Any) -> tuple[Any, ...]:
    p = _softmax(_scores(q, k, tau))
    spread = tf.matmul(p, k**2) - tf.matmul(p, k) ** 2
    return (
        g[..., None] * spread / tau**2,
        tf.matmul(g[..., None] * p * (1 - p), q**2, transpose_a=True) / tau**2,
    )


INFO_NCE = Definition(
    "info_nce",
    (
        Argument("query", "prediction", ("batch", "feature"), rows=(0, None)),
        Argument("key", "prediction", ("batch", "feature"), rows=(None, None)),
    ),
    (Parameter("temperature", 0.07, low=0.0, low_open=True, domain="temperature > 0"),),
    ("batch",),
    {
        (): Kernels(
            info_nce_value, info_nce_vjp, info_nce_jvp, info_nce_hvp, info_nce_hessian_diagonal
        )
    },
)


def info_nce_plain(q: Any, k: Any, tau: Any) -> Any:
    s = tf.matmul(q, k, transpose_b=True) / tau
    return tf.reduce_logsumexp(s, -1) - tf.linalg.diag_part(s)


# ---- center loss: small centers shared by all samples, a learnable scale -------------------------


def center_value(x: Any, centers: Any, label: Any, scale: Any) -> Any:
    r = x - fn.gather(centers, label, 0, 0, 1)
    return scale * tf.reduce_sum(r**2, -1) + tf.reduce_sum(centers**2, (-2, -1))


def center_vjp(x: Any, centers: Any, label: Any, scale: Any, g: Any) -> tuple[Any, ...]:
    r = x - fn.gather(centers, label, 0, 0, 1)
    by_x = 2 * scale * g[..., None] * r
    by_centers = fn.scatter(-by_x, label, centers, 0, 0, 1) + 2 * g[..., None, None] * centers
    return by_x, by_centers, g * tf.reduce_sum(r**2, -1)


def center_jvp(
    x: Any, centers: Any, label: Any, scale: Any, u: Any, v: Any, scale_tangent: Any
) -> Any:
    r = x - fn.gather(centers, label, 0, 0, 1)
    dr = u - fn.gather(v, label, 0, 0, 1)
    small = tf.reduce_sum(2 * centers * v, (-2, -1))
    return tf.reduce_sum(2 * scale * r * dr + scale_tangent * r**2, -1) + small


def center_hvp(
    x: Any, centers: Any, label: Any, scale: Any, g: Any, u: Any, v: Any, scale_tangent: Any
) -> tuple[Any, ...]:
    r = x - fn.gather(centers, label, 0, 0, 1)
    dr = u - fn.gather(v, label, 0, 0, 1)
    by_x = 2 * g[..., None] * (scale * dr + scale_tangent * r)
    by_scale = 2 * g * tf.reduce_sum(r * dr, -1)
    by_centers = fn.scatter(-by_x, label, centers, 0, 0, 1) + 2 * g[..., None, None] * v
    return by_x, by_centers, by_scale


def center_hessian_diagonal(
    x: Any, centers: Any, label: Any, scale: Any, g: Any
) -> tuple[Any, ...]:
    by_x = 2 * scale * g[..., None] * tf.ones_like(x)
    return by_x, fn.scatter(by_x, label, centers, 0, 0, 1) + 2 * g[..., None, None], 0.0


CENTER = Definition(
    "center_loss",
    (
        Argument("embedding", "prediction", ("feature",), rows=(None,)),
        Argument("centers", "prediction", ("class", "feature"), rows=(None, None)),
        Argument("label", "label", label_axis="class"),
    ),
    (Parameter("scale", 1.0, learnable=True, low=0.0, low_open=True, domain="scale > 0"),),
    (),
    {(): Kernels(center_value, center_vjp, center_jvp, center_hvp, center_hessian_diagonal)},
)


def center_plain(x: Any, centers: Any, label: Any, scale: Any) -> Any:
    picked = tf.matmul(tf.one_hot(label, centers.shape[0], dtype=x.dtype), centers)
    return scale * tf.reduce_sum((x - picked) ** 2, -1) + tf.reduce_sum(centers**2)


# ---- cross-entropy of each pixel: a label and a loss with a starred axis -------------------------


def pixel_value(z: Any, label: Any) -> Any:
    return fn.logsumexp(z, -2) - fn.gather(tf.linalg.matrix_transpose(z), label, 1, 0, 0)


def pixel_vjp(z: Any, label: Any, g: Any) -> tuple[Any, ...]:
    p = tf.exp(z - fn.logsumexp(z, -2)[..., None, :])
    picked = fn.scatter(-g, label, tf.linalg.matrix_transpose(z), 1, 0, 0)
    return (g[..., None, :] * p + tf.linalg.matrix_transpose(picked),)


def pixel_jvp(z: Any, label: Any, u: Any) -> Any:
    p = tf.exp(z - fn.logsumexp(z, -2)[..., None, :])
    return tf.reduce_sum(p * u, -2) - fn.gather(tf.linalg.matrix_transpose(u), label, 1, 0, 0)


def pixel_hvp(z: Any, label: Any, g: Any, u: Any) -> tuple[Any, ...]:
    p = tf.exp(z - fn.logsumexp(z, -2)[..., None, :])
    return (g[..., None, :] * p * (u - tf.reduce_sum(p * u, -2, keepdims=True)),)


def pixel_hessian_diagonal(z: Any, label: Any, g: Any) -> tuple[Any, ...]:
    p = tf.exp(z - fn.logsumexp(z, -2)[..., None, :])
    return (g[..., None, :] * p * (1 - p),)


PIXEL = Definition(
    "pixel_cross_entropy",
    (
        Argument("logits", "prediction", ("class", "*spatial"), rows=(None, 0)),
        Argument("label", "label", ("*spatial",), label_axis="class", rows=(0,)),
    ),
    (),
    ("*spatial",),
    {(): Kernels(pixel_value, pixel_vjp, pixel_jvp, pixel_hvp, pixel_hessian_diagonal)},
)


# ---- a scale per class, learnable, and an optional offset ----------------------------------------


def scaled_kernels(shifted: bool) -> Kernels:
    def split(inputs: tuple[Any, ...]) -> tuple[Any, Any, tuple[Any, ...]]:
        x, rest = inputs[0], inputs[1:]
        return (x - rest[0], rest[1], rest[2:]) if shifted else (x, rest[0], rest[1:])

    def value(*inputs: Any) -> Any:
        r, scale, _ = split(inputs)
        return tf.reduce_sum(scale * r**2, -1)

    def vjp(*inputs: Any) -> tuple[Any, ...]:
        r, scale, (g,) = split(inputs)
        return 2 * g[..., None] * scale * r, g[..., None] * r**2

    def jvp(*inputs: Any) -> Any:
        r, scale, (u, v) = split(inputs)
        return tf.reduce_sum(2 * scale * r * u + v * r**2, -1)

    def hvp(*inputs: Any) -> tuple[Any, ...]:
        r, scale, (g, u, v) = split(inputs)
        return 2 * g[..., None] * (scale * u + v * r), 2 * g[..., None] * r * u

    def hessian_diagonal(*inputs: Any) -> tuple[Any, ...]:
        _, scale, (g,) = split(inputs)
        return 2 * g[..., None] * scale, 0.0

    return Kernels(value, vjp, jvp, hvp, hessian_diagonal)


SCALED = Definition(
    "scaled_error",
    (
        Argument("prediction", "prediction", ("class",), rows=(None,)),
        Argument("offset", "target", ("class",), optional=True, rows=(None,)),
    ),
    (Parameter("scale", 1.0, axes=("class",), learnable=True),),
    (),
    {(): scaled_kernels(True), ("offset",): scaled_kernels(False)},
)
