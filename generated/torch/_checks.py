"""The checks of a call. Every mistake is a `ValueError` that names the loss, the inputs and shapes.

What depends on data is checked where data can be asked: eagerly, not while tracing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any, SupportsFloat

import torch
from torch import Tensor

from ._descriptors import Argument, Parameter
from ._options import Reduction

FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGRAL = (
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
)
_DTYPES = {
    "prediction": FLOATING,
    "target": (*FLOATING, *_INTEGRAL, torch.bool),
    "mask": (torch.bool,),
    "label": _INTEGRAL,
}
_REDUCTIONS = ("none", "sum", "mean")
_WANTED = {
    "prediction": "floating-point numbers",
    "target": "real numbers",
    "mask": "booleans; compare it first, for example with `!= 0`",
    "label": "integers; convert it with .long()",
}


def known(condition: Tensor) -> bool | None:
    """The truth of a condition on data; None while tracing, where there are no data to ask."""
    if torch.compiler.is_compiling():
        return None
    if condition.is_cuda and torch.cuda.is_current_stream_capturing():
        return None
    try:
        return bool(condition)
    except RuntimeError:  # under vmap, and for fake and meta tensors
        return None


def checked_reduction(loss: str, reduction: Reduction) -> Reduction:
    """One of the reductions that there are."""
    if reduction not in _REDUCTIONS:
        raise ValueError(
            f"{loss}(): `reduction` is {reduction!r}, but must be one of "
            f"{', '.join(map(repr, _REDUCTIONS))}"
        )
    return reduction


def checked_tensor(loss: str, name: str, value: Any, role: str = "target") -> Tensor:
    """An input, if it is a tensor of a dtype that its role allows."""
    if not isinstance(value, Tensor):
        raise ValueError(
            f"{loss}(): `{name}` is of type {type(value).__name__}, but must be a torch.Tensor"
        )
    if value.dtype not in _DTYPES[role]:
        raise ValueError(
            f"{loss}(): `{name}` has shape {tuple(value.shape)} and dtype {value.dtype}, but must "
            f"hold {_WANTED[role]}"
        )
    return value


def checked_count(loss: str, name: str, value: Any) -> int:
    """A number of axes."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{loss}(): `{name}` is {value!r}, but must be an integer >= 0")
    return value


def check_least(loss: str, argument: Argument, given: Tensor, core: Sequence[int]) -> None:
    """Checks that constant indices lie within their axes."""
    for axis, size, least in zip(argument.axes, core, argument.least or core, strict=True):
        if size < least:
            raise ValueError(
                f"{loss}(): `{argument.name}` has shape {tuple(given.shape)}: its {axis} axis has "
                f"{size} entries, but the loss reads entry {least - 1}, counted from 0"
            )


def parameter_tensor(
    loss: str, parameter: Parameter, value: Any, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """A parameter as a tensor: of no axes, or of its own."""
    if not isinstance(value, Tensor):
        number = checked_number(loss, parameter, value)
        return torch.full((), number, dtype=dtype, device=device)
    checked_tensor(loss, parameter.name, value)
    if value.ndim not in (0, len(parameter.axes)):
        wanted = f"a number or have the axes ({', '.join(parameter.axes)})"
        raise ValueError(
            f"{loss}(): parameter `{parameter.name}` has shape {tuple(value.shape)}, but must be "
            f"{wanted if parameter.axes else 'a single number'}"
        )
    allowed = _allowed(parameter, value.detach())
    if allowed is not None and known(allowed.all()) is False:
        raise _outside(loss, parameter, value.detach()[~allowed].flatten()[0].item())
    return value.to(dtype)


def checked_number(loss: str, parameter: Parameter, value: Any) -> float:
    """A parameter that is a Python number (or NumPy's), if it lies in its domain."""
    if not isinstance(value, SupportsFloat):
        raise ValueError(
            f"{loss}(): parameter `{parameter.name}` is {value!r}, but must be a number"
        )
    number = value if isinstance(value, int | float) else float(value)
    if parameter.values:
        allowed = number in parameter.values
    else:
        above = number > parameter.low if parameter.low_open else number >= parameter.low
        below = number < parameter.high if parameter.high_open else number <= parameter.high
        between = above and below and not any(a <= number <= b for a, b in parameter.gaps)
        whole = not parameter.integer or number % 1 == 0
        allowed = -inf < number < inf and between and whole
    if not allowed:
        raise _outside(loss, parameter, number)
    return number


def checked_labels(
    loss: str, name: str, label: Tensor, axis: str, size: int | None, read: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Labels with 0 where they are not read or out of range.

    Also says where they are read and out of range, if that is not known yet; if it is known to be
    so, it is an error.
    """
    inside = label >= 0
    if size is not None:
        inside = inside & (label < size)
    wrong = ~inside if read is None else ~inside & read
    found = known(wrong.any())
    if found:
        raise ValueError(
            f"{loss}(): `{name}` of shape {tuple(label.shape)} holds {int(label[wrong][0])}, but "
            f"axis `{axis}` has {size} entries, so labels lie between 0 and {(size or 0) - 1}; use "
            "`ignore_index` or `mask` for entries without a label"
        )
    if found is None:
        return torch.where(inside, label, 0), wrong
    return (label if read is None else torch.where(inside, label, 0)), None


def describe_shapes(first: tuple[str, Tensor], second: tuple[str, Tensor]) -> str:
    """Names two inputs and their shapes."""
    (name, x), (other, y) = first, second
    return f"`{name}` has shape {tuple(x.shape)} and `{other}` has shape {tuple(y.shape)}"


def broadcasts(shape: Sequence[int], target: Sequence[int]) -> bool:
    """Whether a shape broadcasts to another one without changing that."""
    pairs = zip(reversed(shape), reversed(target), strict=False)
    return len(shape) <= len(target) and all(m in (1, n) for m, n in pairs)


def _allowed(parameter: Parameter, value: Tensor) -> Tensor | None:
    """Where a tensor lies in the domain of a parameter; None if that is all real numbers.

    To ask costs a wait for the device, so that question is not asked for nothing.
    """
    if parameter.values:
        return torch.stack([value == allowed for allowed in parameter.values]).any(0)
    bounded = (parameter.low, parameter.high) != (-inf, inf) or parameter.gaps
    if not bounded and not parameter.integer:
        return None
    above = value > parameter.low if parameter.low_open else value >= parameter.low
    below = value < parameter.high if parameter.high_open else value <= parameter.high
    allowed = torch.isfinite(value) & above & below
    for low, high in parameter.gaps:
        allowed &= (value < low) | (value > high)
    return allowed & (value % 1 == 0) if parameter.integer else allowed


def _outside(loss: str, parameter: Parameter, value: float) -> ValueError:
    return ValueError(
        f"{loss}(): parameter `{parameter.name}` is {value}, but must satisfy "
        f"{parameter.domain or 'being a finite number'}"
    )
