"""The value of a formula at many points at once, in floating point: to search, never to prove."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from losscompiler.ir import operators as op

Array = Any


def _each(function: Callable[..., Any]) -> Callable[..., Array]:
    """A function of numbers as one of arrays; nan where it has no value."""

    def value(*x: float) -> float:
        try:
            return float(function(*x))
        except (ValueError, OverflowError, ZeroDivisionError, TypeError):
            return math.nan

    found: Callable[..., Array] = np.vectorize(value, otypes=[float])
    return found


def _power(base: Array, exponent: Array) -> Array:
    return np.power(np.asarray(base, float), exponent)


def _log_ndtr_of(x: float) -> float:
    if x > -25:
        return math.log(math.erfc(-x / math.sqrt(2)) / 2)
    return -x * x / 2 - math.log(-x) - math.log(2 * math.pi) / 2 + math.log1p(-1 / x**2)


_log_ndtr = _each(_log_ndtr_of)


def _inverse_mills(x: Array) -> Array:
    return np.exp(-(x**2) / 2 - _log_ndtr(x)) / math.sqrt(2 * math.pi)


def _exp_moment(n: Array, x: Array, rate: Array) -> Array:
    """By its series for small exponents, by parts for others."""
    order, steps = int(np.max(n)), 24
    small = np.abs(rate * x) < 1
    series = sum(
        (np.where(small, rate, 0.0) ** k)
        * x ** (order + k + 1)
        / (math.factorial(k) * (order + k + 1))
        for k in range(steps)
    )
    divisor = np.where(small, 1.0, rate)
    parts = np.expm1(rate * x) / divisor
    for k in range(1, order + 1):
        parts = (x**k * np.exp(rate * x) - k * parts) / divisor
    return np.where(small, series, parts)


def _xlogy(a: Array, u: Array) -> Array:
    return np.where(np.equal(a, 0), 0.0, a * np.log(np.where(np.equal(a, 0), 1.0, u)))


def _shifted(x: Array) -> Array:
    return np.logaddexp(x, -x) - math.log(2)


FUNCTIONS: dict[type[sp.Basic], Callable[..., Array]] = {
    sp.Add: lambda *a: reduce(np.add, a),
    sp.Mul: lambda *a: reduce(np.multiply, a),
    sp.Pow: _power,
    sp.exp: np.exp,
    sp.log: np.log,
    op.Magnitude: np.abs,
    op.Maximum: np.maximum,
    op.Minimum: np.minimum,
    op.Sign: np.sign,
    sp.floor: np.floor,
    sp.ceiling: np.ceil,
    sp.sin: np.sin,
    sp.cos: np.cos,
    sp.tan: np.tan,
    sp.asin: np.arcsin,
    sp.acos: np.arccos,
    sp.atan: np.arctan,
    sp.atan2: np.arctan2,
    sp.sinh: np.sinh,
    sp.cosh: np.cosh,
    sp.tanh: np.tanh,
    op.sigmoid: lambda x: np.exp(-np.logaddexp(0, -x)),
    op.softplus: lambda x: np.logaddexp(0, x),
    op.stop_gradient: lambda x: x,
    op.LogCosh: _shifted,
    op.Expm1: np.expm1,
    op.XLogY: _xlogy,
    sp.erf: _each(math.erf),
    sp.erfc: _each(math.erfc),
    op.ndtr: _each(lambda x: math.erfc(-x / math.sqrt(2)) / 2),
    op.log_ndtr: _log_ndtr,
    op.InverseMills: _inverse_mills,
    op.MillsExcess: lambda x: x + _inverse_mills(x),
    op.LogGamma: _each(math.lgamma),
    op.Digamma: _each(lambda x: mpmath.psi(0, x)),
    op.PolyGamma: _each(mpmath.psi),
    op.ExpMoment: _exp_moment,
    sp.And: lambda *a: reduce(np.logical_and, a),
    sp.Or: lambda *a: reduce(np.logical_or, a),
    sp.Not: np.logical_not,
    sp.Xor: lambda *a: reduce(np.logical_xor, a),
}
_RELATIONS: dict[str, Callable[[Array, Array], Any]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


class Samples:
    """Arrays with one number per sample point; numbers that all points share stay scalars."""

    functions: Mapping[type[sp.Basic], Callable[..., Array]] = FUNCTIONS

    def number(self, e: sp.Expr) -> float:
        """A constant."""
        return float(e)

    def compare(self, relation: str, a: Array, b: Array) -> Any:
        """Whether a relation holds, at each point."""
        return _RELATIONS[relation](a, b)

    def choose(self, pairs: Iterator[tuple[Any, Callable[[], Array]]]) -> Array:
        """The first value whose condition holds, at each point."""
        result: Array = np.nan
        open_: Array = np.True_
        for condition, value in pairs:
            if not np.any(condition):
                continue
            here = open_ & condition
            if np.any(here):
                result = value() if np.all(here) else np.where(here, value(), result)
            open_ = open_ & ~np.asarray(condition)
            if not np.any(open_):
                break
        return result

    def sort(self, keys: list[Array], falling: bool) -> list[Array]:
        """The order of the keys at each point, equal ones in order of position."""
        stacked = np.stack(np.broadcast_arrays(*map(np.asarray, keys)))
        order = np.argsort(-stacked if falling else stacked, axis=0, kind="stable")
        return list(order)

    def pick(self, entries: list[Array], place: Array) -> Array:
        """The entry at a position, at each point."""
        stacked = np.stack(np.broadcast_arrays(*map(np.asarray, entries), place)[:-1])
        return np.take_along_axis(stacked, np.asarray(place)[None], axis=0)[0]


SAMPLES = Samples()
