"""Smoothness of losses over axes of any size, read off their form."""

from __future__ import annotations

import sympy as sp

from losscompiler.analysis.composition import Composition, plain
from losscompiler.analysis.ledger import Ledger
from losscompiler.spec import expressions as ex
from losscompiler.spec.decorator import Loss
from losscompiler.spec.recurrence import Carry

SMOOTH = (sp.exp, sp.sin, sp.cos, sp.atan, sp.erf, sp.erfc)
SMOOTH_REDUCTIONS = (ex.Sum, ex.Prod, ex.CumSum, ex.LogSumExp, ex.LogCumSumExp, ex.At, ex.Correlate)


def smooth_by_form(loss: Loss) -> bool:
    """Whether a loss is composed of functions that are smooth wherever they are defined.

    Logarithms and powers count where their argument is a positive constant plus what is
    nonnegative, or a sum of exponentials.
    """
    ours = Composition(loss, tuple(n for n, r in loss.inputs.items() if r.differentiated), Ledger())

    def smooth(e: sp.Basic) -> bool:
        if not ours.moves(e) or isinstance(e, ex.Element):
            return not isinstance(e, Carry)
        if isinstance(e, ex.Piecewise):
            fixed = not any(ours.moves(c) for _, c in e.pairs)
            return fixed and all(smooth(v) for v, _ in e.pairs)
        if isinstance(e, SMOOTH_REDUCTIONS):
            return smooth(e.body)
        if isinstance(e, sp.log):
            return smooth(e.args[0]) and _surely_positive(e.args[0])
        if e.is_Pow:
            whole = e.exp.is_Integer and e.exp.is_nonnegative
            return all(map(smooth, e.args)) and (whole or _surely_positive(e.base))
        return (e.is_Add or e.is_Mul or isinstance(e, SMOOTH)) and all(map(smooth, e.args))

    return smooth(plain(loss.expression))


def _surely_positive(e: sp.Basic) -> bool:
    """Whether a part is positive by its form."""
    if isinstance(e, sp.exp) or e.is_positive:
        return True
    if e.is_Add:
        return all(_surely_positive(a) or a.is_nonnegative for a in e.args) and any(
            map(_surely_positive, e.args)
        )
    if e.is_Mul:
        return all(map(_surely_positive, e.args))
    if e.is_Pow:
        return _surely_positive(e.base)
    return isinstance(e, ex.Sum | ex.Prod) and _surely_positive(e.body)
