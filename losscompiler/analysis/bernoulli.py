"""Losses of two labels: whether exp(-loss) are their probabilities, up to constant factors."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy as sp

from losscompiler.analysis.abstraction import reduced
from losscompiler.analysis.claims import Context
from losscompiler.analysis.convexity import pieces_of
from losscompiler.analysis.elementary import elementary
from losscompiler.analysis.exact import EXACT, add, high, low, multiply
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.analysis.limits import SINGULAR
from losscompiler.analysis.problem import Problem
from losscompiler.analysis.verdict import Verdict, proved, refuted, unknown
from losscompiler.analysis.walk import UndefinedError, Walk
from losscompiler.ir import operators as op

UNIT = sp.Interval(0, 1)
PLACES = tuple(Fraction(n, 4) for n in (0, 4, -8, 12, 1, 3, 2))


def shown(value: sp.Expr) -> str:
    """The shortest of a few notations."""
    forms = [value, reduced(value)]
    forms += [sp.simplify(value)] if value.count_ops() < 40 else []
    return min(map(str, forms), key=lambda text: (len(text), text.startswith("-"), text))


def of_labels(question: Problem, y: sp.Symbol) -> Verdict:
    """Whether exp(-loss) of all labels add up to a constant, and so are their probabilities."""
    values = question.context.domain(y)
    labels = (sp.S.Zero, sp.S.One) if values == UNIT else tuple(sorted(values))
    if len(labels) != 2 or len(question.variables) != 1:
        return unknown("a loss of several predictions, or of labels that are not two")
    (x,) = question.variables
    context = Context.over({s: d for s, d in question.context.domains if s != y}).inside([x])
    weights = [_weight(question.formula.subs(y, v)) for v in labels]
    ledger = Ledger()
    try:
        for cell in pieces_of(elementary(weights[0] + weights[1]), context):
            if cell.sides or cell.value.has(*SINGULAR):
                raise OpenError("a loss in pieces, or without a value")
            total = reduced(cell.value)
            ledger.require("the probabilities add up to a constant", sp.diff(total, x), "==",
                           context)  # fmt: skip
    except OpenError as open_:
        found = None if values == UNIT else _unnormalised(weights, x, context)
        return found or unknown(str(open_))
    if values == UNIT and not _affine(question.formula, y):
        return unknown("the loss is not linear in the target")
    share = reduced(weights[1] / total)
    return proved(
        "exp(-loss) of both labels add up to a constant", tuple(ledger.obligations),
        distribution="Bernoulli", given={f"probability of {labels[1]}": shown(share)},
    )  # fmt: skip


def _weight(cost: sp.Expr) -> sp.Expr:
    """exp(-cost), normal probabilities by the error function, whose symmetry SymPy knows."""
    made = elementary(sp.exp(-cost))
    normal = sp.Wild("u")
    half = (1 + sp.erf(normal / sp.sqrt(2))) / 2
    return made.replace(sp.exp(op.log_ndtr(normal)), half)


def _affine(formula: sp.Expr, y: sp.Symbol) -> bool:
    return bool(reduced(sp.diff(formula, y, 2)) == 0)


def _unnormalised(weights: list[sp.Expr], x: sp.Symbol, context: Context) -> Verdict | None:
    """Three predictions that no factors of the labels give the same total: a determinant not 0."""
    others = sorted(set().union(*(w.free_symbols for w in weights)) - {x}, key=str)
    points = [p for p in PLACES if context.domain(x).contains(sp.Rational(p)) == sp.true][:3]
    for place in (Fraction(1, 2), Fraction(1), Fraction(2), Fraction(1, 4)):
        fixed = dict.fromkeys(others, place)
        if any(context.domain(s).contains(sp.Rational(place)) != sp.true for s in others):
            continue
        try:
            rows = [[Walk(EXACT, symbols={**fixed, x: p})(w) for w in weights] for p in points]
            gap = determinant(rows)
        except UndefinedError:
            continue
        if low(gap) > 0 or high(gap) < 0:
            witness: dict[str, Any] = {"predictions": [str(p) for p in points]}
            witness["fixed"] = {str(s): str(v) for s, v in fixed.items()}
            return refuted("exp(-loss) of the labels is not proportional to probabilities, "
                           "whatever the factors of the labels", witness)  # fmt: skip
    return None


def determinant(rows: list[list[Any]]) -> Any:
    """Of three rows of two weights and a 1."""
    (a, b), (c, d), (e, f) = rows
    minus = Fraction(-1)
    first = [add(c, multiply(minus, a)), add(d, multiply(minus, b))]
    second = [add(e, multiply(minus, a)), add(f, multiply(minus, b))]
    return add(multiply(first[0], second[1]), multiply(minus, first[1], second[0]))
