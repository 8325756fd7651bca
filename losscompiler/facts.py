"""What tools may know about a loss, as plain data: one entry of the manifest."""

from __future__ import annotations

from typing import Any

from losscompiler.spec.decorator import Loss
from losscompiler.spec.roles import Role


def facts(loss: Loss, structure: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Name, place, signature, inputs and properties of a loss."""
    return {
        "name": loss.name,
        "path": loss.path,
        "line": loss.line,
        "signature": loss.signature,
        "structure": structure,
        "inputs": [_input(name, role) for name, role in loss.inputs.items()],
        "params": [_parameter(name, role) for name, role in loss.params.items()],
        "properties": properties,
    }


def _input(name: str, role: Role) -> dict[str, Any]:
    data: dict[str, Any] = {"name": name, "role": role.kind, "axes": list(role.axes)}
    if role.label_axis is not None:
        data["label_axis"] = role.label_axis
    if role.kind in ("prediction", "target"):
        data["domain"] = str(role.domain)
    return {**data, "optional": role.optional}


def _parameter(name: str, role: Role) -> dict[str, Any]:
    return {
        "name": name,
        "default": str(role.default),
        "domain": str(role.domain),
        "axes": list(role.axes),
        "learnable": role.learnable,
    }
