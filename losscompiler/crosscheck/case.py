"""One call of a generated function, as data: what is passed, and in which dtypes it makes sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FLOATS = ("float64", "float32")


@dataclass(frozen=True)
class Case:
    """Arguments by name. Arrays are float64, int64 or bool, and exact in every dtype of `dtypes`.

    `options` are the keyword arguments that every loss has (weight, mask, reduction, ...). A
    parameter that is missing is left to its default. `vector` is what Hessians are multiplied by.
    """

    kind: str
    arrays: Mapping[str, np.ndarray[Any, Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = FLOATS
    vector: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
