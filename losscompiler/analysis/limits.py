"""Values of smooth formulas on a facet, where these exist, else their limits from one side."""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from losscompiler.analysis.cells import Facet

MOST_OPERATIONS = 60
SINGULAR = (sp.nan, sp.zoo, sp.oo, -sp.oo)


def value_at(facet: Facet, e: sp.Expr, side: int = 0) -> sp.Expr | None:
    """A formula on a facet; with a side its limit from there. None if there is no finite value."""
    plain = _plain(e, facet.variable, facet.at)
    if plain is not None or not side:
        return plain
    slope = facet.orientation.subs(facet.variable, facet.at)
    rising = slope.is_positive if slope.is_positive != slope.is_negative else None
    if rising is None:
        return None
    return limit_beside(e, facet.variable, facet.at, side if rising else -side)


@lru_cache(maxsize=5_000)
def _plain(e: sp.Expr, variable: sp.Symbol, at: sp.Expr) -> sp.Expr | None:
    value = e.subs(variable, at)
    if value.has(*SINGULAR) or _zero_to_unknown(value):
        return None
    return value


def _zero_to_unknown(e: sp.Expr) -> bool:
    """Whether 0 is raised to a power of unknown sign."""
    return any(p.base.is_zero for p in e.atoms(sp.Pow))


@lru_cache(maxsize=2_000)
def limit_beside(e: sp.Expr, variable: sp.Symbol, at: sp.Expr, side: int) -> sp.Expr | None:
    """The limit from one side, of formulas that are small enough to ask SymPy."""
    step = sp.Symbol("_h", positive=True)
    shifted = sp.expand(e.subs(variable, at + side * step))
    if shifted.count_ops() > MOST_OPERATIONS:
        return None
    found = asked(shifted, step, sp.S.Zero)
    return None if found is None or found.has(*SINGULAR) else found


def asked(e: sp.Expr, variable: sp.Symbol, at: sp.Expr) -> sp.Expr | None:
    """SymPy's limit from above; None if it has none.

    SymPy says that it cannot find a limit by any of these errors: besides those that it documents,
    its series raise `TypeError` and `AttributeError` for functions that they do not know.
    """
    try:
        found = sp.limit(e, variable, at, "+")
    except (NotImplementedError, ValueError, TypeError, AttributeError, sp.PoleError):
        return None
    return None if found.has(variable) or isinstance(found, sp.Limit) else found
