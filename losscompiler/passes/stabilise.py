"""Lowers operators to stable arithmetic, after differentiation, in every body of a program."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import sympy as sp

from losscompiler.ir.operators import (
    Expm1,
    Expm1MinusX,
    Log1p,
    Magnitude,
    Maximum,
    Root,
    Sign,
    SquareRoot,
    XDivY,
    XLog1pY,
    XLogY,
    stop_gradient,
)
from losscompiler.passes import cancellation
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
    e = _powers_of_magnitudes(_collected_powers(e))
    for factor in e.args:
        if isinstance(factor, Piecewise) and factor.pairs[-1][0] == 0:
            others = e / factor
            cells = Piecewise(*((_flat(v * others), c) for v, c in factor.pairs))
            return _piecewise(cells) if isinstance(cells, Piecewise) else cells
    return e


def _collected_powers(e: sp.Expr) -> sp.Expr:
    """p**2 * p**(n - 2) is p**n: at p = 0 there is nothing to divide by."""
    for f in sp.Mul.make_args(e):
        if f.is_Pow and f.exp.is_Add and f.exp.as_coeff_Add()[0].is_negative:
            whole = sum(_whole_power(f.base, g) for g in e.args)
            if whole:
                rest = sp.Mul(*(g for g in e.args if g != f and not _whole_power(f.base, g)))
                return _collected_powers(rest * f.base ** (f.exp + whole))
    return e


def _powers_of_magnitudes(e: sp.Expr) -> sp.Expr:
    """sign(x)**2 * (a |x|)**n is (a |x|)**n, also at 0 for n = 0: half of (x**2)''.

    And (n + 1) * (a |x|)**n is 0 at 0 for n = -1: |x|'', between its two sides.
    """
    for f in sp.Mul.make_args(e):
        if not f.is_Pow or f.exp.is_number:
            continue
        for magnitude in sp.Mul.make_args(f.base):
            if isinstance(magnitude, Magnitude) and Sign(magnitude.args[0]) ** 2 in e.args:
                e = e / Sign(magnitude.args[0]) ** 2
                order = f.exp + 1
                rest = sp.Mul(*(g for g in e.args if g not in (f, order)))
                return rest * XDivY(order, f.base**-f.exp) if order in e.args else e
    return e


def _whole_power(base: sp.Expr, factor: sp.Expr) -> int:
    """N if the factor is `base**n`, for a positive whole number n; else 0."""
    if factor == base:
        return 1
    whole = factor.is_Pow and factor.base == base and factor.exp.is_Integer and factor.exp > 0
    return int(factor.exp) if whole else 0


def _power(e: sp.Expr) -> sp.Basic:
    """A power of a factor that is 0 under a condition is such a factor, too."""
    base, exponent = e.args
    if isinstance(base, Piecewise) and base.pairs[-1][0] == 0 and exponent.is_positive:
        return Piecewise(*((value**exponent, condition) for value, condition in base.pairs))
    return e


def _root(e: sp.Expr) -> sp.Basic:
    """Squares that are multiplied out may add up to less than 0 where they should to 0."""
    (s,) = e.args
    return SquareRoot(s if s.is_nonnegative else Maximum(s, sp.S.Zero))


def _flat(e: sp.Expr) -> sp.Basic:
    return _product(e) if e.is_Mul else e


def _addition(e: sp.Expr) -> sp.Basic:
    """Sums, in the order in which the rules may meet."""
    for rule in ADDITIONS:
        changed = rule(e)
        if changed != e:
            return _addition(changed) if changed.is_Add else changed
    return e


def _factored(e: sp.Expr) -> sp.Expr:
    """One product less, and no cancellation of products: p * v - p * s is p * (v - s)."""
    terms = [sp.Mul.make_args(t) for t in e.args]
    common = [f for f in terms[0] if not f.is_number and all(f in t for t in terms[1:])]
    left = [[f for f in t if f not in common] for t in terms]
    for base in dict.fromkeys(f.as_base_exp()[0] for f in left[0]):
        if base.is_Add and all(any(_whole_power(base, f) for f in t) for t in left):
            common.append(base)
            left = [[f / base if _whole_power(base, f) else f for f in t] for t in left]
    if not common:
        return e
    rest = sp.Add(*(sp.Mul(*t) for t in left))
    inner = _addition(rest) if rest.is_Add else rest
    return sp.Mul(*common, inner, evaluate=False)


def _complement(e: sp.Expr) -> sp.Expr:
    """1 - sigmoid(x) is sigmoid(-x)."""
    if sp.S.One in e.args:
        for t in e.args:
            if t.is_Mul and len(t.args) == 2 and t.args[0] == -1 and isinstance(t.args[1], sigmoid):
                return e - 1 - t + sigmoid(-t.args[1].args[0])
    return e


def _sigmoids(e: sp.Expr) -> sp.Expr:
    """sigmoid(x) - sigmoid(-x) is tanh(x / 2), as in the second derivative of a sigmoid."""
    terms = [t for t in e.args if any(isinstance(f, sigmoid) for f in sp.Mul.make_args(t))]
    for first, second in combinations(terms, 2):
        kept, swapped = (-first / second).as_numer_denom()
        if isinstance(kept, sigmoid) and swapped == sigmoid(-kept.args[0]):
            x = kept.args[0]
            return e - first - second + first / kept * sp.tanh(x / 2)
    return e


def _expm1(e: sp.Expr) -> sp.Expr:
    """exp(x) - 1 is expm1(x), and exp(x) - 1 - x its remainder."""
    constant = next((t for t in e.args if t.is_number), sp.S.Zero)
    for t in e.args:
        factor, power = t.as_coeff_Mul()
        if isinstance(power, sp.exp) and factor == -constant:
            rest = e - t - constant
            x = power.args[0]
            without = rest + factor * x
            if len(sp.Add.make_args(without)) < len(sp.Add.make_args(rest)) or without == 0:
                return factor * Expm1MinusX(x) + without
            return rest + factor * Expm1(x)
    return e


def _power_minus_one(e: sp.Expr) -> sp.Expr:
    """(1 + u)**n - 1 for small n is u * (n + ...): exact for tiny u."""
    constant = next((t for t in e.args if t.is_number), sp.S.Zero)
    for t in e.args:
        factor, power = t.as_coeff_Mul()
        if not (power.is_Pow and power.exp in (2, 3, 4) and factor == -constant):
            continue
        if power.base.is_Add and sp.S.One in power.base.args:
            u, n = power.base - 1, int(power.exp)
            series = sum((sp.binomial(n, k) * u ** (k - 1) for k in range(2, n + 1)), sp.Integer(n))
            return e - t - constant + factor * sp.Mul(u, series, evaluate=False)
    return e


def _quotient_of_logs(e: sp.Expr) -> sp.Expr:
    """The difference a log p - a log q is a log(p / q)."""
    logs: dict[sp.Expr, list[tuple[sp.Expr, sp.Expr, sp.Expr]]] = {}
    for t in e.args:
        coefficient, term = t.as_coeff_Mul()
        if isinstance(term, XLogY):
            logs.setdefault(term.args[0], []).append((coefficient, term.args[1], t))
    for a, terms in logs.items():
        if len(terms) == 2 and terms[0][0] == -terms[1][0]:
            (c, u, first), (_, v, second) = sorted(terms, key=lambda t: -t[0])
            return e - first - second + c * XLogY(a, u / v)
    return e


def _log(e: sp.Expr) -> sp.Basic:
    (x,) = e.args
    return Log1p(x - 1) if x.is_Add and sp.S.One in x.args else e


def _xlogy(e: sp.Expr) -> sp.Basic:
    a, u = e.args
    return XLog1pY(a, u - 1) if u.is_Add and sp.S.One in u.args else e


def _piecewise(e: Piecewise) -> sp.Basic:
    """Branches with one value are none, and nested ones that end in the same zero are one."""
    (value, condition), *rest = e.pairs
    if all(other == value for other, _ in rest):
        return value
    if len(rest) == 1 and rest[0][0] == 0 and isinstance(value, Piecewise):
        inner = value.pairs
        if len(inner) == 2 and inner[1][0] == 0:
            return Piecewise((inner[0][0], sp.And(condition, inner[0][1])), (sp.S.Zero, True))
    return e


ADDITIONS = (
    _factored,
    _complement,
    _sigmoids,
    _expm1,
    _power_minus_one,
    _quotient_of_logs,
    *cancellation.RULES,
)
RULES: dict[type[sp.Basic], Rule] = {
    sp.Mul: _product,
    sp.Pow: _power,
    sp.Add: _addition,
    sp.log: _log,
    XLogY: _xlogy,
    Piecewise: _piecewise,
    Root: _root,
    stop_gradient: lambda e: e.args[0],
}
