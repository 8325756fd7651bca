"""What is said of a loss that a library computes otherwise, and that our tests hold it to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch


@dataclass(frozen=True)
class Case:
    """`theirs` gives the first number, our loss of these inputs the second.

    With `gradient` the numbers are sums of the gradient by the prediction of that position.
    """

    name: str
    theirs: Callable[[], Any]
    number: float
    loss: str
    inputs: tuple[Any, ...]
    our_number: float
    options: Mapping[str, Any] = field(default_factory=dict)
    gradient: bool = False
    dtype: str = "float64"
    by: int = 0


def floats(*values: Any) -> torch.Tensor:
    """Numbers as the libraries take them."""
    return torch.tensor(values, dtype=torch.float64)


def arguments(**values: Any) -> SimpleNamespace:
    """The inputs of a library's published formula, as the rows of equality have it."""
    given = {n: torch.tensor(v).double() if isinstance(v, list) else v for n, v in values.items()}
    return SimpleNamespace(**given)
