"""The names that users know a loss by: its own, its aliases, and those of what is made for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DERIVED = ("_value_and_grad", "_hvp", "_hessian_diagonal")


def function_names(name: str) -> tuple[str, ...]:
    """The functions that generated code has under a name of a loss."""
    return (name, *(name + suffix for suffix in DERIVED))


def class_name(name: str) -> str:
    """The class form of a loss: `smooth_l1` is `SmoothL1Loss`, `focal_loss` is `FocalLoss`."""
    camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return camel if camel.endswith("Loss") else f"{camel}Loss"


def objective_name(name: str) -> str:
    """The objective of a loss: `smooth_l1` is `SmoothL1Objective`."""
    return f"{class_name(name).removesuffix('Loss')}Objective"


def all_names(loss: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a loss, given by its facts: its own first."""
    return (loss["name"], *loss.get("aliases", ()), *loss.get("former", ()))
