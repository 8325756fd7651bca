"""Sums whose terms nearly cancel, as arithmetic in which nothing does.

Each rule takes a sum and returns the same value, or the sum as it is. They apply after
differentiation: the derivative of the naive formula is what should be made accurate.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from losscompiler.ir.operators import ItakuraSaito, Log1p, RelativeEntropy, XLogY, XMinusLog1p
from losscompiler.spec.expressions import sigmoid

__all__ = ["RULES"]


def _probability_of_odds(e: sp.Expr) -> sp.Expr:
    """The difference p * (1 + u) - u is p - (1 - p) * u for a probability p."""
    for t in e.args:
        for p in sp.Mul.make_args(t):
            if not isinstance(p, sigmoid):
                continue
            factor = t / p
            rest = e - t
            for u in sp.Mul.make_args(factor):
                if u.is_Add and sp.S.One in u.args:
                    scale, odds = factor / u, u - 1
                    left = _without(rest, -scale * odds)
                    if left is not None:
                        return left + scale * (p - sigmoid(-p.args[0]) * odds)
    return e


def _over_one_power(e: sp.Expr) -> sp.Expr:
    """a/b**n - c/b**(n+1) is (a*b - c)/b**(n+1) where terms of b and c cancel."""
    for base in _bases(e):
        powers = [_power_of(base, t) for t in e.args]
        lowest = min(powers)
        parts = [
            sp.Add(*_times(t / base**power, base, power - lowest))
            for t, power in zip(e.args, powers, strict=True)
        ]
        top = sp.Add(*parts)
        if _count(top) <= sum(map(_count, parts)) - 2:
            return top * base**lowest
    return e


def _count(e: sp.Expr) -> int:
    return len(sp.Add.make_args(e)) if e != 0 else 0


def _bases(e: sp.Expr) -> Iterator[sp.Expr]:
    """Sums that some term is divided by, and that come in powers which differ by whole numbers."""
    seen: set[sp.Expr] = set()
    for t in e.args:
        for f in sp.Mul.make_args(t):
            if f.is_Pow and f.base.is_Add and f.exp.is_Rational and f.exp < 0:
                seen.add(f.base)
    for base in sorted(seen, key=sp.default_sort_key):
        powers = [_power_of(base, t) for t in e.args]
        if all((p - powers[0]).is_Integer and p - min(powers) <= 2 for p in powers):
            yield base


def _power_of(base: sp.Expr, term: sp.Expr) -> sp.Rational:
    for f in sp.Mul.make_args(term):
        if f == base:
            return sp.S.One
        if f.is_Pow and f.base == base and f.exp.is_Rational:
            return f.exp
    return sp.S.Zero


def _times(factor: sp.Expr, base: sp.Expr, power: sp.Rational) -> list[sp.Expr]:
    """The terms of `factor * base**power`, multiplied out."""
    terms = [factor]
    for _ in range(int(power)):
        terms = [t * part for t in terms for part in base.args]
    return terms


def _root_minus_one(e: sp.Expr) -> sp.Expr:
    """sqrt(1 + u) - 1 is u / (1 + sqrt(1 + u))."""
    constant = next((t for t in e.args if t.is_number), sp.S.Zero)
    for t in e.args:
        factor, root = t.as_coeff_Mul()
        if not (root.is_Pow and root.exp == sp.S.Half and factor == -constant):
            continue
        if root.base.is_Add and sp.S.One in root.base.args:
            return e - t - constant + factor * (root.base - 1) / (1 + root)
    return e


def _one_minus_cosine(e: sp.Expr) -> sp.Expr:
    """1 - cos(u) is 2 * sin(u / 2)**2."""
    constant = next((t for t in e.args if t.is_number), sp.S.Zero)
    for t in e.args:
        factor, wave = t.as_coeff_Mul()
        if isinstance(wave, sp.cos) and factor == -constant:
            return e - t - constant - 2 * factor * sp.sin(wave.args[0] / 2) ** 2
    return e


def _minus_log1p(e: sp.Expr) -> sp.Expr:
    """The difference u - log(1 + u)."""
    for t in e.args:
        factor, logarithm = t.as_coeff_Mul()
        if isinstance(logarithm, Log1p):
            u = logarithm.args[0]
            rest = _without(e - t, -factor * u)
            if rest is not None:
                return rest - factor * XMinusLog1p(u)
    return e


def _difference_of_log1p(e: sp.Expr) -> sp.Expr:
    """log(1 + a) - log(1 + b) is log(1 + (a - b)/(1 + b))."""
    logs = [t.as_coeff_Mul() for t in e.args if isinstance(t.as_coeff_Mul()[1], Log1p)]
    for plus, first in logs:
        for minus, second in logs:
            if plus == -minus and plus.is_positive and first != second:
                a, b = first.args[0], second.args[0]
                rest = e - plus * first - minus * second
                return rest + plus * Log1p((a - b) / (1 + b))
    return e


def _ratio_minus_log(e: sp.Expr) -> sp.Expr:
    """The divergence p/q - 1 - (log p - log q), which is 0 at p = q, also of squares."""
    flat = _flat(e)
    logs = [t.as_coeff_Mul() for t in flat.args if isinstance(t.as_coeff_Mul()[1], sp.log)]
    for minus, log_p in logs:
        for plus, log_q in logs:
            p, q = log_p.args[0], log_q.args[0]
            for n in (1, 2) if minus == -plus and p != q else ():
                parts = (minus * log_p, plus * log_q, plus / n * p**n / q**n, -plus / n)
                rest = _without(flat, *parts)
                if rest is not None:
                    return rest + plus / n * ItakuraSaito(p**n, q**n)
    return e


def _relative_entropy(e: sp.Expr) -> sp.Expr:
    """The divergence p log(p/q) - p + q of one entry, which is 0 at p = q."""
    for t in e.args:
        factor, term = t.as_coeff_Mul()
        if isinstance(term, XLogY) and not term.args[0].is_number:
            p, q = term.args[0], term.args[0] / term.args[1]
            rest = _without(e - t, -factor * p, factor * q)
            if rest is not None:
                return rest + factor * RelativeEntropy(p, q)
    return e


def _flat(e: sp.Expr) -> sp.Expr:
    """The sum with numbers multiplied into sums: 2 * (a + b) becomes two terms."""
    terms: list[sp.Expr] = []
    for t in e.args:
        factor, inner = t.as_coeff_Mul()
        terms += [factor * a for a in sp.Add.make_args(inner)]
    return sp.Add(*terms)


def _without(e: sp.Expr, *parts: sp.Expr) -> sp.Expr | None:
    """What is left of a sum without some of its terms; None if it does not have them all."""
    terms = list(sp.Add.make_args(e))
    for part in parts:
        for t in sp.Add.make_args(part):
            if t not in terms:
                return None
            terms.remove(t)
    return sp.Add(*terms)


RULES = (
    _probability_of_odds,
    _over_one_power,
    _root_minus_one,
    _one_minus_cosine,
    _minus_log1p,
    _difference_of_log1p,
    _ratio_minus_log,
    _relative_entropy,
)
