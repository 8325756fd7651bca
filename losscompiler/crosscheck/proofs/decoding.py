"""Formulas of certificates, read with the vocabulary of specs and of SymPy alone."""

from __future__ import annotations

from typing import Any

import sympy as sp

from losscompiler.crosscheck.proofs.vectors import NoValueError
from losscompiler.spec import expressions as ex
from losscompiler.spec import special
from losscompiler.spec.decorator import Loss

CORE = (
    "Add", "Mul", "Pow", "exp", "log", "Abs", "Max", "Min", "sign", "floor", "ceiling", "sin",
    "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "erf", "erfc", "And",
    "Or", "Not", "Xor", "Tuple", "Eq", "Ne", "gamma",
)  # fmt: skip
OURS = (
    "Sum", "Prod", "AxisMax", "AxisMin", "LogSumExp", "Norm", "Softmax", "LogSoftmax", "Sort",
    "Rank", "CumSum", "LogCumSumExp", "Correlate", "At", "Piecewise", "sigmoid", "softplus",
    "stop_gradient",
)  # fmt: skip
SPECIAL = ("ndtr", "log_ndtr", "InverseMills", "MillsExcess", "LogGamma", "Digamma", "PolyGamma",
           "ExpMoment")  # fmt: skip
HEADS: dict[str, Any] = {
    **{name: getattr(sp, name) for name in CORE},
    **{name: getattr(ex, name) for name in OURS},
    **{name: getattr(special, name) for name in SPECIAL},
    "Equality": sp.Eq,
    "Unequality": sp.Ne,
    "StrictGreaterThan": sp.Gt,
    "StrictLessThan": sp.Lt,
    "GreaterThan": sp.Ge,
    "LessThan": sp.Le,
    "Magnitude": sp.Abs,
    "Maximum": sp.Max,
    "Minimum": sp.Min,
    "Sign": sp.sign,
}
"""What heads of the analysis mean; its own names for kinks are SymPy's functions."""


def decoded(told: Any, loss: Loss) -> sp.Basic:
    """A formula of inputs of a loss; raises NoValueError for what is not known here."""
    if isinstance(told, str):
        return sp.Rational(told)
    head, *args = told
    if head in ("True", "False"):
        return sp.true if head == "True" else sp.false
    if head == "Index":
        return ex.Index(*args)
    if head == "Size":
        return ex.Size(*args)
    if head == "Symbol":
        return sp.Symbol(args[0], real=True)
    if head == "Number":
        return sp.sympify(args[0])
    if head in ("Element", "MaskElement"):
        name, *places = args
        if name not in loss.roles:
            raise NoValueError(f"`{name}` is no input")
        kind = ex.Element if head == "Element" else ex.MaskElement
        return kind(loss.roles[name].tensor(name), *(decoded(p, loss) for p in places))
    if head not in HEADS:
        raise NoValueError(f"`{head}` is not known here")
    values = [decoded(a, loss) for a in args]
    if head == "Piecewise":
        return ex.Piecewise(*(tuple(pair) for pair in values))
    return HEADS[head](*values)
