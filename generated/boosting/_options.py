"""The types of the generated functions, and the options that every loss has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
ArrayLike: TypeAlias = npt.ArrayLike
Scalar: TypeAlias = npt.ArrayLike
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
