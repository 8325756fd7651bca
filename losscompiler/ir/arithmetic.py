"""Operators of stable code: they come after differentiation, and have no derivatives."""

from __future__ import annotations

import sympy as sp


class Log1p(sp.Function):
    """log(1 + x), without rounding 1 + x."""

    nargs = 1
    is_real = True


class Expm1MinusX(sp.Function):
    """exp(x) - 1 - x, without cancellation near 0."""

    nargs = 1
    is_real = True


class XMinusLog1p(sp.Function):
    """x - log(1 + x), without cancellation near 0."""

    nargs = 1
    is_real = True
    is_nonnegative = True


class ItakuraSaito(sp.Function):
    """p / q - 1 - log(p / q), without cancellation near p = q."""

    nargs = 2
    is_real = True
    is_nonnegative = True


class RelativeEntropy(sp.Function):
    """p * log(p / q) - p + q, without cancellation near p = q; q where p is 0."""

    nargs = 2
    is_real = True
    is_nonnegative = True


class SquareRoot(sp.Function):
    """sqrt(x): how a power of 1/2 is spelled."""

    nargs = 1
    is_real = True


class XLog1pY(sp.Function):
    """a * log(1 + u), and 0 where a is 0, whatever u is."""

    nargs = 2
    is_real = True
