"""From what a caller passes to canonical tensors: batch axes first, then the core axes in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ._autograd import Problem
from ._checks import (
    check_least,
    checked_count,
    checked_tensor,
    describe_shapes,
    parameter_tensor,
)
from ._descriptors import Argument, Definition, Parameter
from ._options import Options


@dataclass(frozen=True)
class Input:
    """One input: as given, and canonical with batch shape `lead` (empty if it is shared)."""

    argument: Argument
    given: Any
    tensor: Tensor
    lead: tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """A checked call: `lead` is the common batch shape, `sizes` the sizes of the core axes.

    `parameters` are inputs that all samples share. `axis` is where the core axis lies in the
    caller's tensors, None if it is the last one.
    """

    definition: Definition
    problem: Problem
    inputs: tuple[Input, ...]
    parameters: tuple[Input, ...]
    lead: tuple[int, ...]
    sizes: dict[str, int]
    spatial: tuple[int, ...]
    axis: int | None

    @property
    def name(self) -> str:
        """The name of the loss, for messages."""
        return self.definition.name

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that is computed in."""
        return self.problem.dtype

    @property
    def device(self) -> torch.device:
        """Where the inputs are."""
        return self.inputs[0].tensor.device

    @property
    def shape(self) -> tuple[int, ...]:
        """Canonical shape of the unreduced loss."""
        return (*self.lead, *(self.sizes[axis] for axis in self.definition.loss_axes))

    @property
    def differentiated(self) -> tuple[Input, ...]:
        """The inputs that have a gradient, in its order."""
        both = (*self.inputs, *self.parameters)
        return tuple(both[position] for position in self.problem.wrt)

    def to_visible(self, loss: Tensor) -> Tensor:
        """An unreduced loss in the caller's layout."""
        return self.unpack(loss, self.definition.loss_axes)

    def to_canonical(self, loss: Tensor) -> Tensor:
        """A tensor that is laid out as `to_visible` does, in the kernels' layout."""
        return self.pack(loss, self.definition.loss_axes).reshape(self.shape)

    def pack(self, tensor: Tensor, axes: tuple[str, ...]) -> Tensor:
        """Moves the core axis last."""
        if self.axis is None or len(axes) != 1 or tensor.ndim <= 1:
            return tensor
        return tensor.movedim(self.axis, -1)

    def unpack(self, tensor: Tensor, axes: tuple[str, ...]) -> Tensor:
        """Unflattens a starred axis, or moves the core axis back to where the caller has it."""
        if is_starred(axes):
            return tensor.reshape((*tensor.shape[:-1], *self.spatial))
        if self.axis is None or len(axes) != 1 or tensor.ndim <= 1:
            return tensor
        return tensor.movedim(-1, self.axis)


def prepare(
    definition: Definition, arrays: Sequence[Any], parameters: Sequence[Any], options: Options
) -> Call:
    """Checks a call and lays its tensors out for the kernels."""
    name = definition.name
    given: list[tuple[Argument, Tensor]] = []
    absent: list[str] = []
    for argument, value in zip(definition.arguments, arrays, strict=True):
        if value is not None:
            given.append((argument, checked_tensor(name, argument.name, value, argument.role)))
        elif argument.optional:
            absent.append(argument.name)
        else:
            raise ValueError(f"{name}(): `{argument.name}` is None, but it is not optional")
    dtype = _computing_dtype(given)
    axis = _core_axis(name, given, options.axis)
    moved = [(a, x, _canonical(name, a, x, axis, dtype)) for a, x in given]
    starred = any(is_starred(argument.axes) for argument in definition.arguments)
    batch_axes = checked_count(name, "batch_axes", options.batch_axes) if starred else None
    spatial = _spatial(name, moved, options.batch_axes)
    inputs = tuple(_input(name, a, x, y, batch_axes) for a, x, y in moved)
    device = inputs[0].tensor.device
    numbers = [
        parameter_tensor(name, parameter, value, dtype, device)
        for parameter, value in zip(definition.parameters, parameters, strict=True)
    ]
    sizes = _sizes(name, inputs, definition.parameters, numbers)
    triples = zip(definition.parameters, parameters, numbers, strict=True)
    shared = tuple(
        Input(Argument(p.name, "parameter", p.axes), value, _spread(p, number, sizes), ())
        for p, value, number in triples
    )
    return Call(
        definition=definition,
        problem=_problem(definition, tuple(absent), inputs, dtype),
        inputs=inputs,
        parameters=shared,
        lead=_common_lead(name, inputs),
        sizes=sizes,
        spatial=spatial,
        axis=axis,
    )


def is_starred(axes: tuple[str, ...]) -> bool:
    """Whether the last axis stands for any number of them."""
    return bool(axes) and axes[-1].startswith("*")


def _problem(
    definition: Definition, absent: tuple[str, ...], inputs: Sequence[Input], dtype: torch.dtype
) -> Problem:
    roles = [i.argument.role for i in inputs]
    predictions = [k for k, role in enumerate(roles) if role == "prediction"]
    learnable = [len(roles) + k for k, p in enumerate(definition.parameters) if p.learnable]
    return Problem(
        kernels=definition.kernels[absent],
        axes=(*(i.argument.axes for i in inputs), *(p.axes for p in definition.parameters)),
        arrays=len(inputs),
        loss_axes=definition.loss_axes,
        wrt=(*predictions, *learnable),
        dtype=dtype,
    )


def _computing_dtype(given: Sequence[tuple[Argument, Tensor]]) -> torch.dtype:
    """The widest dtype of the predictions, and at least float32."""
    dtype = torch.float32
    for argument, x in given:
        if argument.role == "prediction":
            dtype = torch.promote_types(dtype, x.dtype)
    return dtype


