"""The functions a formula may use beside SymPy's own: indices, axis reductions, conditions."""

from __future__ import annotations

from typing import Any

import sympy as sp

from losscompiler.diagnostics import SpecError
from losscompiler.spec import expressions as ex
from losscompiler.spec.conditions import constant_condition, undecided


def index(axis: str, names: str | None = None) -> Any:
    """Indices over an axis: one, or as many as `names` has, each ranging over the whole axis."""
    if not isinstance(axis, str) or not axis.removeprefix("*").isidentifier():
        raise SpecError("LC117", f"{axis!r} is not the name of an axis", help='such as "class"')
    clean = axis.removeprefix("*")
    found = tuple(ex.Index(name, clean) for name in (names or clean[0]).replace(",", " ").split())
    return found[0] if len(found) == 1 else found


def size(of: Any) -> sp.Expr:
    """The number of entries of an axis, given by name or by an index over it."""
    axis = of.axis if isinstance(of, ex.Index) else of
    if not isinstance(axis, str):
        raise SpecError("LC114", f"`{of}` is neither an index nor the name of an axis")
    return ex.Size(axis.removeprefix("*"))


def Sum(e: Any, *indices: Any) -> sp.Expr:
    """Sum of `e` over the axes of the indices."""
    return ex.Sum(*ex.bound_indices(indices, e))


def Mean(e: Any, *indices: Any) -> sp.Expr:
    """Sum of `e` over the axes of the indices, divided by the number of terms."""
    body, bound = ex.bound_indices(indices, e)
    return ex.Sum(body, bound) / sp.Mul(*(ex.Size(i.axis) for i in bound))


def Prod(e: Any, *indices: Any) -> sp.Expr:
    """Product of `e` over the axes of the indices."""
    return ex.Prod(*ex.bound_indices(indices, e))


def AxisMax(e: Any, *indices: Any) -> sp.Expr:
    """Largest value of `e` along the axes; its gradient is shared equally by tied maxima."""
    return ex.AxisMax(*ex.bound_indices(indices, e))


def AxisMin(e: Any, *indices: Any) -> sp.Expr:
    """Smallest value of `e` along the axes; its gradient is shared equally by tied minima."""
    return ex.AxisMin(*ex.bound_indices(indices, e))


def logsumexp(e: Any, *indices: Any) -> sp.Expr:
    """log(sum(exp(e))) over the axes of the indices."""
    return ex.LogSumExp(*ex.bound_indices(indices, e))


def Norm(e: Any, *indices: Any, p: Any = 2) -> sp.Expr:
    """The p-norm of `e` over the axes of the indices.

    The gradient at 0 is 0, the shortest subgradient of the norm itself: what is added to it has its
    own slope there, and `Norm(x, k) + 3 * x[0]` has that of `3 * x[0]`.
    """
    return ex.Norm(*ex.bound_indices(indices, e), sp.sympify(p))


def softmax(e: Any, *indices: Any) -> sp.Expr:
    """exp(e) / sum(exp(e)); keeps the axis."""
    return ex.Softmax(*ex.bound_indices(indices, e))


def log_softmax(e: Any, *indices: Any) -> sp.Expr:
    """log(softmax(e)); keeps the axis."""
    return ex.LogSoftmax(*ex.bound_indices(indices, e))


def sort(e: Any, k: Any, by: Any = None, descending: bool = False) -> sp.Expr:
    """The entries of `e` along the axis of `k`, smallest first; keeps the axis.

    With keys `by`, the entries of `e` in the order of the keys, which is constant to derivatives;
    equal keys stay in order of position. Without, tied entries share a derivative equally.
    """
    body, bound = ex.bound_indices((k,), e)
    keys, _ = ex.bound_indices((k,), body if by is None else by)
    return ex.Sort(body, bound, keys, sp.sympify(bool(descending)))


def rank(e: Any, k: Any) -> sp.Expr:
    """How many entries along the axis of `k` come before each one: 0 is the smallest.

    Ties are in order of position. A rank is an integer, and constant to derivatives.
    """
    return ex.Rank(*ex.bound_indices((k,), e))


def cumsum(e: Any, k: Any, reverse: bool = False) -> sp.Expr:
    """The sum of `e` up to and including each place of the axis of `k`, or from there on."""
    return ex.CumSum(*ex.bound_indices((k,), e), sp.sympify(bool(reverse)))


def logcumsumexp(e: Any, k: Any, reverse: bool = False) -> sp.Expr:
    """log(cumsum(exp(e))); keeps the axis."""
    return ex.LogCumSumExp(*ex.bound_indices((k,), e), sp.sympify(bool(reverse)))


def correlate(e: Any, k: Any, taps: Any) -> sp.Expr:
    """The sum of `taps[n] * e` over the neighbours `k + n - len(taps) // 2` on the axis of `k`.

    Outside of the axis `e` counts as 0. The taps are numbers or expressions of parameters; a window
    over two axes that is a product is one of these inside another.
    """
    weights = sp.Tuple(*(sp.sympify(tap) for tap in taps))
    if not weights:
        raise SpecError("LC114", "a window without taps", help="give one weight per neighbour")
    if weights.atoms(ex.Index):
        raise SpecError(
            "LC114",
            f"the taps {weights} vary with an index",
            help="a window is the same everywhere: its taps are numbers or parameters",
        )
    return ex.Correlate(*ex.bound_indices((k,), e), weights)


def Piecewise(*pairs: Any) -> sp.Expr:
    """The value of the first pair `(value, condition)` whose condition holds; end with `True`."""
    for _, condition in pairs[:-1]:
        undecided(condition)
    return ex.Piecewise(*pairs)


def where(condition: Any, a: Any, b: Any) -> sp.Expr:
    """`a` where the condition holds, `b` elsewhere."""
    if isinstance(condition, bool):
        raise constant_condition(condition)
    undecided(condition)
    return ex.Piecewise((a, condition), (b, True))


def indicator(condition: Any) -> sp.Expr:
    """1 where the condition holds, 0 elsewhere."""
    return where(condition, sp.S.One, sp.S.Zero)
