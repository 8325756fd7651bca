"""The descriptor of a loss: what its inputs, parameters and kernels are, as generated text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import sympy as sp

from losscompiler.backends.domains import Bounds, bounds, interior, words
from losscompiler.backends.layout import Group, Part, block, call, row
from losscompiler.backends.view import KernelView
from losscompiler.spec.decorator import Loss
from losscompiler.spec.expressions import Binder, Element, Index, MaskElement
from losscompiler.spec.roles import Role

_KERNELS = ("value", "vjp", "jvp", "hvp", "hessian_diagonal")


def rows(loss: Loss, name: str) -> tuple[int | None, ...]:
    """Per core axis of an input: the loss axis that it is only read along, else None."""
    free = loss.free_indices
    found: list[int | None] = []
    reads = [
        read
        for formula in (loss.expression, *loss.variants.values())
        for read in _reads(formula, name, frozenset())
    ]
    for axis in range(len(loss.roles[name].axes)):
        read_at = {read[axis] for read in reads}
        (index,) = read_at if len(read_at) == 1 else (None,)
        position = free.index(index) if index in free else None
        # Along x[i, i], one of the axes is enough to say which loss entry reads an entry.
        found.append(None if position in found else position)
    return tuple(found)


def _reads(e: sp.Basic, name: str, bound: frozenset[Index]) -> list[tuple[Any, ...]]:
    """Where an input is read: its indices, None for one that is bound, shifted or looked up."""
    if isinstance(e, Element | MaskElement) and e.tensor.name == name:
        return [tuple(i if isinstance(i, Index) and i not in bound else None for i in e.indices)]
    if isinstance(e, Binder):
        # softmax(x[k], k) keeps k free, yet each of its entries reads all of x.
        bound = bound | set(e.indices)
    return [read for argument in e.args for read in _reads(argument, name, bound)]


def least(loss: Loss, name: str) -> tuple[int, ...]:
    """Per core axis of an input: the number of entries that constant indices ask for."""
    found = [0] * len(loss.roles[name].axes)
    for formula in (loss.expression, *loss.variants.values()):
        for read in formula.atoms(Element, MaskElement):
            if read.tensor.name == name:
                found = [
                    max(most, int(index) + 1) if isinstance(index, sp.Integer) else most
                    for most, index in zip(found, read.indices, strict=True)
                ]
    return tuple(found)


def loss_axes(loss: Loss) -> tuple[str, ...]:
    """The core axes of the unreduced loss, starred as its inputs declare them."""
    starred = {axis for role in loss.roles.values() for axis in role.axes if axis.startswith("*")}
    return tuple(f"*{i.axis}" if f"*{i.axis}" in starred else i.axis for i in loss.free_indices)


def number(value: Any, role: Role) -> str:
    """A default as a Python literal: an integer where only integers are allowed."""
    whole = role.domain.is_subset(sp.S.Integers) is True
    return repr(int(value)) if whole else repr(float(value))


def _strings(items: Sequence[str]) -> str:
    inside = ", ".join(f'"{item}"' for item in items)
    return f"({inside},)" if len(items) == 1 else f"({inside})"


def _argument(loss: Loss, name: str, role: Role) -> Group:
    found = [f'name="{name}"', f'role="{role.kind}"']
    if role.axes:
        found.append(f"axes={_strings(role.axes)}")
    if role.optional:
        found.append("optional=True")
    if role.label_axis is not None:
        found.append(f'label_axis="{role.label_axis}"')
    if role.axes:
        found.append(f"rows={rows(loss, name)!r}")
    if role.kind in ("prediction", "target"):
        found.append(f"filler={interior(role.domain)!r}")
    if any(least(loss, name)):
        found.append(f"least={least(loss, name)!r}")
    return call("Argument", *found)


def parameter(name: str, role: Role) -> Group:
    """The descriptor of a parameter."""
    found = [f'name="{name}"', f"default={number(role.default, role)}"]
    if role.axes:
        found.append(f"axes={_strings(role.axes)}")
    if role.learnable:
        found.append("learnable=True")
    allowed = bounds(role.domain)
    for field in fields(Bounds):
        value = getattr(allowed, field.name)
        if value != field.default:
            found.append(f"{field.name}={value!r}")
    domain = words(name, role.domain)
    if domain:
        found.append(f'domain="{domain}"')
    return call("Parameter", *found)


def descriptor(
    constant: str, loss: Loss, kernels: Mapping[tuple[str, ...], Sequence[KernelView]]
) -> tuple[str, ...]:
    """The statement that defines a loss's descriptor."""
    variants: list[Part] = []
    for absent, views in kernels.items():
        pairs = zip(_KERNELS, views, strict=True)
        functions = call("Kernels", *(f"{field}={view.name}" for field, view in pairs))
        variants.append((f"{_strings(absent)}: ", functions))
    arguments = row(*(_argument(loss, name, role) for name, role in loss.inputs.items()))
    parameters = row(*(parameter(name, role) for name, role in loss.params.items()))
    definition = call(
        "Definition",
        f'name="{loss.name}"',
        ("arguments=", arguments),
        ("parameters=", parameters),
        f"loss_axes={_strings(loss_axes(loss))}",
        ("kernels=", Group("{", tuple(variants), "}")),
    )
    return block(definition, prefix=f"{constant} = ")
