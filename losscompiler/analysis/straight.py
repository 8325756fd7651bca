"""Directions along which a loss over axes is straight, or rises too slowly."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy as sp

from losscompiler.analysis import lattice
from losscompiler.analysis.curvature import predictions
from losscompiler.analysis.effort import SpentError, limited, spend
from losscompiler.analysis.elementary import elementary
from losscompiler.analysis.instance import Instance, Slot, Values, instance
from losscompiler.analysis.levels import texts
from losscompiler.analysis.lines import FORMULAS, PLACES, STEP
from losscompiler.analysis.probe import seed
from losscompiler.analysis.sign import holds
from losscompiler.analysis.verdict import Verdict, proved, refuted, unknown
from losscompiler.analysis.walk import UndefinedError, Walk
from losscompiler.analysis.witness import shaped
from losscompiler.ir.kinks import is_switch
from losscompiler.spec.decorator import Loss

TRIES = 60
SHIFTED = (0, 3)
FAILURES = (UndefinedError, ZeroDivisionError, ValueError, OverflowError, TypeError, StopIteration)
SEARCH = 5_000


def strictly_convex(loss: Loss, convex: Verdict) -> Verdict:
    """Whether no segment lies on the graph: refuted where the loss is straight along a line."""
    if convex.verdict == "refuted":
        return Verdict("refuted", "it is not convex", convex.witness)
    if convex.verdict != "proved":
        return unknown("the loss is not proved to be convex")
    segment = _straight(loss)
    if segment is None:
        return unknown("whether the loss is straight along some line")
    return refuted("the middle of the segment lies on its chord", segment)


def _straight(loss: Loss) -> dict[str, Any] | None:
    """A segment whose middle is exactly the mean of its ends."""
    generator = seed(f"straight {loss.name}")
    made = instance(loss, 2)
    names = predictions(loss)
    cost = 30 + loss.expression.count_ops()
    try:
        with limited(SEARCH):
            for k in range(TRIES):
                spend(cost)
                at = lattice.point(made, generator)
                if at is None:
                    return None
                along, _ = lattice.direction(made, names, at, generator)
                if k % 3 == 0:  # many losses do not notice a shift of all entries
                    along = dict.fromkeys(made.moving(names), Fraction(1))
                ends = [{**at, **{s: at[s] + k * d for s, d in along.items()}} for k in (-1, 1)]
                if not any(along.values()) or not all(_inside(loss, e, along) for e in ends):
                    continue
                if _even(made, at, ends) or (k in SHIFTED and _affine(made, at, along)):
                    return {
                        "points": [texts(shaped(made, names, e)) for e in ends],
                        "weight": "1/2",
                        "fixed": texts(shaped(made, [n for n in loss.roles if n not in names], at)),
                        "gap": "0",
                    }
    except SpentError:
        pass
    return None


def _inside(loss: Loss, at: Values, along: Values) -> bool:
    entries = ((loss.roles[s[0]].domain, at[s]) for s in along)
    return all(d.contains(sp.Rational(x.numerator, x.denominator)) == sp.true for d, x in entries)


def _even(made: Instance, at: Values, ends: list[dict[Slot, Any]]) -> bool:
    """Whether the chord meets the graph in the middle, in exact numbers."""
    try:
        first, second, middle = (made.evaluate(p, exactly=True) for p in (*ends, at))
    except FAILURES:
        return False
    exact = all(isinstance(x, Fraction) for x in (first, second, middle))
    return exact and first + second == 2 * middle


def _affine(made: Instance, at: Values, along: Values) -> bool:
    """Whether the loss is a straight formula along a line."""
    values = {s: x if isinstance(x, bool | int) else sp.Rational(x.numerator, x.denominator)
              for s, x in at.items()}  # fmt: skip
    values |= {s: values[s] + STEP * sp.Integer(int(d)) for s, d in along.items()}
    first = {i: 0 for i in made.loss.free_indices}
    try:
        formula = Walk(FORMULAS, made.axis_sizes, values, index=first)(made.loss.expression)
        formula = elementary(sp.expand(elementary(formula)))
    except FAILURES:
        return False
    if any(map(is_switch, sp.preorder_traversal(formula))):
        return False
    return holds(elementary(sp.diff(formula, STEP, 2)), "==", PLACES)


def strong_convexity(loss: Loss, strictly: Verdict, convex: Verdict) -> Verdict:
    """The modulus, where it is 0 because the loss is straight somewhere."""
    if convex.verdict != "proved":
        return unknown("the loss is not proved to be convex")
    if strictly.verdict == "refuted":
        found = proved("it is convex, and straight along a line", modulus="0")
        return Verdict(found.verdict, found.reason, strictly.witness, found.details)
    return unknown("the least curvature")


def log_convex(convex: Verdict, point: dict[str, Any] | None) -> Verdict:
    """Whether the logarithm of the loss is convex: refuted where the loss is 0 and not always."""
    if convex.verdict == "refuted":
        return Verdict("refuted", "a log-convex loss is convex, and this is not", convex.witness)
    if point is not None:
        return refuted("it is 0 at a point, and has no logarithm there", point)
    return unknown("whether its logarithm is convex")
