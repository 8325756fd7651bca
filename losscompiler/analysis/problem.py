"""The scalar question behind an elementwise loss: one symbol per entry, and where each lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import sympy as sp

from losscompiler.analysis.claims import Context
from losscompiler.analysis.elementary import elementary
from losscompiler.spec import expressions as ex
from losscompiler.spec.decorator import Loss
from losscompiler.spec.recurrence import Carry, Scan
from losscompiler.spec.roles import Role, assumptions_of
from losscompiler.spec.tensors import Index, Tensor

POSITIONS = sp.Range(0, sp.oo)
COUNTS = sp.Range(1, sp.oo)
TRUTHS = sp.FiniteSet(0, 1)


@dataclass(frozen=True)
class Problem:
    """A scalar formula over symbols; `owner` names the input that each symbol is an entry of.

    `error` is the symbol of prediction minus target where the formula depends on nothing else of
    the two, and `target` is then that target. `meaning` tells what all symbols stand for.
    """

    formula: sp.Expr
    variables: tuple[sp.Symbol, ...]
    context: Context
    owner: tuple[tuple[sp.Symbol, str], ...]
    error: sp.Symbol | None = None
    target: sp.Symbol | None = None
    prediction: sp.Symbol | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    meaning: tuple[tuple[sp.Symbol, sp.Basic], ...] = ()

    def entries(self, name: str) -> tuple[sp.Symbol, ...]:
        """The symbols that are entries of an input."""
        if self.error is not None and dict(self.owner).get(self.prediction) == name:
            return (self.error,)
        return tuple(s for s, owner in self.owner if owner == name and s in self.variables)

    def inputs(self, point: Mapping[sp.Symbol, Fraction]) -> dict[str, Any]:
        """The inputs at a point, as text, over axes with one entry; the target of an error is 0."""
        if self.error in point:
            point = {**point, self.prediction: point[self.error], self.target: Fraction(0)}
        named = {name: str(point[s]) for s, name in self.owner if s in point}
        named |= {name: "0" for name, role in self.roles.items() if role.kind == "label"}
        found: dict[str, Any] = {}
        for name, value in named.items():
            found[name] = value
            for _ in self.roles[name].axes:
                found[name] = [found[name]]
        return found

    def shown(self, e: sp.Expr) -> sp.Expr:
        """An expression in terms of the inputs alone."""
        if self.error is None or self.prediction is None or self.target is None:
            return e
        return e.subs(self.error, self.prediction - self.target)


class NotScalarError(ValueError):
    """A formula that couples the entries of an axis."""


def symbol_of(entry: sp.Basic, domain: sp.Set) -> sp.Symbol:
    """The symbol that stands for an entry."""
    name = str(entry).replace("[", "_").replace("]", "").replace(", ", "_").replace(" ", "")
    return sp.Symbol(name, **assumptions_of(domain))


def problem(loss: Loss) -> Problem:
    """The scalar question behind an elementwise loss.

    Raises:
        NotScalarError: If the formula reduces over an axis.
    """
    formula = loss.expression
    if formula.has(ex.Binder, Scan, Carry, sp.floor, sp.ceiling):
        raise NotScalarError(loss.name)
    swaps, domains, owner = {}, {}, {}
    meaning: dict[sp.Symbol, sp.Basic] = {}
    for entry in sorted(formula.atoms(ex.Element), key=str):
        tensor: Tensor = entry.tensor
        role = loss.roles[tensor.name]
        domain = POSITIONS if role.kind == "label" else role.domain
        symbol = symbol_of(entry, sp.S.Naturals0 if role.kind == "label" else domain)
        swaps[entry], domains[symbol], owner[symbol] = symbol, domain, tensor.name
        meaning[symbol] = entry
    for entry in sorted(formula.atoms(ex.MaskElement), key=str):
        symbol = symbol_of(entry, sp.S.Reals)
        swaps[entry], domains[symbol], meaning[symbol] = symbol > 0, TRUTHS, entry
    for size in formula.atoms(ex.Size):
        symbol = sp.Symbol(size.name, integer=True, positive=True)
        swaps[size], domains[symbol], meaning[symbol] = symbol, COUNTS, size
    for index in formula.atoms(Index):
        symbol = sp.Symbol(f"{index.name}_", integer=True, nonnegative=True)
        swaps[index], domains[symbol], meaning[symbol] = symbol, POSITIONS, index
    made = elementary(formula.xreplace(swaps))
    moving = tuple(s for s, name in owner.items() if loss.roles[name].kind == "prediction")
    found = Problem(made, moving, Context.over(domains), tuple(owner.items()),
                    roles=loss.roles, meaning=tuple(meaning.items()))  # fmt: skip
    return _of_error(found, loss)


def _of_error(found: Problem, loss: Loss) -> Problem:
    """The question in prediction minus target, if these are real and occur in no other way."""
    owner = dict(found.owner)
    targets = [s for s, name in owner.items() if loss.roles[name].kind == "target"]
    if len(found.variables) != 1:
        return found
    (prediction,) = found.variables
    real = [t for t in targets if found.context.domain(t) == sp.S.Reals]
    if len(real) != 1 or found.context.domain(prediction) != sp.S.Reals:
        return found
    error = sp.Symbol("error", real=True)
    formula = elementary(found.formula.xreplace({prediction: error + real[0]}))
    if formula.has(real[0]):
        formula = elementary(sp.expand(formula))
    if formula.has(real[0]):
        return found
    domains = {s: d for s, d in found.context.domains if s not in (prediction, real[0])}
    context = Context.over({**domains, error: sp.S.Reals})
    meaning = dict(found.meaning)
    distance = meaning[prediction] - meaning[real[0]]
    return replace(found, formula=formula, variables=(error,), context=context, error=error,
                   meaning=(*found.meaning, (error, distance)),
                   target=real[0], prediction=prediction)  # fmt: skip
