"""What a proof rests on: the obligations that were met, or the first that was not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from losscompiler.analysis.cells import Cell
from losscompiler.analysis.claims import Claim, Context
from losscompiler.analysis.sign import prove

MOST = 400


@dataclass(frozen=True)
class Obligation:
    """One claim that had to be proved, why, where it has to hold, and how it was proved."""

    purpose: str
    claim: Claim
    context: Context
    how: str

    def __str__(self) -> str:
        """What has to hold where, and what for."""
        where = ", ".join(map(str, self.context.facts))
        return f"{self.purpose}: {self.claim}" + (f" where {where}" if where else "")


class OpenError(Exception):
    """An obligation that is not proved; the text says which."""


class InapplicableError(Exception):
    """A property that is not a question about this loss."""


@dataclass(frozen=True)
class Pieces:
    """A formula in pieces, to which the theorem about formulas with kinks was applied.

    It is that for one choice of the symbols with finitely many values.
    """

    variables: tuple[sp.Symbol, ...]
    cells: tuple[Cell, ...]
    context: Context
    chosen: tuple[tuple[sp.Symbol, sp.Expr], ...] = ()


@dataclass(frozen=True)
class Argument:
    """Why a part of a formula has a curvature: by which rule, and what that rests on.

    `symbols` are what the symbols of `pieces` stand for, `parts` the curvatures of those that move.
    """

    part: sp.Basic
    kind: str
    rule: str
    symbols: tuple[tuple[sp.Symbol, sp.Basic], ...] = ()
    parts: tuple[tuple[sp.Symbol, str], ...] = ()
    pieces: tuple[Pieces, ...] = ()


@dataclass
class Ledger:
    """Collects what a proof rests on. `steps` are rules applied that need no inequality."""

    obligations: list[Obligation] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    pieces: list[Pieces] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)

    def require(self, purpose: str, expression: sp.Expr, relation: str, context: Context) -> None:
        """Proves a claim; raises OpenError if that fails."""
        claim = Claim(expression, relation)
        how = prove(claim, context) if len(self.obligations) < MOST else None
        if how is None:
            raise OpenError(str(Obligation(purpose, claim, context, "")))
        self.obligations.append(Obligation(purpose, claim, context, how))

    @property
    def proof(self) -> tuple[Any, ...]:
        """All that was collected."""
        return (*self.obligations, *self.steps, *self.arguments)

    def take(self, other: Ledger) -> None:
        """Adds what an attempt collected that succeeded."""
        self.obligations += other.obligations
        self.steps += other.steps
        self.pieces += other.pieces
        self.arguments += other.arguments

    def note(self, step: str) -> None:
        """Records a rule that was applied."""
        self.steps.append(step)
