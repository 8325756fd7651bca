"""Numbers for scalar expressions at many points at once, in double precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from losscompiler.analysis import evaluate
from losscompiler.ir import operators as op
from losscompiler.spec.expressions import Piecewise, softplus, stop_gradient

Array = Any  # one number, or one truth value, per point
Override = Callable[[sp.Basic], Array | None]


FUNCTIONS: dict[type[sp.Basic], Callable[..., Array]] = {
    sp.Add: lambda *a: reduce(np.add, a),
    sp.Mul: lambda *a: reduce(np.multiply, a),
    sp.Pow: np.power,
    sp.exp: np.exp,
    sp.log: np.log,
    op.Magnitude: np.abs,
    op.Maximum: np.maximum,
    op.Minimum: np.minimum,
    op.Sign: np.sign,
    sp.floor: np.floor,
    sp.ceiling: np.ceil,
    sp.sin: np.sin,
    sp.cos: np.cos,
    sp.tan: np.tan,
    sp.asin: np.arcsin,
    sp.acos: np.arccos,
    sp.atan: np.arctan,
    sp.atan2: np.arctan2,
    sp.sinh: np.sinh,
    sp.cosh: np.cosh,
    sp.tanh: np.tanh,
    softplus: lambda x: np.logaddexp(x, 0.0),
    stop_gradient: lambda x: x,
    op.Expm1: np.expm1,
    op.Log1mExp: lambda x: np.log(-np.expm1(x)),
    op.ExpDifference: lambda a, b: np.exp(a - b),
    op.LogAddExp: np.logaddexp,
    op.Root: np.sqrt,
    op.Reciprocal: lambda x: np.where(x == 0, 0.0, 1 / x),
    op.SquareRoot: np.sqrt,
    sp.Eq: np.equal,
    sp.Ne: np.not_equal,
    sp.Lt: np.less,
    sp.Le: np.less_equal,
    sp.Gt: np.greater,
    sp.Ge: np.greater_equal,
    sp.And: lambda *a: reduce(np.logical_and, a),
    sp.Or: lambda *a: reduce(np.logical_or, a),
    sp.Not: np.logical_not,
    sp.Xor: lambda *a: reduce(np.logical_xor, a),
}
"""What NumPy has; the rest is computed point by point."""


def values(
    e: sp.Basic,
    points: Mapping[sp.Symbol, Array],
    override: Override = lambda e: None,
    known: dict[sp.Basic, Array] | None = None,
) -> Array:
    """The values of a scalar expression, NaN where it is undefined.

    `override` may give other values to a node. `known` remembers values at these points from one
    expression to the next.
    """
    known = {} if known is None else known

    def value(e: sp.Basic) -> Array:
        if e in points:
            return points[e]
        if e not in known:
            given = override(e)
            known[e] = compute(e) if given is None else given
        return known[e]

    def compute(e: sp.Basic) -> Array:
        if not e.args:
            return _constant(e)
        if isinstance(e, Piecewise):
            result: Array = np.nan
            for branch, condition in reversed(e.pairs):
                result = np.where(value(condition), value(branch), result)
            return result
        arguments = [value(a) for a in e.args]
        function = FUNCTIONS.get(type(e))
        return function(*arguments) if function else _one_by_one(type(e), arguments)

    with np.errstate(all="ignore"):
        return value(e)


def _constant(e: sp.Basic) -> Array:
    if e in (sp.true, sp.false):
        return np.bool_(e == sp.true)
    return np.float64(e.p / e.q if e.is_Rational else float(sp.N(e)))


def _one_by_one(head: type[sp.Basic], arguments: list[Array]) -> Array:
    function = evaluate.FUNCTIONS[head]

    def one(*numbers: float) -> float:
        try:
            return float(function(*map(mpmath.mpf, numbers)))
        except (ArithmeticError, TypeError, ValueError):
            return float("nan")

    with mpmath.workdps(20):
        return np.vectorize(one, otypes=[float])(*arguments)
