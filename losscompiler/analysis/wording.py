"""Places in words: where entries tie, where a vector is 0, where two sides are equal."""

from __future__ import annotations

import sympy as sp

from losscompiler.spec import expressions as ex

LONGEST = 90


def shown(e: sp.Basic) -> str:
    """An expression, shortened if it is long."""
    text = str(e)
    return f"`{text}`" if len(text) <= LONGEST else f"`{text[: LONGEST - 3]}...`"


def _solved(a: sp.Basic, b: sp.Basic) -> tuple[sp.Basic, sp.Basic]:
    """Two sides without a difference on the left, if the right is 0."""
    if b != 0 or not a.is_Add:
        return a, b
    minus = [t for t in a.args if t.could_extract_minus_sign()]
    plus = [t for t in a.args if t not in minus]
    return sp.Add(*plus), sp.Add(*(-t for t in minus))


def equal(a: sp.Basic, b: sp.Basic) -> str:
    """Where two sides are equal."""
    left, right = _solved(a, b)
    return f"{shown(left)} = {shown(right)}"


def at_zero(e: sp.Basic) -> str:
    """Where a part vanishes."""
    if isinstance(e, ex.Norm):
        return zero_vector(e.body)
    return equal(e, sp.S.Zero)


def negative(e: sp.Basic) -> str:
    """Where a part is not positive."""
    return f"{shown(e)} <= 0"


def zero_vector(body: sp.Basic) -> str:
    """Where all entries vanish."""
    if isinstance(body, ex.Element):
        return f"`{body.tensor}` is the zero vector"
    left, right = _solved(body, sp.S.Zero)
    if isinstance(left, ex.Element) and isinstance(right, ex.Element):
        return f"{shown(left)} = {shown(right)} throughout"
    return f"{shown(body)} is the zero vector"


def at_a_tie(e: ex.Binder) -> str:
    """Where two entries change places."""
    body = e.keys if isinstance(e, ex.Sort) else e.body
    entries = f"entries of `{body.tensor}`" if isinstance(body, ex.Element) else f"of {shown(body)}"
    for kind, suffix in ((ex.AxisMax, " for the greatest"), (ex.AxisMin, " for the least")):
        if isinstance(e, kind):
            return f"two {entries} tie{suffix}"
    return f"two {entries} tie"
