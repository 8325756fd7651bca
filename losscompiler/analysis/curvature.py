"""Whether a loss is convex: in all predictions jointly, and in each with the others fixed."""

from __future__ import annotations

import sympy as sp

from losscompiler.analysis.convexity import require_convex
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.analysis.problem import NotScalarError, Problem, problem
from losscompiler.analysis.refute import refute_at_random, refute_nearby
from losscompiler.analysis.verdict import Verdict, proved, refuted, unknown
from losscompiler.spec.decorator import Loss

ABOVE_CHORD = "the middle of the segment lies above its chord"


def predictions(loss: Loss) -> tuple[str, ...]:
    """The predictions that the formula depends on at all, in order."""
    return tuple(n for n, role in loss.inputs.items() if role.kind == "prediction")


def convexity(loss: Loss, wrt: tuple[str, ...] | None = None) -> Verdict:
    """Whether the loss is convex in some predictions jointly, for all values of everything else."""
    names = wrt or predictions(loss)
    found = refute_at_random(loss, names)
    if found is not None:
        return refuted(ABOVE_CHORD, found.to_json(), wrt=list(names))
    ledger = Ledger()
    try:
        reason = prove_convex(loss, names, ledger)
    except OpenError as open_:
        found = refute_nearby(loss, names)
        if found is not None:
            return refuted(ABOVE_CHORD, found.to_json(), wrt=list(names))
        return unknown(str(open_), wrt=list(names))
    return proved(reason, tuple(ledger.obligations), wrt=list(names))


def prove_convex(loss: Loss, names: tuple[str, ...], ledger: Ledger) -> str:
    """Proves convexity and says how; raises OpenError with what is left open."""
    try:
        found = problem(loss)
    except NotScalarError:
        raise OpenError("the formula couples the entries of an axis") from None
    require_convex(found.formula, moving(found, names), found.context, ledger)
    return "its curvature is nonnegative in each smooth piece and its slope rises between them"


def moving(found: Problem, names: tuple[str, ...]) -> tuple[sp.Symbol, ...]:
    """The symbols of some predictions."""
    return tuple(s for name in names for s in found.entries(name))
