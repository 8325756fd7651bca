"""What minimising a loss estimates: elicited functionals, scoring rules, classification."""

from __future__ import annotations

import sympy as sp

from losscompiler.analysis.abstraction import reduced
from losscompiler.analysis.cells import Cell
from losscompiler.analysis.claims import Context
from losscompiler.analysis.examples import improper_at, uneven_at
from losscompiler.analysis.extremes import largest
from losscompiler.analysis.ledger import InapplicableError, Ledger
from losscompiler.analysis.scalar import Scalar
from losscompiler.analysis.sign import holds
from losscompiler.analysis.smoothness import same
from losscompiler.analysis.verdict import Verdict, proved, refuted, unknown
from losscompiler.spec.decorator import Loss

SIGNS, BITS = sp.FiniteSet(-1, 1), sp.FiniteSet(0, 1)
UNIT = sp.Interval(0, 1)
__all__ = ["calibrated", "elicits", "label_of", "largest", "proper", "symmetric"]


def label_of(loss: Loss, found: Scalar) -> tuple[sp.Symbol, sp.Expr, sp.Expr] | None:
    """The symbol of a binary target, and its values for the positive and the negative class."""
    targets = [s for s, name in found.question.owner if loss.roles[name].kind == "target"]
    if len(targets) != 1:
        return None
    domain = found.context.domain(targets[0])
    if domain == SIGNS:
        return targets[0], sp.S.One, -sp.S.One
    if domain in (BITS, UNIT):
        return targets[0], sp.S.One, sp.S.Zero
    return None


# ---- functionals --------------------------------------------------------------------------------


def elicits(loss: Loss, found: Scalar) -> Verdict:
    """The statistic of the target that the best prediction is."""
    ledger = Ledger()
    if found.question.error is not None:
        return _of_error(found, ledger)
    targets = [s for s, name in found.question.owner if loss.roles[name].kind == "target"]
    if len(targets) != 1:
        raise InapplicableError
    return _mean_by_link(found, targets[0], ledger)


def _of_error(found: Scalar, ledger: Ledger) -> Verdict:
    """Mean, median, quantile, expectile: of losses of the error alone."""
    (case,) = found.cases[:1]
    x, pieces = found.x, case.pieces
    slopes = [reduced(sp.diff(c.value, x)) for c in pieces]
    if len(found.cases) > 1 or len(pieces) > 2:
        return unknown("an M-estimator of location without a shorter name")
    if len(pieces) == 1:
        ratio = reduced(slopes[0] / x)
        if not ratio.has(x) and holds(ratio, ">", found.context):
            ledger.require("the slope is proportional to the error", ratio, ">", found.context)
            return proved("its slope is proportional to the error", tuple(ledger.obligations),
                          functional="mean")  # fmt: skip
        return unknown("an M-estimator of location without a shorter name")
    sides = {c.side(x): s for c, s in zip(pieces, slopes, strict=True)}
    if set(sides) != {1, -1}:
        return unknown("an M-estimator of location without a shorter name")
    for divisor, name in ((sp.S.One, "quantile"), (x, "expectile")):
        up, down = (reduced(sides[s] / divisor) for s in (1, -1))
        down = -down if name == "quantile" else down
        if up.has(x) or down.has(x):
            continue
        ledger.require("slope above", up, ">", found.context)
        ledger.require("slope below", down, ">", found.context)
        level = sp.simplify(down / (up + down))
        special = {("quantile", sp.S.Half): "median", ("expectile", sp.S.Half): "mean"}
        called = special.get((name, level), f"{name} of level {level}")
        return proved("its slopes on both sides", tuple(ledger.obligations), functional=called)
    return unknown("an M-estimator of location without a shorter name")


def _mean_by_link(found: Scalar, y: sp.Symbol, ledger: Ledger) -> Verdict:
    """The mean, through a link, if the slope is linear in the target and changes its sign once."""
    links = set()
    values = found.context.domain(y)
    context = found.context
    if isinstance(values, sp.FiniteSet) and len(values) == 2:
        low_, high_ = sorted(values)
        cells = [case.pieces for case in found.cases]
        if len(cells) != 2 or any(len(p) != 1 for p in cells):
            return unknown("the slope is not linear in the target")
        first, second = (reduced(sp.diff(p[0].value, found.x)) for p in cells)
        by_value = dict(zip(sorted(values, key=sp.default_sort_key), (first, second), strict=True))
        slope = (by_value[high_] - by_value[low_]) / (high_ - low_)
        links.add((by_value[low_] - slope * low_, slope))
    else:
        for case in found.cases:
            for cell in case.pieces:
                slope = reduced(sp.diff(cell.value, found.x))
                rate = sp.diff(slope, y)
                if reduced(rate).has(y):
                    return unknown("the slope is not linear in the target")
                links.add((reduced(slope.subs(y, 0)), reduced(rate)))
    if len(links) != 1:
        return unknown("the slope is not one formula that is linear in the target")
    ((constant, rate),) = links
    if any(len(case.pieces) > 1 for case in found.cases):
        return unknown("a loss in pieces")
    link = reduced(-constant / rate)
    ledger.require("a larger target pulls up", -rate, ">", context)
    ledger.require("the link rises", sp.diff(link, found.x), ">", context)
    text = str(sp.simplify(link)) if link.count_ops() < 30 else str(link)
    return proved(
        "its slope vanishes where the link is the mean of the target, and only there",
        tuple(ledger.obligations),
        functional="mean",
        link=text,
    )


