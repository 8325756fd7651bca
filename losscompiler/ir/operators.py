"""Scalar operators that SymPy lacks: what each computes, and its exact derivative.

They stand for smooth functions whose naive formula is numerically bad. Every backend spells each
of them; `fdiff` stays inside the vocabulary, so that derivatives of any order can be printed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from losscompiler.ir.arithmetic import (
    Expm1MinusX,
    ItakuraSaito,
    Log1p,
    RelativeEntropy,
    SquareRoot,
    XLog1pY,
    XMinusLog1p,
)
from losscompiler.spec.expressions import sigmoid, softplus, stop_gradient
from losscompiler.spec.special import (
    Digamma,
    ExpMoment,
    InverseMills,
    LogGamma,
    MillsExcess,
    PolyGamma,
    log_ndtr,
    ndtr,
)

__all__ = [
    "Digamma",
    "ExpDifference",
    "ExpMoment",
    "Expm1",
    "Expm1MinusX",
    "InverseMills",
    "ItakuraSaito",
    "Log1mExp",
    "Log1p",
    "LogAddExp",
    "LogCosh",
    "LogGamma",
    "Magnitude",
    "Maximum",
    "MillsExcess",
    "Minimum",
    "Odds",
    "PairShare",
    "PolyGamma",
    "Reciprocal",
    "RelativeEntropy",
    "Root",
    "Share",
    "Sign",
    "SquareRoot",
    "XDivY",
    "XLog1pY",
    "XLogY",
    "XMinusLog1p",
    "log_ndtr",
    "ndtr",
    "sigmoid",
    "softplus",
    "stop_gradient",
]


class LogCosh(sp.Function):
    """log(cosh(x))."""

    nargs = 1
    is_real = True
    is_nonnegative = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        """Of a constant: computed at once, for SymPy cannot tell its sign."""
        return sp.log(sp.cosh(x)) if x.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by one argument."""
        return sp.tanh(self.args[0])


# ---- kinks: SymPy's own Abs and Max reason for milliseconds whenever they are rebuilt ---------


class Magnitude(sp.Function):
    """|x|."""

    nargs = 1
    is_real = True
    is_nonnegative = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        """Of a constant."""
        return sp.Abs(x) if x.is_number else None


class Sign(sp.Function):
    """-1, 0 or 1."""

    nargs = 1
    is_real = True
    is_integer = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        """Of a constant."""
        return sp.sign(x) if x.is_number else None


def _of_constants(choose: Callable[..., sp.Expr], a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
    if sp.nan in (a, b):  # in a branch that its condition turns out to exclude
        return sp.nan
    if a == b:
        return a
    return choose(a, b) if a.is_number and b.is_number else None


class Maximum(sp.Function):
    """The larger of two numbers."""

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        """The larger of two constants, and of equals either."""
        return _of_constants(max, a, b)

    def _eval_is_nonnegative(self) -> bool | None:
        return True if any(a.is_nonnegative for a in self.args) else None

    def _eval_is_positive(self) -> bool | None:
        return True if any(a.is_positive for a in self.args) else None


class Minimum(sp.Function):
    """The smaller of two numbers."""

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        """The smaller of two constants, and of equals either."""
        return _of_constants(min, a, b)

    def _eval_is_nonnegative(self) -> bool | None:
        return True if all(a.is_nonnegative for a in self.args) else None

    def _eval_is_positive(self) -> bool | None:
        return True if all(a.is_positive for a in self.args) else None


class XLogY(sp.Function):
    """a * log(u), and 0 where a is 0, whatever u is."""

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, a: sp.Expr, u: sp.Expr) -> sp.Expr | None:
        """What needs no operator: nothing times infinity is nothing."""
        if a.is_zero:
            return sp.S.Zero
        if u == 1:
            return sp.S.Zero
        if a.is_Number:
            return a * sp.log(u)
        return None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by one argument."""
        a, u = self.args
        return sp.log(u) if argindex == 1 else XDivY(a, u)


class XDivY(sp.Function):
    """a / u, and 0 where a is 0, whatever u is."""

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, a: sp.Expr, u: sp.Expr) -> sp.Expr | None:
        """What needs no operator: nothing times infinity is nothing."""
        if a.is_zero:
            return sp.S.Zero
        if a.is_Number or (u.is_number and u.is_nonzero):
            return a / u
        return None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by one argument."""
        a, u = self.args
        return 1 / u if argindex == 1 else -XDivY(a, u**2)


