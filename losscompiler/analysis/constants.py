"""Constants of losses over axes: what bounds gradient and Hessian, or that nothing does."""

from __future__ import annotations

import sympy as sp

from losscompiler.analysis.composition import plain
from losscompiler.analysis.curvature import predictions
from losscompiler.analysis.effort import SpentError, limited
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.analysis.lines import beyond
from losscompiler.analysis.regularity import Parts
from losscompiler.analysis.slopes import Slopes, Steepness
from losscompiler.analysis.verdict import Verdict, proved, unknown
from losscompiler.spec import expressions as ex
from losscompiler.spec.decorator import Loss

CLASSES = ("discontinuous", "C0", "C1", "C2", "C3", "C4", "C5", "Cinf")
NEEDED = {1: "C0", 2: "C1"}
INFINITE = (sp.oo, -sp.oo)
LONG = 40
SHARE = 6_000
SEARCH = 4_000
"""Steps that the search for a line may take."""
WHAT = {1: "the slope", 2: "the curvature"}


def constant(loss: Loss, smoothness: Verdict, order: int) -> Verdict:
    """A Lipschitz constant of the loss (order 1) or of its gradient (order 2).

    The distance is the Euclidean one over all predictions; `exact` tells whether it is the least
    constant for axes of three entries or more.
    """
    told = smoothness.details
    known = str(told.get("class", ""))
    rough = known in CLASSES and CLASSES.index(known) < CLASSES.index(NEEDED[order])
    if rough and told.get("exact"):
        what = "the loss" if order == 1 else "the gradient"
        found = proved(f"{what} jumps", constant="oo", exact=True)
        return Verdict(found.verdict, found.reason, smoothness.witness, found.details)
    reason = "the class of smoothness is not known" if not known else ""
    if known and not rough and not told.get("undefined"):
        try:
            bound, tight = _bound(loss, order)
            if bound != sp.oo:
                how = "the least bound" if tight else "a bound"
                why = f"{how} of {WHAT[order]}, composed of those of its parts"
                return proved(why, constant=str(_tidy(bound)), exact=tight)
        except (OpenError, SpentError) as open_:
            reason = str(open_) or "the work for one property is used up"
    line = _line(loss, order)
    if line is not None:
        why = f"{WHAT[order]} grows beyond all bounds along a line"
        return Verdict("proved", why, line, {"constant": "oo", "exact": True})
    return unknown(reason or f"a bound of {WHAT[order]}")


def _bound(loss: Loss, order: int) -> tuple[sp.Expr, bool]:
    with limited(SHARE):
        found = steepness(loss)
    if order == 1:
        return found.slope, found.tight
    if found.bend is None:
        raise OpenError("a bound of the curvature")
    return found.bend, found.tight_bend


def _tidy(e: sp.Expr) -> sp.Expr:
    """A bound in a short form."""
    if e.has(ex.Binder, ex.Piecewise) or e.count_ops() > LONG:
        return e
    return sp.simplify(e)


def steepness(loss: Loss) -> Steepness:
    """Bounds of gradient and Hessian by composition; raises OpenError."""
    parts = Parts(loss, predictions(loss), Ledger())
    return Slopes(parts).of(squared(plain(loss.expression)))


def squared(e: sp.Basic) -> sp.Basic:
    """A formula with even powers of lengths as powers of sums of squares."""
    swaps = {
        p: ex.Sum(p.base.body**2, sp.Tuple(*p.base.indices)) ** (p.exp / 2)
        for p in e.atoms(sp.Pow)
        if isinstance(p.base, ex.Norm) and p.base.p == 2 and p.exp.is_even
    }
    return e.xreplace(swaps)


def _line(loss: Loss, order: int) -> dict[str, object] | None:
    try:
        with limited(SEARCH):
            return beyond(loss, predictions(loss), lambda line: line.slope(order), INFINITE)
    except SpentError:
        return None
