"""From what a caller passes to canonical arrays: (batch axes..., core axes), one computing dtype.

Every mistake is a `ValueError` that names the loss, the inputs with their shapes, and a remedy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any

import numpy as np

from ._descriptors import Argument, Definition, Kernels, Parameter
from ._options import Array, ArrayLike, Options

_HALF = ("float16", "bfloat16")
_KINDS = {"prediction": "fiu", "target": "fiub", "mask": "b", "label": "iu"}
_WANTED = {
    "prediction": "real numbers",
    "target": "real numbers",
    "mask": "booleans; compare it first, for example with `!= 0`",
    "label": "integers; convert it with .astype(numpy.int64)",
}


@dataclass(frozen=True)
class Input:
    """One array input: as given, and canonical with batch shape `lead` (empty if it is shared)."""

    argument: Argument
    given: Array
    array: Array
    lead: tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """A checked call: `lead` is the common batch shape, `sizes` the sizes of the core axes.

    `axis` is where the core axis lies in the caller's arrays, None if it is the last one.
    """

    definition: Definition
    kernels: Kernels
    inputs: tuple[Input, ...]
    parameters: tuple[Array, ...]
    learnable: tuple[Input, ...]
    lead: tuple[int, ...]
    sizes: dict[str, int]
    spatial: tuple[int, ...]
    axis: int | None
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Canonical shape of the unreduced loss."""
        return (*self.lead, *(self.sizes[axis] for axis in self.definition.loss_axes))

    @property
    def visible_shape(self) -> tuple[int, ...]:
        """Shape of the unreduced loss as the caller sees it."""
        return tuple(self.to_visible(np.broadcast_to(np.False_, self.shape)).shape)

    def to_visible(self, loss: Array) -> Array:
        """An unreduced loss in the caller's layout."""
        return self.unpack(loss, self.definition.loss_axes)

    def to_canonical(self, loss: Array) -> Array:
        """An array of the visible shape in the kernels' layout."""
        return self.pack(loss, self.definition.loss_axes).reshape(self.shape)

    def pack(self, array: Array, axes: tuple[str, ...]) -> Array:
        """Moves the core axis last."""
        return np.moveaxis(array, self.axis or 0, -1) if self._moves(array, axes) else array

    def unpack(self, array: Array, axes: tuple[str, ...]) -> Array:
        """Unflattens a starred axis and moves the core axis back to where the caller has it."""
        if axes and axes[-1].startswith("*"):
            array = array.reshape((*array.shape[:-1], *self.spatial))
        return np.moveaxis(array, -1, self.axis or 0) if self._moves(array, axes) else array

    def _moves(self, array: Array, axes: tuple[str, ...]) -> bool:
        return self.axis is not None and len(axes) == 1 and array.ndim > 1


def prepare(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[ArrayLike],
    options: Options,
) -> Call:
    """Checks a call and lays its arrays out for the kernels."""
    name = definition.name
    given: list[tuple[Argument, Array]] = []
    for argument, value in zip(definition.arguments, arrays, strict=True):
        if value is not None:
            given.append((argument, real_array(name, argument.name, value, argument.role)))
        elif not argument.optional:
            raise ValueError(f"{name}(): `{argument.name}` is None, but it is not optional")
    absent = tuple(
        a.name for a, value in zip(definition.arguments, arrays, strict=True) if value is None
    )
    axis = _core_axis(name, given, options.axis)
    moved = [(a, x, _move(name, a, x, axis)) for a, x in given]
    starred = any(axis.startswith("*") for a in definition.arguments for axis in a.axes)
    batch_axes = _count(name, "batch_axes", options.batch_axes) if starred else None
    spatial = _spatial(name, moved, options.batch_axes)
    inputs = [_input(name, a, x, y, batch_axes) for a, x, y in moved]
    lead = _common_lead(name, inputs)
    dtype = _computing_dtype(given)
    checked = [
        _parameter(name, p, value, dtype)
        for p, value in zip(definition.parameters, parameters, strict=True)
    ]
    sizes = _sizes(name, inputs, definition.parameters, checked)
    laid_out = [
        np.broadcast_to(value, tuple(sizes.get(axis, 1) for axis in p.axes))
        for p, value in zip(definition.parameters, checked, strict=True)
    ]
    cast = tuple(
        Input(i.argument, i.given, _cast(i.argument, i.array, dtype), i.lead) for i in inputs
    )
    return Call(
        definition=definition,
        kernels=definition.kernels[absent],
        inputs=cast,
        parameters=tuple(laid_out),
        learnable=_learnable(definition, parameters, laid_out),
        lead=lead,
        sizes=sizes,
        spatial=spatial,
        axis=axis,
        dtype=dtype,
    )


