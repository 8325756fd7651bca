"""Polynomials in the place of formulas: each transcendental term becomes a variable.

What is known of a term is kept as constraints (`exp(x)` is positive, a root solves its equation),
so that whatever holds of all numbers that satisfy the constraints holds of the terms. *Lemmas* are
weaker than equations and cost the solver more: they are kept apart, for those who need them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import gcd
from typing import Any

import sympy as sp

from losscompiler.analysis.claims import Claim
from losscompiler.analysis.elementary import positive
from losscompiler.ir import operators as op

DIGITS = 30
MOST_BITS = 10_000
"""The exponent of a constant beyond which it is not written out."""
HIGHEST = 48
"""Powers of variables beyond this one are not looked at."""


class NotPolynomialError(ValueError):
    """A function that nothing is known about."""


def terms_of(exponent: sp.Expr) -> list[tuple[sp.Rational, sp.Expr]]:
    """A sum as rational multiples of monomials; the constant term has the monomial 1."""
    found = []
    for term in sp.Add.make_args(sp.expand(exponent)):
        coefficient, monomial = term.as_coeff_Mul()
        if coefficient.is_Rational:
            found.append((coefficient, monomial))
        else:
            found.append((sp.S.One, term))
    return found


def _unit(a: sp.Rational, b: sp.Rational) -> sp.Rational:
    """The largest number that both are whole multiples of."""
    common = a.q * b.q // gcd(a.q, b.q)
    return sp.Rational(gcd(a.p * (common // a.q), b.p * (common // b.q)), common)


@dataclass
class Abstraction:
    """The variables that stand for terms, and what is known about them."""

    variables: dict[tuple[Any, ...], sp.Symbol] = field(default_factory=dict)
    constraints: list[Claim] = field(default_factory=list)
    lemmas: list[Claim] = field(default_factory=list)
    cases: list[tuple[tuple[Claim, ...], Claim]] = field(default_factory=list)
    units: dict[tuple[Any, ...], sp.Rational] = field(default_factory=dict)

    def survey(self, expressions: Iterable[sp.Expr]) -> None:
        """Finds out of which powers all that occur are whole powers."""
        for e in expressions:
            for node in sp.preorder_traversal(e):
                if isinstance(node, sp.exp) or (node.is_Pow and not node.exp.is_Integer):
                    base = sp.E if isinstance(node, sp.exp) else node.base
                    exponent = node.args[0] if isinstance(node, sp.exp) else node.exp
                    for coefficient, monomial in terms_of(exponent):
                        key = (base, monomial)
                        size = abs(coefficient)
                        self.units[key] = (
                            _unit(self.units[key], size) if key in self.units else size
                        )

    def __call__(self, e: sp.Expr) -> sp.Expr:
        """The rational function that a formula is in the variables."""
        if e.is_Rational or e.is_Symbol:
            return e
        if e.is_Add or e.is_Mul:
            return e.func(*(self(a) for a in e.args))
        if isinstance(e, sp.exp):
            return self._power(sp.E, e.args[0])
        if e.is_Pow:
            if e.exp.is_Integer:
                return self(e.base) ** e.exp
            return self._power(e.base, e.exp)
        if e.is_number and e.is_real and e.is_finite:
            return self._constant(e)
        rule = FUNCTIONS.get(type(e))
        if rule is None:
            raise NotPolynomialError(type(e).__name__)
        return rule(self, e)

    def variable(
        self, key: tuple[Any, ...], *, is_positive: bool = False
    ) -> tuple[sp.Symbol, bool]:
        """The variable of a term, and whether it is new."""
        new = key not in self.variables
        if new:
            facts = {"positive": True} if is_positive else {"real": True}
            self.variables[key] = sp.Symbol(f"_{len(self.variables)}", **facts)
        return self.variables[key], new

    def _constant(self, e: sp.Expr) -> sp.Symbol:
        found, new = self.variable(("constant", e), is_positive=bool(e.is_positive))
        if new:
            number = sp.N(e, DIGITS)
            if not number.is_Float or abs(number._mpf_[2]) > MOST_BITS:
                raise NotPolynomialError(str(e))
            near = sp.Rational(str(number))
            margin = abs(near) / 10 ** (DIGITS - 10)
            self.constraints += [
                Claim(found - near + margin, ">"),
                Claim(near + margin - found, ">"),
            ]
        return found

    def _power(self, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        result: sp.Expr = sp.S.One
        for coefficient, monomial in terms_of(exponent):
            if monomial is sp.S.One:
                result *= self._constant_power(base, coefficient)
                continue
            unit = self.units.get((base, monomial), abs(coefficient))
            power = coefficient / unit
            if abs(power) > HIGHEST:
                raise NotPolynomialError(f"a power of {power}")
            result *= self._basic_power(base, monomial, unit) ** power
        return result

    def _constant_power(self, base: sp.Expr, exponent: sp.Rational) -> sp.Expr:
        if base is sp.E:
            return self._constant(sp.exp(exponent))
        if exponent.is_Integer:
            return self(base) ** exponent
        unit = self.units.get((base, sp.S.One), abs(exponent))
        if base.is_number and not base.is_algebraic:
            return self._constant(sp.Pow(base, unit)) ** (exponent / unit)
        root, new = self.variable(("root", base, unit), is_positive=positive(base))
        if new:
            self.constraints += [
                Claim(root, ">" if positive(base) else ">="),
                Claim(root**unit.q - self(base) ** unit.p, "=="),
            ]
        return root ** (exponent / unit)

    def _basic_power(self, base: sp.Expr, monomial: sp.Expr, unit: sp.Rational) -> sp.Symbol:
        """The power of a base to a unit of a monomial; positive as powers are."""
        sure = base is sp.E or positive(base)
        found, new = self.variable(("power", base, monomial, unit), is_positive=sure)
        if new:
            self.constraints.append(Claim(found, ">" if sure else ">="))
            exponent = self(unit * monomial)
            if base is sp.E:
                self.lemmas += [
                    Claim(found - 1 - exponent, ">="),
                    Claim(1 - found * (1 - exponent), ">="),
                ]
            else:
                inside = self(base)
                up, down = Claim(inside - 1, ">"), Claim(1 - inside, ">")
                more, less = Claim(exponent, ">="), Claim(-exponent, ">=")
                self.cases += [
                    ((up, more), Claim(found - 1, ">=")),
                    ((down, more), Claim(1 - found, ">=")),
                    ((up, less), Claim(1 - found, ">=")),
                    ((down, less), Claim(found - 1, ">=")),
                ]
        return found

    def _log(self, e: sp.Expr) -> sp.Symbol:
        inside = sp.together(e.args[0])
        found, new = self.variable(("log", inside))
        if new:
            x = self(inside)
            self.constraints.append(Claim(x, ">"))
            self.lemmas += [Claim(x - 1 - found, ">="), Claim(found * x - x + 1, ">=")]
        return found

    def _arctangent(self, e: sp.Expr) -> sp.Symbol:
        x, half_turn = self(e.args[0]), self._constant(sp.pi / 2)
        found, new = self.variable(("atan", x))
        if new:
            self.constraints += [Claim(half_turn - found, ">"), Claim(half_turn + found, ">")]
            self.lemmas += [Claim(x * found, ">="), Claim(x * (x - found), ">=")]
        return found

    def _wave(self, e: sp.Expr) -> sp.Symbol:
        x = e.args[0]
        sine, new = self.variable(("sin", x))
        cosine, _ = self.variable(("cos", x))
        if new:
            self.constraints.append(Claim(sine**2 + cosine**2 - 1, "=="))
        return sine if isinstance(e, sp.sin) else cosine

    def _mills(self, e: sp.Expr) -> sp.Expr:
        """The inverse Mills ratio m(x): positive, above -x, and 0 < m (x + m) < 1."""
        x = self(e.args[0])
        ratio, new = self.variable(("mills", x), is_positive=True)
        if new:
            self.constraints += [
                Claim(ratio, ">"),
                Claim(x + ratio, ">"),
                Claim(1 - ratio * (x + ratio), ">"),
            ]
        return ratio if isinstance(e, op.InverseMills) else x + ratio

    def _probability(self, e: sp.Expr) -> sp.Symbol:
        found, new = self.variable(("ndtr", e.args[0]), is_positive=True)
        if new:
            self.constraints += [Claim(found, ">"), Claim(1 - found, ">")]
        return found

    def _log_probability(self, e: sp.Expr) -> sp.Symbol:
        found, new = self.variable(("log_ndtr", e.args[0]))
        if new:
            self.constraints.append(Claim(-found, ">"))
        return found

    def _error(self, e: sp.Expr) -> sp.Expr:
        found, new = self.variable(("erf", e.args[0]))
        if new:
            x = self(e.args[0])
            self.constraints += [Claim(1 - found, ">"), Claim(1 + found, ">")]
            self.lemmas.append(Claim(x * found, ">="))
        return found if isinstance(e, sp.erf) else 1 - found

    def _poly_gamma(self, e: sp.Expr) -> sp.Expr:
        """Of sign (-1)**(n + 1); trigamma(x) lies above 1/x + 1/(2 x**2)."""
        n, x = e.args[0], self(e.args[1])
        size, new = self.variable(("polygamma", n, x), is_positive=True)
        if new:
            self.constraints += [Claim(size, ">"), Claim(x, ">")]
            if n == 1:
                self.constraints.append(Claim(2 * x**2 * size - 2 * x - 1, ">"))
        return size if n.is_odd else -size

    def _digamma(self, e: sp.Expr) -> sp.Symbol:
        x = self(e.args[0])
        found, new = self.variable(("digamma", x))
        if new:
            logarithm = self._log(sp.log(e.args[0]))
            self.constraints += [
                Claim(x, ">"),
                Claim((logarithm - found) * 2 * x - 1, ">"),
                Claim(1 - (logarithm - found) * x, ">"),
            ]
        return found

    def _opaque(self, e: sp.Expr) -> sp.Symbol:
        return self.variable((type(e).__name__, *e.args))[0]


FUNCTIONS: dict[type[sp.Basic], Any] = {
    sp.log: Abstraction._log,
    sp.atan: Abstraction._arctangent,
    sp.sin: Abstraction._wave,
    sp.cos: Abstraction._wave,
    op.InverseMills: Abstraction._mills,
    op.MillsExcess: Abstraction._mills,
    op.ndtr: Abstraction._probability,
    op.log_ndtr: Abstraction._log_probability,
    sp.erf: Abstraction._error,
    sp.erfc: Abstraction._error,
    op.PolyGamma: Abstraction._poly_gamma,
    op.Digamma: Abstraction._digamma,
    op.LogGamma: Abstraction._opaque,
    op.ExpMoment: Abstraction._opaque,
}


def reduced(e: sp.Expr) -> sp.Expr:
    """The formula with its common factors cancelled, as a rational function of its terms."""
    abstraction = Abstraction()
    try:
        abstraction.survey([e])
        value = sp.cancel(abstraction(e))
    except (NotPolynomialError, sp.PolynomialError):
        return e
    back = {v: original(k) for k, v in abstraction.variables.items()}
    if None in back.values():
        return e
    return value.xreplace(back)


def original(key: tuple[Any, ...]) -> sp.Expr | None:
    """The term that a variable stands for; None if it is a function of another kind."""
    kind, *rest = key
    if kind == "constant":
        return rest[0]
    if kind == "root":
        return sp.Pow(rest[0], rest[1])
    if kind == "power":
        return sp.Pow(rest[0], rest[1] * rest[2])
    return sp.log(rest[0]) if kind == "log" else None
