"""Limits of formulas as one variable grows beyond all bounds, parameters being fixed."""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from losscompiler.analysis.abstraction import Abstraction, NotPolynomialError, original
from losscompiler.analysis.claims import Context
from losscompiler.analysis.limits import asked
from losscompiler.analysis.sign import holds

MOST_OPERATIONS = 45


@lru_cache(maxsize=5_000)
def limit_at(e: sp.Expr, x: sp.Symbol, direction: int, context: Context) -> sp.Expr | None:
    """The limit for x to oo or -oo; oo and -oo are limits, None is no answer.

    Rational functions of x and its exponentials are decided by their leading terms; SymPy is asked
    about other formulas if they are small.
    """
    if not e.has(x):
        return e
    flipped = e.subs(x, -x) if direction < 0 else e
    found = by_leading_terms(flipped, x, context)
    if found is not None:
        return sp.simplify(found)
    if e.count_ops() > MOST_OPERATIONS:
        return None
    positive = sp.Symbol("_x", positive=True)
    limit = asked(flipped.subs(x, positive), positive, sp.oo)
    if limit is None or limit.has(sp.nan, sp.zoo) or isinstance(limit, sp.AccumBounds):
        return None
    return None if limit.has(sp.oo) and limit not in (sp.oo, -sp.oo) else limit


def limit_towards(
    e: sp.Expr, x: sp.Symbol, end: sp.Expr, side: int, context: Context
) -> sp.Expr | None:
    """The limit at a finite end from one side."""
    far = sp.Symbol("_far", positive=True)
    near = e.subs(x, end + side / far)
    inside = context.inside(s for s, _ in context.domains)
    return limit_at(near, far, 1, inside)


def by_leading_terms(e: sp.Expr, x: sp.Symbol, context: Context) -> sp.Expr | None:
    """The limit for x to oo of a rational function of x and one exponential of it."""
    abstraction = Abstraction()
    try:
        abstraction.survey([e])
        value = abstraction(e)
    except NotPolynomialError:
        return None
    growing, back = [], {}
    for key, variable in abstraction.variables.items():
        if not sp.Tuple(*key[1:]).has(x):
            back[variable] = original(key)
            if back[variable] is None:
                return None
        elif key[0] == "power" and key[1] is sp.E and key[2] == x:
            growing.append(variable)
        elif key[0] == "power" and key[1] is sp.E and not sp.diff(key[2], x).has(x):
            slope = sp.diff(key[2], x)
            if not holds(slope, ">", context):
                return None
            growing.append(variable)
        else:
            return None
    if len(growing) > 1:
        return None
    order = [*growing, x]
    numerator, denominator = sp.fraction(sp.together(value))
    top, bottom = (_leading(part, order) for part in (numerator, denominator))
    if top is None or bottom is None:
        return None
    coefficient = (top[1] / bottom[1]).xreplace(back)
    if top[0] == bottom[0]:
        return coefficient
    if top[0] < bottom[0]:
        return sp.S.Zero
    for sign, limit in ((1, sp.oo), (-1, -sp.oo)):
        if holds(sign * coefficient, ">", context):
            return limit
    return None


def _leading(e: sp.Expr, order: list[sp.Symbol]) -> tuple[tuple[int, ...], sp.Expr] | None:
    """The powers and the coefficient of the term that outgrows all others."""
    try:
        found = sp.Poly(e, *order)
    except sp.PolynomialError:
        return None
    if found.is_zero:
        return None
    powers, coefficient = max(found.terms(), key=lambda t: t[0])
    return powers, coefficient
