"""The operators that every backend must spell, and the spelling of those that support provides."""

from __future__ import annotations

import sympy as sp

from losscompiler.backends.spelling import Function, call
from losscompiler.ir import operators as op
from losscompiler.spec.expressions import sigmoid, softplus
from losscompiler.spec.special import log_ndtr, ndtr


def numbered(name: str) -> Function:
    """A function whose first argument is a whole number that is known when code is printed."""
    return lambda n, *arguments: f"{name}({int(float(n))}, {', '.join(arguments)})"


ELEMENTARY: dict[type[sp.Basic], str] = {
    sp.exp: "exp",
    sp.log: "log",
    op.Magnitude: "abs",
    op.Sign: "sign",
    sp.floor: "floor",
    sp.ceiling: "ceil",
    sp.sin: "sin",
    sp.cos: "cos",
    sp.tan: "tan",
    sp.asin: "arcsin",
    sp.acos: "arccos",
    sp.atan: "arctan",
    sp.atan2: "arctan2",
    sp.sinh: "sinh",
    sp.cosh: "cosh",
    sp.tanh: "tanh",
    op.SquareRoot: "sqrt",
    op.Log1p: "log1p",
    op.Expm1: "expm1",
}
EXTREMA: dict[type[sp.Basic], str] = {op.Maximum: "maximum", op.Minimum: "minimum"}

PROVIDED: dict[type[sp.Basic], Function] = {
    sigmoid: call("fn.sigmoid"),
    softplus: call("fn.softplus"),
    op.Reciprocal: call("fn.reciprocal"),
    op.Log1mExp: call("fn.log1mexp"),
    op.Odds: call("fn.odds"),
    op.LogAddExp: call("fn.log_add_exp"),
    op.LogCosh: call("fn.log_cosh"),
    op.PairShare: call("fn.pair_share"),
    op.Share: call("fn.share"),
    op.Expm1MinusX: call("fn.expm1_minus"),
    op.XMinusLog1p: call("fn.minus_log1p"),
    op.ItakuraSaito: call("fn.itakura_saito"),
    op.RelativeEntropy: call("fn.relative_entropy"),
    op.XLogY: call("fn.xlogy"),
    op.XLog1pY: call("fn.xlog1py"),
    op.XDivY: call("fn.xdivy"),
    sp.erf: call("special.erf"),
    sp.erfc: call("special.erfc"),
    ndtr: call("special.ndtr"),
    log_ndtr: call("special.log_ndtr"),
    op.InverseMills: call("special.inverse_mills"),
    op.MillsExcess: call("special.mills_excess"),
    op.LogGamma: call("special.lgamma"),
    op.Digamma: call("special.digamma"),
    op.PolyGamma: numbered("special.polygamma"),
    op.ExpMoment: numbered("special.exp_moment"),
}
