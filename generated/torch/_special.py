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

import torch
from torch import Tensor

from ._coefficients import BERNOULLI, EXCESS, ROOT_HALF_PI, STEPS


def _polynomial(coefficients: Sequence[float], t: Tensor) -> Tensor:
    result = torch.full_like(t, coefficients[0])
    for c in coefficients[1:]:
        result = result * t + c
    return result


# ---- the normal distribution ------------------------------------------------------------------


def _excess(a: Tensor) -> Tensor:
    """m(-a) - a, of a >= 0."""
    return _polynomial(EXCESS, 1 - 8 / (a + 4)) / (a + ROOT_HALF_PI)


def _bell(x: Tensor, rate: float) -> Tensor:
    """exp(-rate * x**2): the square is split, its first part exact, so that no digit is lost."""
    a = x.abs().clamp(max=1e4)
    rough = torch.round(a * 16) / 16
    return torch.exp(-rate * rough * rough) * torch.exp(-rate * (a - rough) * (a + rough))


def _tail(a: Tensor) -> Tensor:
    """Phi(-a), of a >= 0."""
    return _bell(a, 0.5) / ((a + _excess(a)) * (2 * ROOT_HALF_PI))


def erfc(x: Tensor) -> Tensor:
    """1 - erf(x), without cancellation for large x."""
    return torch.erfc(x)


def erf(x: Tensor) -> Tensor:
    """2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    return torch.erf(x)


def ndtr(x: Tensor) -> Tensor:
    """The normal distribution function."""
    tail = _tail(torch.abs(x))
    return torch.where(x > 0, 1 - tail, tail)


def log_ndtr(x: Tensor) -> Tensor:
    """The logarithm of the normal distribution function."""
    result: Tensor = torch.special.log_ndtr(x)  # PyTorch has no annotations for it
    return result


def inverse_mills(x: Tensor) -> Tensor:
    """phi(x) / Phi(x), the derivative of `log_ndtr`."""
    a = torch.abs(x)
    above = _bell(x, 0.5) / ((1 - _tail(a)) * (2 * ROOT_HALF_PI))
    return torch.where(x > 0, above, a + _excess(a))


def mills_excess(x: Tensor) -> Tensor:
    """How far the inverse Mills ratio exceeds -x: `x + phi(x) / Phi(x)`, without cancellation."""
    return torch.where(x > 0, x + inverse_mills(x), _excess(torch.abs(x)))


# ---- gamma functions, of positive numbers -------------------------------------------------------


def lgamma(x: Tensor) -> Tensor:
    """log(gamma(x)) of a positive x."""
    return torch.lgamma(x)


def digamma(x: Tensor) -> Tensor:
    """The derivative of `lgamma`, of a positive x."""
    return torch.digamma(x)


def polygamma(n: int, x: Tensor) -> Tensor:
    """The n-th derivative of `digamma`, n >= 1, of a positive x."""
    total = torch.zeros_like(x)
    for k in range(STEPS):
        total = total + 1 / (x + k) ** (n + 1)
    w = 1 / (x + STEPS)
    series = torch.zeros_like(x)
    for k in range(8, 0, -1):
        factor = math.factorial(2 * k + n - 1) / math.factorial(2 * k)
        series = (series + BERNOULLI[k - 1] * factor) * w * w
    first = math.factorial(n - 1)
    sign = 1.0 if n % 2 else -1.0
    rest = w**n * (first + first * n / 2 * w + series)
    return sign * torch.where(x >= 0, math.factorial(n) * total + rest, math.nan)


# ---- powers near the exponent 0 -----------------------------------------------------------------


def exp_moment(n: int, x: Tensor, rate: Tensor) -> Tensor:
    """The integral of t**n * exp(rate * t) from 0 to x; `expm1(rate * x) / rate` for n = 0."""
    y = rate * x
    if n == 0:
        far = torch.expm1(y) / (rate + torch.zeros_like(y))
        result = torch.where(torch.abs(y) < 1e-9, x * (1 + y / 2), far)
        return result
    # Both series have positive terms only: powers for y > 0, Kummer's transformation for y < 0.
    small = y.abs().clamp(max=n + 1)
    rising = torch.zeros_like(small)
    falling = torch.zeros_like(small)
    for k in range(24 + 4 * n, -1, -1):
        rising = rising * small / (k + 1) + 1 / (n + 1 + k)
        falling = (falling * small + 1) / (n + 1 + k)
    series = torch.where(y > 0, rising, falling * torch.exp(-small))
    safe = torch.where(torch.abs(y) < n + 1, 1.0, y)
    direct = torch.expm1(safe) / safe
    for k in range(1, n + 1):
        direct = (torch.exp(safe) - k * direct) / safe
    return x ** (n + 1) * torch.where(torch.abs(y) < n + 1, series, direct)
