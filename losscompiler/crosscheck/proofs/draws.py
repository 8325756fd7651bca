"""Numbers to attack with: of all magnitudes, on a grid, at the ends of their set, alike.

Everything drawn is a float, and so an exact number for the arithmetic that decides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

Array = Any
Generator = np.random.Generator
GRID, COARSE = 64, 4
FAR, NEAR = 40, -40  # exponents of two


def draw(domain: sp.Set, count: int, generator: Generator, scale: Array | None = None) -> Array:
    """Members of a set, of the order of `scale` and sometimes of any; None: moderate ones only."""
    if isinstance(domain, sp.FiniteSet):
        return generator.choice([float(x) for x in domain], count)
    low, high = float(domain.inf), float(domain.sup)
    if domain.is_subset(sp.S.Integers):
        first = low if np.isfinite(low) else -4.0
        last = min(high, first + 12) if np.isfinite(high) else first + 12
        return generator.integers(int(first), int(last) + 1, count).astype(float)
    kind = generator.random(count)
    size = np.abs(generator.normal(0, 1, count)) * (1.0 if scale is None else scale)
    if scale is None:
        size = np.ceil(size * COARSE) / COARSE
    else:
        size = np.where(kind < 0.4, np.ceil(size * GRID) / GRID, size)
        size = np.where(kind > 0.9, np.exp2(generator.uniform(NEAR, FAR / 2, count)), size)
    if np.isfinite(low) and np.isfinite(high):
        share = generator.uniform(0, 1, count)
        if scale is not None:
            share = np.where(kind < 0.6, share, np.exp2(-size - 1))
        share = np.where(kind < 0.3, np.round(share * GRID) / GRID, share)
        found = np.where(generator.random(count) < 0.5, low + (high - low) * share,
                         high - (high - low) * share)  # fmt: skip
    elif np.isfinite(low):
        found = low + size
    elif np.isfinite(high):
        found = high - size
    else:
        found = np.where(generator.random(count) < 0.5, size, -size)
        found = np.where(kind < 0.03, 0.0, found)
    return inside(domain, found, generator)


def inside(domain: sp.Set, x: Array, generator: Generator) -> Array:
    """Numbers moved into a set: onto its ends, or next to them where they are left out."""
    if isinstance(domain, sp.FiniteSet):
        return x
    low, high = float(domain.inf), float(domain.sup)
    wide = high - low if np.isfinite(high - low) else 1.0
    for end, sign in ((low, 1.0), (high, -1.0)):
        if not np.isfinite(end):
            continue
        if domain.contains(sp.Rational(end)) == sp.true:
            x = np.where(sign * (x - end) < 0, end, x)
        else:
            step = sign * wide * np.exp2(generator.uniform(NEAR if end == 0 else -30, -1, len(x)))
            x = np.where(sign * (x - end) <= 0, end + step, x)
    if domain.contains(sp.S.Zero) == sp.false and low < 0 < high:
        x = np.where(x == 0, 1.0, x)
    return x


def scales(count: int, generator: Generator) -> Array:
    """Orders of magnitude: mostly moderate ones, one for a whole point."""
    kind = generator.random(count)
    wide = np.exp2(generator.uniform(-24, 12, count))
    wide = np.where(kind > 0.92, np.exp2(generator.uniform(12, FAR, count)), wide)
    return np.where(kind < 0.6, np.exp2(generator.integers(-1, 4, count)), wide)