def _learnable(
    definition: Definition, parameters: Sequence[ArrayLike], checked: Sequence[Array]
) -> tuple[Input, ...]:
    """The parameters that are differentiated, as inputs that all samples share."""
    triples = zip(definition.parameters, parameters, checked, strict=True)
    return tuple(
        Input(Argument(p.name, "parameter", p.axes), np.asarray(given), array, ())
        for p, given, array in triples
        if p.learnable
    )


def is_floating(array: Array) -> bool:
    """Whether an array holds floats, bfloat16 included, which NumPy itself does not know."""
    return array.dtype.kind == "f" or array.dtype.name in _HALF


def real_array(loss: str, name: str, value: ArrayLike, role: str = "target") -> Array:
    """An input as an array of a dtype that its role allows."""
    array = np.asarray(value)
    half = array.dtype.name in _HALF and "f" in _KINDS[role]
    # An empty list is an array of floats, whatever it was meant to hold.
    if half or array.dtype.kind in _KINDS[role] or (array.size == 0 and array.dtype.kind == "f"):
        return array
    raise ValueError(
        f"{loss}(): `{name}` has shape {array.shape} and dtype {array.dtype}, but must hold "
        f"{_WANTED[role]}"
    )


def _count(loss: str, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ValueError(f"{loss}(): `{name}` is {value!r}, but must be an integer >= 0")
    return int(value)


def _core_axis(loss: str, given: Sequence[tuple[Argument, Array]], axis: Any) -> int | None:
    """The position of the core axis, from 0, or None if it is last everywhere."""
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
        raise ValueError(f"{loss}(): `axis` is {axis!r}, but must be an integer")
    if axis == -1:
        return None
    argument, widest = max(
        ((a, x) for a, x in given if a.axes), key=lambda pair: pair[1].ndim, default=(None, None)
    )
    if argument is None or widest is None:
        return None
    if not -widest.ndim <= axis < widest.ndim:
        raise ValueError(
            f"{loss}(): `axis` is {axis}, but `{argument.name}` has shape {widest.shape}, so it "
            f"must lie between {-widest.ndim} and {widest.ndim - 1}"
        )
    return int(axis) % widest.ndim


def _move(loss: str, argument: Argument, array: Array, axis: int | None) -> Array:
    # A vector is shared by all samples, or there are no batch axes: its one axis is the core axis.
    if axis is None or len(argument.axes) != 1 or array.ndim <= 1:
        return array
    if axis >= array.ndim:
        raise ValueError(
            f"{loss}(): `axis` is {axis}, but `{argument.name}` has shape {array.shape}; all "
            "inputs must have the same batch axes"
        )
    return np.moveaxis(array, axis, -1)


def _spatial(
    loss: str, moved: Sequence[tuple[Argument, Array, Array]], batch_axes: int
) -> tuple[int, ...]:
    """The axes that a starred axis stands for, equal in all inputs that have one."""
    found: tuple[Argument, Array, tuple[int, ...]] | None = None
    for argument, given, array in moved:
        if not (argument.axes and argument.axes[-1].startswith("*")):
            continue
        shape = array.shape[batch_axes + len(argument.axes) - 1 :]
        if found is None:
            found = argument, given, shape
        elif found[2] != shape:
            first, other, _ = found
            raise ValueError(
                f"{loss}(): `{first.name}` has shape {other.shape} and `{argument.name}` has shape "
                f"{given.shape}: their {argument.axes[-1][1:]} axes {found[2]} and {shape} differ "
                f"(batch_axes={batch_axes})"
            )
    return found[2] if found else ()


def _input(
    loss: str, argument: Argument, given: Array, array: Array, batch_axes: int | None
) -> Input:
    """Splits off the batch axes and flattens a starred axis."""
    core = len(argument.axes)
    starred = core > 0 and argument.axes[-1].startswith("*")
    fixed = core - 1 if starred else core
    lead_count = array.ndim - core if batch_axes is None else batch_axes
    if batch_axes is not None and not starred and array.ndim == core:
        lead_count = 0
    wrong = array.ndim < lead_count + fixed or (not starred and array.ndim != lead_count + fixed)
    if lead_count < 0 or wrong:
        batch = (
            "any batch axes" if batch_axes is None else f"{batch_axes} batch axes (`batch_axes`)"
        )
        raise ValueError(
            f"{loss}(): `{argument.name}` has shape {given.shape}, but must have {batch} and then "
            f"the core axes ({', '.join(argument.axes)})"
        )
    if starred:
        flat = prod(array.shape[lead_count + fixed :])
        array = array.reshape((*array.shape[: lead_count + fixed], flat))
    _check_least(loss, argument, given, array.shape[lead_count:])
    return Input(argument, given, array, array.shape[:lead_count])


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
                f"{loss}(): `{first.argument.name}` has shape {first.given.shape} and "
                f"`{other.argument.name}` has shape {other.given.shape}: their batch axes "
                f"{first.lead} and {other.lead} differ, and inputs are not broadcast against "
                "each other; reshape or index one of them so that both are equal"
            )
    return batched[0].lead if batched else ()


