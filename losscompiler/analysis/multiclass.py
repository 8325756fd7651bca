"""What a loss over a class axis estimates, its likelihood, and whether labels may be noisy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import sympy as sp

from losscompiler.analysis.abstraction import reduced
from losscompiler.analysis.bernoulli import determinant
from losscompiler.analysis.classes import (
    UNIT,
    Form,
    Roles,
    by_probabilities,
    class_roles,
    form_of,
)
from losscompiler.analysis.elementary import elementary
from losscompiler.analysis.exact import EXACT, add, high, low, multiply
from losscompiler.analysis.hinges import uncalibrated
from losscompiler.analysis.instance import instance
from losscompiler.analysis.ledger import InapplicableError, Ledger, OpenError
from losscompiler.analysis.narrowed import choices
from losscompiler.analysis.scoring import NO_VALUE, improper, label_at, proper
from losscompiler.analysis.sign import holds
from losscompiler.analysis.verdict import PROVED, Verdict, proved, refuted, unknown
from losscompiler.spec.decorator import Loss

POINTS = tuple((Fraction(n, 12), Fraction(12 - n, 12)) for n in (3, 6, 8))
Search = Callable[[Loss], dict[str, Any] | None]


@dataclass
class Multiclass:
    """The questions about one loss; what they share is answered once."""

    loss: Loss
    roles: Roles

    @cached_property
    def logits(self) -> bool:
        """Whether predictions are real numbers; else they are probabilities."""
        return not self.loss.roles[self.roles.prediction].domain.is_subset(UNIT)

    @cached_property
    def form(self) -> Form:
        """The loss in power sums of probabilities; raises OpenError if it has none."""
        return probabilistic(self.loss, self.roles)

    def refuted(self, reason: str, search: Search) -> Verdict | None:
        """What a search finds for the parameters at their defaults, or at other simple values."""
        for values, made in choices(self.loss):
            try:
                probabilistic(made, self.roles)  # else it is not known what its predictions are
                witness = search(made)
            except (OpenError, *NO_VALUE):
                continue
            if witness is not None:
                fixed = {name: str(v) for name, v in values.items()}
                return refuted(reason, {**witness, "fixed": fixed})
        return None

    def costs(self, loss: Loss, points: Sequence[Sequence[Fraction]]) -> list[list[Any]]:
        """The exact losses of two classes at some predictions."""
        made, name = instance(loss, 2), self.roles.prediction
        return [
            [
                made.evaluate(
                    {(name, (n,)): x for n, x in enumerate(point)} | label_at(self.roles, k, 2),
                    exactly=True,
                )
                for k in range(2)
            ]
            for point in points
        ]

    # ---- likelihood -----------------------------------------------------------------------------

    def likelihood(self) -> Verdict:
        """Whether exp(-loss) of all classes add up to a constant."""
        reason = "exp(-loss) of two classes times any factors of these is no distribution"
        found = self.refuted(reason, self._unnormalised)
        if found is not None:
            return found
        sums, ledger = self.form.sums, Ledger()
        weight = elementary(sp.exp(-self.form.formula.subs(sums.u, sums.v)))
        total = reduced(sums.total(weight, sums.v))
        for symbol in (*sums.symbols.values(), sums.size):
            ledger.require("the probabilities add up to a constant", sp.diff(total, symbol), "==",
                           self.form.context())  # fmt: skip
        name, share = self.roles.prediction, "proportional to exp(-loss)"
        if not reduced(weight / sums.v).has(sums.v):
            share = f"softmax({name})" if self.logits else name
        return proved("exp(-loss) of all classes add up to a constant", tuple(ledger.obligations),
                      distribution="categorical", given={"probabilities": share})  # fmt: skip

    def _unnormalised(self, loss: Loss) -> dict[str, Any] | None:
        """Three predictions for two classes that no factors of these give the same total."""
        exp = EXACT.functions[sp.exp]
        rows = [[exp(multiply(Fraction(-1), c)) for c in row] for row in self.costs(loss, POINTS)]
        gap = determinant(rows)
        return None if low(gap) <= 0 <= high(gap) else {"predictions": _texts(POINTS)}

    # ---- scoring --------------------------------------------------------------------------------

    @cached_property
    def properness(self) -> Verdict:
        """Whether the true distribution is a best report; of logits, through a softmax."""
        link = {"link": f"softmax({self.roles.prediction})"} if self.logits else {}
        reason = "a report of another than the true distribution costs less"
        found = self.refuted(reason, lambda made: improper(made, self.roles, logits=self.logits))
        if found is None:
            found = proper(self.loss, self.roles, self.form)
        return replace(found, details={**link, **found.details})

    def proper(self) -> Verdict:
        """The same, as a question."""
        return self.properness

    def elicits(self) -> Verdict:
        """The distribution of the classes, or its mode."""
        mode = self._mode()
        if mode is not None:
            return mode
        found = self.properness
        if found.verdict != PROVED or not found.details["strictly"]:
            return unknown("the loss is not proved to be strictly proper")
        told = {"functional": "class probabilities"}
        told |= {"link": found.details["link"]} if self.logits else {}
        return proved("it is strictly proper", found.proof, **told)

    def _mode(self) -> Verdict | None:
        """A loss that is linear in the probability of the true class: all goes to the mode."""
        form = self.form
        slope = sp.diff(form.formula, form.sums.u)
        if form.formula.has(*form.sums.symbols.values()) or slope.has(form.sums.u):
            return None
        if not holds(-slope, ">", form.context()):
            return None
        ledger = Ledger()
        ledger.require("a larger probability costs less", -slope, ">", form.context())
        reason = "the expected loss is linear on the simplex, and least where the mode has it all"
        told = {"link": f"softmax({self.roles.prediction})", "attained": False}
        return proved(reason, tuple(ledger.obligations), functional="mode",
                      **(told if self.logits else {}))  # fmt: skip

    def calibrated(self) -> Verdict:
        """Whether minimising the expected loss finds the most probable class."""
        if not self.logits:
            raise InapplicableError
        reason = "a best prediction does not tell the most probable class from another"
        for values, made in choices(self.loss):
            witness = uncalibrated(made, self.roles)
            if witness is not None:
                fixed = {name: str(v) for name, v in values.items()}
                return refuted(reason, {**witness, "fixed": fixed})
        scored = self.properness
        if scored.verdict == PROVED and scored.details["strictly"]:
            return proved("it is strictly proper through a softmax, which keeps the order of the "
                          "scores", scored.proof)  # fmt: skip
        return unknown("the loss is not proved to be strictly proper")

    # ---- noise ----------------------------------------------------------------------------------

    def symmetric(self) -> Verdict:
        """Whether the losses of all labels add up to a constant: robustness to label noise."""
        reason = "the sum over all labels differs between two predictions"
        found = self.refuted(reason, self._asymmetric)
        if found is not None:
            return found
        sums = self.form.sums
        total = sums.total(self.form.formula.subs(sums.u, sums.v), sums.v)
        total = sp.simplify(sp.expand(total))
        if total.has(*sums.symbols.values()):
            return unknown("the sum over all labels")
        return proved("the losses of all labels add up to a constant", (), sum=str(total))

    def _asymmetric(self, loss: Loss) -> dict[str, Any] | None:
        first, second = (add(*row) for row in self.costs(loss, POINTS[:2]))
        gap = add(first, multiply(Fraction(-1), second))
        return None if low(gap) <= 0 <= high(gap) else {"predictions": _texts(POINTS[:2])}


def probabilistic(loss: Loss, roles: Roles) -> Form:
    """The loss in power sums of probabilities; logits are taken as their logarithms.

    Raises:
        OpenError: If it has another form, or adding one number to all logits changes it.
    """
    form = form_of(loss, roles)
    unit = loss.roles[roles.prediction].domain.is_subset(UNIT)
    return form if unit else by_probabilities(form)


def _texts(points: Sequence[Sequence[Fraction]]) -> list[list[str]]:
    return [list(map(str, point)) for point in points]


def questions(loss: Loss) -> dict[str, Callable[[], Verdict]]:
    """What is asked about a loss over a class axis.

    Raises:
        InapplicableError: If it is none.
    """
    ours = Multiclass(loss, class_roles(loss))
    names = ("likelihood", "proper", "elicits", "calibrated", "symmetric")
    return {name: getattr(ours, name) for name in names}
