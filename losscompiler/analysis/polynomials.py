"""Signs of polynomials by elementary means: coefficients, shifts, discriminants, real roots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from losscompiler.analysis.claims import Claim

Signs = Mapping[sp.Symbol, str]  # ">" or ">=" for variables of known sign
MOST_TERMS = 400


@dataclass(frozen=True)
class Shift:
    """Variables replaced such that the new ones are positive or nonnegative."""

    replaced: tuple[tuple[sp.Symbol, sp.Expr], ...]
    signs: tuple[tuple[sp.Symbol, str], ...]

    def __call__(self, e: sp.Expr) -> sp.Expr:
        """An expression in the new variables."""
        for old, new in self.replaced:
            e = e.subs(old, new)
        return e


@lru_cache(maxsize=5_000)
def shift(claims: tuple[Claim, ...], strict: bool) -> Shift:
    """New variables in which linear claims say no more than that one of them is positive.

    An interval becomes a half-line without its far end, which a strict claim must not lose.
    """
    replaced: list[tuple[sp.Symbol, sp.Expr]] = []
    signs: dict[sp.Symbol, str] = {}
    waiting = [c for c in claims if c.relation in (">", ">=")]
    waiting.sort(key=lambda c: (c.expression.is_Symbol, -len(c.expression.free_symbols)))
    fresh = 0
    while waiting:
        claim = waiting.pop(0)
        e = claim.expression
        if e.is_Symbol:
            signs[e] = ">" if ">" in (claim.relation, signs.get(e, "")) else ">="
            continue
        chosen = _pivot(e, signs, claims)
        if chosen is None:
            continue
        old, coefficient = chosen
        fresh += 1
        new = sp.Symbol(f"_s{fresh}", nonnegative=True)
        rest = sp.expand(e - coefficient * old)
        value = (new - rest) / coefficient
        end = _other_end(old, coefficient, waiting)
        if end and not rest.free_symbols and not (strict and end[0].relation == ">="):
            waiting.remove(end[0])
            other = end[1]
            first = -rest / coefficient
            share = new / (1 + new)
            value = first + (other - first) * share
        replaced.append((old, value))
        signs[new] = claim.relation
        waiting = [
            Claim(_numerator(c.expression, old, value), c.relation) if c.expression.has(old) else c
            for c in waiting
        ]
        waiting = [c for c in waiting if c.expression.free_symbols]
    return Shift(tuple(replaced), tuple(signs.items()))


def _numerator(e: sp.Expr, old: sp.Symbol, value: sp.Expr) -> sp.Expr:
    found = e.subs(old, value)
    symbols = found.free_symbols
    return found if found.is_polynomial(*symbols) else sp.numer(sp.together(found))


def _pivot(
    e: sp.Expr, signs: Signs, claims: Sequence[Claim]
) -> tuple[sp.Symbol, sp.Rational] | None:
    """A variable of unknown sign that stands in a claim with a rational coefficient alone."""
    for symbol in sorted(e.free_symbols, key=lambda s: (s in signs, str(s))):
        coefficient = sp.expand(e).coeff(symbol)
        rest = sp.expand(e - coefficient * symbol)
        bounded = symbol in signs or any(c.expression == symbol for c in claims)
        if coefficient.is_Rational and coefficient and not rest.has(symbol):
            if bounded and coefficient > 0:
                continue  # from above zero to above something else: the former would be lost
            if bounded and rest.free_symbols:
                continue
            return symbol, coefficient
    return None


def _other_end(
    symbol: sp.Symbol, coefficient: sp.Rational, waiting: Sequence[Claim]
) -> tuple[Claim, sp.Rational] | None:
    """A claim that bounds the same variable from the other side, by a number."""
    for claim in waiting:
        other = sp.expand(claim.expression).coeff(symbol)
        if other.is_Rational and other * coefficient < 0:
            rest = sp.expand(claim.expression - other * symbol)
            if rest.is_Rational:
                return claim, -rest / other
    return None


def sign_by_coefficients(e: sp.Expr, signs: Signs, *, strict: bool) -> int:
    """1 or -1 if all terms have that sign; a strict one needs a term that cannot vanish."""
    found: set[int] = set()
    sure = False
    numerator, denominator = sp.fraction(sp.together(e))
    outer = 1
    if not denominator.is_number:
        outer = sign_by_coefficients(denominator, signs, strict=True)
        if not outer:
            return 0
    elif denominator < 0:
        outer = -1
    symbols = sorted(numerator.free_symbols, key=str)
    if not symbols:
        value = sp.sign(numerator)
        return int(value) * outer if value in (1, -1) else 0
    try:
        terms = sp.Poly(numerator, *symbols, domain="QQ").terms()
    except (sp.PolynomialError, sp.CoercionFailed):
        return 0
    if len(terms) > MOST_TERMS:
        return 0
    for powers, coefficient in terms:
        known = [signs.get(s, ">" if s.is_positive else "") for s in symbols]
        odd = [k for k, p in zip(known, powers, strict=True) if p % 2]
        if not all(odd):
            return 0
        found.add(1 if coefficient > 0 else -1)
        used = [k for k, p in zip(known, powers, strict=True) if p]
        sure = sure or all(k == ">" for k in used)
    if len(found) > 1 or (strict and not sure):
        return 0
    return found.pop() * outer


def sign_of_quadratic(e: sp.Expr, signs: Signs, *, strict: bool, depth: int = 2) -> int:
    """1 or -1 for a quadratic in some variable whose discriminant is never positive."""
    for symbol in sorted(e.free_symbols, key=str):
        try:
            found = sp.Poly(e, symbol)
        except sp.PolynomialError:
            return 0
        if found.degree() != 2:
            continue
        a, b, c = found.all_coeffs()
        leading = sign(a, signs, strict=True, depth=depth - 1)
        if leading and sign(4 * a * c - b**2, signs, strict=strict, depth=depth - 1) == 1:
            return leading
    return 0


def sign_by_roots(e: sp.Expr, signs: Signs, *, strict: bool) -> int:
    """1 or -1 for a polynomial in one variable, by counting its roots exactly."""
    if len(e.free_symbols) != 1:
        return 0
    (symbol,) = e.free_symbols
    try:
        found = sp.Poly(e, symbol, domain="QQ")
    except (sp.PolynomialError, sp.CoercionFailed):
        return 0
    if found.degree() > 12:
        return 0
    known = signs.get(symbol, ">" if symbol.is_positive else "")
    odd = sp.S.One
    for factor, multiplicity in found.factor_list()[1]:
        if multiplicity % 2 or strict:
            odd = odd * factor.as_expr() ** (1 if multiplicity % 2 else 2)
    inside = sp.Poly(odd, symbol, domain="QQ") if odd is not sp.S.One else None
    if inside is not None:
        lower = 0 if known else None
        roots = inside.count_roots(lower, None)
        if lower == 0 and inside.eval(0) == 0 and (known == ">" or not strict):
            roots -= 1
        if roots:
            return 0
    at = next(v for v in (1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37) if found.eval(v) != 0)
    return 1 if found.eval(at) > 0 else -1


def sign(e: sp.Expr, signs: Signs, *, strict: bool, depth: int = 2) -> int:
    """The sign that a polynomial has everywhere, as far as elementary means show it; else 0."""
    e = sp.expand(e)
    if e.is_zero:
        return 0 if strict else 1
    found = sign_by_coefficients(e, signs, strict=strict)
    if found or depth <= 0:
        return found
    found = sign_by_roots(e, signs, strict=strict)
    return found or sign_of_quadratic(e, signs, strict=strict, depth=depth)
