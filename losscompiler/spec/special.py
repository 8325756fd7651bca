"""Special functions: those that SymPy lacks, and what their derivatives are written in.

Each is closed under differentiation, so that derivatives of all orders can be printed.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

__all__ = [
    "Digamma",
    "ExpMoment",
    "InverseMills",
    "LogGamma",
    "MillsExcess",
    "PolyGamma",
    "boxcox",
    "expm1",
    "log1p",
    "log_ndtr",
    "logit",
    "ndtr",
    "of_sympy",
]


class ndtr(sp.Function):
    """The normal distribution function: the probability of a standard normal number below x."""

    nargs = 1
    is_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative."""
        return sp.exp(-(self.args[0] ** 2) / 2) / sp.sqrt(2 * sp.pi)

    def _eval_rewrite_as_erfc(self, x: sp.Expr, **_: Any) -> sp.Expr:
        return sp.erfc(-x / sp.sqrt(2)) / 2

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.rewrite(sp.erfc)._eval_evalf(prec)


class log_ndtr(sp.Function):
    """The logarithm of the normal distribution function, without underflow for negative x."""

    nargs = 1
    is_real = True
    is_negative = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative, the inverse Mills ratio phi(x) / Phi(x), as an operator of its own."""
        return InverseMills(self.args[0])

    def _eval_rewrite_as_erfc(self, x: sp.Expr, **_: Any) -> sp.Expr:
        return sp.log(sp.erfc(-x / sp.sqrt(2)) / 2)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.rewrite(sp.erfc)._eval_evalf(prec)


class InverseMills(sp.Function):
    """phi(x) / Phi(x), the derivative of log Phi(x)."""

    nargs = 1
    is_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by the argument."""
        return -self * MillsExcess(self.args[0])


class MillsExcess(sp.Function):
    """x + phi(x) / Phi(x), which cancels for negative x."""

    nargs = 1
    is_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by the argument."""
        return 1 - self * InverseMills(self.args[0])


class LogGamma(sp.Function):
    """log(gamma(x)) of a positive number."""

    nargs = 1
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by the argument."""
        return Digamma(self.args[0])


class Digamma(sp.Function):
    """The derivative of log(gamma(x))."""

    nargs = 1
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by the argument."""
        return PolyGamma(sp.S.One, self.args[0])


class PolyGamma(sp.Function):
    """The n-th derivative of digamma, n >= 1; its sign is that of (-1)**(n + 1)."""

    nargs = 2
    is_real = True

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        """The derivative by the second argument: the first is constant."""
        n, x = self.args
        return PolyGamma(n + 1, x)

    def _eval_is_positive(self) -> bool:
        return bool(self.args[0].is_odd)

    def _eval_is_negative(self) -> bool:
        return bool(self.args[0].is_even)


class ExpMoment(sp.Function):
    """The integral of t**n * exp(rate * t) over t from 0 to x, smooth in x and in the rate.

    `ExpMoment(0, log(u), a)` is (u**a - 1) / a, the Box-Cox power: log(u) for the exponent 0.
    """

    nargs = 3
    is_real = True

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        """The derivative by x or by the rate: n is constant."""
        n, x, rate = self.args
        return x**n * sp.exp(rate * x) if argindex == 2 else ExpMoment(n + 1, x, rate)

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.args[1].is_nonnegative else None


def of_sympy(e: sp.Expr) -> sp.Expr | None:
    """SymPy's own gamma functions as those here, which do not look into their arguments."""
    if isinstance(e, sp.loggamma):
        return LogGamma(e.args[0])
    if isinstance(e, sp.gamma):
        return sp.exp(LogGamma(e.args[0]))
    if isinstance(e, sp.digamma) or (isinstance(e, sp.polygamma) and e.args[0] == 0):
        return Digamma(e.args[-1])
    if isinstance(e, sp.polygamma) and e.args[0].is_Integer and e.args[0].is_positive:
        return PolyGamma(*e.args)
    return None


# ---- short names of formulas that the compiler knows how to compute -----------------------------


def boxcox(x: Any, exponent: Any) -> sp.Expr:
    """The Box-Cox power (x**exponent - 1) / exponent, which is log(x) for the exponent 0."""
    return ExpMoment(sp.S.Zero, sp.log(x), sp.sympify(exponent))


def log1p(x: Any) -> sp.Expr:
    """log(1 + x), exact for small x."""
    return sp.log(1 + x)


def expm1(x: Any) -> sp.Expr:
    """exp(x) - 1, exact for small x."""
    return sp.exp(x) - 1


def logit(p: Any) -> sp.Expr:
    """log(p / (1 - p)), the inverse of sigmoid."""
    return sp.log(p) - sp.log(1 - p)
