"""How often a formula is differentiable, and where it is not.

The class is that of the function, not of the formula: pieces that are one function in different
notation have no kink between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sympy as sp

from losscompiler.analysis.cells import Cell, Facet, solved
from losscompiler.analysis.claims import Context
from losscompiler.analysis.convexity import (
    difference_on_guard,
    met,
    require_defined_on,
)
from losscompiler.analysis.definedness import require_defined
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.analysis.limits import SINGULAR, value_at
from losscompiler.analysis.probe import refuted_by_sample
from losscompiler.analysis.problem import Problem
from losscompiler.analysis.sign import holds
from losscompiler.analysis.special_cases import all_cases

HIGHEST = 5
"""Derivatives up to this order are compared; kinks of still higher order are not classified."""


@dataclass(frozen=True)
class Kink:
    """A facet where derivatives below `order` agree and those of that order do not.

    `left` and `right` are these derivatives, in the direction of growing predictions; order 0 is a
    jump of the value itself.
    """

    guard: sp.Expr
    variable: sp.Symbol
    at: sp.Expr
    order: int
    left: sp.Expr
    right: sp.Expr
    case: str


@dataclass(frozen=True)
class Smoothness:
    """All kinks of a formula; none means that it has derivatives of every order."""

    kinks: tuple[Kink, ...]

    @property
    def name(self) -> str:
        """discontinuous, C0, C1, ... or Cinf."""
        if not self.kinks:
            return "Cinf"
        order = min(k.order for k in self.kinks)
        return "discontinuous" if order == 0 else f"C{order - 1}"


def smoothness(found: Problem, variables: Sequence[sp.Symbol], ledger: Ledger) -> Smoothness:
    """The kinks of a formula in its predictions.

    Raises:
        OpenError: If it is not settled whether derivatives agree somewhere.
    """
    kinks: dict[tuple[sp.Expr, str], dict[Kink, None]] = {}
    for chosen, _, pieces in all_cases(found.formula, variables, found.context):
        told = ", ".join(f"{s} = {v}" for s, v in chosen.items())
        for cell in pieces:
            if cell.is_open:
                require_defined(cell.value, found.context.given(*cell.claims), ledger)
        for facet in met(pieces, variables, found.context):
            kink = _kink(facet, told, ledger)
            if kink is not None:
                here = kinks.setdefault((kink.at, told), {})
                here[_with_conditions(kink, facet, found.context)] = None
        for cell in pieces:
            if cell.is_open:
                continue
            kink = _jump_on_guard(cell, pieces, variables, found.context, told)
            if kink is not None:
                kinks[kink.at, told] = {kink: None}
    return Smoothness(tuple(kink for at_one_place in kinks.values() for kink in at_one_place))


def _with_conditions(kink: Kink, facet: Facet, context: Context) -> Kink:
    """A kink that is there for some parameters only says for which."""
    facts = [f for f in facet.context.facts if not holds(f.expression, f.relation, context)]
    return replace(kink, case=", ".join(filter(None, (kink.case, *map(str, facts)))))


def _jump_on_guard(
    cell: Cell, pieces: Sequence[Cell], variables: Sequence[sp.Symbol], context: Context, told: str
) -> Kink | None:
    """A value on a guard that is none of those beside it."""
    zero = [g for g, side in cell.sides if side == 0 and g.has(*variables)]
    found = difference_on_guard(cell, pieces, variables, context) if zero else None
    if found is None:
        return None
    equal = same(found[0], sp.S.Zero, found[1])
    if equal is None:
        raise OpenError(f"{found[0]} == 0, of the value where {zero[0]} = 0")
    solution = solved(zero[0], variables)
    if equal or solution is None:
        return None
    return Kink(zero[0], *solution, 0, found[0], sp.S.Zero, told)


def same(a: sp.Expr, b: sp.Expr, context: Context) -> bool | None:
    """Whether two formulas are equal wherever the context holds; None if that is not settled."""
    difference = a - b
    if difference.has(*SINGULAR):
        return None
    if difference.is_number:
        return bool(difference.equals(0))
    if a == b or holds(difference, "==", context):
        return True
    if refuted_by_sample(difference, "==", context):
        return False
    return None


def _kink(facet: Facet, told: str, ledger: Ledger) -> Kink | None:
    above, below, x = facet.above.value, facet.below.value, facet.variable
    everywhere = Context(facet.context.domains)
    if above == below or holds(above - below, "==", everywhere):
        require_defined_on(facet, ledger)
        return None
    rising = _rising(facet)
    for order in range(HIGHEST + 1):
        up, down = (
            value_at(facet, sp.diff(cell, x, order), side)
            for cell, side in ((above, 1), (below, -1))
        )
        if up is None or down is None:
            raise OpenError(f"the derivative of order {order} beside {facet.guard} = 0")
        equal = same(up, down, facet.context)
        if equal is None:
            raise OpenError(f"{up - down} == 0, of derivatives of order {order}")
        if not equal:
            left, right = (down, up) if rising else (up, down)
            return Kink(
                facet.guard, x, facet.at, order, sp.simplify(left), sp.simplify(right), told
            )
        ledger.require(
            f"derivative {order} where {facet.guard} = 0", up - down, "==", facet.context
        )
    raise OpenError(f"derivatives beyond order {HIGHEST} where {facet.guard} = 0")


def _rising(facet: Facet) -> bool:
    slope = facet.orientation.subs(facet.variable, facet.at)
    if holds(slope, ">", facet.context):
        return True
    if holds(-slope, ">", facet.context):
        return False
    raise OpenError(f"the direction in which {facet.guard} grows")
