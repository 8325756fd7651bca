"""How steep and how curved a loss is at most and at least, and how low it gets."""

from __future__ import annotations

import sympy as sp

from losscompiler.analysis.cells import Cell
from losscompiler.analysis.extremes import INFINITE, Bound, unbounded
from losscompiler.analysis.growth import limit_at
from losscompiler.analysis.ledger import InapplicableError, Ledger, OpenError
from losscompiler.analysis.scalar import Scalar, as_text
from losscompiler.analysis.verdict import Verdict, proved, unknown


def _not_smooth(name: str, least: str) -> bool:
    order = ["discontinuous", "C0", "C1", "C2"]
    return name in order and order.index(name) < order.index(least)


def lipschitz(found: Scalar, smoothness: str, order: int, *, exact: bool) -> Verdict:
    """The least Lipschitz constant of the loss (order 1) or of its gradient (order 2).

    `exact` tells whether the loss is no smoother than its class.
    """
    if not smoothness:
        return unknown("the class of smoothness is not known")
    if not exact and _not_smooth(smoothness, "C0" if order == 1 else "C1"):
        return unknown("whether there is a further derivative")
    if _not_smooth(smoothness, "C0" if order == 1 else "C1"):
        what = "the loss" if order == 1 else "the gradient"
        return proved(f"{what} jumps", constant="oo", exact=True)
    ledger = Ledger()
    bounds = found.supremum(order, 1, -1, ledger=ledger)
    reason = "the least upper bound of its size over all pieces"
    return proved(reason, tuple(ledger.obligations), constant=as_text(bounds), exact=True)


def strong_convexity(found: Scalar, convex: Verdict) -> Verdict:
    """The largest modulus m such that the loss less m/2 times the square is convex."""
    if convex.verdict != "proved":
        return unknown("the loss is not proved to be convex")
    ledger = Ledger()
    bounds = [Bound(-b.value, b.at) for b in found.supremum(2, -1, ledger=ledger)]
    values = list(dict.fromkeys(b.value for b in bounds))
    text = str(values[0]) if len(values) == 1 else f"Min({', '.join(sorted(map(str, values)))})"
    return proved("the greatest lower bound of its curvature", tuple(ledger.obligations),
                  modulus=text)  # fmt: skip


def lower_bound(found: Scalar) -> Verdict:
    """The infimum, and a prediction that attains it."""
    ledger = Ledger()
    bounds = [Bound(-b.value, b.at) for b in found.supremum(0, -1, ledger=ledger)]
    if len(bounds) > 1:
        values = f"Min({', '.join(sorted(str(b.value) for b in bounds))})"
        return proved("the least of its values and limits", tuple(ledger.obligations),
                      bound=values, minimiser=None)  # fmt: skip
    (bound,) = bounds
    at = None
    if bound.at is not None and len(found.cases) == 1:
        at = bound.at if found.question.error is None else bound.at + found.question.target
    return proved(
        "no value is below it, and values come as close as one likes",
        tuple(ledger.obligations),
        bound=str(bound.value),
        minimiser=None if at is None else str(at),
    )


def influence(found: Scalar) -> Verdict:
    """What an outlier does: its pull fades (redescending), stays bounded, or is unbounded."""
    if found.context.domain(found.x) != sp.S.Reals:
        raise InapplicableError
    ends = []
    for case in found.cases:
        for direction in (1, -1):
            limits = [_at_end(found, c, direction) for c in case.pieces]
            ends += [v for v in limits if v is not None]
    if not ends:
        raise OpenError("the slope far out")
    if any(v in INFINITE for v in ends):
        kind = "unbounded"
    elif all(v == 0 for v in ends):
        kind = "redescending"
    else:
        kind = "bounded"
    return proved(
        f"the limits of the slope are {', '.join(sorted(set(map(str, ends))))}", kind=kind
    )


def _at_end(found: Scalar, cell: Cell, direction: int) -> sp.Expr | None:
    """The limit of the slope in a cell that reaches to infinity."""
    if not unbounded(cell, found.x, direction, found.context):
        return None
    limit = limit_at(sp.diff(cell.value, found.x), found.x, direction, found.context)
    if limit is None:
        raise OpenError("the limit of the slope far out")
    return limit
