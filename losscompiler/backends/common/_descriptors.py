"""What a loss is made of: its inputs, its parameters and the kernels that hold its mathematics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any


@dataclass(frozen=True)
class Argument:
    """One array input.

    `axes` are its core axes, of which the last may be starred: `"*spatial"`. `label_axis` is the
    axis whose size bounds a label. `rows` holds per core axis the position in the loss axes if the
    input is read there only at the loss's own index, else None. `filler` is a harmless value that
    stands in where every loss entry that reads an entry is masked out. `least` holds per core axis
    the number of entries that constant indices ask for.
    """

    name: str
    role: str
    axes: tuple[str, ...] = ()
    optional: bool = False
    label_axis: str | None = None
    rows: tuple[int | None, ...] = ()
    filler: float = 0.0
    least: tuple[int, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter: a number, or an array over `axes`.

    Its values lie between `low` and `high` but in none of `gaps`, whose ends belong to them, or
    among `values`; `domain` says so in words.
    """

    name: str
    default: float
    axes: tuple[str, ...] = ()
    learnable: bool = False
    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = False
    integer: bool = False
    values: tuple[float, ...] = ()
    domain: str = ""
    gaps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Kernels:
    """The mathematics of a loss: pure functions of canonical arrays.

    With `inputs` the arrays and parameters in the spec's order, `g` a cotangent of the unreduced
    loss and `v` one tangent per differentiated input: `value(*inputs)`, `vjp(*inputs, g)`,
    `jvp(*inputs, *v)`, `hvp(*inputs, g, *v)` and `hessian_diagonal(*inputs, g)`.
    """

    value: Callable[..., Any]
    vjp: Callable[..., Any]
    jvp: Callable[..., Any]
    hvp: Callable[..., Any]
    hessian_diagonal: Callable[..., Any]


@dataclass(frozen=True)
class Definition:
    """A whole loss. `kernels` is keyed by the names of the optional inputs that are left out."""

    name: str
    arguments: tuple[Argument, ...]
    parameters: tuple[Parameter, ...]
    loss_axes: tuple[str, ...]
    kernels: Mapping[tuple[str, ...], Kernels]
