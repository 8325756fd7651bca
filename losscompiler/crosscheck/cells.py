"""Around a kink: directions into the smooth cells, and what is chosen among their derivatives."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.balls import Ball, Field
from losscompiler.crosscheck.differences import Derivatives
from losscompiler.crosscheck.environment import Values, Where
from losscompiler.crosscheck.precision import CAP, MP

CELL = 160  # cells are entered by 2**-CELL, and differences inside them are far smaller
CELL_STEP = 280
DIRECTIONS = 48


def shifted(values: Values, places: Sequence[Where], move: Mapping[int, Ball], step: int) -> Values:
    """A point with some of its entries moved by multiples of 2**-step."""
    field = Field(CAP)
    there: dict[str, Any] = dict(values)
    for n, amount in move.items():
        name, at = places[n]
        entries = dict(there[name])
        entries[at] = field.add(entries[at], balls.shifted(amount, -step))
        there[name] = entries
    return there


def moved(values: Values, places: Sequence[Where], direction: list[int], near: int) -> Values:
    """The point next to another one; components of a direction count 64ths."""
    move = {
        n: balls.from_int(amount)
        for n, (amount, (name, at)) in enumerate(zip(direction, places, strict=True))
        if not balls.special(values[name][at][0])
    }
    return shifted(values, places, move, near + 6)


def directions(size: int, generator: random.Random) -> list[list[int]]:
    """Antipodal pairs of generic directions."""
    if size == 1:
        return [[64], [-64]]
    found = []
    for _ in range(DIRECTIONS // 2):
        direction = [generator.choice((-1, 1)) * generator.randint(17, 127) for _ in range(size)]
        found += [direction, [-n for n in direction]]
    return found


def units(size: int) -> list[list[Ball]]:
    """The unit vectors."""
    return [[balls.ONE if i == j else balls.ZERO for i in range(size)] for j in range(size)]


def snapped(x: Any) -> Any:
    """What is left of a 0 at a distance of 2**-CELL from the point."""
    return MP.zero if abs(x) < MP.ldexp(1, -110) else x


def snap(d: Derivatives) -> Derivatives:
    """Derivatives without what is left of zeros."""
    return Derivatives(
        d.value,
        [snapped(x) for x in d.gradient],
        [snapped(x) for x in d.diagonal],
        [[snapped(x) for x in product] for product in d.products],
    )


def close(a: Sequence[Any], b: Sequence[Any], bits: int) -> bool:
    """Whether vectors agree to so many bits of their largest entry."""
    size = max((abs(x) for x in (*a, *b)), default=MP.zero)
    return all(abs(x - y) <= MP.ldexp(size, -bits) for x, y in zip(a, b, strict=True))


def distinct(vectors: list[list[Any]]) -> list[list[Any]]:
    """Vectors without repetitions."""
    kept: list[list[Any]] = []
    for vector in vectors:
        if not any(close(vector, other, 60) for other in kept):
            kept.append(vector)
    return kept


def stable(found: list[list[Any]], nearer: list[Derivatives], part: str = "gradient") -> bool:
    """Whether derivatives have a limit at a singular point."""
    if not all(MP.isfinite(x) for vector in found for x in vector):
        return False
    others = [getattr(d, part) for d in nearer]
    return all(any(close(vector, other, 20) for vector in found) for other in others)


def nearest_zero(numbers: list[Any]) -> Any:
    """The number nearest to 0 between the least and the greatest."""
    low, high = min(numbers), max(numbers)
    if low <= 0 <= high:
        return MP.zero
    return low if low > 0 else high


def between(vectors: list[list[Any]]) -> tuple[list[Any], list[Any]]:
    """The smallest interval per entry around 0 and what the cells say; a point if they agree."""
    low, high = [], []
    for numbers in zip(*vectors, strict=True):
        a, b = min(numbers), max(numbers)
        agree = close([a], [b], 60)
        low.append(a if agree else min(a, MP.zero))
        high.append(a if agree else max(b, MP.zero))
    return low, high
