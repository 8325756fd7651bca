"""Whether a loss is convex: in all predictions jointly, and in each with the others fixed."""

from __future__ import annotations

import sympy as sp

from losscompiler.analysis.composition import require_composed
from losscompiler.analysis.convexity import require_convex
from losscompiler.analysis.effort import SpentError, limited
from losscompiler.analysis.ledger import Argument, Ledger, OpenError
from losscompiler.analysis.link import CONVEX
from losscompiler.analysis.problem import NotScalarError, Problem, problem
from losscompiler.analysis.refute import refute_at_random, refute_nearby
from losscompiler.analysis.verdict import Verdict, proved, refuted, unknown
from losscompiler.spec.decorator import Loss

PIECES = "its curvature is nonnegative in each smooth piece and its slope rises between them"
STRUCTURE = "it is composed of convex parts by rules that keep convexity"
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
        with limited():
            reason = prove_convex(loss, names, ledger)
    except (OpenError, SpentError) as open_:
        found = refute_nearby(loss, names)
        if found is not None:
            return refuted(ABOVE_CHORD, found.to_json(), wrt=list(names))
        return unknown(str(open_) or "the work for one loss is used up", wrt=list(names))
    return proved(reason, ledger.proof, wrt=list(names))


def prove_convex(loss: Loss, names: tuple[str, ...], ledger: Ledger) -> str:
    """Proves convexity and says how; raises OpenError with what is left open."""
    try:
        found = problem(loss)
    except NotScalarError:
        require_composed(loss, names, ledger)
        return STRUCTURE
    if len(found.variables) > 1:
        attempt = Ledger()
        try:
            require_composed(loss, names, attempt)
        except OpenError:
            attempt = Ledger()  # what no rule composes may still be convex as a whole
        if attempt.steps:
            ledger.take(attempt)
            return STRUCTURE
    attempt = Ledger()
    require_convex(found.formula, moving(found, names), found.context, attempt)
    ledger.take(attempt)
    ledger.arguments.append(
        Argument(loss.expression, CONVEX, "pieces", found.meaning, (), tuple(attempt.pieces))
    )
    return PIECES


def moving(found: Problem, names: tuple[str, ...]) -> tuple[sp.Symbol, ...]:
    """The symbols of some predictions."""
    return tuple(s for name in names for s in found.entries(name))
