"""What a proof rests on: the obligations that were met, or the first that was not."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

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


@dataclass
class Ledger:
    """Collects obligations. `steps` are rules applied that need no inequality."""

    obligations: list[Obligation] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def require(self, purpose: str, expression: sp.Expr, relation: str, context: Context) -> None:
        """Proves a claim; raises OpenError if that fails."""
        claim = Claim(expression, relation)
        how = prove(claim, context) if len(self.obligations) < MOST else None
        if how is None:
            raise OpenError(str(Obligation(purpose, claim, context, "")))
        self.obligations.append(Obligation(purpose, claim, context, how))

    def note(self, step: str) -> None:
        """Records a rule that was applied."""
        self.steps.append(step)
