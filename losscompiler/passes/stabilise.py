"""Lowers operators to stable arithmetic, after differentiation, in every body of a program."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from losscompiler.ir.operators import (
    Expm1,
    InverseRoot,
    Log1p,
    Root,
    XLog1pY,
    XLogY,
    inverse_root_cells,
    stop_gradient,
)
from losscompiler.spec.expressions import Piecewise, sigmoid

Rule = Callable[[sp.Expr], sp.Basic]


def stabilise(e: sp.Basic, known: dict[sp.Basic, sp.Basic] | None = None) -> sp.Basic:
    """The same value in arithmetic that neither overflows nor divides by zero in vain."""
    known = {} if known is None else known
    if not e.args:
        return e
    if e not in known:
        args = [stabilise(a, known) for a in e.args]
        rebuilt = e if list(e.args) == args else e.func(*args)
        rule = RULES.get(type(rebuilt))
        known[e] = rule(rebuilt) if rule else rebuilt
    return known[e]


def _product(e: sp.Expr) -> sp.Basic:
    """A factor that is 0 under a condition becomes a branch: 0 * inf never arises."""
    for factor in e.args:
        if isinstance(factor, Piecewise) and factor.pairs[-1][0] == 0:
            others = e / factor
            cells = Piecewise(*((_flat(v * others), c) for v, c in factor.pairs))
            return _piecewise(cells) if isinstance(cells, Piecewise) else cells
    return e


def _flat(e: sp.Expr) -> sp.Basic:
    return _product(e) if e.is_Mul else e


def _addition(e: sp.Expr) -> sp.Basic:
    """1 - sigmoid(x) is sigmoid(-x); a log p - a log q is a log(p / q)."""
    if sp.S.One in e.args:
        for t in e.args:
            if _is_negated_sigmoid(t):
                return e - 1 - t + sigmoid(-t.args[1].args[0])
    if sp.S.NegativeOne in e.args:
        for t in e.args:
            if isinstance(t, sp.exp):
                return e + 1 - t + Expm1(t.args[0])
    if len(e.args) < 2:
        return e
    logs: dict[sp.Expr, list[tuple[sp.Expr, sp.Expr, sp.Expr]]] = {}
    for t in e.args:
        coefficient, term = t.as_coeff_Mul()
        if isinstance(term, XLogY):
            logs.setdefault(term.args[0], []).append((coefficient, term.args[1], t))
    for a, terms in logs.items():
        if len(terms) == 2 and terms[0][0] == -terms[1][0]:
            (c, u, first), (_, v, second) = sorted(terms, key=lambda t: -t[0])
            return e - first - second + c * XLogY(a, u / v)
    return _factored(e)


def _factored(e: sp.Expr) -> sp.Expr:
    """p * v - p * s is p * (v - s): one product less, and no cancellation of products."""
    terms = [sp.Mul.make_args(t) for t in e.args]
    common = [f for f in terms[0] if not f.is_number and all(f in t for t in terms[1:])]
    if not common:
        return e
    outside = sp.Mul(*common)
    return sp.Mul(outside, sp.Add(*(sp.Mul(*_left(t, common)) for t in terms)), evaluate=False)


def _left(factors: tuple[sp.Expr, ...], taken: list[sp.Expr]) -> list[sp.Expr]:
    return [f for f in factors if f not in taken]


def _is_negated_sigmoid(t: sp.Expr) -> bool:
    return t.is_Mul and len(t.args) == 2 and t.args[0] == -1 and isinstance(t.args[1], sigmoid)


def _log(e: sp.Expr) -> sp.Basic:
    (x,) = e.args
    return Log1p(x - 1) if x.is_Add and sp.S.One in x.args else e


def _xlogy(e: sp.Expr) -> sp.Basic:
    a, u = e.args
    return XLog1pY(a, u - 1) if u.is_Add and sp.S.One in u.args else e


def _piecewise(e: Piecewise) -> sp.Basic:
    """Nested branches that end in the same zero are one."""
    (value, condition), *rest = e.pairs
    if len(rest) == 1 and rest[0][0] == 0 and isinstance(value, Piecewise):
        inner = value.pairs
        if len(inner) == 2 and inner[1][0] == 0:
            return Piecewise((inner[0][0], sp.And(condition, inner[0][1])), (sp.S.Zero, True))
    return e


RULES: dict[type[sp.Basic], Rule] = {
    sp.Mul: _product,
    sp.Add: _addition,
    sp.log: _log,
    XLogY: _xlogy,
    Piecewise: _piecewise,
    InverseRoot: lambda e: inverse_root_cells(e.args[0]),
    Root: lambda e: sp.sqrt(e.args[0]),
    stop_gradient: lambda e: e.args[0],
}