def _core_axis(loss: str, given: Sequence[tuple[Argument, Tensor]], axis: Any) -> int | None:
    """The position of the core axis, from 0, or None if it is last everywhere."""
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise ValueError(f"{loss}(): `axis` is {axis!r}, but must be an integer")
    having = [(a, x) for a, x in given if a.axes]
    if axis == -1 or not having:
        return None
    argument, widest = sorted(having, key=lambda pair: pair[1].ndim)[-1]
    if not -widest.ndim <= axis < widest.ndim:
        raise ValueError(
            f"{loss}(): `axis` is {axis}, but `{argument.name}` has shape {tuple(widest.shape)}, "
            f"so it must lie between {-widest.ndim} and {widest.ndim - 1}"
        )
    return axis % widest.ndim


def _canonical(
    loss: str, argument: Argument, x: Tensor, axis: int | None, dtype: torch.dtype
) -> Tensor:
    """Moves the core axis last. Data are no function of what is differentiated: detached.

    Floating-point inputs keep their dtype: they are cast where they are used, so that a half
    precision tensor is what is saved for the backward pass.
    """
    if argument.role != "prediction":
        x = x.detach()
    if argument.role == "label":
        x = x.long()
    elif argument.role == "target" and not x.is_floating_point():
        x = x.to(dtype)
    # A vector is shared by all samples, or there are no batch axes: its one axis is the core axis.
    if axis is None or len(argument.axes) != 1 or x.ndim <= 1:
        return x
    if axis >= x.ndim:
        raise ValueError(
            f"{loss}(): `axis` is {axis}, but `{argument.name}` has shape {tuple(x.shape)}; all "
            "inputs must have the same batch axes"
        )
    return x.movedim(axis, -1)


def _spatial(
    loss: str, moved: Sequence[tuple[Argument, Tensor, Tensor]], batch_axes: int
) -> tuple[int, ...]:
    """The axes that a starred axis stands for, equal in all inputs that have one."""
    found: tuple[Argument, Tensor, tuple[int, ...]] | None = None
    for argument, given, tensor in moved:
        if not is_starred(argument.axes):
            continue
        shape = tuple(tensor.shape[batch_axes + len(argument.axes) - 1 :])
        if found is None:
            found = argument, given, shape
        elif found[2] != shape:
            first, other, expected = found
            shapes = describe_shapes((first.name, other), (argument.name, given))
            raise ValueError(
                f"{loss}(): {shapes}: their {argument.axes[-1][1:]} axes {expected} and {shape} "
                f"differ (batch_axes={batch_axes})"
            )
    return found[2] if found else ()


def _input(
    loss: str, argument: Argument, given: Tensor, x: Tensor, batch_axes: int | None
) -> Input:
    """Splits off the batch axes and flattens a starred axis."""
    core, starred = len(argument.axes), is_starred(argument.axes)
    fixed = core - 1 if starred else core
    lead = x.ndim - core if batch_axes is None else batch_axes
    if batch_axes is not None and not starred and x.ndim == core:
        lead = 0
    if lead < 0 or x.ndim < lead + fixed or (not starred and x.ndim != lead + fixed):
        batch = (
            "any batch axes" if batch_axes is None else f"{batch_axes} batch axes (`batch_axes`)"
        )
        raise ValueError(
            f"{loss}(): `{argument.name}` has shape {tuple(given.shape)}, but must have {batch} "
            f"and then the core axes ({', '.join(argument.axes)})"
        )
    if starred:
        x = x.reshape(*x.shape[: lead + fixed], x.shape[lead + fixed :].numel())
    check_least(loss, argument, given, x.shape[lead:])
    return Input(argument, given, x, tuple(x.shape[:lead]))


def _common_lead(loss: str, inputs: Sequence[Input]) -> tuple[int, ...]:
    batched = [i for i in inputs if i.lead]
    for other in batched[1:]:
        first = batched[0]
        if other.lead != first.lead:
            shapes = describe_shapes(
                (first.argument.name, first.given), (other.argument.name, other.given)
            )
            raise ValueError(
                f"{loss}(): {shapes}: their batch axes {first.lead} and {other.lead} differ, and "
                "inputs are not broadcast against each other; reshape or index one of them so "
                "that both are equal"
            )
    return batched[0].lead if batched else ()


def _sizes(
    loss: str, inputs: Sequence[Input], parameters: Sequence[Parameter], numbers: Sequence[Tensor]
) -> dict[str, int]:
    """The size of each core axis; every input that has the axis must agree."""
    shaped = [(i.argument.name, i.argument.axes, i.given, i.tensor) for i in inputs]
    shaped += [(p.name, p.axes, x, x) for p, x in zip(parameters, numbers, strict=True) if x.ndim]
    sizes: dict[str, tuple[int, str, Tensor]] = {}
    for name, axes, given, tensor in shaped:
        for axis, size in zip(axes, tensor.shape[tensor.ndim - len(axes) :], strict=True):
            expected, first, other = sizes.setdefault(axis, (size, name, given))
            if expected != size:
                raise ValueError(
                    f"{loss}(): {describe_shapes((first, other), (name, given))}: the {axis} axis "
                    f"has {expected} entries in the one and {size} in the other, and inputs are "
                    "not broadcast against each other"
                )
    return {axis: size for axis, (size, _, _) in sizes.items()}


def _spread(parameter: Parameter, number: Tensor, sizes: dict[str, int]) -> Tensor:
    """A number that is given for an array parameter, as that array."""
    if number.ndim == len(parameter.axes):
        return number
    return number.expand([sizes.get(axis, 1) for axis in parameter.axes])
