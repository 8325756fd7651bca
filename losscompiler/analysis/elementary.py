"""Formulas in few functions: exponentials, logarithms and powers, kinks as nodes of ours.

The questions of this stage are about functions, not about how they are written. Everything that
elementary functions can say is said in them; logarithms of products become sums.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import sympy as sp
from sympy.core.relational import Relational

from losscompiler.ir import operators as op
from losscompiler.spec import expressions as ex
from losscompiler.spec.special import of_sympy


@lru_cache(maxsize=50_000)
def elementary(e: sp.Basic) -> sp.Basic:
    """The same function of its symbols in the vocabulary of the analysis."""
    if isinstance(e, sp.Float):
        return sp.Rational(str(e))
    if not e.args:
        return e
    args = [elementary(a) for a in e.args]
    if isinstance(e, sp.Piecewise | ex.Piecewise):
        return ex.Piecewise(*(tuple(pair) for pair in args))
    if isinstance(e, Relational):
        return e.func(sp.expand(args[0] - args[1]), 0)
    rule = RULES.get(type(e))
    if rule is not None:
        return rule(*args)
    made = e if tuple(args) == e.args else e.func(*args)
    if type(made) in RULES and type(made) is not type(e):
        return elementary(made)
    named = of_sympy(made)
    return made if named is None else named


def _folded(head: type[sp.Function]) -> Callable[..., sp.Expr]:
    def rule(*args: sp.Expr) -> sp.Expr:
        rest = sorted(args, key=lambda a: (bool(a.is_number), str(a)))
        result = rest[0]
        for other in rest[1:]:
            result = head(result, other)
        return result

    return rule


def positive(e: sp.Expr) -> bool:
    """Whether an expression is evidently positive where it is defined."""
    if e.is_positive or isinstance(e, sp.exp):
        return True
    if e.is_Add:
        return all(positive(a) or a.is_nonnegative for a in e.args) and any(map(positive, e.args))
    if e.is_Mul:
        return all(map(positive, e.args))
    if e.is_Pow:
        return positive(e.base)
    return False


def logarithm(x: sp.Expr) -> sp.Expr:
    """log(x), of a product as a sum; at most one factor may be of unknown sign."""
    if isinstance(x, sp.exp):
        return x.args[0]
    if x.is_Add:
        x = sp.factor_terms(sp.together(x))
    parts, rest = [], []
    for factor in sp.Mul.make_args(x):
        base, exponent = factor.as_base_exp()
        if base is sp.E:
            parts.append(exponent)
        elif positive(base):
            parts.append(exponent * sp.log(base))
        else:
            rest.append(factor)
    if rest:
        whole = sp.Mul(*rest)
        base, exponent = whole.as_base_exp()
        odd = exponent.is_Integer and exponent.is_odd
        parts.append(exponent * sp.log(base) if odd else sp.log(whole))
    return sp.Add(*parts)


def _power_of_exponential(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    """A power; of products with positive factors as the product of powers."""
    made = base**exponent
    if made.is_Pow and made.base.is_Add and not made.exp.is_Integer:
        whole = sp.factor_terms(sp.together(made.base))
        if not whole.is_Add:
            return sp.Mul(
                *(
                    f**made.exp if positive(f) else sp.Pow(f, made.exp)
                    for f in sp.Mul.make_args(whole)
                )
            )
    if isinstance(made, sp.Abs):
        return op.Magnitude(made.args[0])
    if made.is_Pow and isinstance(made.base, sp.Abs):
        return op.Magnitude(made.base.args[0]) ** made.exp
    return made


def _stopped(x: sp.Expr) -> sp.Expr:
    return x


def _log_cosh(x: sp.Expr) -> sp.Expr:
    return sp.log(sp.exp(x) + sp.exp(-x)) - sp.log(2)


RULES: dict[type[sp.Basic], Callable[..., sp.Expr]] = {
    ex.sigmoid: lambda x: 1 / (1 + sp.exp(-x)),
    ex.softplus: lambda x: sp.log(1 + sp.exp(x)),
    ex.stop_gradient: _stopped,
    op.LogCosh: _log_cosh,
    op.Expm1: lambda x: sp.exp(x) - 1,
    op.XLogY: lambda a, u: a * logarithm(u),
    op.LogAddExp: lambda a, b: sp.log(sp.exp(a) + sp.exp(b)),
    sp.cosh: lambda x: (sp.exp(x) + sp.exp(-x)) / 2,
    sp.sinh: lambda x: (sp.exp(x) - sp.exp(-x)) / 2,
    sp.tanh: lambda x: (sp.exp(2 * x) - 1) / (sp.exp(2 * x) + 1),
    sp.log: logarithm,
    sp.Pow: _power_of_exponential,
    sp.Abs: op.Magnitude,
    sp.sign: op.Sign,
    sp.Max: _folded(op.Maximum),
    sp.Min: _folded(op.Minimum),
}
