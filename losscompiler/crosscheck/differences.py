"""Derivatives by central differences, in precision that leaves nothing of their errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpmath import libmp

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.balls import Ball, Field
from losscompiler.crosscheck.environment import Values

STEP = 100  # finite differences step by 2**-STEP times the smallest distance between inputs


@dataclass(frozen=True)
class Derivatives:
    """Of one loss entry: gradient, Hessian diagonal and one Hessian-vector product per vector."""

    value: Any
    gradient: list[Any]
    diagonal: list[Any]
    products: list[list[Any]]


def differences(
    evaluate: Callable[[Mapping[int, Ball]], list[Ball]],
    field: Field,
    step: int,
    vectors: Sequence[Sequence[Ball]],
    live: Sequence[int],
    size: int,
) -> list[Ball]:
    """Value, gradient, diagonal and products of every loss entry, one after the other.

    `evaluate` moves inputs by multiples of 2**-step and gives the loss entries there; `live` are
    the inputs that can be moved, `size` counts all of them.
    """

    def slope(up: Ball, down: Ball) -> Ball:
        return balls.shifted(field.subtract(up, down), step - 1)

    def curvature(up: Ball, middle: Ball, down: Ball) -> Ball:
        twice = field.subtract(field.add(up, down), balls.shifted(middle, 1))
        return balls.shifted(twice, 2 * step)

    minus_one = balls.negate(balls.ONE)
    middle = evaluate({})
    ups = {n: evaluate({n: balls.ONE}) for n in live}
    downs = {n: evaluate({n: minus_one}) for n in live}
    along = [{n: vector[n] for n in live} for vector in vectors]
    back = [{n: balls.negate(a) for n, a in move.items()} for move in along]
    single = size == 1  # then a product is the second derivative times the vector
    ups_along = [evaluate(move) for move in along] if not single else []
    downs_along = [evaluate(move) for move in back] if not single else []

    def mixed(j: int, n: int) -> list[Ball]:
        if single:
            return [
                field.multiply(vectors[j][0], curvature(u, m, d))
                for u, m, d in zip(ups[n], middle, downs[n], strict=True)
            ]
        both = evaluate({**along[j], n: field.add(along[j][n], balls.ONE)})
        neither = evaluate({**back[j], n: field.subtract(back[j][n], balls.ONE)})
        return [
            balls.shifted(
                field.subtract(
                    curvature(both[k], middle[k], neither[k]),
                    field.add(
                        curvature(ups_along[j][k], middle[k], downs_along[j][k]),
                        curvature(ups[n][k], middle[k], downs[n][k]),
                    ),
                ),
                -1,
            )
            for k in range(len(middle))
        ]

    products = [{n: mixed(j, n) for n in live} for j in range(len(vectors))]
    found: list[Ball] = []
    everywhere = range(size)
    for k in range(len(middle)):
        found.append(middle[k])
        found += [slope(ups[n][k], downs[n][k]) if n in ups else balls.ZERO for n in everywhere]
        found += [
            curvature(ups[n][k], middle[k], downs[n][k]) if n in ups else balls.ZERO
            for n in everywhere
        ]
        for product in products:
            found += [product[n][k] if n in product else balls.ZERO for n in everywhere]
    return found


def suspicious(b: Ball, step: int) -> bool:
    """Whether a difference may be nothing but the error of its formula, or a jump over the step."""
    if not b[0][1]:
        return False
    size = balls.magnitude(b[0])
    return bool(size < -step or size > step // 2)


def confirmed(a: Ball, b: Ball, step: int) -> Ball:
    """A difference; 0 if it grows with the step as an error does, not a number if it shrinks.

    `b` is the difference over twice the distance: what a jump adds to a slope is half of it there.
    """
    if not suspicious(a, step) or balls.special(b[0]):
        return a
    size = balls.magnitude(a[0])
    changed = balls.magnitude(libmp.mpf_sub(a[0], b[0], 60, "n")) >= size - 2
    if not changed:
        return a
    return balls.ZERO if size < 0 else balls.NAN


def closeness(values: Values) -> int:
    """How many bits smaller than 1 the inputs, or the distances between them, get."""
    numbers = [
        b[0]
        for entries in values.values()
        for b in entries.values()
        if isinstance(b, tuple) and not balls.special(b[0])
    ]
    numbers.sort(key=lambda v: libmp.to_float(v))
    gaps = [libmp.mpf_sub(b, a) for a, b in itertools.pairwise(numbers)]
    sizes = [balls.magnitude(v) for v in (*numbers, *gaps) if v[1]]
    return max(0, -min(sizes, default=0))
