"""The expression nodes that SymPy does not have: axis reductions, opaque `Piecewise`, functions.

They are genuine SymPy expressions, so that arithmetic, printing and substitution work, but SymPy
never evaluates through them: `sympy.Sum` folds a `Piecewise` below it wrongly, ours does not look.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sympy as sp

from losscompiler.diagnostics import SpecError
from losscompiler.spec.conditions import constant_condition, is_condition
from losscompiler.spec.tensors import (
    Element,
    Index,
    MaskElement,
    Size,
    Tensor,
    element,
    not_a_number,
    split_shift,
)

__all__ = [
    "At",
    "AxisMax",
    "AxisMin",
    "Binder",
    "Correlate",
    "CumSum",
    "Element",
    "Index",
    "LogCumSumExp",
    "LogSoftmax",
    "LogSumExp",
    "MaskElement",
    "Norm",
    "Piecewise",
    "Prod",
    "Rank",
    "Size",
    "Softmax",
    "Sort",
    "Sum",
    "Tensor",
    "bound_indices",
    "element",
    "not_a_number",
    "sigmoid",
    "softplus",
    "split_shift",
    "stop_gradient",
]

# ---- binders: nodes that bind indices -------------------------------------------------------


class Binder(sp.Expr):
    """A node that binds indices in its body. Never evaluated by SymPy."""

    is_commutative = True
    is_real = True
    is_extended_real = True
    keeps_axis = False

    def __new__(cls, body: sp.Expr, indices: sp.Tuple, *rest: sp.Basic) -> Binder:
        """Holds its arguments as they are."""
        node: Binder = sp.Expr.__new__(cls, body, indices, *rest)
        return node

    @property
    def body(self) -> sp.Expr:
        """What is reduced."""
        return self.args[0]

    @property
    def indices(self) -> tuple[Index, ...]:
        """The indices that are bound."""
        return tuple(self.args[1])

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """The symbols below, without the bound indices."""
        free: set[sp.Basic] = self.body.free_symbols
        return free if self.keeps_axis else free - set(self.indices)

    def _eval_derivative(self, symbol: Any) -> sp.Expr:
        raise TypeError("axis reductions are differentiated on the graph")

    def _sympystr(self, printer: Any) -> str:
        inside = ", ".join(printer._print(a) for a in (self.body, *self.indices))
        return f"{type(self).__name__}({inside})"


class _SignOfBody(Binder):
    """A reduction that keeps the sign of its body (`oo` sized or empty axes included)."""

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.body.is_nonnegative else None

    def _eval_is_nonpositive(self) -> bool | None:
        return True if self.body.is_nonpositive else None


class Sum(_SignOfBody):
    """Sum of the body over the indices' axes."""

    def _latex(self, printer: Any) -> str:
        below = ",".join(printer._print(i) for i in self.indices)
        return rf"\sum_{{{below}}} {printer.parenthesize(self.body, 50)}"


class Prod(_SignOfBody):
    """Product of the body over the indices' axes."""

    def _eval_is_positive(self) -> bool | None:
        return True if self.body.is_positive else None

    def _latex(self, printer: Any) -> str:
        below = ",".join(printer._print(i) for i in self.indices)
        return rf"\prod_{{{below}}} {printer.parenthesize(self.body, 50)}"


class AxisMax(_SignOfBody):
    """Largest entry of the body along the indices' axes."""


class AxisMin(_SignOfBody):
    """Smallest entry of the body along the indices' axes."""


class LogSumExp(Binder):
    """log(sum(exp(body))) over the indices' axes."""


class Norm(Binder):
    """The p-norm of the body over the indices' axes: `(sum |body|^p)^(1/p)`."""

    def _eval_is_nonnegative(self) -> bool:
        return True

    @property
    def p(self) -> sp.Expr:
        """The order of the norm."""
        return self.args[2]


class Softmax(Binder):
    """exp(body) / sum(exp(body)); keeps the axis."""

    keeps_axis = True

    def _eval_is_nonnegative(self) -> bool:
        return True


class LogSoftmax(Binder):
    """body - log(sum(exp(body))); keeps the axis."""

    keeps_axis = True

    def _eval_is_nonpositive(self) -> bool:
        return True


class Sort(_SignOfBody):
    """The entries of the body in the order of the keys; keeps the axis."""

    keeps_axis = True

    @property
    def keys(self) -> sp.Expr:
        """What the order is read off: the body itself, unless other keys are given."""
        return self.args[2]

    @property
    def descending(self) -> bool:
        """Whether the largest key comes first."""
        return bool(self.args[3])


class Rank(Binder):
    """The number of entries that come before each one; keeps the axis, constant to derivatives."""

    keeps_axis = True
    is_integer = True

    def _eval_is_nonnegative(self) -> bool:
        return True


class CumSum(_SignOfBody):
    """The sums of the body over each index and those before it; keeps the axis."""

    keeps_axis = True

    @property
    def reverse(self) -> bool:
        """Whether it is those after it instead."""
        return bool(self.args[2])


