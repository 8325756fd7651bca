"""Expansions of a formula along a ray: its value after a small step, in powers of the step.

A number is a sum of powers of a step that goes to 0 from above, up to a known order, with exact or
enclosed coefficients. Kinks are decided by the leading coefficients, so that an expansion holds on
one side of a point: two of them show what a formula does as it passes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from losscompiler.analysis import exact
from losscompiler.analysis.exact import add, multiply
from losscompiler.analysis.walk import UndefinedError

ORDER = Fraction(4)
"""Powers of the step beyond this one are left out."""
NEVER = Fraction(1 << 30)
"""The first unknown power of an expansion that is complete."""


@dataclass(frozen=True)
class Series:
    """Coefficients by powers; all powers below `known` are there."""

    terms: tuple[tuple[Fraction, Any], ...]
    known: Fraction = NEVER

    @property
    def is_zero(self) -> bool:
        """Whether it is exactly 0."""
        return not self.terms and self.known == NEVER

    @property
    def lead(self) -> Fraction:
        """The smallest power that may occur."""
        return self.terms[0][0] if self.terms else self.known

    def coefficient(self, power: int) -> Any:
        """The coefficient of a power; raises UndefinedError if it is not known."""
        if power >= self.known:
            raise UndefinedError("an expansion that is too short")
        return dict(self.terms).get(Fraction(power), Fraction(0))


def made(terms: Mapping[Fraction, Any], known: Fraction) -> Series:
    """A series, without what is 0 or of too high an order."""
    if any(power > ORDER for power in terms):
        known = min(known, ORDER + Fraction(1, 1000))
    kept = {p: c for p, c in terms.items() if p < known and not _is_zero(c)}
    return Series(tuple(sorted(kept.items())), known)


def _is_zero(c: Any) -> bool:
    return bool(exact.low(c) == 0 == exact.high(c))


def is_certain(c: Any) -> bool:
    """Whether a coefficient is proved not to be 0."""
    return bool(exact.low(c) > 0 or exact.high(c) < 0)


def constant(value: Any) -> Series | float:
    """A number that the step does not change; infinities stay what they are."""
    if isinstance(value, float):
        return value
    return made({Fraction(0): value}, NEVER)


def _lifted(x: Any) -> Any:
    """A label as a number."""
    return constant(Fraction(x)) if isinstance(x, int) else x


def plus(*given: Any) -> Any:
    """A sum."""
    terms = [_lifted(t) for t in given]
    infinite = [t for t in terms if isinstance(t, float)]
    if infinite:
        return add(*infinite)
    found: dict[Fraction, Any] = {}
    for term in terms:
        for power, c in term.terms:
            found[power] = add(found[power], c) if power in found else c
    return made(found, min(t.known for t in terms))


def times(*given: Any) -> Any:
    """A product."""
    factors = [_lifted(f) for f in given]
    if any(isinstance(f, float) for f in factors):
        return multiply(*(f if isinstance(f, float) else Fraction(sign(f)) for f in factors))
    result = factors[0]
    for factor in factors[1:]:
        result = _product(result, factor)
    return result


def _product(a: Series, b: Series) -> Series:
    if a.is_zero or b.is_zero:
        return Series(())
    known = min(a.lead + b.known, b.lead + a.known, NEVER)
    found: dict[Fraction, Any] = {}
    for p, c in a.terms:
        for q, d in b.terms:
            power = p + q
            if power < known and power <= ORDER:
                one = multiply(c, d)
                found[power] = add(found[power], one) if power in found else one
            elif power > ORDER:
                known = min(known, power)
    return made(found, known)


def sign(x: Any) -> int:
    """The sign after a small step; raises UndefinedError if it is not known."""
    if isinstance(x, float):
        return 1 if x > 0 else -1
    if x.is_zero:
        return 0
    if not x.terms:
        raise UndefinedError("the sign of what vanishes to a high order")
    return certain_sign(x.terms[0][1])


def certain_sign(c: Any) -> int:
    """The sign of a coefficient; raises UndefinedError if it may be 0."""
    if exact.low(c) > 0:
        return 1
    if exact.high(c) < 0:
        return -1
    raise UndefinedError("the sign of an interval that holds 0")


def minus(x: Any) -> Any:
    """The negative."""
    return -x if isinstance(x, float) else times(constant(Fraction(-1)), x)


def split(x: Series) -> tuple[Any, Series]:
    """The value at the point itself, and the rest."""
    if x.lead < 0:
        raise UndefinedError("a value that grows beyond all bounds")
    if x.known <= 0:
        raise UndefinedError("an expansion that is too short")
    at = dict(x.terms).get(Fraction(0), Fraction(0))
    return at, Series(tuple(t for t in x.terms if t[0] != 0), x.known)


def composed(coefficients: Callable[[int], Any], rest: Series) -> Series:
    """A power series at a small argument."""
    if rest.is_zero:
        return made({Fraction(0): coefficients(0)}, NEVER)
    total: Any = constant(coefficients(0))
    power: Any = constant(Fraction(1))
    n = 0
    while rest.lead * (n + 1) <= ORDER:
        n += 1
        power = times(power, rest)
        total = plus(total, times(constant(coefficients(n)), power))
    return Series(total.terms, min(total.known, rest.lead * (n + 1), rest.known))


def difference(a: Any, b: Any) -> Any:
    """`a - b`; infinities compare as numbers do."""
    a, b = _lifted(a), _lifted(b)
    if isinstance(a, float) or isinstance(b, float):
        return 0.0 if a == b else a if isinstance(a, float) else -b
    return Series(()) if a is b else plus(a, minus(b))


def compared(a: Any, b: Any) -> int:
    """The sign of `a - b` after a small step."""
    gap = difference(a, b)
    return 0 if isinstance(gap, float) and gap == 0 else sign(gap)
