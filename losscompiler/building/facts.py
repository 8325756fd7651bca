"""What tools may know about a loss, as plain data: one entry of the manifest."""

from __future__ import annotations

from typing import Any

from losscompiler.analysis.certificate import digest
from losscompiler.spec.decorator import Loss
from losscompiler.spec.roles import Role


def identity(loss: Loss) -> dict[str, Any]:
    """The names of a loss, its place, what it is in a line, and its signature."""
    return {
        "name": loss.name,
        "aliases": list(loss.names.aliases),
        "former": list(loss.names.former),
        "deprecated": loss.names.deprecated,
        "path": loss.path,
        "line": loss.line,
        "summary": " ".join(loss.doc.split("\n\n", 1)[0].split()),
        "signature": loss.signature,
    }


def facts(
    loss: Loss, structure: str, properties: dict[str, Any] | None, analysis: str | None = None
) -> dict[str, Any]:
    """Names, place, signature, inputs and properties of a loss, and what these were found by."""
    return {
        **identity(loss),
        "structure": structure,
        "inputs": [_input(name, role) for name, role in loss.inputs.items()],
        "params": [_parameter(name, role) for name, role in loss.params.items()],
        "properties": properties,
        "formula": digest(loss),
        "analysis": analysis,
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