class Expm1(sp.Function):
    """exp(x) - 1, without cancellation near 0."""

    nargs = 1
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by an argument."""
        return sp.exp(self.args[0])


class Log1mExp(sp.Function):
    """log(1 - exp(x)) of a negative x."""

    nargs = 1
    is_real = True
    is_nonpositive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by an argument."""
        return -Odds(self.args[0])


class Odds(sp.Function):
    """exp(x) / (1 - exp(x)) of a negative x: the odds of an event whose log-probability it is."""

    nargs = 1
    is_real = True
    is_nonnegative = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by an argument."""
        return self * (1 + self)


class ExpDifference(sp.Function):
    """exp(a - b), kept whole: SymPy would turn the square of a softmax into another exponential."""

    nargs = 2
    is_real = True
    is_positive = True

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        """Of constants."""
        return sp.exp(a - b) if a.is_number and b.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by one argument."""
        return self if argindex == 1 else -self


class LogAddExp(sp.Function):
    """log(exp(a) + exp(b)); -oo where both are."""

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        """Nothing is added by exp(-oo)."""
        if sp.S.NegativeInfinity in (a, b):
            return b if a == -sp.oo else a
        return sp.log(sp.exp(a) + sp.exp(b)) if a.is_number and b.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by one argument."""
        a, b = self.args if argindex == 1 else self.args[::-1]
        return PairShare(a, b)


class PairShare(sp.Function):
    """exp(a) / (exp(a) + exp(b)), and 0 where a is -oo, whatever b is."""

    nargs = 2
    is_real = True
    is_nonnegative = True

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        """Where one side is nothing."""
        if a == -sp.oo:
            return sp.S.Zero
        return sigmoid(a - b) if a.is_number and b.is_number and b != -sp.oo else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by one argument."""
        a, b = self.args
        slope = self * PairShare(b, a)
        return slope if argindex == 1 else -slope


class Share(sp.Function):
    """exp(a - b), and 0 where a is -oo, whatever b is: what exp(a) has in a sum of exp(b)."""

    nargs = 2
    is_real = True
    is_nonnegative = True

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        """Of constants."""
        if a == -sp.oo:
            return sp.S.Zero
        return sp.exp(a - b) if a.is_number and b.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by one argument."""
        return self if argindex == 1 else -self


class Root(sp.Function):
    """sqrt(s) of a sum of squares; its derivative at 0 is 0, the minimum-norm subgradient."""

    nargs = 1
    is_real = True
    is_nonnegative = True

    @classmethod
    def eval(cls, s: sp.Expr) -> sp.Expr | None:
        """Of a constant."""
        return sp.sqrt(s) if s.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by one argument."""
        return Reciprocal(self) / 2

    def _eval_power(self, exponent: Any) -> sp.Expr | None:
        return self.args[0] ** (exponent / 2) if exponent.is_even else None


class Reciprocal(sp.Function):
    """1 / n of a length n, and 0 where it is 0: the direction of a zero vector is taken to be 0."""

    nargs = 1
    is_real = True
    is_nonnegative = True

    @classmethod
    def eval(cls, n: sp.Expr) -> sp.Expr | None:
        """Of a constant."""
        if n.is_zero:
            return sp.S.Zero
        return 1 / n if n.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by one argument."""
        return -(self**2)
