"""Arbitrary-precision numbers that know how wrong they are.

A ball is a pair `(value, error)`: an mpmath number and the exponent of a power of two that bounds
its error, or `None` if it is exact. Exactness matters as much as accuracy here: it tells a true tie
from a near one, and a zero that annihilates an infinity from a product that has underflowed.
`Undecided` asks the caller for more precision; nothing is ever decided on rounded digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpmath import libmp

Ball = tuple[Any, int | None]

ZERO: Ball = (libmp.fzero, None)
ONE: Ball = (libmp.fone, None)
NAN: Ball = (libmp.fnan, None)
INF: Ball = (libmp.finf, None)
MINUS_INF: Ball = (libmp.fninf, None)

TIE_BITS = 1600  # two inexact numbers that agree to so many bits are taken for equal
EXACT_BITS = 6000  # an exact number longer than this is rounded
HUGE = 64  # exp of a number beyond 2**HUGE is infinite, or 0, for every purpose here


class Undecided(Exception):
    """The working precision does not decide a comparison, a logarithm or a quotient."""


def from_float(x: float) -> Ball:
    """The exact number that a float stands for."""
    return (libmp.from_float(x), None)


def from_int(n: int) -> Ball:
    """An exact integer."""
    return (libmp.from_int(n), None)


def special(v: Any) -> bool:
    """Whether a raw number is infinite or not a number."""
    return not v[1] and bool(v[2])


def magnitude(v: Any) -> int:
    """The exponent e with |v| < 2**e; very small for 0."""
    return v[2] + v[3] if v[1] else -(1 << 62)


def is_exact_zero(a: Ball) -> bool:
    """Whether a ball is the number 0 and nothing else."""
    return a[1] is None and a[0] == libmp.fzero


def may_be_zero(a: Ball) -> bool:
    """Whether 0 lies in a ball."""
    v, e = a
    if special(v):
        return False
    if e is None:
        return bool(v == libmp.fzero)
    return magnitude(v) - 1 <= e


def negate(a: Ball) -> Ball:
    """Minus a ball."""
    return (libmp.mpf_neg(a[0]), a[1])


def absolute(a: Ball) -> Ball:
    """The absolute value: no further from the truth than its argument."""
    return (libmp.mpf_abs(a[0]), a[1])


def shifted(a: Ball, n: int) -> Ball:
    """A ball times 2**n."""
    v, e = a
    return (libmp.mpf_shift(v, n), None if e is None else e + n)


def _worst(*errors: int | None) -> int:
    return max((e for e in errors if e is not None), default=-(1 << 62))


class Field:
    """Arithmetic at one working precision."""

    def __init__(self, bits: int) -> None:
        """Arithmetic that rounds to so many bits."""
        self.bits = bits

    def _rounded(self, v: Any, error: int | None) -> Ball:
        """A result that was computed without rounding."""
        if special(v):
            return (v, None)
        if error is None and v[3] <= EXACT_BITS:
            return (v, None)
        if v[3] > self.bits:
            v = libmp.mpf_pos(v, self.bits, "n")
            error = _worst(error, magnitude(v) - self.bits) + 1
        return (v, error)

    def add(self, a: Ball, b: Ball) -> Ball:
        """Sum of two balls."""
        (x, d), (y, e) = a, b
        if d is None and e is None and abs(magnitude(x) - magnitude(y)) < EXACT_BITS:
            return self._rounded(libmp.mpf_add(x, y), None)
        if not x[1] or not y[1]:  # a zero or something that is not finite: nothing is rounded
            v = libmp.mpf_add(x, y)
            return (v, None if special(v) or (d is None and e is None) else _worst(d, e) + 1)
        v = libmp.mpf_add(x, y, self.bits, "n")
        return (v, _worst(d, e, magnitude(v) - self.bits) + 2)

    def subtract(self, a: Ball, b: Ball) -> Ball:
        """Difference of two balls."""
        return self.add(a, negate(b))

    def multiply(self, a: Ball, b: Ball) -> Ball:
        """Product; an exact 0 annihilates everything, infinities and NaN included."""
        if is_exact_zero(a) or is_exact_zero(b):
            return ZERO
        (x, d), (y, e) = a, b
        if special(x) or special(y):
            if may_be_zero(a) or may_be_zero(b):
                raise Undecided
            return (libmp.mpf_mul(x, y), None)
        if d is None and e is None:
            return self._rounded(libmp.mpf_mul(x, y), None)
        v = libmp.mpf_mul(x, y, self.bits, "n")
        errors = [magnitude(v) - self.bits]
        if e is not None:
            errors.append(magnitude(x) + e)
        if d is not None:
            errors.append(magnitude(y) + d)
        if d is not None and e is not None:
            errors.append(d + e)
        return (v, max(errors) + 2)

    def divide(self, a: Ball, b: Ball) -> Ball:
        """Quotient; by an exact 0 it is infinite, and NaN for 0/0."""
        (x, d), (y, e) = a, b
        if special(y):
            return NAN if y == libmp.fnan or special(x) else ZERO
        if is_exact_zero(b):
            if is_exact_zero(a) or x == libmp.fnan:
                return NAN
            if may_be_zero(a):
                raise Undecided
            return INF if libmp.mpf_sign(x) > 0 else MINUS_INF
        if may_be_zero(b):
            raise Undecided
        if is_exact_zero(a):
            return ZERO
        if special(x):
            return (libmp.mpf_div(x, y, 53, "n"), None)
        v = libmp.mpf_div(x, y, self.bits, "n")
        if d is None and e is None and libmp.mpf_mul(v, y) == x:
            return (v, None)
        errors = [magnitude(v) - self.bits]
        if d is not None:
            errors.append(d - magnitude(y) + 1)
        if e is not None:
            errors.append(magnitude(v) + e - magnitude(y) + 2)
        return (v, max(errors) + 2)

    def whole_power(self, a: Ball, n: int) -> Ball:
        """A ball to an integer power."""
        if n < 0:
            return self.divide(ONE, self.whole_power(a, -n))
        result, square = ONE, a
        while n:
            if n & 1:
                result = self.multiply(result, square)
            n >>= 1
            if n:
                square = self.multiply(square, square)
        return result

    def power(self, a: Ball, b: Ball) -> Ball:
        """A ball to any real power; NaN for a negative base and a fractional exponent."""
        y, e = b
        if e is None and not special(y) and y[2] >= 0 and magnitude(y) <= 8:
            return self.whole_power(a, libmp.to_int(y))
        if a == ONE:
            return ONE
        if is_exact_zero(a):
            if may_be_zero(b):
                raise Undecided
            return ZERO if libmp.mpf_sign(y) > 0 else INF
        if e is None and y[2] == -1 and magnitude(y) <= 8:
            return self.whole_power(self.sqrt(a), libmp.to_int(libmp.mpf_shift(y, 1)))
        if may_be_zero(a):
            if may_be_zero(b) or libmp.mpf_sign(y) < 0:
                raise Undecided
            bound = max(magnitude(a[0]), _worst(a[1])) + 1
            return (libmp.fzero, int(bound * libmp.to_float(y)) + 1)
        if e is None and y[2] >= 0 and libmp.mpf_sign(a[0]) < 0:
            even = self.exp(self.multiply(b, self.log(absolute(a))))
            return even if y[2] > 0 else negate(even)
        return self.exp(self.multiply(b, self.log(a)))

    def sqrt(self, a: Ball) -> Ball:
        """Square root; exact for exact squares, NaN below 0."""
        v, e = a
        if is_exact_zero(a) or v in (libmp.fnan, libmp.finf):
            return a
        if may_be_zero(a):
            return (libmp.fzero, (max(magnitude(v), _worst(e)) + 3) // 2)
        if libmp.mpf_sign(v) < 0:
            return NAN
        root = libmp.mpf_sqrt(v, self.bits, "n")
        if e is None and libmp.mpf_mul(root, root) == v:
            return (root, None)
        errors = [magnitude(root) - self.bits]
        if e is not None:
            errors.append(e - magnitude(root) + 2)
        return (root, max(errors) + 1)

    def exp(self, a: Ball) -> Ball:
        """Exponential."""
        v, e = a
        if v == libmp.fninf:
            return ZERO
        if special(v):
            return (v, None)
        if is_exact_zero(a):
            return ONE
        if e is not None and e >= -1:
            raise Undecided
        if magnitude(v) > HUGE:
            return INF if libmp.mpf_sign(v) > 0 else (libmp.fzero, -(1 << 40))
        result = libmp.mpf_exp(v, self.bits, "n")
        return (result, magnitude(result) + max(_worst(e) + 1, -self.bits) + 1)

    def log(self, a: Ball) -> Ball:
        """Natural logarithm: minus infinity at an exact 0, NaN below."""
        v, e = a
        if a == ONE:
            return ZERO
        if is_exact_zero(a):
            return MINUS_INF
        if v in (libmp.fnan, libmp.finf):
            return a
        if may_be_zero(a):
            raise Undecided
        if libmp.mpf_sign(v) < 0:
            return NAN
        result = libmp.mpf_log(v, self.bits, "n")
        errors = [magnitude(result) - self.bits]
        if e is not None:
            errors.append(e - magnitude(v) + 2)
        return (result, max(errors) + 1)

    def smooth(self, function: Callable[..., Any], slope: Callable[[Any], int], a: Ball) -> Ball:
        """A libmp function whose derivative near a number v is below `2**slope(v)`."""
        v, e = a
        if v == libmp.fnan:
            return NAN
        try:
            result = function(v, self.bits, "n")
        except (libmp.ComplexResult, ValueError):
            return NAN
        if special(result):
            return (result, None)
        if e is None and is_exact_zero(a) and result in (libmp.fzero, libmp.fone):
            return (result, None)
        errors = [magnitude(result) - self.bits]
        if e is not None:
            errors.append(e + slope(v))
        return (result, max(errors) + 2)

    def compare(self, a: Ball, b: Ball) -> int | None:
        """The sign of a - b, or None if one is not a number."""
        if libmp.fnan in (a[0], b[0]):
            return None
        if special(a[0]) or special(b[0]):
            return int(libmp.mpf_cmp(a[0], b[0]))
        return self.sign(self.subtract(a, b))

    def sign(self, a: Ball) -> int:
        """The sign of a finite ball: 0 if exactly so, or to the last of very many bits."""
        v, e = a
        if e is not None and may_be_zero(a):
            if self.bits < TIE_BITS:
                raise Undecided
            return 0
        return int(libmp.mpf_sign(v))
