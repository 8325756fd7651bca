"""What the class forms keep: parameters, buffers and settings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ._checks import checked_tensor, parameter_tensor
from ._descriptors import Definition, Parameter
from ._options import Scalar


def fixed_parameter(definition: Definition, name: str, value: Scalar) -> Scalar:
    """A hyperparameter; a tensor becomes a buffer, which moves and is saved with its module."""
    _check(definition, name, value)
    return nn.Buffer(value) if isinstance(value, Tensor) else value


def learned_parameter(definition: Definition, name: str, value: Scalar) -> nn.Parameter:
    """A trainable parameter that starts at a value; a number gets the default dtype."""
    _check(definition, name, value)
    if isinstance(value, Tensor) and value.is_floating_point():
        return nn.Parameter(value.detach().clone())
    return nn.Parameter(torch.as_tensor(value, dtype=torch.get_default_dtype()).clone())


def checked_buffer(definition: Definition, name: str, value: Tensor | None) -> Tensor | None:
    """An optional tensor of constants, which moves and is saved with its module."""
    return None if value is None else nn.Buffer(checked_tensor(definition.name, name, value))


def settings_text(**settings: Any) -> str:
    """The settings as `repr` of a module shows them; those that are None are left out."""
    shown = {name: _shown(value) for name, value in settings.items() if value is not None}
    return ", ".join(f"{name}={text}" for name, text in shown.items())


def _check(definition: Definition, name: str, value: Scalar) -> None:
    parameter: Parameter = next(p for p in definition.parameters if p.name == name)
    device = value.device if isinstance(value, Tensor) else torch.device("cpu")
    parameter_tensor(definition.name, parameter, value, torch.float64, device)


def _shown(value: Any) -> str:
    if not isinstance(value, Tensor):
        return repr(value)
    text = f"{value.item():.6g}" if value.ndim == 0 else f"tensor of shape {tuple(value.shape)}"
    return f"{text} (learnable)" if isinstance(value, nn.Parameter) else text
