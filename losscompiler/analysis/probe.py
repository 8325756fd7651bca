"""Sample points that satisfy a context: what fails at one of them need not be tried to prove."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.analysis.claims import Context
from losscompiler.analysis.sampled import SAMPLES
from losscompiler.analysis.walk import UndefinedError, Walk

COUNT = 512
SLACK = 1e-7


def draw(domain: sp.Set, count: int, generator: np.random.Generator) -> Any:
    """Short dyadic numbers of a set, near and far."""
    if isinstance(domain, sp.FiniteSet):
        return generator.choice([float(x) for x in domain], count)
    low, high = float(domain.inf), float(domain.sup)
    if domain.is_subset(sp.S.Integers):
        first = max(low, -4.0)
        return generator.integers(int(first), int(min(high, first + 8)) + 1, count).astype(float)
    if np.isfinite(low) and np.isfinite(high):
        share = generator.integers(1, 64, count) / 64
        near = np.where(share < 0.5, share / 64, 1 - (1 - share) / 64)
        share = np.where(generator.random(count) < 0.15, near, share)
        ends = generator.random(count)
        share = np.where((ends < 0.05) & (domain.contains(low) == sp.true), 0.0, share)
        share = np.where((ends > 0.95) & (domain.contains(high) == sp.true), 1.0, share)
        return low + (high - low) * share
    if np.isfinite(low) or np.isfinite(high):
        fine = generator.integers(1, 64, count) / 8
        far = 2.0 ** generator.integers(-6, 7, count)
        size = np.where(generator.random(count) < 0.6, fine, far)
        return low + size if np.isfinite(low) else high - size
    scale = generator.choice([1 / 8, 1 / 2, 1.0, 4.0], count)
    return generator.integers(-24, 25, count) * scale


def seed(text: str) -> np.random.Generator:
    """A generator that is the same on every machine and in every run."""
    return np.random.default_rng(zlib.crc32(text.encode()))


def value(e: sp.Basic, points: dict[sp.Symbol, Any]) -> Any:
    """A scalar formula at sample points."""
    with np.errstate(all="ignore"):
        return Walk(SAMPLES, symbols=points)(e)


@lru_cache(maxsize=2_000)
def points_of(context: Context, symbols: tuple[sp.Symbol, ...]) -> dict[sp.Symbol, Any]:
    """Values of the symbols at which all facts hold; possibly none."""
    facts = [f for f in context.facts if f.relation != "=="]
    if len(facts) < len(context.facts):
        return {}
    needed = set(symbols).union(*(f.expression.free_symbols for f in facts))
    generator = seed(str(sorted(map(str, needed))))
    found = {s: draw(context.domain(s), COUNT, generator) for s in sorted(needed, key=str)}
    inside = np.ones(COUNT, bool)
    for fact in facts:
        try:
            at = value(fact.expression, found) * np.ones(COUNT)
        except UndefinedError:
            return {}
        inside &= {">": at > 0, ">=": at >= 0, "!=": at != 0}[fact.relation]
    return {s: v[inside] for s, v in found.items()}


def satisfied_by_sample(context: Context) -> bool:
    """Whether a sample point plainly satisfies all facts; strict ones by a margin."""
    if not context.facts:
        return True
    points = points_of(context, ())
    if not points or not len(next(iter(points.values()))):
        return False
    clear = np.ones(1, bool)
    for fact in context.facts:
        at = np.asarray(value(fact.expression, points))
        clear = clear & ((np.abs(at) if fact.relation == "!=" else at) > SLACK)
    return bool(np.any(clear))


def refuted_by_sample(e: sp.Expr, relation: str, context: Context) -> bool:
    """Whether `e relation 0` plainly fails at a sample point."""
    points = points_of(context, tuple(sorted(e.free_symbols, key=str)))
    if not points or not len(next(iter(points.values()))):
        return False
    terms = sp.Add.make_args(e)
    try:
        parts = [value(t, points) for t in terms]
    except UndefinedError:
        return False
    with np.errstate(all="ignore"):
        total = sum(parts)
        size = sum(map(np.abs, parts))
        worst = np.abs(total) if relation == "==" else -np.asarray(total)
        clear = worst > SLACK * size + 1e-300
    return bool(np.any(np.isfinite(size) & np.isfinite(total) & clear))


def bends(
    formula: sp.Expr, variables: tuple[sp.Symbol, ...], context: Context
) -> tuple[bool, bool]:
    """Whether the formula plainly bends down, and up, on some segment between sample points."""
    needed = sorted(formula.free_symbols, key=str)
    generator = seed(f"bends {formula}")
    fixed = {s: draw(context.domain(s), COUNT, generator) for s in needed if s not in variables}
    ends = [{v: draw(context.domain(v), COUNT, generator) for v in variables} for _ in range(2)]
    fixed |= {
        s: draw(context.domain(s), COUNT, generator)
        for fact in context.facts
        for s in fact.expression.free_symbols - set(needed)
    }
    near = generator.random(COUNT) < 0.3
    for v in variables:
        ends[1][v] = np.where(near, ends[0][v] + (ends[1][v] - ends[0][v]) / 16, ends[1][v])
    middle = {v: (ends[0][v] + ends[1][v]) / 2 for v in variables}
    try:
        first, second, inside = (value(formula, {**fixed, **p}) for p in (*ends, middle))
    except UndefinedError:
        return False, False
    with np.errstate(all="ignore"):
        size = np.abs(first) + np.abs(second) + np.abs(inside)
        gap = inside - (first + second) / 2
        clear = np.isfinite(gap) & (np.abs(gap) > SLACK * size)
        for fact in context.facts:
            clear = clear & (value(fact.expression, fixed) >= 0)
    return bool(np.any(clear & (gap > 0))), bool(np.any(clear & (gap < 0)))
