"""Losses for the tests of the PyTorch runtime, with kernels as the compiler would write them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from losscompiler.backends.torch.runtime import _functions as fn
from losscompiler.backends.torch.runtime import _support
from losscompiler.backends.torch.runtime._descriptors import (
    Argument,
    Definition,
    Kernels,
    Parameter,
)
from losscompiler.backends.torch.runtime._options import Options


def forms(definition: Definition, **defaults: Any) -> SimpleNamespace:
    """The four functions of a loss, as a generated module has them."""
    inputs = len(definition.arguments)
    names = [parameter.name for parameter in definition.parameters]
    values = {parameter.name: parameter.default for parameter in definition.parameters}

    def split(given: dict[str, Any]) -> tuple[tuple[Any, ...], Options]:
        merged = {**values, **defaults, **given}
        parameters = tuple(merged.pop(name) for name in names)
        return parameters, Options(**merged)

    def call(name: str) -> Any:
        def function(*arrays: Any, **given: Any) -> Any:
            vector = (given.pop("vector"),) if name == "hvp" else ()
            parameters, options = split(given)
            padded = arrays + (None,) * (inputs - len(arrays))
            return getattr(_support, name)(definition, padded, parameters, *vector, options)

        return function

    names_of_forms = ("evaluate", "value_and_grad", "hvp", "hessian_diagonal")
    return SimpleNamespace(definition=definition, **{name: call(name) for name in names_of_forms})


# ---- huber: elementwise, and once more with delta learnable --------------------------------------


def huber_value(x: Tensor, y: Tensor, delta: Tensor) -> Tensor:
    r = x - y
    near = r.abs() <= delta
    return torch.where(near, 0.5 * r**2, delta * (r.abs() - 0.5 * delta))


def huber_vjp(x: Tensor, y: Tensor, delta: Tensor, g: Tensor) -> tuple[Any, ...]:
    r = x - y
    return (g * torch.where(r.abs() <= delta, r, delta * torch.sign(r)),)


def huber_jvp(x: Tensor, y: Tensor, delta: Tensor, x_tangent: Tensor) -> Tensor:
    tangent: Tensor = huber_vjp(x, y, delta, x_tangent)[0]
    return tangent


def huber_hvp(x: Tensor, y: Tensor, delta: Tensor, g: Tensor, x_tangent: Tensor) -> tuple[Any, ...]:
    return (torch.where((x - y).abs() <= delta, g * x_tangent, 0.0),)


def huber_diagonal(x: Tensor, y: Tensor, delta: Tensor, g: Tensor) -> tuple[Any, ...]:
    return (torch.where((x - y).abs() <= delta, g, 0.0),)


DELTA = Parameter("delta", 1.0, low=0.0, low_open=True, domain="delta > 0")
PAIR = (Argument("prediction", "prediction"), Argument("target", "target"))

huber = forms(
    Definition(
        "huber",
        PAIR,
        (DELTA,),
        (),
        {(): Kernels(huber_value, huber_vjp, huber_jvp, huber_hvp, huber_diagonal)},
    )
)


def _slope(x: Tensor, y: Tensor, delta: Tensor) -> Tensor:
    """The derivative by delta."""
    r = (x - y).abs()
    return torch.where(r <= delta, 0.0, r - delta)


def _learnable_vjp(x: Tensor, y: Tensor, delta: Tensor, g: Tensor) -> tuple[Any, ...]:
    return (*huber_vjp(x, y, delta, g), g * _slope(x, y, delta))


def _learnable_jvp(x: Tensor, y: Tensor, delta: Tensor, v: Tensor, u: Tensor) -> Tensor:
    return huber_jvp(x, y, delta, v) + _slope(x, y, delta) * u


def _learnable_hvp(
    x: Tensor, y: Tensor, delta: Tensor, g: Tensor, v: Tensor, u: Tensor
) -> tuple[Any, ...]:
    r = x - y
    near = r.abs() <= delta
    side = torch.sign(r)
    return (
        g * torch.where(near, v, side * u),
        g * torch.where(near, 0.0, side * v - u),
    )


def _learnable_diagonal(x: Tensor, y: Tensor, delta: Tensor, g: Tensor) -> tuple[Any, ...]:
    near = (x - y).abs() <= delta
    return torch.where(near, g, 0.0), torch.where(near, 0.0, -g)


learnable_huber = forms(
    Definition(
        "learnable_huber",
        PAIR,
        (Parameter("delta", 1.0, learnable=True, low=0.0, low_open=True, domain="delta > 0"),),
        (),
        {
            (): Kernels(
                huber_value, _learnable_vjp, _learnable_jvp, _learnable_hvp, _learnable_diagonal
            )
        },
    )
)


# ---- binary cross-entropy with logits, optional pos_weight array over classes --------------------


def _bce_slope(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    return (1.0 - y) * fn.sigmoid(x) - w * y * fn.sigmoid(-x)


def _bce_curve(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    return (1.0 - y + w * y) * fn.sigmoid(x) * fn.sigmoid(-x)


def bce_value(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    return (1.0 - y) * fn.softplus(x) + w * y * fn.softplus(-x)


bce = forms(
    Definition(
        "bce",
        (
            Argument("logits", "prediction", ("class",), rows=(0,)),
            Argument("target", "target", ("class",), rows=(0,)),
        ),
        (Parameter("pos_weight", 1.0, axes=("class",), low=0.0, low_open=True),),
        ("class",),
        {
            (): Kernels(
                bce_value,
                lambda x, y, w, g: (g * _bce_slope(x, y, w),),
                lambda x, y, w, v: v * _bce_slope(x, y, w),
                lambda x, y, w, g, v: (g * v * _bce_curve(x, y, w),),
                lambda x, y, w, g: (g * _bce_curve(x, y, w),),
            )
        },
    )
)


# ---- softmax cross-entropy with a label ----------------------------------------------------------


def ce_value(x: Tensor, label: Tensor) -> Tensor:
    return fn.logsumexp(x - fn.gather(x, label, 0, 0, 0).unsqueeze(-1), -1)


def _softmax(x: Tensor) -> Tensor:
    return torch.exp(x - fn.logsumexp(x, -1).unsqueeze(-1))


def ce_vjp(x: Tensor, label: Tensor, g: Tensor) -> tuple[Any, ...]:
    return (g.unsqueeze(-1) * _softmax(x) - fn.scatter(g, label, x, 0, 0, 0),)


def ce_jvp(x: Tensor, label: Tensor, v: Tensor) -> Tensor:
    return (_softmax(x) * v).sum(-1) - fn.gather(v, label, 0, 0, 0)


def ce_hvp(x: Tensor, label: Tensor, g: Tensor, v: Tensor) -> tuple[Any, ...]:
    p = _softmax(x)
    return (g.unsqueeze(-1) * p * (v - (p * v).sum(-1, keepdim=True)),)


def ce_diagonal(x: Tensor, label: Tensor, g: Tensor) -> tuple[Any, ...]:
    p = _softmax(x)
    return (g.unsqueeze(-1) * p * (1.0 - p),)


cross_entropy = forms(
    Definition(
        "cross_entropy",
        (
            Argument("logits", "prediction", ("class",), rows=(None,)),
            Argument("label", "label", label_axis="class"),
        ),
        (),
        (),
        {(): Kernels(ce_value, ce_vjp, ce_jvp, ce_hvp, ce_diagonal)},
    )
)


# ---- dice over "*spatial": one loss per class ----------------------------------------------------


def _dice_parts(q: Tensor, y: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
    return 2.0 * (q * y).sum(-1) + eps, q.sum(-1) + y.sum(-1) + eps


def dice_value(q: Tensor, y: Tensor, eps: Tensor) -> Tensor:
    top, bottom = _dice_parts(q, y, eps)
    return 1.0 - top / bottom


def dice_vjp(q: Tensor, y: Tensor, eps: Tensor, g: Tensor) -> tuple[Any, ...]:
    top, bottom = _dice_parts(q, y, eps)
    return ((g * top / bottom**2).unsqueeze(-1) - (2.0 * g / bottom).unsqueeze(-1) * y,)


def dice_jvp(q: Tensor, y: Tensor, eps: Tensor, v: Tensor) -> Tensor:
    top, bottom = _dice_parts(q, y, eps)
    return top / bottom**2 * v.sum(-1) - 2.0 / bottom * (y * v).sum(-1)


def dice_hvp(q: Tensor, y: Tensor, eps: Tensor, g: Tensor, v: Tensor) -> tuple[Any, ...]:
    top, bottom = _dice_parts(q, y, eps)
    total, along = v.sum(-1), (y * v).sum(-1)
    flat = g * (2.0 * along / bottom**2 - 2.0 * top * total / bottom**3)
    return (flat.unsqueeze(-1) + (2.0 * g * total / bottom**2).unsqueeze(-1) * y,)


def dice_diagonal(q: Tensor, y: Tensor, eps: Tensor, g: Tensor) -> tuple[Any, ...]:
    top, bottom = (part.unsqueeze(-1) for part in _dice_parts(q, y, eps))
    return (g.unsqueeze(-1) * (4.0 * y / bottom**2 - 2.0 * top / bottom**3),)


dice = forms(
    Definition(
        "dice",
        (
            Argument("prediction", "prediction", ("class", "*spatial"), rows=(0, None)),
            Argument("target", "target", ("class", "*spatial"), rows=(0, None)),
        ),
        (Parameter("eps", 1.0, low=0.0, domain="eps >= 0"),),
        ("class",),
        {(): Kernels(dice_value, dice_vjp, dice_jvp, dice_hvp, dice_diagonal)},
    )
)


# ---- contrastive: couples the batch, two predictions ---------------------------------------------


def _softmax_and_tangent(
    q: Tensor, k: Tensor, t: Tensor, v: Tensor, u: Tensor
) -> tuple[Tensor, Tensor]:
    p = torch.softmax(q @ k.mT / t, -1)
    change = (v @ k.mT + q @ u.mT) / t
    return p, p * (change - (p * change).sum(-1, keepdim=True))


def nce_value(q: Tensor, k: Tensor, t: Tensor) -> Tensor:
    return fn.logsumexp(q @ k.mT / t, -1) - (q * k).sum(-1) / t


def nce_vjp(q: Tensor, k: Tensor, t: Tensor, g: Tensor) -> tuple[Any, ...]:
    a = g.unsqueeze(-1) * torch.softmax(q @ k.mT / t, -1) / t
    b = g.unsqueeze(-1) / t
    return a @ k - b * k, a.mT @ q - b * q


def nce_jvp(q: Tensor, k: Tensor, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
    change = (v @ k.mT + q @ u.mT) / t
    own = torch.diagonal(change, dim1=-2, dim2=-1)
    return (torch.softmax(q @ k.mT / t, -1) * change).sum(-1) - own


def nce_hvp(q: Tensor, k: Tensor, t: Tensor, g: Tensor, v: Tensor, u: Tensor) -> tuple[Any, ...]:
    p, dp = _softmax_and_tangent(q, k, t, v, u)
    a, da, b = g.unsqueeze(-1) * p / t, g.unsqueeze(-1) * dp / t, g.unsqueeze(-1) / t
    return da @ k + a @ u - b * u, da.mT @ q + a.mT @ v - b * v


def nce_diagonal(q: Tensor, k: Tensor, t: Tensor, g: Tensor) -> tuple[Any, ...]:
    p = torch.softmax(q @ k.mT / t, -1)
    gp = g.unsqueeze(-1)
    return (
        gp * (p @ k**2 - (p @ k) ** 2) / t**2,
        (gp * p * (1.0 - p)).mT @ q**2 / t**2,
    )


info_nce = forms(
    Definition(
        "info_nce",
        (
            Argument("query", "prediction", ("batch", "feature"), rows=(None, None)),
            Argument("key", "prediction", ("batch", "feature"), rows=(None, None)),
        ),
        (Parameter("temperature", 0.5, low=0.0, low_open=True, domain="temperature > 0"),),
        ("batch",),
        {(): Kernels(nce_value, nce_vjp, nce_jvp, nce_hvp, nce_diagonal)},
    )
)


# ---- centers: one input shared by all samples, an optional per-sample scale ----------------------


def _offset(x: Tensor, centers: Tensor, label: Tensor) -> Tensor:
    return x - fn.gather(centers, label, 0, 0, 1)


def _centers_kernels(scaled: bool) -> Kernels:
    def unpack(args: tuple[Tensor, ...]) -> tuple[Any, ...]:
        x, centers, label, *rest = args
        return (x, centers, label, rest.pop(0) if scaled else 1.0, *rest)

    def value(*args: Tensor) -> Tensor:
        x, centers, label, s = unpack(args)
        half: Tensor = 0.5 * s * _offset(x, centers, label).square().sum(-1)
        return half

    def pull(r: Tensor, g: Any, label: Tensor, centers: Tensor) -> tuple[Any, ...]:
        r = r * g.unsqueeze(-1)
        return r, -fn.scatter(r, label, centers, 0, 0, 1)

    def vjp(*args: Tensor) -> tuple[Any, ...]:
        x, centers, label, s, g = unpack(args)
        return pull(_offset(x, centers, label), g * s, label, centers)

    def jvp(*args: Tensor) -> Tensor:
        x, centers, label, s, v, u = unpack(args)
        tangent: Tensor = s * (_offset(x, centers, label) * _offset(v, u, label)).sum(-1)
        return tangent

    def hvp(*args: Tensor) -> tuple[Any, ...]:
        _, centers, label, s, g, v, u = unpack(args)
        return pull(_offset(v, u, label), g * s, label, centers)

    def diagonal(*args: Tensor) -> tuple[Any, ...]:
        x, centers, label, s, g = unpack(args)
        ones = (g * s).unsqueeze(-1).expand_as(x)
        return (g * s).unsqueeze(-1), fn.scatter(ones, label, centers, 0, 0, 1)

    return Kernels(value, vjp, jvp, hvp, diagonal)


centers = forms(
    Definition(
        "centers",
        (
            Argument("embedding", "prediction", ("feature",), rows=(None,)),
            Argument("centers", "prediction", ("class", "feature"), rows=(None, None)),
            Argument("label", "label", label_axis="class"),
            Argument("scale", "target", optional=True),
        ),
        (),
        (),
        {(): _centers_kernels(True), ("scale",): _centers_kernels(False)},
    )
)
