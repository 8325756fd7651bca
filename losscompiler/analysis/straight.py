"""Directions along which a loss over axes is straight, or rises too slowly."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import sympy as sp

from losscompiler.analysis.curvature import predictions
from losscompiler.analysis.effort import SpentError, limited
from losscompiler.analysis.elementary import elementary
from losscompiler.analysis.instance import instance
from losscompiler.analysis.levels import zero
from losscompiler.analysis.lines import FAR, PLACES, STEP, Line, lines
from losscompiler.analysis.sign import holds
from losscompiler.analysis.verdict import Verdict, proved, refuted, unknown
from losscompiler.spec.decorator import Loss

SEARCH = 5_000


def strictly_convex(loss: Loss, convex: Verdict) -> Verdict:
    """Whether no segment lies on the graph: refuted where the loss is straight along a line."""
    if convex.verdict == "refuted":
        return Verdict("refuted", "it is not convex", convex.witness)
    if convex.verdict != "proved":
        return unknown("the loss is not proved to be convex")
    line = _straight(loss)
    if line is None:
        return unknown("whether the loss is straight along some line")
    return refuted("the middle of the segment lies on its chord", _witness(line))


def _straight(loss: Loss) -> Line | None:
    try:
        with limited(SEARCH):
            for line in _through(loss):
                e = elementary(sp.expand(line.formula.subs(FAR, 1)))
                curvature = elementary(sp.diff(e, STEP, 2))
                if e.has(sp.Abs) or curvature.has(sp.DiracDelta, sp.Derivative):
                    continue
                if holds(curvature, "==", PLACES):
                    return line
    except SpentError:
        pass
    return None


def _through(loss: Loss) -> Iterator[Line]:
    """Lines with a direction across them that stay inside the domains for a small step."""
    for line in lines(loss, predictions(loss), tries=24):
        across = [Fraction(x) for x in _flat(line.told["across"])]
        if any(across) and all(loss.roles[n].domain == sp.S.Reals for n in predictions(loss)):
            yield line


def _flat(values: Any) -> list[str]:
    if isinstance(values, dict):
        return [x for v in values.values() for x in _flat(v)]
    return [x for v in values for x in _flat(v)] if isinstance(values, list) else [values]


def _witness(line: Line) -> dict[str, Any]:
    """Two points on the line, one step to each side of where it starts to turn."""

    def at(step: int) -> Any:
        told = (line.told["start"], line.told["along"], line.told["across"])
        return _combined(*told, step)

    return {
        "points": [at(-1), at(1)],
        "weight": "1/2",
        "fixed": line.told["fixed"],
        "gap": "0",
    }


def _combined(start: Any, along: Any, across: Any, step: int) -> Any:
    if isinstance(start, dict):
        return {n: _combined(start[n], along[n], across[n], step) for n in start}
    if isinstance(start, list):
        return [_combined(*x, step) for x in zip(start, along, across, strict=True)]
    return str(Fraction(start) + Fraction(along) + step * Fraction(across))


def strong_convexity(loss: Loss, strictly: Verdict, convex: Verdict) -> Verdict:
    """The modulus, where it is 0 because the loss is straight somewhere."""
    if convex.verdict != "proved":
        return unknown("the loss is not proved to be convex")
    if strictly.verdict == "refuted":
        found = proved("it is convex, and straight along a line", modulus="0")
        return Verdict(found.verdict, found.reason, strictly.witness, found.details)
    return unknown("the least curvature")


def log_convex(loss: Loss, convex: Verdict) -> Verdict:
    """Whether the logarithm of the loss is convex: refuted where the loss is 0 and not always."""
    if convex.verdict == "refuted":
        return Verdict("refuted", "a log-convex loss is convex, and this is not", convex.witness)
    point = zero(loss)
    if point is not None and instance(loss, 2).slots:
        return refuted("it is 0 at a point, and has no logarithm there", point)
    return unknown("whether its logarithm is convex")
