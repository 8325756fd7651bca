"""Numbers to try in a SymPy set: inside it, on a coarse dyadic grid, at its ends, far out.

Everything is exact in float32, so that one exact result serves both dtypes; on the dyadic grid
differences and products are exact too, so that guards vanish in floating point as on paper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

GRID = (0.0, 0.25, -0.25, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0)
FAR = (1e4, -1e4, 1e2, -1e2, 30.5, -30.5, 1e-12, -1e-12, 9.25, -9.25)
Generator = np.random.Generator


def single(x: Any) -> Any:
    """Rounded to float32, held in float64."""
    return np.asarray(x, dtype=np.float32).astype(np.float64)


def has(domain: sp.Set, x: float) -> bool:
    """Whether a float lies in a set."""
    return bool(domain.contains(sp.Rational(x)) == sp.true)


def _within(domain: sp.Set, numbers: Any) -> list[float]:
    return [x for x in dict.fromkeys(float(single(n)) for n in numbers) if has(domain, x)]


def ends(domain: sp.Set) -> tuple[float, float]:
    """Infimum and supremum."""
    return float(domain.inf), float(domain.sup)


def grid(domain: sp.Set) -> list[float]:
    """Dyadic numbers in a set."""
    if isinstance(domain, sp.FiniteSet):
        return [float(x) for x in domain]
    found = _within(domain, (*GRID, 0.75, 1.25, 1.5, 3.0))
    return found or [float(x) for x in interior(domain, np.random.default_rng(0), 3)]


def edges(domain: sp.Set) -> list[float]:
    """Ends that belong to a set, and its points next to them."""
    if isinstance(domain, sp.FiniteSet):
        return [float(x) for x in domain]
    low, high = ends(domain)
    found: list[float] = []
    if np.isfinite(low):
        found += [low, low + 2.0**-12, low + 1e-12 if low == 0 else low]
    if np.isfinite(high):
        found += [high, high - 2.0**-12, high - 1e-12 if high == 0 else high]
    return _within(domain, found)


def far(domain: sp.Set) -> list[float]:
    """Extreme numbers in a set."""
    return _within(domain, FAR) or edges(domain)


def interior(domain: sp.Set, generator: Generator, shape: Any) -> np.ndarray[Any, Any]:
    """Random numbers well inside a set."""
    if isinstance(domain, sp.FiniteSet):
        return np.asarray(generator.choice([float(x) for x in domain], shape))
    low, high = ends(domain)
    if domain.is_subset(sp.S.Integers):
        first = low if np.isfinite(low) else -3.0
        last = high if np.isfinite(high) else first + 5.0
        return np.asarray(generator.integers(int(first), int(last) + 1, shape), dtype=np.float64)
    if np.isfinite(low) and np.isfinite(high):
        return np.asarray(single(low + (high - low) * generator.uniform(0.05, 0.95, shape)))
    if np.isfinite(low):
        return np.asarray(single(low + np.exp(generator.normal(0.0, 0.7, shape))))
    if np.isfinite(high):
        return np.asarray(single(high - np.exp(generator.normal(0.0, 0.7, shape))))
    drawn = generator.normal(0.0, 1.5, shape)
    # Off 0, where some losses over directions lose all digits in one dimension.
    return np.asarray(single(np.where(np.abs(drawn) < 0.1, drawn + np.copysign(0.1, drawn), drawn)))


def dyadic(domain: sp.Set, generator: Generator, shape: Any) -> np.ndarray[Any, Any]:
    """Random multiples of 1/64 inside a set."""
    if isinstance(domain, sp.FiniteSet) or domain.is_subset(sp.S.Integers):
        return interior(domain, generator, shape)
    rounded: np.ndarray[Any, Any] = np.round(interior(domain, generator, shape) * 64) / 64
    low, high = ends(domain)
    clipped: np.ndarray[Any, Any] = np.clip(
        rounded,
        low + 1 / 64 if np.isfinite(low) else low,
        high - 1 / 64 if np.isfinite(high) else high,
    )
    return clipped