class LogCumSumExp(Binder):
    """log(cumsum(exp(body))); keeps the axis."""

    keeps_axis = True
    reverse = CumSum.reverse


class Correlate(Binder):
    """The sum of `taps[n] * body[k + n - len(taps) // 2]`, 0 outside the axis; keeps the axis."""

    keeps_axis = True

    @property
    def taps(self) -> tuple[sp.Expr, ...]:
        """The weights of the neighbours."""
        return tuple(self.args[2])

    def _eval_is_nonnegative(self) -> bool | None:
        signs = [self.body.is_nonnegative, *(tap.is_nonnegative for tap in self.taps)]
        return True if all(signs) else None


class At(Binder):
    """The body at one position of the index's axis: a constant, a label, a shifted index."""

    @property
    def position(self) -> sp.Basic:
        """Where the body is looked at."""
        return self.args[2]

    def _sympystr(self, printer: Any) -> str:
        (i,) = self.indices
        return f"{printer._print(self.body)}[{i} = {printer._print(self.position)}]"


class Piecewise(sp.Expr):
    """The first value whose condition holds. Opaque: SymPy's own is folded wrongly below a sum."""

    is_commutative = True
    is_real = True
    is_extended_real = True

    def __new__(cls, *pairs: Any) -> sp.Expr:
        """Checks the pairs and drops those that can never be chosen."""
        kept: list[sp.Tuple] = []
        for position, (value, condition) in enumerate(pairs):
            last = position == len(pairs) - 1
            if isinstance(condition, bool):
                if not (last and condition):
                    raise constant_condition(condition)
                condition = sp.true
            condition = sp.sympify(condition)
            if not is_condition(condition):
                raise SpecError(
                    "LC112",
                    f"`{condition}` is a number, and a condition is needed here",
                    help=f"compare it with something, such as Ne({condition}, 0)",
                )
            if condition == sp.false:
                continue
            value = sp.sympify(value)
            if not isinstance(value, sp.Expr | Tensor):
                raise not_a_number(value)
            kept.append(sp.Tuple(value, condition))
            if condition == sp.true:
                break
        if not kept:
            raise SpecError(
                "LC111",
                "no condition of this Piecewise can hold",
                help="end it with a pair (value, True)",
            )
        if kept[0][1] == sp.true:
            return kept[0][0]
        if kept[-1][1] != sp.true:
            raise SpecError(
                "LC111",
                "this Piecewise does not say what holds when none of its conditions does",
                help="end it with a pair (value, True)",
            )
        if all(value == kept[0][0] for value, _ in kept):
            return kept[0][0]
        return sp.Expr.__new__(cls, *kept)

    @property
    def pairs(self) -> tuple[tuple[sp.Expr, sp.Basic], ...]:
        """Values and conditions; the last condition is true."""
        return tuple((pair[0], pair[1]) for pair in self.args)

    def _eval_is_nonnegative(self) -> bool | None:
        return True if all(value.is_nonnegative for value, _ in self.pairs) else None

    def _latex(self, printer: Any) -> str:
        printed: str = printer._print(sp.Piecewise(*self.pairs, evaluate=False))
        return printed


class sigmoid(sp.Function):
    """1 / (1 + exp(-x))."""

    nargs = 1
    is_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative, accurate on both sides."""
        (x,) = self.args
        return sigmoid(x) * sigmoid(-x)

    def _eval_rewrite_as_exp(self, x: sp.Expr, **_: Any) -> sp.Expr:
        return 1 / (1 + sp.exp(-x))

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.rewrite(sp.exp)._eval_evalf(prec)


class softplus(sp.Function):
    """log(1 + exp(x))."""

    nargs = 1
    is_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative."""
        return sigmoid(self.args[0])

    def _eval_rewrite_as_log(self, x: sp.Expr, **_: Any) -> sp.Expr:
        return sp.log(1 + sp.exp(x))

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.rewrite(sp.log)._eval_evalf(prec)


class stop_gradient(sp.Function):
    """The value of x, constant to every derivative."""

    nargs = 1
    is_real = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        """Constants are constant."""
        return x if x.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Zero: that is what it is for."""
        return sp.S.Zero


def bound_indices(indices: Iterable[Any], body: Any) -> tuple[sp.Expr, sp.Tuple]:
    """Checks what a binder is given; raises a diagnostic for anything that is not an index."""
    expression = sp.sympify(body)
    if is_condition(expression):
        raise not_a_number(expression)
    if expression.has(sp.Piecewise):
        raise SpecError(
            "LC113",
            "SymPy's own Piecewise below a sum or another axis reduction",
            help="import Piecewise (or where) from losscompiler.spec: SymPy rewrites its own "
            "wrongly below a sum",
        )
    found = tuple(indices)
    if not found:
        raise SpecError("LC114", "no index is given to reduce over", help='k = index("class")')
    for i in found:
        if not isinstance(i, Index):
            raise SpecError(
                "LC114",
                f"`{i}` is not an index",
                help='reduce over indices that index("axis", "names") returns',
            )
    return expression, sp.Tuple(*found)
