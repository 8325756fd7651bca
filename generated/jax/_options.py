"""The types of the generated functions, and the options that every loss has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jax
import jax.typing

Array: TypeAlias = jax.Array
ArrayLike: TypeAlias = jax.typing.ArrayLike | Sequence[Any]
Scalar: TypeAlias = jax.typing.ArrayLike
Reduction: TypeAlias = Literal["none", "sum", "mean"]
# What a kernel returns: an array, or a plain number where its result does not depend on the data.
Result: TypeAlias = Any


@dataclass(frozen=True)
class Options:
    """How a loss is weighted, reduced and laid out; the generated functions document each."""

    weight: ArrayLike | None = None
    mask: ArrayLike | None = None
    reduction: Reduction = "mean"
    normalizer: Scalar | None = None
    ignore_index: int | None = None
    class_weight: ArrayLike | None = None
    axis: int = -1
    batch_axes: int = 1
