"""The point of least norm in the convex hull of a few vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mpmath import MPContext

Vector = list[Any]

_SMALL = 50  # bits below the longest vector at which a quantity counts as 0


def least_norm(points: Sequence[Vector], mp: MPContext) -> Vector:
    """Wolfe's algorithm: the nearest point to 0 of the hull of `points`, which are mpf vectors.

    Components that cancel to rounding noise come back as exact zeros.
    """
    size = max((abs(x) for p in points for x in p), default=mp.zero)
    noise = mp.ldexp(size, -_SMALL)
    start = min(points, key=lambda p: _dot(p, p))
    corral, weights = [start], [mp.one]
    while True:
        x = _combine(corral, weights)
        best = min(points, key=lambda p: _dot(p, x))
        if _dot(best, x) >= _dot(x, x) - noise * size or best in corral:
            return [mp.zero if abs(c) <= noise else c for c in x]
        corral, weights = _descend([*corral, best], [*weights, mp.zero], mp)


def _descend(corral: list[Vector], weights: Vector, mp: MPContext) -> tuple[list[Vector], Vector]:
    """Moves to the affine minimiser of a corral, dropping points on whose far side it lies."""
    while True:
        target = _affine_minimiser(corral, mp)
        if all(t > mp.ldexp(1, -_SMALL) for t in target):
            return corral, target
        step = min(
            (w / (w - t) for w, t in zip(weights, target, strict=True) if t < w),
            default=mp.one,
        )
        step = min(
            [w / (w - t) for w, t in zip(weights, target, strict=True) if t <= 0 and w > t]
            or [step]
        )
        weights = [w + step * (t - w) for w, t in zip(weights, target, strict=True)]
        kept = [n for n, w in enumerate(weights) if w > mp.ldexp(1, -_SMALL)]
        corral, weights = [corral[n] for n in kept], [weights[n] for n in kept]
        if len(corral) == 1:
            return corral, [mp.one]


def _affine_minimiser(corral: list[Vector], mp: MPContext) -> Vector:
    """Barycentric weights of the point nearest to 0 in the affine hull (least squares if flat)."""
    n = len(corral)
    system = mp.zeros(n + 1)
    right = mp.zeros(n + 1, 1)
    right[0] = 1
    for i in range(n):
        system[0, i + 1] = system[i + 1, 0] = 1
        for j in range(n):
            system[i + 1, j + 1] = _dot(corral[i], corral[j])
    try:
        solution = mp.lu_solve(system, right)
    except ZeroDivisionError:  # affinely dependent: the newest point is redundant
        return [*_affine_minimiser(corral[:-1], mp), mp.zero]
    return [solution[i + 1] for i in range(n)]


def _dot(a: Vector, b: Vector) -> Any:
    return sum((x * y for x, y in zip(a, b, strict=True)), 0 * a[0] if a else 0)


def _combine(points: list[Vector], weights: Vector) -> Vector:
    return [
        sum(w * p[i] for w, p in zip(weights, points, strict=True)) for i in range(len(points[0]))
    ]
