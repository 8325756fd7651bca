"""A loss with fewer choices: parameters at their defaults, or in a part of their domain."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from losscompiler.spec.decorator import Loss
from losscompiler.spec.expressions import Element


def defaults_of(loss: Loss) -> dict[str, sp.Expr]:
    """The parameters of a loss and their default values."""
    return {n: r.default for n, r in loss.params.items() if r.default is not None}


def at_defaults(loss: Loss) -> Loss | None:
    """The loss with numbers in place of its parameters; None if it has none, or no value there."""
    values = defaults_of(loss)
    swaps = {
        e: values[e.tensor.name]
        for e in loss.expression.atoms(Element)
        if e.tensor.name in values
    }  # fmt: skip
    if not swaps:
        return None
    expression = loss.expression.xreplace(swaps)
    if expression.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
        return None
    roles = {n: r for n, r in loss.roles.items() if n not in values}
    return replace(loss, roles=roles, expression=expression, variants={}, claims=())


def narrowed(loss: Loss, parameter: str, domain: sp.Set) -> Loss:
    """The loss with a parameter in a part of its domain."""
    role = replace(loss.roles[parameter], domain=domain)
    return replace(loss, roles={**loss.roles, parameter: role}, variants={}, claims=())