def _sizes(
    loss: str, inputs: Sequence[Input], parameters: Sequence[Parameter], values: Sequence[Array]
) -> dict[str, int]:
    """The size of each core axis; every input that has the axis must agree."""
    shaped = [(i.argument.name, i.argument.axes, i.given, i.array) for i in inputs]
    shaped += [(p.name, p.axes, v, v) for p, v in zip(parameters, values, strict=True) if v.ndim]
    sizes: dict[str, tuple[int, str, Array]] = {}
    for name, axes, given, array in shaped:
        for axis, size in zip(axes, array.shape[array.ndim - len(axes) :], strict=True):
            known, first, other = sizes.setdefault(axis, (size, name, given))
            if known != size:
                raise ValueError(
                    f"{loss}(): `{first}` has shape {other.shape} and `{name}` has shape "
                    f"{given.shape}: the {axis} axis has {known} entries in the one and {size} in "
                    "the other, and inputs are not broadcast against each other"
                )
    return {axis: size for axis, (size, _, _) in sizes.items()}


def _computing_dtype(given: Sequence[tuple[Argument, Array]]) -> np.dtype[Any]:
    """float32 for half precision and float32, float64 for everything wider and for integers."""
    floating = [
        np.float32 if x.dtype.name in _HALF or x.dtype.itemsize <= 4 else np.float64
        for a, x in given
        if a.role == "prediction" and is_floating(x)
    ]
    return np.result_type(*floating) if floating else np.dtype(np.float64)


def _cast(argument: Argument, array: Array, dtype: np.dtype[Any]) -> Array:
    wanted = {"mask": np.dtype(np.bool_), "label": np.dtype(np.intp)}.get(argument.role, dtype)
    return np.asarray(array.astype(wanted, copy=False))


def _parameter(loss: str, parameter: Parameter, value: ArrayLike, dtype: np.dtype[Any]) -> Array:
    array = real_array(loss, parameter.name, value, "prediction")
    if array.ndim not in (0, len(parameter.axes)):
        wanted = f"a number or have the axes ({', '.join(parameter.axes)})"
        raise ValueError(
            f"{loss}(): parameter `{parameter.name}` has shape {array.shape}, but must be "
            f"{wanted if parameter.axes else 'a single number'}"
        )
    for entry in np.unique(array).astype(np.float64).tolist():
        if not allows(parameter, entry):
            raise ValueError(
                f"{loss}(): parameter `{parameter.name}` is {entry}, but must satisfy "
                f"{parameter.domain or 'being a finite number'}"
            )
    return np.asarray(array.astype(dtype))


def allows(parameter: Parameter, value: float) -> bool:
    """Whether a number lies in a parameter's domain."""
    if parameter.values:
        return value in parameter.values
    above = value > parameter.low if parameter.low_open else value >= parameter.low
    below = value < parameter.high if parameter.high_open else value <= parameter.high
    between = above and below and not any(low <= value <= high for low, high in parameter.gaps)
    return isfinite(value) and between and (not parameter.integer or value % 1 == 0)
