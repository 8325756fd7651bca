"""From what a caller passes to arrays of known axes; shapes are checked while JAX traces.

Every mistake is a `ValueError` that names the loss, the inputs with their shapes, and a remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any

import jax
import jax.numpy as jnp

from ._descriptors import Argument, Definition, Kernels, Parameter
from ._options import Array, ArrayLike, Options, Scalar

_KINDS = {
    "prediction": (jnp.floating,),
    "target": (jnp.floating, jnp.integer, jnp.bool_),
    "mask": (jnp.bool_,),
    "label": (jnp.integer,),
}
_WANTED = {
    "prediction": "floating-point numbers; convert it with .astype(jax.numpy.float32)",
    "target": "real numbers",
    "mask": "booleans; compare it first, for example with `!= 0`",
    "label": "integers; convert it with .astype(jax.numpy.int32)",
}


@dataclass(frozen=True)
class Input:
    """One array input as given, with its batch shape (empty if all samples share it)."""

    argument: Argument
    array: Array
    lead: tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """A checked call: `lead` is the common batch shape, `sizes` the sizes of the core axes.

    `axis` is where the core axis lies in the caller's arrays, None if it is the last one. The
    starred axis flattens `spatial`. `dtype` is the one that kernels compute in.
    """

    definition: Definition
    kernels: Kernels
    inputs: tuple[Input, ...]
    parameters: tuple[Array, ...]
    lead: tuple[int, ...]
    sizes: dict[str, int]
    spatial: tuple[int, ...]
    axis: int | None
    dtype: Any

    @property
    def name(self) -> str:
        """How messages refer to the call."""
        return f"{self.definition.name}()"

    @property
    def shape(self) -> tuple[int, ...]:
        """Canonical shape of the unreduced loss."""
        return (*self.lead, *(self.sizes[axis] for axis in self.definition.loss_axes))

    @property
    def visible_shape(self) -> tuple[int, ...]:
        """Shape of the unreduced loss as the caller sees it."""
        axes = self.definition.loss_axes
        starred = bool(axes) and axes[-1].startswith("*")
        shape = (*self.shape[:-1], *self.spatial) if starred else self.shape
        if not self._moves(axes, len(shape)):
            return shape
        axis = self.axis or 0
        return (*shape[:axis], shape[-1], *shape[axis:-1])

    def pack(self, array: Array, axes: tuple[str, ...], lead: tuple[int, ...]) -> Array:
        """Moves the core axis to the end and flattens a starred axis."""
        if self._moves(axes, array.ndim):
            array = jnp.moveaxis(array, self.axis or 0, -1)
        return array.reshape(*lead, *(self.sizes[axis] for axis in axes))

    def unpack(self, array: Array, axes: tuple[str, ...]) -> Array:
        """Undoes `pack`."""
        if axes and axes[-1].startswith("*"):
            array = array.reshape(*array.shape[:-1], *self.spatial)
        return jnp.moveaxis(array, -1, self.axis or 0) if self._moves(axes, array.ndim) else array

    def _moves(self, axes: tuple[str, ...], ndim: int) -> bool:
        # A vector is shared by all samples, or has no batch axes: its one axis is the core axis.
        return self.axis is not None and len(axes) == 1 and ndim > 1


def prepare(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[Scalar],
    options: Options,
) -> Call:
    """Checks a call."""
    loss = definition.name
    pairs = list(zip(definition.arguments, arrays, strict=True))
    for argument, value in pairs:
        if value is None and not argument.optional:
            raise ValueError(f"{loss}(): `{argument.name}` is None, but it is not optional")
    absent = tuple(argument.name for argument, value in pairs if value is None)
    given = [
        (argument, real_array(loss, argument.name, value, argument.role))
        for argument, value in pairs
        if value is not None
    ]
    starred = any(axis.startswith("*") for a in definition.arguments for axis in a.axes)
    batch_axes = _batch_axes(loss, options.batch_axes) if starred else None
    axis = None if starred else _core_axis(loss, given, options.axis)
    dtype = _computing_dtype(given)
    values = tuple(
        _parameter(loss, parameter, value, dtype)
        for parameter, value in zip(definition.parameters, parameters, strict=True)
    )
    inputs = tuple(_input(loss, a, x, axis, batch_axes) for a, x in given)
    sizes, spatial = _sizes(definition, inputs, values, axis)
    kernels = definition.kernels[absent]
    lead = _common_lead(loss, inputs)
    return Call(definition, kernels, inputs, values, lead, sizes, spatial, axis, dtype)


def real_array(loss: str, name: str, value: ArrayLike, role: str) -> Array:
    """An input as an array of a dtype that its role allows."""
    array = jnp.asarray(value)
    if any(jnp.issubdtype(array.dtype, kind) for kind in _KINDS[role]):
        return array
    if array.size == 0 and array.dtype == jnp.float32 and role in ("mask", "label"):
        return array.astype(bool if role == "mask" else int)  # an empty list has no better dtype
    raise ValueError(
        f"{loss}(): `{name}` has shape {array.shape} and dtype {array.dtype}, but must hold "
        f"{_WANTED[role]}"
    )


def _batch_axes(loss: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{loss}(): `batch_axes` is {value!r}, but must be an integer >= 0")
    return value


def _core_axis(loss: str, given: Sequence[tuple[Argument, Array]], axis: Any) -> int | None:
    """The position of the core axis, from 0, or None if it is last everywhere."""
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise ValueError(f"{loss}(): `axis` is {axis!r}, but must be an integer")
    cored = [(argument, array) for argument, array in given if argument.axes]
    if axis == -1 or not cored:
        return None
    argument, widest = max(cored, key=lambda pair: pair[1].ndim)
    if not -widest.ndim <= axis < widest.ndim:
        raise ValueError(
            f"{loss}(): `axis` is {axis}, but `{argument.name}` has shape {widest.shape}, so it "
            f"must lie between {-widest.ndim} and {widest.ndim - 1}"
        )
    return axis % widest.ndim


def _input(
    loss: str, argument: Argument, array: Array, axis: int | None, batch_axes: int | None
) -> Input:
    """Finds the batch axes of an input."""
    core = len(argument.axes)
    starred = core > 0 and argument.axes[-1].startswith("*")
    fixed = core - starred
    lead = array.ndim - core if batch_axes is None else batch_axes
    if not starred and array.ndim == core:
        lead = 0
    if lead < 0 or (array.ndim < lead + fixed if starred else array.ndim != lead + core):
        batch = "" if batch_axes is None else f"{batch_axes} batch axes and then "
        raise ValueError(
            f"{loss}(): `{argument.name}` has shape {array.shape}, but must have {batch}the core "
            f"axes ({', '.join(argument.axes)}) last"
        )
    shape = array.shape
    if axis is not None and core == 1 and array.ndim > 1:
        if axis >= array.ndim:
            raise ValueError(
                f"{loss}(): `axis` is {axis}, but `{argument.name}` has shape {shape}; all inputs "
                "must have the same batch axes"
            )
        shape = (*shape[:axis], *shape[axis + 1 :], shape[axis])
    named = shape[lead : lead + fixed]
    _check_least(loss, argument, array, (*named, prod(shape[lead + fixed :])) if starred else named)
    return Input(argument, array, shape[:lead])


def _check_least(loss: str, argument: Argument, given: Array, core: tuple[int, ...]) -> None:
    """Checks that constant indices lie within their axes."""
    for axis, size, least in zip(argument.axes, core, argument.least or core, strict=True):
        if size < least:
            raise ValueError(
                f"{loss}(): `{argument.name}` has shape {given.shape}: its {axis} axis has {size} "
                f"entries, but the loss reads entry {least - 1}, counted from 0"
            )


def _common_lead(loss: str, inputs: Sequence[Input]) -> tuple[int, ...]:
    batched = [i for i in inputs if i.lead]
    for other in batched[1:]:
        first = batched[0]
        if other.lead != first.lead:
            raise ValueError(
                f"{loss}(): `{first.argument.name}` has shape {first.array.shape} and "
                f"`{other.argument.name}` has shape {other.array.shape}: their batch axes "
                f"{first.lead} and {other.lead} differ, and inputs are not broadcast against "
                "each other; reshape or index one of them so that both are equal"
            )
    return batched[0].lead if batched else ()


def _sizes(
    definition: Definition, inputs: Sequence[Input], values: Sequence[Array], axis: int | None
) -> tuple[dict[str, int], tuple[int, ...]]:
    """The sizes of the core axes, on which all inputs agree, and the shape of the starred one."""
    found: dict[str, tuple[tuple[int, ...], str, tuple[int, ...]]] = {}
    for name, axes, shape, lead in _shaped(definition, inputs, values, axis):
        rest = shape[lead:]
        for position, core in enumerate(axes):
            extent = rest[position:] if core.startswith("*") else rest[position : position + 1]
            known, first, other = found.setdefault(core, (extent, name, shape))
            if known != extent:
                raise ValueError(
                    f"{definition.name}(): `{first}` has shape {other} and `{name}` has shape "
                    f"{shape}: their {core.removeprefix('*')} axes {known} and {extent} differ, "
                    "and inputs are not broadcast against each other"
                )
    spatial = next((extent for core, (extent, *_) in found.items() if core.startswith("*")), ())
    return {core: prod(extent) for core, (extent, *_) in found.items()}, spatial


def _shaped(
    definition: Definition, inputs: Sequence[Input], values: Sequence[Array], axis: int | None
) -> Iterator[tuple[str, tuple[str, ...], tuple[int, ...], int]]:
    """Name, core axes, shape with the core axis last, and number of batch axes, of all inputs."""
    for given in inputs:
        shape, axes = given.array.shape, given.argument.axes
        if axis is not None and len(axes) == 1 and len(shape) > 1:
            shape = (*given.lead, shape[axis])
        yield given.argument.name, axes, shape, len(given.lead)
    for parameter, value in zip(definition.parameters, values, strict=True):
        if value.ndim:
            yield parameter.name, parameter.axes, value.shape, 0


def _computing_dtype(given: Sequence[tuple[Argument, Array]]) -> Any:
    """The dtype that the predictions promote to, at least float32."""
    dtype = jnp.result_type(*(array for a, array in given if a.role == "prediction"))
    return dtype if dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


def _parameter(loss: str, parameter: Parameter, value: Scalar, dtype: Any) -> Array:
    array = real_array(loss, parameter.name, value, "target")
    if array.ndim not in (0, len(parameter.axes)):
        wanted = f"a number or have the axes ({', '.join(parameter.axes)})"
        raise ValueError(
            f"{loss}(): parameter `{parameter.name}` has shape {array.shape}, but must be "
            f"{wanted if parameter.axes else 'a single number'}"
        )
    # An array of JAX may be traced, or still be computed on a device: its values are not asked for.
    for entry in () if isinstance(value, jax.Array) else _entries(value):
        if not allows(parameter, entry):
            raise ValueError(
                f"{loss}(): parameter `{parameter.name}` is {entry}, but must satisfy "
                f"{parameter.domain or 'being a finite number'}"
            )
    # The gradient of a learnable parameter has the dtype that the caller keeps it in.
    chosen = not array.weak_type and jnp.issubdtype(array.dtype, jnp.floating)
    return array if parameter.learnable and chosen else array.astype(dtype)


def _entries(value: Any) -> Iterator[float]:
    """The numbers of a Python number, a sequence or a NumPy array."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple):
        for part in value:
            yield from _entries(part)
    elif isinstance(value, int | float):
        yield value


def allows(parameter: Parameter, value: float) -> bool:
    """Whether a number lies in a parameter's domain."""
    if parameter.values:
        return value in parameter.values
    above = value > parameter.low if parameter.low_open else value >= parameter.low
    below = value < parameter.high if parameter.high_open else value <= parameter.high
    between = above and below and not any(low <= value <= high for low, high in parameter.gaps)
    return isfinite(value) and between and (not parameter.integer or value % 1 == 0)
