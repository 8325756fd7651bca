"""Domains of inputs and parameters as bounds, words and harmless interior values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import inf, nextafter
from typing import Any

import sympy as sp

from losscompiler.backends.formula import text


@dataclass(frozen=True)
class Bounds:
    """What a parameter is checked against when a loss is called; all open and infinite: nothing."""

    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = False
    integer: bool = False
    values: tuple[float, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()


@cache
def bounds(domain: sp.Set) -> Bounds:
    """The bounds of a set, and what it leaves out between them."""
    steps = isinstance(domain, sp.Range) and domain.step != 1 and domain.is_finite_set
    if isinstance(domain, sp.FiniteSet) or steps:
        return Bounds(values=tuple(float(v) for v in sorted(domain, key=float)))
    integer = domain.is_subset(sp.S.Integers) is True
    low, high = _end(domain, "inf"), _end(domain, "sup")
    return Bounds(
        low=float(low),
        high=float(high),
        low_open=low.is_finite is True and domain.contains(low) == sp.false,
        high_open=high.is_finite is True and domain.contains(high) == sp.false,
        integer=integer,
        gaps=_gaps(domain, integer=integer),
    )


def _gaps(domain: sp.Set, *, integer: bool) -> tuple[tuple[float, float], ...]:
    """What lies between the parts of a set, as closed intervals."""
    parts = domain.args if isinstance(domain, sp.Union) else ()
    points = [sp.FiniteSet(x) for part in parts if isinstance(part, sp.FiniteSet) for x in part]
    others = [part for part in parts if not isinstance(part, sp.FiniteSet)]
    ordered = sorted((*points, *others), key=lambda part: float(part.inf))
    found: list[tuple[float, float]] = []
    for before, after in pairwise(ordered):
        low, high = before.sup, after.inf
        start, end = float(low), float(high)
        if integer:
            start, end = start + 1, end - 1
        else:
            start = nextafter(start, inf) if before.contains(low) == sp.true else start
            end = nextafter(end, -inf) if after.contains(high) == sp.true else end
        if start <= end:
            found.append((start, end))
    return tuple(found)


def _end(domain: sp.Set, which: str) -> Any:
    try:
        return sp.sympify(getattr(domain, which))
    except NotImplementedError:  # SymPy does not know the ends of every set; then none is checked
        return -sp.oo if which == "inf" else sp.oo


def words(name: str, domain: sp.Set) -> str:
    """A domain as a condition, such as `0 < gamma <= 1`; empty for all real numbers."""
    if domain == sp.S.Reals:
        return ""
    if isinstance(domain, sp.FiniteSet):
        return f"{name} in {{{', '.join(text(v) for v in sorted(domain, key=float))}}}"
    found = bounds(domain)
    ends = _range(name, domain, found)
    whole = isinstance(domain, sp.Interval | sp.Range) or domain in (
        sp.S.Integers,
        sp.S.Naturals,
        sp.S.Naturals0,
    )
    if not whole:
        return f"{name} in {text(domain)}"
    kind = f"{name} is an integer" if found.integer else ""
    return " and ".join(part for part in (kind, ends) if part)


def _range(name: str, domain: sp.Set, found: Bounds) -> str:
    low, high = text(_end(domain, "inf")), text(_end(domain, "sup"))
    above = f"{low} {'<' if found.low_open else '<='} " if found.low > -inf else ""
    below = f" {'<' if found.high_open else '<='} {high}" if found.high < inf else ""
    if above and not below:
        return f"{name} {'>' if found.low_open else '>='} {low}"
    return f"{above}{name}{below}" if above or below else ""


@cache
def interior(domain: sp.Set) -> float:
    """A number inside a domain, away from its ends, where the formulas of a loss are smooth."""
    if isinstance(domain, sp.FiniteSet):
        return float(min(domain, key=float))
    if domain == sp.S.Reals:
        return 0.5
    low, high = _end(domain, "inf"), _end(domain, "sup")
    middle = (low + high) / 2 if low.is_finite and high.is_finite else sp.nan
    for candidate in (middle, low + 1, high - 1, sp.S.Half, sp.S.One, low, high):
        if candidate.is_finite and domain.contains(candidate) == sp.true:
            return float(candidate)
    return 0.5
