"""The class of smoothness of a loss over axes of any size: what is proved, and what is refuted.

Composition proves that derivatives exist up to some order; a jump that is certified at a point
shows that there is no further one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from losscompiler.analysis.composition import plain
from losscompiler.analysis.curvature import predictions
from losscompiler.analysis.effort import SpentError, limited
from losscompiler.analysis.jumps import HIGHEST, Jump, jumps
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.analysis.regularity import UNDEFINED, Place, regularity
from losscompiler.analysis.verdict import Verdict, unknown
from losscompiler.spec.decorator import Loss

SHARE = 12_000
SEARCH = 6_000
"""Steps that the search for a jump may take."""


def class_name(order: float) -> str:
    """The class of functions of which the derivative of this order is the first to fail."""
    if order == float("inf"):
        return "Cinf"
    return "discontinuous" if order == 0 else f"C{int(order) - 1}"


def differentiability(loss: Loss) -> Verdict:
    """The class of smoothness where the loss has a value, with the places where it is no better.

    `exact` tells whether a jump is certified: else the loss has at least this class.
    """
    names = predictions(loss)
    ledger = Ledger()
    try:
        with limited(SHARE):
            places = regularity(loss, names, ledger)
    except (OpenError, SpentError) as open_:
        return _open(loss, names, str(open_) or "the work for one property is used up")
    kinks = [p for p in places if p.order != UNDEFINED]
    order = min((p.order for p in kinks), default=float("inf"))
    details: dict[str, Any] = {
        "class": class_name(order),
        "kinks": _told(kinks),
        "undefined": sorted({p.where for p in places if p.order == UNDEFINED}),
    }
    proof = (*ledger.obligations, *ledger.steps)
    if not kinks:
        reason = "a composition of smooth functions"
        return Verdict("proved", reason, None, {**details, "exact": True}, proof)
    jump = _jump(loss, names, order)
    if jump is not None and jump.order < order:
        return unknown(f"derivative {jump.order} jumps where it should not", at_most=jump.witness)
    if jump is not None and jump.order == order:
        reason = (
            f"derivative {jump.order} jumps at a point along a line; those below are continuous"
        )
        return Verdict("proved", reason, jump.witness, {**details, "exact": True}, proof)
    if order == 0:
        where = details["kinks"][0]["where"]
        return _at_most(jump, f"whether it is continuous where {where}")
    reason = "it has derivatives of this order; no jump of a further one is found"
    return Verdict("proved", reason, None, {**details, "exact": False}, proof)


def _open(loss: Loss, names: tuple[str, ...], reason: str) -> Verdict:
    """What a jump alone tells."""
    return _at_most(_jump(loss, names, float("inf")), reason)


def _at_most(jump: Jump | None, reason: str) -> Verdict:
    if jump is None:
        return unknown(reason)
    if jump.order == 0:
        told = {"class": "discontinuous", "kinks": [], "undefined": [], "exact": True}
        return Verdict("proved", "it jumps at a point along a line", jump.witness, told)
    return Verdict("unknown", reason, jump.witness, {"at_most": class_name(jump.order)})


def _jump(loss: Loss, names: tuple[str, ...], order: float) -> Jump | None:
    """A jump of the derivative of some order, or of the lowest that is found to jump."""
    best: Jump | None = None
    if order > HIGHEST and order != float("inf"):
        return None
    formula = plain(loss.expression)
    try:
        with limited(SEARCH):
            for found in jumps(loss, formula, names):
                if best is None or found.order < best.order:
                    best = found
                if best.order <= order and (best.order <= 1 or order < float("inf")):
                    break
    except SpentError:
        pass
    return best


def _told(kinks: Iterable[Place]) -> list[dict[str, Any]]:
    """Each place once, the first order at which it fails; the worst come first."""
    first: dict[str, int] = {}
    for place in kinks:
        first[place.where] = min(place.order, first.get(place.where, place.order))
    ordered = sorted(first.items(), key=lambda f: (f[1], f[0]))
    return [{"where": where, "order": order} for where, order in ordered]
