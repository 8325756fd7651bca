"""Weaker and stronger relatives of convexity."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import sympy as sp

from losscompiler.analysis.cells import Cell
from losscompiler.analysis.claims import Context
from losscompiler.analysis.exact import EXACT, add, low, multiply
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.analysis.probe import points_of
from losscompiler.analysis.refute import refute_at_random
from losscompiler.analysis.scalar import Case, Scalar
from losscompiler.analysis.verdict import Verdict, proved, refuted, unknown
from losscompiler.analysis.walk import UndefinedError, Walk
from losscompiler.spec.decorator import Loss

CONVEX = "it is convex"


def quasi_convex(
    loss: Loss, names: tuple[str, ...], convex: Verdict, found: Scalar | None
) -> Verdict:
    """Whether all sets of predictions that cost at most so much are convex."""
    if convex.verdict == "proved":
        return proved(CONVEX)
    witness = refute_at_random(loss, names, quasi=True, rounds=1)
    if witness is not None:
        return refuted("the middle of the segment costs more than both its ends", witness.to_json())
    if found is None:
        return unknown("the loss is not one continuous formula of one prediction")
    ledger = Ledger()
    for case in found.cases:
        _require_one_valley(found, case.pieces, ledger)
    return proved("its slope changes its sign at most once, upwards", tuple(ledger.obligations))


def _require_one_valley(found: Scalar, pieces: tuple[Cell, ...], ledger: Ledger) -> None:
    first: OpenError | None = None
    for turned in _turning_points(found):
        attempt = Ledger()
        try:
            for cell in pieces:
                here = found.context.given(*cell.claims)
                slope = sp.diff(cell.value, found.x) * turned
                attempt.require("the slope has the sign of the distance", slope, ">=", here)
        except OpenError as open_:
            first = first or open_
            continue
        ledger.obligations += attempt.obligations
        return
    raise first or OpenError("where the slope changes its sign")


def _turning_points(found: Scalar) -> Iterator[sp.Expr]:
    """Factors with the sign of the distance from where the slope may change its sign."""
    yield sp.S.One
    yield -sp.S.One
    yield found.x
    targets = [s for s, _ in found.context.domains if s != found.x]
    yield from (found.x - t for t in targets)


def log_convex(found: Scalar, convex: Verdict) -> Verdict:
    """Whether the logarithm of the loss is convex."""
    if convex.verdict == "refuted":
        return Verdict("refuted", "a log-convex loss is convex, and this is not", convex.witness)
    if convex.verdict != "proved":
        return unknown("the loss is not proved to be convex")
    ledger = Ledger()
    for case in found.cases:
        for cell in case.pieces:
            here = found.context.given(*cell.claims)
            f, slope = cell.value, sp.diff(cell.value, found.x)
            ledger.require("positive", f, ">", here)
            curved = f * sp.diff(slope, found.x) - slope**2
            ledger.require("curvature of the logarithm", curved, ">=", here)
    return proved("f f'' is at least f' squared in each piece", tuple(ledger.obligations))


def strictly_convex(found: Scalar, convex: Verdict) -> Verdict:
    """Whether no segment lies on the graph."""
    if convex.verdict == "refuted":
        return Verdict("refuted", "it is not convex", convex.witness)
    if convex.verdict != "proved":
        return unknown("the loss is not proved to be convex")
    ledger = Ledger()
    for case in found.cases:
        for cell in case.pieces:
            here = found.context.given(*cell.claims)
            curvature = sp.diff(cell.value, found.x, 2)
            witness = _straight(found, case, cell, here) if sp.simplify(curvature) == 0 else None
            if witness is not None:
                return refuted("the middle of the segment lies on its chord", witness)
            ledger.require("curved", curvature, ">", here)
    return proved("its curvature is positive in each piece", tuple(ledger.obligations))


def _straight(found: Scalar, case: Case, cell: Cell, context: Context) -> dict[str, Any] | None:
    """Two points of a piece, with exactly the mean of their values between them."""
    symbols = tuple(sorted(case.formula.free_symbols | {found.x}, key=str))
    points = points_of(context, symbols)
    if not points or not len(points[found.x]):
        return None
    here = {s: Fraction(float(v[0])) for s, v in points.items()}
    here |= {s: Fraction(int(v.p), int(v.q)) for s, v in case.chosen}
    for step in (Fraction(1, 2**k) for k in range(12)):
        ends = [{**here, found.x: here[found.x] + d} for d in (-step, step)]
        try:
            facts = [Walk(EXACT, symbols=p)(c.expression) for p in ends for c in cell.claims]
            values = [Walk(EXACT, symbols=p)(cell.value) for p in (*ends, here)]
            inside = all(low(f) > 0 for f in facts)
            gap = add(values[2], *(multiply(Fraction(-1, 2), v) for v in values[:2]))
        except UndefinedError:
            continue
        if inside and gap == 0:
            whole = [found.question.inputs(p) for p in ends]
            moving = {n for n in whole[0] if whole[0][n] != whole[1][n]}
            told = [{n: v for n, v in p.items() if n in moving} for p in whole]
            rest = {n: v for n, v in whole[0].items() if n not in moving}
            return {"points": told, "weight": "1/2", "fixed": rest, "gap": "0"}
    return None


def self_concordant(found: Scalar, convex: Verdict) -> Verdict:
    """Whether |f'''| <= R f'' with R = 1 (generalised self-concordance)."""
    if convex.verdict != "proved" or any(len(c.pieces) > 1 for c in found.cases):
        return unknown("the loss is not proved to be convex and smooth")
    ledger = Ledger()
    for case in found.cases:
        (cell,) = case.pieces
        second, third = (sp.diff(cell.value, found.x, k) for k in (2, 3))
        for sign in (1, -1):
            ledger.require(
                "third derivative within the second", second + sign * third, ">=", found.context
            )
    return proved("|f'''| <= f''", tuple(ledger.obligations), constant="1")