# ---- scoring and classification ----------------------------------------------------------------


def proper(loss: Loss, found: Scalar) -> Verdict:
    """Whether the true probability is a best prediction of a binary target."""
    label = label_of(loss, found)
    domain = found.context.domain(found.x)
    if label is None or not domain.is_subset(UNIT):
        raise InapplicableError
    y, one, zero = label
    losses = [found.question.formula.subs(y, v) for v in (one, zero)]
    if any(c.pieces and len(c.pieces) > 1 for c in found.cases):
        return unknown("a loss in pieces")
    q = found.x
    inside = Context.over({s: d for s, d in found.context.domains if s != y}).inside([q])
    slopes = [sp.diff(part, q) for part in losses]
    balance = q * slopes[0] + (1 - q) * slopes[1]
    equal = same(reduced(balance), sp.S.Zero, inside)
    if equal:
        ledger = Ledger()
        ledger.require("the true probability is stationary", balance, "==", inside)
        ledger.require("a wrong side costs more", slopes[1], ">=", inside)
        strict = holds(slopes[1], ">", inside)
        return proved(
            "the expected slope vanishes at the true probability", tuple(ledger.obligations),
            strictly=strict,
        )  # fmt: skip
    if equal is False:
        witness = improper_at(loss, (one, zero))
        if witness is not None:
            return refuted("another prediction than the true probability costs less", witness)
    return unknown(f"{balance} == 0")


def calibrated(loss: Loss, found: Scalar, convex: Verdict, smoothness: str) -> Verdict:
    """Whether minimising the expected loss of a score gives the sign of the better class.

    A convex loss of the margin is calibrated exactly if it is differentiable at 0 with a negative
    slope (Bartlett, Jordan and McAuliffe, 2006).
    """
    label = label_of(loss, found)
    if label is None or found.context.domain(found.x) != sp.S.Reals:
        raise InapplicableError
    y, one, zero = label
    margin = found.question.formula.subs(y, one)
    other = found.question.formula.subs(y, zero).subs(found.x, -found.x)
    if same(margin, other, found.context) is not True:
        raise InapplicableError
    if convex.verdict != "proved":
        return unknown("the loss is not proved to be convex")
    case = next(c for c in found.cases if not c.told or c.told.endswith(f"{y} = {one}"))
    at_zero = [c for c in case.pieces if _holds_at_zero(c, found)]
    if not case.told:
        at_zero = [c for c in case.pieces if _holds_at_zero(c, found)]
    slopes = {sp.simplify(sp.diff(c.value, found.x).subs({found.x: 0, y: one})) for c in at_zero}
    if not slopes:
        return unknown("the slope at margin 0")
    usual = {n: str(role.default) for n, role in loss.params.items()}
    slope, *others = sorted(slopes, key=sp.default_sort_key)
    equal = [same(slope, other, found.context) for other in others]
    if False in equal:
        witness = {"margin": "0", "slopes": sorted(map(str, slopes)), "fixed": usual}
        return refuted("it has a kink at margin 0", witness)
    if None in equal:
        return unknown("whether the slopes at margin 0 are equal")
    if holds(-slope, ">", found.context):
        return proved(f"convex, with the slope {slope} at margin 0")
    if holds(slope, ">=", found.context):
        witness = {"margin": "0", "slopes": [str(slope)], "fixed": usual}
        return refuted("its slope at margin 0 is not negative", witness)
    return unknown(f"{slope} < 0")


def _holds_at_zero(cell: Cell, found: Scalar) -> bool:
    """Whether 0 lies in the closure of a cell."""
    return all(holds(c.expression.subs(found.x, 0), ">=", found.context) for c in cell.claims)


def symmetric(loss: Loss, found: Scalar) -> Verdict:
    """Whether the losses of both labels add up to a constant: robustness to label noise."""
    label = label_of(loss, found)
    if label is None:
        raise InapplicableError
    y, one, zero = label
    total = found.question.formula.subs(y, one) + found.question.formula.subs(y, zero)
    x = found.x
    inside = found.context.inside([x])
    values = [sp.Rational(1, 4), sp.Rational(1, 2), sp.Integer(2), sp.Integer(-1)]
    points = [v for v in values if inside.domain(x).contains(v) == sp.true][:2]
    first, second = (total.subs(x, v) for v in points)
    if not total.has(x) or same(sp.diff(reduced(total), x), sp.S.Zero, inside):
        if total.has(sp.Abs) or any(len(c.pieces) > 1 for c in found.cases):
            return unknown("a loss in pieces")
        return proved("the losses of both labels add up to a constant")
    if same(first, second, inside) is False:
        witness = uneven_at(loss, (one, zero), points)
        if witness is not None:
            return refuted("the sum over both labels differs between two predictions", witness)
    return unknown("the sum over both labels")
