"""A loss with fewer choices: parameters at their defaults, or in a part of their domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    return with_values(loss, values) if values else None


def with_values(loss: Loss, values: Mapping[str, sp.Expr]) -> Loss | None:
    """The loss with some parameters being numbers; None if it has no value there."""
    swaps = {
        e: values[e.tensor.name]
        for e in loss.expression.atoms(Element)
        if e.tensor.name in values
    }  # fmt: skip
    expression = loss.expression.xreplace(swaps)
    if expression.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
        return None
    roles = {n: r for n, r in loss.roles.items() if n not in values}
    return replace(loss, roles=roles, expression=expression, variants={}, claims=())


def choices(loss: Loss) -> Iterator[tuple[dict[str, sp.Expr], Loss]]:
    """The loss with numbers in place of its parameters: the defaults, and other simple ones."""
    usual = defaults_of(loss)
    tried = []
    for number in (None, sp.S.Half, sp.S.One, sp.Integer(2)):
        values = dict(usual)
        if number is not None:
            fits = (n for n in usual if loss.roles[n].domain.contains(number) == sp.true)
            values |= dict.fromkeys(fits, number)
        if values in tried:
            continue
        tried.append(values)
        made = with_values(loss, values)
        if made is not None:
            yield values, made


def narrowed(loss: Loss, parameter: str, domain: sp.Set) -> Loss:
    """The loss with a parameter in a part of its domain."""
    role = replace(loss.roles[parameter], domain=domain)
    return replace(loss, roles={**loss.roles, parameter: role}, variants={}, claims=())
