"""An elementwise loss of one prediction, cell by cell: what most properties are read off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sympy as sp

from losscompiler.analysis.cells import Cell
from losscompiler.analysis.claims import Context
from losscompiler.analysis.extremes import Bound, largest, supremum
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.analysis.problem import NotScalarError, Problem, problem
from losscompiler.analysis.special_cases import all_cases
from losscompiler.spec.decorator import Loss

MANY = "the formula couples the entries of an axis, or several predictions"


@dataclass(frozen=True)
class Case:
    """The open cells of a formula for one choice of symbols with few or special values."""

    formula: sp.Expr
    variable: sp.Symbol
    chosen: tuple[tuple[sp.Symbol, sp.Expr], ...]
    pieces: tuple[Cell, ...]

    @property
    def told(self) -> str:
        """The choice."""
        return ", ".join(f"{s} = {v}" for s, v in self.chosen)

    def parts(self, order: int, sign: int = 1) -> list[tuple[sp.Expr, Cell]]:
        """A derivative on each cell."""
        x = self.variable
        return [(sign * sp.diff(c.value, x, order), c) for c in self.pieces]


@dataclass(frozen=True)
class Scalar:
    """A loss of one scalar prediction `x`."""

    question: Problem
    x: sp.Symbol
    context: Context
    cases: tuple[Case, ...]

    def parts(self, order: int, *signs: int) -> Iterator[tuple[Case, list[tuple[sp.Expr, Cell]]]]:
        """A derivative, or its negative, on the cells of each case."""
        for case in self.cases:
            yield case, [p for sign in signs for p in case.parts(order, sign)]

    def supremum(self, order: int, *signs: int, ledger: Ledger) -> list[Bound]:
        """The least upper bound of a derivative, or of its size, over all cases."""
        found: list[Bound] = []
        for _, parts in self.parts(order, *signs):
            found += supremum(parts, self.x, self.context, ledger)
        if any(b.value == sp.oo for b in found):
            return [Bound(sp.oo)]
        return largest(found, self.context)

    def shown(self, e: sp.Expr) -> str:
        """An expression as text, in terms of the inputs."""
        return str(self.question.shown(e))


def scalar(loss: Loss) -> Scalar:
    """The cells of an elementwise loss of one prediction.

    Raises:
        OpenError: If it is not one, or has too many pieces.
    """
    try:
        question = problem(loss)
    except NotScalarError:
        raise OpenError(MANY) from None
    if len(question.variables) != 1:
        raise OpenError(MANY)
    (x,) = question.variables
    found = []
    for chosen, formula, every in all_cases(question.formula, (x,), question.context):
        pieces = tuple(c for c in every if c.is_open)
        found.append(Case(formula, x, tuple(chosen.items()), pieces))
    return Scalar(question, x, question.context, tuple(found))


def as_text(bounds: Sequence[Bound]) -> str:
    """The largest of some bounds."""
    values = list(dict.fromkeys(b.value for b in bounds))
    return str(values[0]) if len(values) == 1 else f"Max({', '.join(sorted(map(str, values)))})"
