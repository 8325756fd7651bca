"""Checks of a call: what is missing, what has a wrong dtype, what lies outside its domain.

Every mistake is a `ValueError` that names the loss, the input and what it must be; under tracing
it is raised while tracing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import tensorflow as tf

from ._descriptors import Argument, Definition, Kernels, Parameter
from ._options import Array, ArrayLike, Options

_WANTED = {
    "prediction": "real numbers",
    "target": "real numbers or booleans",
    "mask": "booleans; compare it first, for example with `!= 0`",
    "label": "integers; convert it with tf.cast(..., tf.int64)",
}
_REDUCTIONS = ("none", "sum", "mean")


@dataclass(frozen=True)
class Call:
    """A call whose tensors have the right dtypes and still the caller's shapes.

    `tensors` are the inputs that are present, then the parameters. Those at `differentiated` have
    the caller's dtype; the others are in the computing `dtype` if they hold real numbers.
    """

    definition: Definition
    kernels: Kernels
    arguments: tuple[Argument, ...]
    tensors: tuple[Array, ...]
    differentiated: tuple[int, ...]
    dtype: tf.DType
    options: Options

    @property
    def sources(self) -> list[Array]:
        """The tensors that derivatives are taken by."""
        return [self.tensors[k] for k in self.differentiated]

    @property
    def parameters(self) -> tuple[Array, ...]:
        """The tensors of the parameters."""
        return self.tensors[len(self.arguments) :]


def bind(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[ArrayLike],
    options: Options,
) -> Call:
    """Checks the parts of a call one by one, and makes tensors of them."""
    name = definition.name
    if options.reduction not in _REDUCTIONS:
        raise ValueError(
            f"{name}(): `reduction` is {options.reduction!r}, but must be one of "
            f"{', '.join(map(repr, _REDUCTIONS))}"
        )
    given = list(zip(definition.arguments, arrays, strict=True))
    for argument, value in given:
        if value is None and not argument.optional:
            raise ValueError(f"{name}(): `{argument.name}` is None, but it is not optional")
    present = [(argument, value) for argument, value in given if value is not None]
    dtype = _computing_dtype(present)
    tensors = [tensor_of(name, a.name, value, a.role, dtype) for a, value in present]
    tensors += [
        _parameter(name, parameter, value, dtype)
        for parameter, value in zip(definition.parameters, parameters, strict=True)
    ]
    learnable = [a.role == "prediction" for a, _ in present]
    learnable += [p.learnable for p in definition.parameters]
    return Call(
        definition=definition,
        kernels=definition.kernels[tuple(a.name for a, value in given if value is None)],
        arguments=tuple(a for a, _ in present),
        tensors=tuple(tensors),
        differentiated=tuple(k for k, wanted in enumerate(learnable) if wanted),
        dtype=dtype,
        options=options,
    )


def tensor_of(loss: str, name: str, value: ArrayLike, role: str, dtype: tf.DType) -> Array:
    """A tensor of a dtype that the role allows.

    Python numbers and lists are read in the computing dtype, so that float64 keeps its digits. A
    prediction is a tensor of its own, even if a caller gives one tensor for two of them.
    """
    real = role in ("prediction", "target")
    python = isinstance(value, int | float | list | tuple) and not isinstance(value, bool)
    try:
        tensor = tf.convert_to_tensor(value, dtype if real and python else None)
    except TypeError as error:
        raise ValueError(f"{loss}(): `{name}` must hold {_WANTED[role]}: {error}") from error
    found = tensor.dtype
    number = found.is_floating or found.is_integer
    allowed = {
        "prediction": number,
        "target": number or found.is_bool,
        "mask": found.is_bool,
        "label": found.is_integer,
    }
    # An empty list is a tensor of floats, whatever it was meant to hold.
    if not (allowed[role] or (found.is_floating and tensor.shape.num_elements() == 0)):
        raise ValueError(
            f"{loss}(): `{name}` has shape {shape_of(tensor)} and dtype {found.name}, but must "
            f"hold {_WANTED[role]}"
        )
    if role == "prediction":
        return tf.identity(tensor if found.is_floating else tf.cast(tensor, dtype))
    return tf.cast(tensor, {"mask": tf.bool, "label": tf.int64}.get(role, dtype))


def shape_of(x: Array) -> tuple[int | None, ...] | str:
    """The static shape of a tensor, for messages."""
    return "unknown" if x.shape.rank is None else tuple(x.shape.as_list())


def _computing_dtype(present: Sequence[tuple[Argument, Any]]) -> tf.DType:
    """float64 if a prediction has it; float32 for all others, half precision and integers too."""
    found = [
        tf.convert_to_tensor(value).dtype
        for argument, value in present
        if argument.role == "prediction"
    ]
    return tf.float64 if tf.float64 in found else tf.float32


def _parameter(loss: str, parameter: Parameter, value: ArrayLike, dtype: tf.DType) -> Array:
    tensor = tensor_of(loss, parameter.name, value, "prediction", dtype)
    if tensor.shape.rank not in (0, len(parameter.axes)):
        wanted = f"a number or have the axes ({', '.join(parameter.axes)})"
        raise ValueError(
            f"{loss}(): parameter `{parameter.name}` has shape {shape_of(tensor)}, but must be "
            f"{wanted if parameter.axes else 'a single number'}"
        )
    # A Python number is checked as it is written: 0.1 is not exactly 0.1 in float32.
    known = value if isinstance(value, int | float) else tf.get_static_value(tensor)
    if known is not None:
        for entry in tf.nest.flatten(known.tolist() if hasattr(known, "tolist") else known):
            if not _allows(parameter, float(entry)):
                raise ValueError(
                    f"{loss}(): parameter `{parameter.name}` is {entry}, but must satisfy "
                    f"{parameter.domain or 'being a finite number'}"
                )
    return tensor if parameter.learnable else tf.cast(tensor, dtype)


def _allows(parameter: Parameter, value: float) -> bool:
    if parameter.values:
        return value in parameter.values
    above = value > parameter.low if parameter.low_open else value >= parameter.low
    below = value < parameter.high if parameter.high_open else value <= parameter.high
    between = above and below and not any(low <= value <= high for low, high in parameter.gaps)
    return isfinite(value) and between and (not parameter.integer or value % 1 == 0)
