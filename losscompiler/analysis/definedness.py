"""Where a formula has a value: a pole inside the domain makes any statement about it false."""

from __future__ import annotations

import sympy as sp

from losscompiler.analysis.claims import Context
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.ir import operators as op

POSITIVE = (sp.log, op.LogGamma, op.Digamma, op.PolyGamma)
EVERYWHERE = (
    sp.exp, sp.atan, sp.sin, sp.cos, sp.erf, sp.erfc, op.ndtr, op.log_ndtr, op.InverseMills,
    op.MillsExcess, op.ExpMoment,
)  # fmt: skip


def require_defined(e: sp.Expr, context: Context, ledger: Ledger) -> None:
    """Every part of a smooth formula has a value wherever the context holds.

    Raises:
        OpenError: If that is not proved.
    """
    seen: set[sp.Basic] = set()
    stack = [e]
    while stack:
        node = stack.pop()
        if node in seen or not node.args:
            continue
        seen.add(node)
        stack.extend(node.args)
        if isinstance(node, POSITIVE):
            ledger.require("is defined", node.args[-1], ">", context)
        elif node.is_Pow and node.base is not sp.E:
            _require_power(node, context, ledger)
        elif not (node.is_Add or node.is_Mul or isinstance(node, EVERYWHERE)):
            raise OpenError(f"nothing is known about `{type(node).__name__}`")


def _require_power(node: sp.Expr, context: Context, ledger: Ledger) -> None:
    base, exponent = node.args
    if base.is_positive or (exponent.is_Integer and exponent.is_nonnegative):
        return
    relation = "!=" if exponent.is_Integer else ">"
    ledger.require("is defined", base, relation, context)
