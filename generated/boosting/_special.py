"""Special functions: the normal distribution's tails, log-gamma and its derivatives.

Everything of the normal distribution comes from one function, how far the inverse Mills ratio
m(-a) = phi(a) / Phi(-a) exceeds a. Times `a + sqrt(pi/2)` that is nearly constant, and a polynomial
in (a - 4) / (a + 4) to the last digit (the map of Schonfelder, "Chebyshev Expansions for the Error
and Related Functions", 1978). Gamma functions are polynomials near their zeros, carried upwards by
the recurrence and continued by Stirling's asymptotic series (Abramowitz and Stegun, chapter 6).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ._coefficients import (
    BERNOULLI,
    DIGAMMA,
    DIGAMMA_ZERO,
    EXCESS,
    LGAMMA,
    LOG_ROOT_TAU,
    ROOT_HALF_PI,
    STEPS,
)
from ._options import Array


def _polynomial(coefficients: Sequence[float], t: Array) -> Array:
    result = np.full_like(t, coefficients[0])
    for c in coefficients[1:]:
        result = result * t + c
    return result


# ---- the normal distribution ------------------------------------------------------------------


def _excess(a: Array) -> Array:
    """m(-a) - a, of a >= 0."""
    return _polynomial(EXCESS, 1 - 8 / (a + 4)) / (a + ROOT_HALF_PI)


def _bell(x: Array, rate: float) -> Array:
    """exp(-rate * x**2): the square is split, its first part exact, so that no digit is lost."""
    a = np.minimum(np.abs(x), 1e4)
    rough = np.round(a * 16) / 16
    result: Array = np.exp(-rate * rough * rough) * np.exp(-rate * (a - rough) * (a + rough))
    return result


def _tail(a: Array) -> Array:
    """Phi(-a), of a >= 0."""
    return _bell(a, 0.5) / ((a + _excess(a)) * (2 * ROOT_HALF_PI))


def erfc(x: Array) -> Array:
    """1 - erf(x), without cancellation for large x."""
    a = math.sqrt(2) * np.abs(x)
    tail = _bell(x, 1.0) / ((a + _excess(a)) * ROOT_HALF_PI)
    result: Array = np.where(x >= 0, tail, 2 - tail)
    return result


def erf(x: Array) -> Array:
    """2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x: near 0 by its series."""
    square = np.minimum(x * x, 1)
    series = np.zeros_like(x)
    for n in range(16, -1, -1):
        series = series * square + (-1) ** n / (math.factorial(n) * (2 * n + 1))
    near = x * series * (2 / math.sqrt(math.pi))
    tail = erfc(np.abs(x))
    result: Array = np.where(np.abs(x) < 0.75, near, np.sign(x) * (1 - tail))
    return result


def ndtr(x: Array) -> Array:
    """The normal distribution function."""
    tail = _tail(np.abs(x))
    result: Array = np.where(x > 0, 1 - tail, tail)
    return result


def log_ndtr(x: Array) -> Array:
    """The logarithm of the normal distribution function."""
    a = np.abs(x)
    below = -a * a / 2 - (np.log(a + _excess(a)) + LOG_ROOT_TAU)
    result: Array = np.where(x > 0, np.log1p(-_tail(a)), below)
    return result


def inverse_mills(x: Array) -> Array:
    """phi(x) / Phi(x), the derivative of `log_ndtr`."""
    a = np.abs(x)
    above = _bell(x, 0.5) / ((1 - _tail(a)) * (2 * ROOT_HALF_PI))
    result: Array = np.where(x > 0, above, a + _excess(a))
    return result


def mills_excess(x: Array) -> Array:
    """How far the inverse Mills ratio exceeds -x: `x + phi(x) / Phi(x)`, without cancellation."""
    result: Array = np.where(x > 0, x + inverse_mills(x), _excess(np.abs(x)))
    return result


# ---- gamma functions, of positive numbers -------------------------------------------------------


def lgamma(x: Array) -> Array:
    """log(gamma(x)) of a positive x: exact to the last digits near its zeros 1 and 2."""
    grown = np.where(x < 1, x + 1, x)
    steps = np.minimum(np.maximum(np.ceil(grown - 2.5), 0), 6)
    core = grown - steps
    product = np.ones_like(x)
    for k in range(6):
        product = product * np.where(k < steps, core + k, 1)
    zeros = np.where(x < 1, x * (x - 1), (core - 1) * (core - 2))
    near = zeros * _polynomial(LGAMMA, (core - 1.75) * (4 / 3)) + np.log(product)
    near = near - np.where(x < 1, np.log(x), 0)
    result: Array = np.where(x < 8, near, _stirling(np.maximum(x, 8)))
    return result


def _stirling(x: Array) -> Array:
    """log(gamma(x)) of x >= 8."""
    w = 1 / (x * x)
    series = np.zeros_like(x)
    for k in range(8, 0, -1):
        series = series * w + BERNOULLI[k - 1] / (2 * k * (2 * k - 1))
    result: Array = (x - 0.5) * (np.log(x) - 1) + (LOG_ROOT_TAU - 0.5 + series / x)
    return result


def digamma(x: Array) -> Array:
    """The derivative of `lgamma`, of a positive x."""
    grown = np.where(x < 1, x + 1, x)
    steps = np.minimum(np.maximum(np.ceil(grown - 2), 0), 8)
    core = grown - steps
    high, low = DIGAMMA_ZERO
    near = ((core - high) - low) * _polynomial(DIGAMMA, 2 * core - 3)
    for k in range(8):
        near = near + np.where(k < steps, 1 / (core + k), 0)
    near = near - np.where(x < 1, 1 / x, 0)
    z = np.maximum(x, 10)
    w = 1 / (z * z)
    series = np.zeros_like(x)
    for k in range(8, 0, -1):
        series = (series + BERNOULLI[k - 1] / (2 * k)) * w
    result: Array = np.where(x < 10, near, np.log(z) - (0.5 / z + series))
    return result


def polygamma(n: int, x: Array) -> Array:
    """The n-th derivative of `digamma`, n >= 1, of a positive x."""
    total = np.zeros_like(x)
    for k in range(STEPS):
        total = total + 1 / (x + k) ** (n + 1)
    w = 1 / (x + STEPS)
    series = np.zeros_like(x)
    for k in range(8, 0, -1):
        factor = math.factorial(2 * k + n - 1) / math.factorial(2 * k)
        series = (series + BERNOULLI[k - 1] * factor) * w * w
    first = math.factorial(n - 1)
    sign = 1.0 if n % 2 else -1.0
    rest = w**n * (first + first * n / 2 * w + series)
    result: Array = sign * np.where(x >= 0, math.factorial(n) * total + rest, np.nan)
    return result


# ---- powers near the exponent 0 -----------------------------------------------------------------


def exp_moment(n: int, x: Array, rate: Array) -> Array:
    """The integral of t**n * exp(rate * t) from 0 to x; `expm1(rate * x) / rate` for n = 0."""
    y = rate * x
    if n == 0:
        far = np.expm1(y) / rate
        result: Array = np.where(np.abs(y) < 1e-9, x * (1 + y / 2), far)
        return result
    # Both series have positive terms only: powers for y > 0, Kummer's transformation for y < 0.
    small = np.minimum(np.abs(y), n + 1)
    rising = np.zeros_like(small)
    falling = np.zeros_like(small)
    for k in range(24 + 4 * n, -1, -1):
        rising = rising * small / (k + 1) + 1 / (n + 1 + k)
        falling = (falling * small + 1) / (n + 1 + k)
    series = np.where(y > 0, rising, falling * np.exp(-small))
    safe = np.where(np.abs(y) < n + 1, 1, y)
    direct = np.expm1(safe) / safe
    for k in range(1, n + 1):
        direct = (np.exp(safe) - k * direct) / safe
    result = x ** (n + 1) * np.where(np.abs(y) < n + 1, series, direct)
    return result
