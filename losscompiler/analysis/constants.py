"""Constants of losses over axes: what bounds gradient and Hessian, or that nothing does."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from losscompiler.analysis.composition import plain
from losscompiler.analysis.curvature import predictions
from losscompiler.analysis.effort import SpentError, limited
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.analysis.lines import Line, beyond
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
WHAT = {1: "the slope", 2: "the curvature"}


def constants(loss: Loss, smoothness: Verdict, known: Sequence[Line]) -> tuple[Verdict, Verdict]:
    """Lipschitz constants of the loss and of its gradient.

    The distance is the Euclidean one over all predictions; `exact` tells whether it is the least
    constant for axes of three entries or more.
    """
    try:
        with limited(SHARE):
            found: Steepness | str = steepness(loss)
    except (OpenError, SpentError) as open_:
        found = str(open_) or "the work for one property is used up"
    return (
        _constant(smoothness, known, found, 1),
        _constant(smoothness, known, found, 2),
    )


def _constant(
    smoothness: Verdict, lines: Sequence[Line], found: Steepness | str, order: int
) -> Verdict:
    told = smoothness.details
    known = str(told.get("class", ""))
    rough = known in CLASSES and CLASSES.index(known) < CLASSES.index(NEEDED[order])
    if rough and told.get("exact"):
        what = "the loss" if order == 1 else "the gradient"
        jump = {"constant": "oo", "exact": True}
        return Verdict("proved", f"{what} jumps", smoothness.witness, jump)
    reason = found if isinstance(found, str) else f"a bound of {WHAT[order]}"
    if not known:
        reason = "the class of smoothness is not known"
    elif not rough and not told.get("undefined") and isinstance(found, Steepness):
        bound = found.slope if order == 1 else found.bend
        tight = found.tight if order == 1 else found.tight_bend
        if bound not in (None, sp.oo):
            how = "the least bound" if tight else "a bound"
            why = f"{how} of {WHAT[order]}, composed of those of its parts"
            return proved(why, constant=str(_tidy(bound)), exact=tight)
    line = beyond(lines, lambda line: line.slope(order), INFINITE)
    if line is not None:
        why = f"{WHAT[order]} grows beyond all bounds along a line"
        return Verdict("proved", why, line, {"constant": "oo", "exact": True})
    return unknown(reason)


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
