"""What the compiler calls its variables: the field's terms, by kind of value."""

from __future__ import annotations

import sympy as sp

from losscompiler.ir import along, nodes
from losscompiler.ir import operators as op
from losscompiler.spec.expressions import Piecewise, sigmoid, softplus

BASE_NAMES: dict[type[nodes.Definition], str] = {
    nodes.Contract: "dot",
    nodes.LogSumExp: "lse",
    nodes.Gather: "picked",
    nodes.Scatter: "spread",
    nodes.Take: "entry",
    nodes.Place: "placed",
    nodes.Shift: "shifted",
    nodes.Unit: "unit",
    nodes.Carried: "carried",
    nodes.Positions: "position",
    along.Order: "order",
    along.TieMean: "shared",
    along.Correlate: "windowed",
    along.Cumulate: "cumulated",
    along.LogCumulate: "log_cumulated",
}

REDUCED_NAMES = {"sum": "total", "max": "largest", "norm": "length"}
HEAD_NAMES: dict[type[sp.Basic], str] = {
    sp.exp: "exponential",
    sp.log: "logarithm",
    op.Magnitude: "magnitude",
    op.Sign: "direction",
    op.Maximum: "larger",
    op.Minimum: "smaller",
    sp.And: "condition",
    sp.Or: "condition",
    sp.Not: "condition",
    sp.Eq: "equal",
    sp.Ne: "differs",
    sp.Lt: "below",
    sp.Le: "below",
    sp.Gt: "above",
    sp.Ge: "above",
    Piecewise: "branch",
    sigmoid: "probability",
    softplus: "penalty",
    op.ExpDifference: "share",
    op.LogAddExp: "total",
    op.LogCosh: "penalty",
    op.PairShare: "share",
    op.Share: "share",
    op.Log1p: "logarithm",
    op.Odds: "odds",
    op.XLogY: "entropy",
    op.XLog1pY: "entropy",
    op.XDivY: "ratio",
    op.Reciprocal: "inverse",
}
