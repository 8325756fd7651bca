"""The functions of one or two numbers that a formula may use, over balls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp
from mpmath import libmp

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.balls import Ball, Field
from losscompiler.spec import expressions as ex
from losscompiler.spec import special

Operator = Callable[..., Ball]
GAMMA_BITS = 2_000  # beyond, the Bernoulli numbers in their series take seconds


def _at_most(n: int) -> Callable[[Any], int]:
    return lambda v: n


def _like_tan(v: Any) -> int:
    return 2 * max(0, balls.magnitude(libmp.mpf_tan(v, 64, "n"))) + 1


def _like_asin(v: Any) -> int:
    rest = libmp.mpf_sub(libmp.fone, libmp.mpf_mul(v, v))
    if rest == libmp.fzero:
        raise balls.Undecided
    return max(0, -balls.magnitude(rest)) + 2


def _like_digamma(v: Any) -> int:
    return balls.magnitude(libmp.mpf_psi0(v, 64, "n")) + 2


def _smooth(function: Callable[..., Any], slope: Callable[[Any], int]) -> Operator:
    return lambda field, a: field.smooth(function, slope, a)


def _cosh(field: Field, a: Ball) -> Ball:
    up, down = field.exp(a), field.exp(balls.negate(a))
    return balls.shifted(field.add(up, down), -1)


def _sinh(field: Field, a: Ball) -> Ball:
    if balls.is_exact_zero(a):
        return a
    up, down = field.exp(a), field.exp(balls.negate(a))
    return balls.shifted(field.subtract(up, down), -1)


def _tanh(field: Field, a: Ball) -> Ball:
    """1 - 2 / (1 + exp(2a))."""
    if balls.is_exact_zero(a):
        return a
    grown = field.add(balls.ONE, field.exp(balls.shifted(a, 1)))
    return field.subtract(balls.ONE, field.divide(balls.from_int(2), grown))


def _sigmoid(field: Field, a: Ball) -> Ball:
    return field.divide(balls.ONE, field.add(balls.ONE, field.exp(balls.negate(a))))


def _softplus(field: Field, a: Ball) -> Ball:
    return field.log(field.add(balls.ONE, field.exp(a)))


def _atan2(field: Field, y: Ball, x: Ball) -> Ball:
    result = libmp.mpf_atan2(y[0], x[0], field.bits, "n")
    errors = [e for e in (y[1], x[1]) if e is not None]
    if not errors and result == libmp.fzero:
        return balls.ZERO
    radius = max(balls.magnitude(y[0]), balls.magnitude(x[0]))
    spread = [e - radius + 2 for e in errors]
    return (result, max([balls.magnitude(result) - field.bits, *spread]) + 2)


def _gamma_log(v: Any, bits: int, rounding: str) -> Any:
    return libmp.mpf_loggamma(v, bits, rounding)


def _like_bell(v: Any) -> int:
    """2 exp(-v**2) / sqrt(pi), at a point a little nearer to 0."""
    return 2 + balls.magnitude(libmp.mpf_exp(libmp.mpf_neg(libmp.mpf_mul(v, v)), 64, "n"))


def _normal_tail(field: Field, a: Ball) -> Ball:
    """Phi(-a) = erfc(a / sqrt(2)) / 2."""
    root = field.sqrt(balls.from_int(2))
    return balls.shifted(FUNCTIONS[sp.erfc](field, field.divide(a, root)), -1)


def _ndtr(field: Field, a: Ball) -> Ball:
    return _normal_tail(field, balls.negate(a))


def _log_ndtr(field: Field, a: Ball) -> Ball:
    return field.log(_ndtr(field, a))


def _of_positive(function: Callable[..., Any], slope: Callable[[Any], int]) -> Operator:
    """A gamma function, of positive numbers: below 0, log-gamma is no real number."""

    def of_positive(v: Any, bits: int, rounding: str) -> Any:
        return libmp.fnan if libmp.mpf_sign(v) < 0 else function(v, bits, rounding)

    def run(field: Field, a: Ball) -> Ball:
        return Field(min(field.bits, GAMMA_BITS)).smooth(of_positive, slope, a)

    return run


def _polygamma(field: Field, n: Ball, a: Ball) -> Ball:
    order = libmp.to_int(n[0])

    def function(v: Any, bits: int, rounding: str) -> Any:
        return libmp.mpf_psi(order, v, bits, rounding)

    def slope(v: Any) -> int:
        return balls.magnitude(libmp.mpf_psi(order + 1, v, 64, "n")) + 2

    return _of_positive(function, slope)(field, a)


def _exp_moment(field: Field, n: Ball, x: Ball, rate: Ball) -> Ball:
    """(exp(rate * x) - 1) / rate, and x where the rate is 0: n is 0 in formulas."""
    if balls.is_exact_zero(rate):
        return x
    return field.divide(field.subtract(field.exp(field.multiply(rate, x)), balls.ONE), rate)


FUNCTIONS: dict[Any, Operator] = {
    sp.exp: Field.exp,
    sp.log: Field.log,
    ex.sigmoid: _sigmoid,
    ex.softplus: _softplus,
    sp.sinh: _sinh,
    sp.cosh: _cosh,
    sp.tanh: _tanh,
    sp.sin: _smooth(libmp.mpf_sin, _at_most(0)),
    sp.cos: _smooth(libmp.mpf_cos, _at_most(0)),
    sp.tan: _smooth(libmp.mpf_tan, _like_tan),
    sp.asin: _smooth(libmp.mpf_asin, _like_asin),
    sp.acos: _smooth(libmp.mpf_acos, _like_asin),
    sp.atan: _smooth(libmp.mpf_atan, _at_most(0)),
    sp.atan2: _atan2,
    sp.erf: _smooth(libmp.mpf_erf, _like_bell),
    sp.erfc: _smooth(libmp.mpf_erfc, _like_bell),
    sp.gamma: _smooth(libmp.mpf_gamma, _at_most(64)),
    sp.loggamma: _of_positive(_gamma_log, _like_digamma),
    sp.digamma: lambda field, a: _polygamma(field, balls.ZERO, a),
    sp.polygamma: _polygamma,
    special.ndtr: _ndtr,
    special.log_ndtr: _log_ndtr,
    special.ExpMoment: _exp_moment,
}
