"""Formulas as expansions on one side of a point: functions of series, and their algebra."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from fractions import Fraction
from functools import cmp_to_key, lru_cache
from math import factorial
from typing import Any, cast

import sympy as sp

from losscompiler.analysis import exact
from losscompiler.analysis.exact import EXACT, add, multiply
from losscompiler.analysis.series import (
    NEVER,
    Series,
    certain_sign,
    compared,
    composed,
    constant,
    made,
    minus,
    plus,
    sign,
    split,
    times,
)
from losscompiler.analysis.walk import UndefinedError, Walk
from losscompiler.ir import operators as op


@lru_cache(maxsize=500)
def _derivative(head: type[sp.Basic], n: int, fixed: tuple[Any, ...]) -> tuple[sp.Symbol, sp.Expr]:
    x = sp.Symbol("x", real=True)
    return x, sp.diff(head(*fixed, x), x, n)


def _smooth(head: type[sp.Basic]) -> Callable[..., Any]:
    """A function of one argument, the last one, by the derivatives that SymPy knows."""

    def value(*arguments: Any) -> Any:
        *first, last = arguments
        fixed = tuple(_number(a) for a in first)
        if isinstance(last, float):
            return constant(EXACT.functions[head](*map(_plain, first), last))
        at, rest = split(last)

        def coefficient(n: int) -> Any:
            x, e = _derivative(cast(Hashable, head), n, fixed)
            found = Walk(EXACT, symbols={x: at})(e)
            return multiply(Fraction(1, factorial(n)), found)

        return composed(coefficient, rest)

    return value


def _plain(x: Any) -> Any:
    """The value of what the step does not change."""
    if isinstance(x, float):
        return x
    at, rest = split(x)
    if not rest.is_zero:
        raise UndefinedError("an argument that varies")
    return at


def _number(x: Any) -> sp.Rational:
    at = _plain(x)
    if not isinstance(at, Fraction):
        raise UndefinedError("an argument that is not rational")
    return sp.Rational(at.numerator, at.denominator)


def _exp(x: Any) -> Any:
    if isinstance(x, float):
        return constant(EXACT.functions[sp.exp](x))
    at, rest = split(x)
    whole = EXACT.functions[sp.exp](at)
    return composed(lambda n: multiply(Fraction(1, factorial(n)), whole), rest)


def _log(x: Any) -> Any:
    if isinstance(x, float):
        return EXACT.functions[sp.log](x)
    if x.is_zero:
        return float("-inf")
    at, rest = split(x)
    if at == 0:
        raise UndefinedError("the logarithm of what goes to 0")
    below = multiply(Fraction(-1), EXACT.functions[sp.Pow](at, Fraction(-1)))

    def coefficient(n: int) -> Any:
        if n == 0:
            return EXACT.functions[sp.log](at)
        return multiply(Fraction(-1, n), EXACT.functions[sp.Pow](below, Fraction(n)))

    return composed(coefficient, rest)


def power(base: Any, exponent: Any) -> Any:
    """A power; what goes to 0 may have rational exponents."""
    if isinstance(base, float) or isinstance(exponent, float):
        raise UndefinedError("a power of infinity")
    at, rest = split(exponent)
    if not rest.is_zero:
        return _exp(times(exponent, _log(base)))
    whole = isinstance(at, Fraction) and at.denominator == 1
    if whole and 0 <= at <= 16:
        return times(constant(Fraction(1)), *[base] * int(at))
    if base.is_zero:
        if exact.low(at) > 0:
            return base
        raise UndefinedError("a power of 0")
    if not base.terms:
        raise UndefinedError("a power of what vanishes to a high order")
    lead, first = base.terms[0]
    if not whole and certain_sign(first) < 0:
        raise UndefinedError("a root of a negative number")
    certain_sign(first)
    if lead and not isinstance(at, Fraction):
        raise UndefinedError("a power of the step that is not rational")
    inverse = EXACT.functions[sp.Pow](first, Fraction(-1))
    others = {p - lead: multiply(c, inverse) for p, c in base.terms[1:]}
    ratio = made(others, base.known - lead if base.known != NEVER else NEVER)
    scale = EXACT.functions[sp.Pow](first, at)
    grown = composed(lambda n: _binomial(at, n), ratio)
    shifted = {p + lead * at: multiply(c, scale) for p, c in grown.terms}
    known = grown.known + lead * at if grown.known != NEVER else NEVER
    return made(shifted, known)


def _binomial(exponent: Any, n: int) -> Any:
    found: Any = Fraction(1)
    for k in range(n):
        found = multiply(found, add(exponent, Fraction(-k)), Fraction(1, k + 1))
    return found


def _magnitude(x: Any) -> Any:
    return minus(x) if sign(x) < 0 else x


def _floor(x: Any) -> Any:
    at, rest = split(x)
    if not isinstance(at, Fraction):
        return constant(EXACT.functions[sp.floor](at))
    below = at.denominator == 1 and not rest.is_zero and sign(rest) < 0
    return constant(Fraction(at.numerator // at.denominator - (1 if below else 0)))


FUNCTIONS: dict[type[sp.Basic], Callable[..., Any]] = {
    **{
        head: _smooth(head)
        for head in EXACT.functions
        if head not in (sp.And, sp.Or, sp.Not, sp.Xor, op.ExpMoment)
    },
    sp.Add: plus,
    sp.Mul: times,
    sp.Pow: power,
    sp.exp: _exp,
    sp.log: _log,
    op.Magnitude: _magnitude,
    op.Maximum: lambda a, b: a if compared(a, b) >= 0 else b,
    op.Minimum: lambda a, b: a if compared(a, b) <= 0 else b,
    op.Sign: lambda x: constant(Fraction(sign(x))),
    op.XLogY: lambda a, u: a if isinstance(a, Series) and a.is_zero else times(a, _log(u)),
    op.stop_gradient: lambda x: x,
    sp.floor: _floor,
    sp.ceiling: lambda x: minus(_floor(minus(x))),
    sp.And: lambda *a: all(a),
    sp.Or: lambda *a: any(a),
    sp.Not: lambda a: not a,
    sp.Xor: lambda *a: sum(map(bool, a)) % 2 == 1,
}


class Expansions:
    """The algebra of one-sided expansions."""

    functions: Mapping[type[sp.Basic], Callable[..., Any]] = FUNCTIONS

    def number(self, e: sp.Expr) -> Any:
        """A constant."""
        return constant(EXACT.number(e))

    def compare(self, relation: str, a: Any, b: Any) -> bool:
        """Whether a relation holds after a small step."""
        return exact.by_sign(relation, compared(a, b))

    def choose(self, pairs: Iterator[tuple[Any, Callable[[], Any]]]) -> Any:
        """The first value whose condition holds."""
        return EXACT.choose(pairs)

    def sort(self, keys: list[Any], falling: bool) -> list[int]:
        """The positions of the keys in their order, equal ones in order of position."""
        turned = -1 if falling else 1

        def order(m: int, n: int) -> int:
            return turned * compared(keys[m], keys[n])

        places: list[int] = sorted(range(len(keys)), key=cmp_to_key(order))
        return places

    def pick(self, entries: list[Any], place: Any) -> Any:
        """The entry at a position."""
        return entries[place]


EXPANSIONS = Expansions()
