"""Counterexamples: exact rational points, and a gap certified in interval arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath

from losscompiler.analysis.exact import add, low, multiply
from losscompiler.analysis.instance import Instance, Slot, Values
from losscompiler.analysis.walk import UndefinedError

HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Witness:
    """Points of a segment, the weight of the first, what is fixed, and by how much it fails."""

    points: tuple[dict[str, Any], ...]
    weight: Fraction
    fixed: dict[str, Any]
    gap: Fraction

    def to_json(self) -> dict[str, Any]:
        """Exact rationals as text, arrays as lists."""
        return {
            "points": [texts(p) for p in self.points],
            "weight": str(self.weight),
            "fixed": texts(self.fixed),
            "gap": str(self.gap),
        }


def texts(values: Any) -> Any:
    """Exact rationals as text, in whatever they are nested."""
    if isinstance(values, dict):
        return {name: texts(v) for name, v in values.items()}
    if isinstance(values, list):
        return [texts(v) for v in values]
    return values if isinstance(values, bool) else str(values)


def shaped(instance: Instance, names: Sequence[str], values: Values) -> dict[str, Any]:
    """The entries of inputs as numbers and nested lists."""
    found: dict[str, Any] = {}
    for name in names:
        axes = instance.loss.roles[name].axes
        sizes = [instance.axis_sizes[a.removeprefix("*")] for a in axes]

        def nested(at: tuple[int, ...], name: str = name, sizes: list[int] = sizes) -> Any:
            if len(at) == len(sizes):
                return values[name, at]
            return [nested((*at, n)) for n in range(sizes[len(at)])]

        found[name] = nested(())
    return found


def rounded_down(x: Any) -> Fraction:
    """A positive number from below, in three digits."""
    exact = x if isinstance(x, Fraction) else _fraction(x)
    digits = 2 - int(mpmath.floor(mpmath.log10(mpmath.mpf(exact.numerator) / exact.denominator)))
    scale = Fraction(10) ** digits
    found: Fraction = Fraction(exact * scale // 1) / scale
    return found


def _fraction(x: Any) -> Fraction:
    """An end of an interval, which is a binary number, as it is."""
    sign, mantissa, exponent, _ = x._mpi_[0] if hasattr(x, "_mpi_") else x._mpf_
    size: Fraction = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return -size if sign else size


def excess(
    instance: Instance, ends: Sequence[Values], fixed: Values, *, quasi: bool = False
) -> Any:
    """A lower bound of what the middle of a segment has above its chord; raises UndefinedError.

    With `quasi`, above the larger of its ends.
    """
    middle: dict[Slot, Any] = {s: (ends[0][s] + ends[1][s]) * HALF for s in ends[0]}
    first, second, inside = (
        instance.evaluate({**fixed, **v}, exactly=True) for v in (ends[0], ends[1], middle)
    )
    if quasi:
        tops = [add(inside, -first), add(inside, -second)]
        return min(low(t) for t in tops)
    return low(add(inside, multiply(-HALF, first), multiply(-HALF, second)))


def certify(
    instance: Instance,
    wrt: tuple[str, ...],
    ends: Sequence[Values],
    fixed: Values,
    *,
    quasi: bool = False,
) -> Witness | None:
    """The witness, if its gap is proved to be positive."""
    try:
        gap = excess(instance, ends, fixed, quasi=quasi)
    except (UndefinedError, ZeroDivisionError, ValueError, OverflowError, TypeError):
        return None
    if isinstance(gap, float) or not gap > 0:
        return None
    rest = [n for n in instance.loss.roles if n not in wrt]
    points = tuple(shaped(instance, wrt, v) for v in ends)
    return Witness(points, HALF, shaped(instance, rest, fixed), rounded_down(gap))
