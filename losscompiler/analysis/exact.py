"""The value of a formula at a rational point: exactly where it is rational, else in an interval.

What is certified here is never a matter of rounding: rational parts are computed exactly, the rest
in outward-rounded intervals, and a comparison that an interval cannot decide has no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cmp_to_key
from math import isqrt
from typing import Any

import mpmath
import sympy as sp

from losscompiler.analysis.walk import UndefinedError
from losscompiler.ir import operators as op

iv, mp = mpmath.iv, mpmath.mp
PRECISION = 300
iv.prec = PRECISION
GUARD = 60  # bits beyond those of an interval in which its ends are computed
LIMIT = 1 << 14  # the largest exponent that a rational is raised to
INFINITE = (float("inf"), float("-inf"))
Number = Any  # a Fraction, an interval, or one of INFINITE


def interval(x: Number) -> Any:
    """A number as an interval; raises UndefinedError for an infinite one."""
    if isinstance(x, Fraction):
        return iv.mpf(x.numerator) / iv.mpf(x.denominator)
    if x in INFINITE if isinstance(x, float) else False:
        raise UndefinedError("an infinite number")
    return x


def low(x: Number) -> Any:
    """The lower end of a number."""
    return x.a if isinstance(x, iv.mpf) else x


def high(x: Number) -> Any:
    """The upper end of a number."""
    return x.b if isinstance(x, iv.mpf) else x


def _is_fraction(*numbers: Number) -> bool:
    return all(isinstance(x, Fraction) for x in numbers)


def _infinite(*numbers: Number) -> list[float]:
    return [x for x in numbers if isinstance(x, float)]


def add(*terms: Number) -> Number:
    """A sum."""
    if infinite := _infinite(*terms):
        if len(set(infinite)) > 1:
            raise UndefinedError("oo - oo")
        return infinite[0]
    total: Number = sum((t for t in terms if _is_fraction(t)), Fraction(0))
    for term in terms:
        if not _is_fraction(term):
            total = interval(total) + term
    return total


def multiply(*factors: Number) -> Number:
    """A product; nothing times infinity is undefined."""
    result: Number = Fraction(1)
    for factor in factors:
        if _infinite(result, factor):
            sign = _sign(result) * _sign(factor)
            if not sign:
                raise UndefinedError("0 * oo")
            result = sign * INFINITE[0]
        elif _is_fraction(result, factor) or Fraction(0) in (result, factor):
            zero = Fraction(0) in (result, factor)
            result = Fraction(0) if zero else result * factor
        else:
            result = interval(result) * interval(factor)
    return result


def _sign(x: Number) -> int:
    if isinstance(x, float):
        return 1 if x > 0 else -1
    if low(x) > 0:
        return 1
    if high(x) < 0:
        return -1
    if x == 0:
        return 0
    raise UndefinedError("the sign of an interval that holds 0")


def power(base: Number, exponent: Number) -> Number:
    """A power: of a negative number to integers alone."""
    if _infinite(base, exponent):
        raise UndefinedError("a power of infinity")
    if _is_fraction(exponent) and exponent.denominator == 1:
        n = exponent.numerator
        if _is_fraction(base) and abs(n) <= LIMIT:
            if base == 0 and n < 0:
                raise UndefinedError("a power of 0")
            return base**n
        whole = interval(base)
        if n < 0 and low(whole) <= 0 <= high(whole):
            raise UndefinedError("a power of an interval that holds 0")
        return whole**n
    if base == 0 and low(exponent) > 0:
        return Fraction(0)
    if _is_fraction(base) and base == 1:
        return base
    if low(base) < 0:
        raise UndefinedError("a root of a negative number")
    if exponent == Fraction(1, 2):
        return _root(base)
    return iv.exp(interval(exponent) * interval(_log(base)))


def _root(x: Number) -> Number:
    """A square root, exactly where it is rational."""
    if _is_fraction(x):
        top, bottom = isqrt(x.numerator), isqrt(x.denominator)
        if top * top == x.numerator and bottom * bottom == x.denominator:
            return Fraction(top, bottom)
    return iv.sqrt(interval(x))


def _exp(x: Number) -> Number:
    if _infinite(x):
        return Fraction(0) if x < 0 else INFINITE[0]
    return Fraction(1) if x == 0 else iv.exp(interval(x))


def _log(x: Number) -> Number:
    if _infinite(x) and x > 0:
        return x
    if x == 0:
        return INFINITE[1]
    if not low(x) > 0:
        raise UndefinedError("the logarithm of what may be negative")
    return Fraction(0) if x == 1 else iv.log(interval(x))


def _abs(x: Number) -> Number:
    return abs(x)


def _larger(a: Number, b: Number) -> Number:
    if _is_fraction(a, b) or _infinite(a, b):
        return max(a, b)
    p, q = interval(a), interval(b)
    return iv.mpf([max(low(p), low(q)), max(high(p), high(q))])


def _negative(x: Number) -> Number:
    return -x


def _smaller(a: Number, b: Number) -> Number:
    return _negative(_larger(_negative(a), _negative(b)))


def _sign_of(x: Number) -> Number:
    return Fraction(_sign(x))


def _floor(x: Number) -> Number:
    ends = {int(mp.floor(mp.mpf(low(interval(x))))), int(mp.floor(mp.mpf(high(interval(x)))))}
    if _is_fraction(x):
        ends = {x.numerator // x.denominator}
    if len(ends) > 1:
        raise UndefinedError("the floor of an interval that holds an integer")
    return Fraction(ends.pop())


def _monotone(function: Callable[[Any], Any], rising: bool = True) -> Callable[[Number], Number]:
    """An enclosure from the values at both ends, computed with more digits and rounded outward."""

    def enclosed(x: Number) -> Number:
        whole = interval(x)
        with mp.workprec(PRECISION + GUARD):
            ends = [function(mp.mpf(end)) for end in (low(whole), high(whole))]
            below, above = ends if rising else ends[::-1]
            margin = mp.ldexp(1, -PRECISION // 2)
            return iv.mpf([below - abs(below) * margin - margin**2, above + abs(above) * margin])

    return enclosed


def _positive(function: Callable[[Any], Any], rising: bool = True) -> Callable[[Number], Number]:
    """The same, of a function that is defined for positive numbers alone."""
    enclosed = _monotone(function, rising)

    def checked(x: Number) -> Number:
        if not low(x) > 0:
            raise UndefinedError("a gamma function of what may be negative")
        return enclosed(x)

    return checked


def _log_gamma(x: Number) -> Number:
    whole = interval(x)
    if not low(whole) > 0:
        raise UndefinedError("a gamma function of what may be negative")
    if high(whole) <= mp.mpf("1.46"):
        return _monotone(mp.loggamma, rising=False)(x)
    if low(whole) >= mp.mpf("1.47"):
        return _monotone(mp.loggamma)(x)
    raise UndefinedError("log gamma around its minimum")


def _poly_gamma(n: Number, x: Number) -> Number:
    order = int(n)
    return _positive(lambda t: mp.psi(order, t), rising=order % 2 == 0)(x)


def _exp_moment(n: Number, x: Number, rate: Number) -> Number:
    """The integral of exp(rate * t) up to x; of higher moments no enclosure is known here."""
    if n != 0 or not _is_fraction(rate):
        raise UndefinedError("a higher moment")
    return x if rate == 0 else multiply(1 / rate, add(_exp(multiply(rate, x)), Fraction(-1)))


def _within(ends: tuple[int, int], function: Callable[[Any], Any], rising: bool) -> Any:
    enclosed = _monotone(function, rising)

    def checked(x: Number) -> Number:
        if low(x) < ends[0] or high(x) > ends[1]:
            raise UndefinedError("outside the domain of a function")
        return enclosed(x)

    return checked


def _tangent(x: Number) -> Number:
    whole = interval(x)
    return iv.sin(whole) / iv.cos(whole)


def _log_ndtr(x: Any) -> Any:
    far = mp.erfc(abs(x) / mp.sqrt(2)) / 2
    return mp.log1p(-far) if x > 0 else mp.log(far)


def _mills(x: Any) -> Any:
    return mp.exp(-x * x / 2 - _log_ndtr(x)) / mp.sqrt(2 * mp.pi)


def _hyperbolic(sign: int) -> Callable[[Number], Number]:
    def value(x: Number) -> Number:
        up, down = iv.exp(interval(x)), iv.exp(-interval(x))
        return (up + sign * down) / 2

    return value


def _tanh(x: Number) -> Number:
    return 1 - 2 / (iv.exp(2 * interval(x)) + 1)


def _softplus(x: Number) -> Number:
    return iv.log(1 + iv.exp(interval(x)))


FUNCTIONS: dict[type[sp.Basic], Callable[..., Any]] = {
    sp.Add: add,
    sp.Mul: multiply,
    sp.Pow: power,
    sp.exp: _exp,
    sp.log: _log,
    op.Magnitude: _abs,
    op.Maximum: _larger,
    op.Minimum: _smaller,
    op.Sign: _sign_of,
    sp.floor: _floor,
    sp.ceiling: lambda x: -_floor(-x),
    sp.sin: lambda x: iv.sin(interval(x)),
    sp.cos: lambda x: iv.cos(interval(x)),
    sp.tan: _tangent,
    sp.asin: _within((-1, 1), mp.asin, rising=True),
    sp.acos: _within((-1, 1), mp.acos, rising=False),
    sp.atan: _monotone(mp.atan),
    sp.sinh: _hyperbolic(-1),
    sp.cosh: _hyperbolic(1),
    sp.tanh: _tanh,
    op.sigmoid: lambda x: 1 / (1 + iv.exp(-interval(x))),
    op.softplus: _softplus,
    op.stop_gradient: lambda x: x,
    op.LogCosh: lambda x: iv.log(_hyperbolic(1)(x)),
    op.Expm1: lambda x: iv.exp(interval(x)) - 1,
    op.XLogY: lambda a, u: Fraction(0) if a == 0 else multiply(a, _log(u)),
    sp.erf: _monotone(mp.erf),
    sp.erfc: _monotone(mp.erfc, rising=False),
    op.ndtr: _monotone(lambda x: mp.erfc(-x / mp.sqrt(2)) / 2),
    op.log_ndtr: _monotone(_log_ndtr),
    op.InverseMills: _monotone(_mills, rising=False),
    op.MillsExcess: _monotone(lambda x: x + _mills(x)),
    op.LogGamma: _log_gamma,
    op.Digamma: _positive(lambda x: mp.psi(0, x)),
    op.PolyGamma: _poly_gamma,
    op.ExpMoment: _exp_moment,
    sp.And: lambda *a: all(a),
    sp.Or: lambda *a: any(a),
    sp.Not: lambda a: not a,
    sp.Xor: lambda *a: sum(map(bool, a)) % 2 == 1,
}
_BY_SIGN: dict[str, Callable[[int], bool]] = {
    "==": lambda s: s == 0,
    "!=": lambda s: s != 0,
    "<": lambda s: s < 0,
    "<=": lambda s: s <= 0,
    ">": lambda s: s > 0,
    ">=": lambda s: s >= 0,
}


def by_sign(relation: str, sign: int) -> bool:
    """Whether a relation with 0 holds of a number of this sign."""
    return _BY_SIGN[relation](sign)


class Exact:
    """Rationals, and intervals where a number is not rational."""

    functions: Mapping[type[sp.Basic], Callable[..., Any]] = FUNCTIONS

    def number(self, e: sp.Expr) -> Number:
        """A constant."""
        if e.is_Rational:
            return Fraction(int(e.p), int(e.q))
        if e in (sp.oo, -sp.oo):
            return INFINITE[0] if e == sp.oo else INFINITE[1]
        return _monotone(lambda _: mp.mpf(sp.N(e, (PRECISION + GUARD) // 3)))(Fraction(0))

    def compare(self, relation: str, a: Number, b: Number) -> bool:
        """Whether a relation holds; raises UndefinedError if an interval cannot tell."""
        if _infinite(a, b):
            return _BY_SIGN[relation](0 if a == b else 1 if low(a) > low(b) else -1)
        return _BY_SIGN[relation](_sign(add(a, -b)))

    def choose(self, pairs: Iterator[tuple[Any, Callable[[], Number]]]) -> Number:
        """The first value whose condition holds."""
        for condition, value in pairs:
            if condition:
                return value()
        raise UndefinedError("no condition holds")

    def sort(self, keys: list[Number], falling: bool) -> list[int]:
        """The positions of the keys in their order, equal ones in order of position."""
        sign = -1 if falling else 1

        def compared(m: int, n: int) -> int:
            return sign * _sign(add(keys[m], -keys[n]))

        order = cmp_to_key(compared)
        places: list[int] = sorted(range(len(keys)), key=order)
        return places

    def pick(self, entries: list[Number], place: Any) -> Number:
        """The entry at a position."""
        return entries[place]


EXACT = Exact()
