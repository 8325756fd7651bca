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

import jax.numpy as jnp
import jax.scipy.special as jsp

from ._coefficients import BERNOULLI, EXCESS, LGAMMA, LOG_ROOT_TAU, ROOT_HALF_PI, STEPS
from ._options import Array


def _polynomial(coefficients: Sequence[float], t: Array) -> Array:
    result = jnp.full_like(t, coefficients[0])
    for c in coefficients[1:]:
        result = result * t + c
    return result


# ---- the normal distribution ------------------------------------------------------------------


def _excess(a: Array) -> Array:
    """m(-a) - a, of a >= 0."""
    return _polynomial(EXCESS, 1 - 8 / (a + 4)) / (a + ROOT_HALF_PI)


def _bell(x: Array, rate: float) -> Array:
    """exp(-rate * x**2): the square is split, its first part exact, so that no digit is lost."""
    a = jnp.minimum(jnp.abs(x), 1e4)
    rough = jnp.round(a * 16) / 16
    return jnp.exp(-rate * rough * rough) * jnp.exp(-rate * (a - rough) * (a + rough))


def _tail(a: Array) -> Array:
    """Phi(-a), of a >= 0."""
    return _bell(a, 0.5) / ((a + _excess(a)) * (2 * ROOT_HALF_PI))


def erfc(x: Array) -> Array:
    """1 - erf(x), without cancellation for large x."""
    return jsp.erfc(x)


def erf(x: Array) -> Array:
    """2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    return jsp.erf(x)


def ndtr(x: Array) -> Array:
    """The normal distribution function."""
    tail = _tail(jnp.abs(x))
    return jnp.where(x > 0, 1 - tail, tail)


def log_ndtr(x: Array) -> Array:
    """The logarithm of the normal distribution function."""
    a = jnp.abs(x)
    below = -a * a / 2 - (jnp.log(a + _excess(a)) + LOG_ROOT_TAU)
    tail = _tail(a)
    above = jnp.where(x < 1, jnp.log(1 - tail), jnp.log1p(-tail))  # XLA's log1p is poor there
    return jnp.where(x > 0, above, below)


def inverse_mills(x: Array) -> Array:
    """phi(x) / Phi(x), the derivative of `log_ndtr`."""
    a = jnp.abs(x)
    above = _bell(x, 0.5) / ((1 - _tail(a)) * (2 * ROOT_HALF_PI))
    return jnp.where(x > 0, above, a + _excess(a))


def mills_excess(x: Array) -> Array:
    """How far the inverse Mills ratio exceeds -x: `x + phi(x) / Phi(x)`, without cancellation."""
    return jnp.where(x > 0, x + inverse_mills(x), _excess(jnp.abs(x)))


# ---- gamma functions, of positive numbers -------------------------------------------------------


def lgamma(x: Array) -> Array:
    """log(gamma(x)) of a positive x: exact to the last digits near its zeros 1 and 2."""
    grown = jnp.where(x < 1, x + 1, x)
    steps = jnp.minimum(jnp.maximum(jnp.ceil(grown - 2.5), 0), 6)
    core = grown - steps
    product = jnp.ones_like(x)
    for k in range(6):
        product = product * jnp.where(k < steps, core + k, 1)
    zeros = jnp.where(x < 1, x * (x - 1), (core - 1) * (core - 2))
    near = zeros * _polynomial(LGAMMA, (core - 1.75) * (4 / 3)) + jnp.log(product)
    near = near - jnp.where(x < 1, jnp.log(x), 0)
    return jnp.where(x < 8, near, _stirling(jnp.maximum(x, 8)))


def _stirling(x: Array) -> Array:
    """log(gamma(x)) of x >= 8."""
    w = 1 / (x * x)
    series = jnp.zeros_like(x)
    for k in range(8, 0, -1):
        series = series * w + BERNOULLI[k - 1] / (2 * k * (2 * k - 1))
    return (x - 0.5) * (jnp.log(x) - 1) + (LOG_ROOT_TAU - 0.5 + series / x)


def digamma(x: Array) -> Array:
    """The derivative of `lgamma`, of a positive x."""
    return jsp.digamma(x)


def polygamma(n: int, x: Array) -> Array:
    """The n-th derivative of `digamma`, n >= 1, of a positive x."""
    total = jnp.zeros_like(x)
    for k in range(STEPS):
        total = total + 1 / (x + k) ** (n + 1)
    w = 1 / (x + STEPS)
    series = jnp.zeros_like(x)
    for k in range(8, 0, -1):
        factor = math.factorial(2 * k + n - 1) / math.factorial(2 * k)
        series = (series + BERNOULLI[k - 1] * factor) * w * w
    first = math.factorial(n - 1)
    sign = 1.0 if n % 2 else -1.0
    rest = w**n * (first + first * n / 2 * w + series)
    return sign * jnp.where(x >= 0, math.factorial(n) * total + rest, jnp.nan)


# ---- powers near the exponent 0 -----------------------------------------------------------------


def exp_moment(n: int, x: Array, rate: Array) -> Array:
    """The integral of t**n * exp(rate * t) from 0 to x; `expm1(rate * x) / rate` for n = 0."""
    y = rate * x
    if n == 0:
        far = jnp.expm1(y) / jnp.where(rate == 0, 1, rate)
        result = jnp.where(jnp.abs(y) < 1e-9, x * (1 + y / 2), far)
        return result
    # Both series have positive terms only: powers for y > 0, Kummer's transformation for y < 0.
    small = jnp.minimum(jnp.abs(y), n + 1)
    rising = jnp.zeros_like(small)
    falling = jnp.zeros_like(small)
    for k in range(24 + 4 * n, -1, -1):
        rising = rising * small / (k + 1) + 1 / (n + 1 + k)
        falling = (falling * small + 1) / (n + 1 + k)
    series = jnp.where(y > 0, rising, falling * jnp.exp(-small))
    safe = jnp.where(jnp.abs(y) < n + 1, 1, y)
    direct = jnp.expm1(safe) / safe
    for k in range(1, n + 1):
        direct = (jnp.exp(safe) - k * direct) / safe
    return x ** (n + 1) * jnp.where(jnp.abs(y) < n + 1, series, direct)
