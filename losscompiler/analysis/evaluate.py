"""Numbers for scalar expressions: arbitrary-precision values at a point, and interval bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import sympy as sp

from losscompiler.ir import operators as op
from losscompiler.spec.expressions import Piecewise, sigmoid, softplus, stop_gradient

Number = Any  # an mpf, or a bool for a condition
mp = mpmath.mp


def _xlogy(a: Number, u: Number) -> Number:
    return mp.zero if a == 0 else a * mp.log(u)


def _xdivy(a: Number, u: Number) -> Number:
    return mp.zero if a == 0 else a / u


def _log_ndtr(x: Number) -> Number:
    far = mp.erfc(abs(x) / mp.sqrt(2)) / 2
    return mp.log1p(-far) if x > 0 else mp.log(far)


def _inverse_mills(x: Number) -> Number:
    return mp.exp(-x * x / 2 - _log_ndtr(x)) / mp.sqrt(2 * mp.pi)


def _exp_moment(n: Number, x: Number, rate: Number) -> Number:
    if n == 0 and rate != 0:
        return mp.expm1(rate * x) / rate
    return x ** (n + 1) / (n + 1) * mp.hyp1f1(n + 1, n + 2, rate * x)


INFINITIES = {sp.oo: mp.inf, -sp.oo: -mp.inf, sp.zoo: mp.nan}
FUNCTIONS: dict[type[sp.Basic], Callable[..., Number]] = {
    sp.Add: lambda *a: mp.fsum(a),
    sp.Mul: lambda *a: mp.fprod(a),
    sp.Pow: lambda base, exponent: base**exponent,
    sp.exp: mp.exp,
    sp.log: mp.log,
    op.Magnitude: abs,
    op.Maximum: max,
    op.Minimum: min,
    op.Sign: mp.sign,
    sp.floor: mp.floor,
    sp.ceiling: mp.ceil,
    sp.sin: mp.sin,
    sp.cos: mp.cos,
    sp.tan: mp.tan,
    sp.asin: mp.asin,
    sp.acos: mp.acos,
    sp.atan: mp.atan,
    sp.atan2: mp.atan2,
    sp.sinh: mp.sinh,
    sp.cosh: mp.cosh,
    sp.tanh: mp.tanh,
    sigmoid: lambda x: 1 / (1 + mp.exp(-x)),
    softplus: lambda x: mp.log1p(mp.exp(x)),
    stop_gradient: lambda x: x,
    op.LogCosh: lambda x: mp.log(mp.cosh(x)),
    op.Expm1: mp.expm1,
    op.Log1mExp: lambda x: mp.log(-mp.expm1(x)),
    op.Odds: lambda x: 1 / mp.expm1(-x),
    op.ExpDifference: lambda a, b: mp.exp(a - b),
    op.LogAddExp: lambda a, b: mp.log(mp.exp(a) + mp.exp(b)),
    op.PairShare: lambda a, b: mp.zero if a == -mp.inf else 1 / (1 + mp.exp(b - a)),
    op.Share: lambda a, b: mp.zero if a == -mp.inf else mp.exp(a - b),
    op.XLogY: _xlogy,
    op.XDivY: _xdivy,
    op.Root: mp.sqrt,
    op.Reciprocal: lambda n: mp.zero if n == 0 else 1 / n,
    op.SquareRoot: mp.sqrt,
    sp.erf: mp.erf,
    sp.erfc: mp.erfc,
    op.ndtr: lambda x: mp.erfc(-x / mp.sqrt(2)) / 2,
    op.log_ndtr: _log_ndtr,
    op.InverseMills: _inverse_mills,
    op.MillsExcess: lambda x: x + _inverse_mills(x),
    op.LogGamma: mp.loggamma,
    op.Digamma: lambda x: mp.psi(0, x),
    op.PolyGamma: mp.psi,
    op.ExpMoment: _exp_moment,
    sp.Eq: lambda a, b: a == b,
    sp.Ne: lambda a, b: a != b,
    sp.Lt: lambda a, b: a < b,
    sp.Le: lambda a, b: a <= b,
    sp.Gt: lambda a, b: a > b,
    sp.Ge: lambda a, b: a >= b,
    sp.And: lambda *a: all(a),
    sp.Or: lambda *a: any(a),
    sp.Not: lambda a: not a,
    sp.Xor: lambda *a: sum(map(bool, a)) % 2 == 1,
}


class UndefinedError(ArithmeticError):
    """The expression is not a finite real number at the point."""


def evaluate(
    e: sp.Basic,
    point: Mapping[sp.Basic, Number],
    override: Callable[[sp.Basic, list[Number]], Number | None] = lambda e, values: None,
    known: dict[sp.Basic, Number] | None = None,
) -> Number:
    """The value of a scalar expression; raises UndefinedError where it is not a finite real.

    `override` may give another value to a node, once the values of its arguments are known.
    `known` remembers values at this point from one expression to the next.
    """
    known = {} if known is None else known

    def value(e: sp.Basic) -> Number:
        if e in point:
            return point[e]
        if e not in known:
            known[e] = compute(e)
        return known[e]

    def compute(e: sp.Basic) -> Number:
        if e == sp.true or e == sp.false:
            return e == sp.true
        if e.is_Rational:
            return mp.mpf(e.p) / e.q
        if isinstance(e, Piecewise):
            return next(value(v) for v, condition in e.pairs if value(condition))
        if e in INFINITIES:  # to ask SymPy whether any other expression is infinite may not end
            return INFINITIES[e]
        if not e.args:
            return mp.mpmathify(sp.N(e, mp.dps))
        values = [value(a) for a in e.args]
        given = override(e, values)
        result = FUNCTIONS[type(e)](*values) if given is None else given
        if isinstance(result, mpmath.mpc):  # which a condition above could not compare
            raise ValueError(f"{type(e).__name__}{tuple(values)} is not real")
        return result

    try:
        result = value(e)
    except (ZeroDivisionError, ValueError, OverflowError) as problem:
        raise UndefinedError(str(problem)) from problem
    if not isinstance(result, bool) and not mp.isfinite(result):
        raise UndefinedError(str(result))
    return result


def bounds(e: sp.Expr, domains: Mapping[sp.Symbol, tuple[Number, Number]]) -> tuple[Any, Any]:
    """An interval that contains every value of the expression; (-oo, oo) when in doubt."""
    everything = (-mp.inf, mp.inf)
    if e.is_Rational:
        exact = mp.mpf(e.p) / e.q
        return exact, exact
    if e in domains:
        return domains[e]
    low, high = everything
    if e.is_Add:
        parts = [bounds(a, domains) for a in e.args]
        low, high = sum(p[0] for p in parts), sum(p[1] for p in parts)
    elif e.is_Mul:
        low, high = mp.one, mp.one
        for a in e.args:
            ends = [_times(x, y) for x in (low, high) for y in bounds(a, domains)]
            low, high = min(ends), max(ends)
    if mp.isnan(low) or mp.isnan(high):
        low, high = everything
    if e.is_nonnegative:
        low = max(low, mp.zero)
    if e.is_nonpositive:
        high = min(high, mp.zero)
    return low, high


def _times(x: Number, y: Number) -> Number:
    return mp.zero if x == 0 or y == 0 else x * y
