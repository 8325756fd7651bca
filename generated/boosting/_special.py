"""Special functions: the normal distribution's tails, log-gamma and its derivatives.

Everything of the normal distribution comes from one function, how far the inverse Mills ratio
m(-a) = phi(a) / Phi(-a) exceeds a. Times `a + sqrt(pi/2)` that is nearly constant, and a polynomial
in (a - 4) / (a + 4) to the last digit (the map of Schonfelder, "Chebyshev Expansions for the Error
and Related Functions", 1978). Gamma functions are polynomials near their zeros, carried upwards by
the recurrence and continued by Stirling's asymptotic series (Abramowitz and Stegun, chapter 6).
Coefficients are Chebyshev expansions, computed in 60 digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ._options import Array

_ROOT_HALF_PI = 1.2533141373155003
_LOG_ROOT_TAU = 0.9189385332046728
_EXCESS = (
    6.148610549736157e-09, 2.8049372940047963e-09, -6.751228533825414e-08, -2.367376761253113e-09,
    3.836893595308108e-07, -2.0837251670987624e-07, -1.5398842515067667e-06, 2.03907256970851e-06,
    4.879825349724085e-06, -1.1835241362958272e-05, -1.2075688418689855e-05,
    5.281506776010971e-05, 1.7286511467037096e-05, -0.0001980380876560139, 3.8510807575916325e-05,
    0.0006412413775846815, -0.0004628377591050613, -0.0017605960349785653, 0.002488115821264371,
    0.0036868808649552984, -0.010089035746314774, -0.0027900980167535725, 0.0323593838529318,
    -0.025325412857710415, -0.06758576713823139, 0.18234271012935524, -0.1419424445538713,
    -0.15663949833880733, 1.1851852016259192,
)  # fmt: skip
# log-gamma over (x - 1) (x - 2), between 1 and 5/2, in (x - 7/4) * 4/3.
_LGAMMA = (
    9.164126764268345e-11, -2.115460034110326e-10, -6.074828794532243e-11, 8.366272141707566e-11,
    1.3814788680359155e-09, -3.204405889775933e-09, 5.30869406306057e-09, -1.3277732554397777e-08,
    3.5248405637736465e-08, -8.67087839410869e-08, 2.1284993056917706e-07, -5.290268949215845e-07,
    1.321102990488185e-06, -3.3139417304264067e-06, 8.36349371956157e-06, -2.1263258904460157e-05,
    5.4551227380138054e-05, -0.00014156848439131141, 0.00037296000926232597,
    -0.001002895676186692, 0.0027768984548734053, -0.008038388459641508, 0.025042751549161534,
    -0.089611189968932, 0.4501393121092563,
)  # fmt: skip
# Digamma over (x - its zero), between 1 and 2, in 2 x - 3; the zero in two parts.
_DIGAMMA = (
    2.918622732168261e-11, -8.50550766013261e-11, 8.734528429142953e-11, -2.7580994814377e-10,
    1.2469984616707403e-09, -3.7083753242807277e-09, 1.0527692435026686e-08,
    -3.162911147408454e-08, 9.543298288278275e-08, -2.863161166883193e-07, 8.589060721930695e-07,
    -2.578093954045772e-06, 7.741234508636364e-06, -2.3258242519113285e-05, 6.995018825112794e-05,
    -0.00021074841138175561, 0.0006368880303865817, -0.0019350666648613071, 0.005936795278301761,
    -0.018550615381735008, 0.06013562106019684, -0.2118137106407303, 0.9510558760318328,
)  # fmt: skip
_DIGAMMA_ZERO = (1.461632251739502, -1.0677113961186233e-07)
# Bernoulli numbers B(2), B(4), ...
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_STEPS = 10  # of the recurrence, upwards, before the asymptotic series


def _polynomial(coefficients: Sequence[float], t: Array) -> Array:
    result = np.full_like(t, coefficients[0])
    for c in coefficients[1:]:
        result = result * t + c
    return result


# ---- the normal distribution ------------------------------------------------------------------


def _excess(a: Array) -> Array:
    """m(-a) - a, of a >= 0."""
    return _polynomial(_EXCESS, 1 - 8 / (a + 4)) / (a + _ROOT_HALF_PI)


def _bell(x: Array, rate: float) -> Array:
    """exp(-rate * x**2): the square is split, its first part exact, so that no digit is lost."""
    a = np.minimum(np.abs(x), 1e4)
    rough = np.round(a * 16) / 16
    result: Array = np.exp(-rate * rough * rough) * np.exp(-rate * (a - rough) * (a + rough))
    return result


def _tail(a: Array) -> Array:
    """Phi(-a), of a >= 0."""
    return _bell(a, 0.5) / ((a + _excess(a)) * (2 * _ROOT_HALF_PI))


def erfc(x: Array) -> Array:
    """1 - erf(x), without cancellation for large x."""
    a = math.sqrt(2) * np.abs(x)
    tail = _bell(x, 1.0) / ((a + _excess(a)) * _ROOT_HALF_PI)
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
    below = -a * a / 2 - (np.log(a + _excess(a)) + _LOG_ROOT_TAU)
    result: Array = np.where(x > 0, np.log1p(-_tail(a)), below)
    return result


def inverse_mills(x: Array) -> Array:
    """phi(x) / Phi(x), the derivative of `log_ndtr`."""
    a = np.abs(x)
    above = _bell(x, 0.5) / ((1 - _tail(a)) * (2 * _ROOT_HALF_PI))
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
    near = zeros * _polynomial(_LGAMMA, (core - 1.75) * (4 / 3)) + np.log(product)
    near = near - np.where(x < 1, np.log(x), 0)
    result: Array = np.where(x < 8, near, _stirling(np.maximum(x, 8)))
    return result


def _stirling(x: Array) -> Array:
    """log(gamma(x)) of x >= 8."""
    w = 1 / (x * x)
    series = np.zeros_like(x)
    for k in range(8, 0, -1):
        series = series * w + _BERNOULLI[k - 1] / (2 * k * (2 * k - 1))
    result: Array = (x - 0.5) * (np.log(x) - 1) + (_LOG_ROOT_TAU - 0.5 + series / x)
    return result


def digamma(x: Array) -> Array:
    """The derivative of `lgamma`, of a positive x."""
    grown = np.where(x < 1, x + 1, x)
    steps = np.minimum(np.maximum(np.ceil(grown - 2), 0), 8)
    core = grown - steps
    high, low = _DIGAMMA_ZERO
    near = ((core - high) - low) * _polynomial(_DIGAMMA, 2 * core - 3)
    for k in range(8):
        near = near + np.where(k < steps, 1 / (core + k), 0)
    near = near - np.where(x < 1, 1 / x, 0)
    z = np.maximum(x, 10)
    w = 1 / (z * z)
    series = np.zeros_like(x)
    for k in range(8, 0, -1):
        series = (series + _BERNOULLI[k - 1] / (2 * k)) * w
    result: Array = np.where(x < 10, near, np.log(z) - (0.5 / z + series))
    return result


def polygamma(n: int, x: Array) -> Array:
    """The n-th derivative of `digamma`, n >= 1, of a positive x."""
    total = np.zeros_like(x)
    for k in range(_STEPS):
        total = total + 1 / (x + k) ** (n + 1)
    w = 1 / (x + _STEPS)
    series = np.zeros_like(x)
    for k in range(8, 0, -1):
        factor = math.factorial(2 * k + n - 1) / math.factorial(2 * k)
        series = (series + _BERNOULLI[k - 1] * factor) * w * w
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
