"""The sign oracle: proves that a formula is nonnegative, positive or zero, or says nothing.

    formula -> elementary functions -> polynomial in abstract terms -> factors -> signs

A proof holds for all numbers that satisfy what is known of the terms, so for the terms. The means,
from the cheapest: SymPy's assumptions, coefficients, discriminants and roots, then z3 for each
factor and for the whole, then z3 with lemmas about exponentials and logarithms.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from losscompiler.analysis import polynomials, solver
from losscompiler.analysis.abstraction import Abstraction, NotPolynomialError
from losscompiler.analysis.claims import Claim, Context
from losscompiler.analysis.effort import remembered, spend
from losscompiler.analysis.elementary import elementary
from losscompiler.analysis.probe import refuted_by_sample, satisfied_by_sample
from losscompiler.analysis.solver import contradictory

NEGATED = {">=": "<", ">": "<=", "==": "!=", "!=": "=="}
MOST_OPERATIONS = 2_500
"""Formulas beyond this size are not looked at: what cannot be proved soon is unknown."""


def prove(claim: Claim, context: Context) -> str | None:
    """How a claim is proved, in a word; None if it is not."""
    return _proved(claim, context, solver.enabled)


def holds(expression: sp.Expr, relation: str, context: Context) -> bool:
    """Whether `expression relation 0` is proved."""
    return prove(Claim(expression, relation), context) is not None


@remembered
@lru_cache(maxsize=50_000)
def _proved(claim: Claim, context: Context, with_solver: bool) -> str | None:
    e = elementary(claim.expression)
    size = e.count_ops()
    spend(10 + size)
    if e.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
        return None
    if e.is_number:
        return "arithmetic" if _of_number(e, claim.relation) else None
    if claim.relation == ">=" and e.is_nonnegative:
        return "assumptions"
    if claim.relation == ">" and e.is_positive:
        return "assumptions"
    if size > MOST_OPERATIONS:
        return None
    if claim.relation == "==":
        return _vanishes(e, context)
    if claim.relation == "!=":
        for candidate in (e, -e):
            how = _proved(Claim(candidate, ">"), context, with_solver)
            if how:
                return how
        return None
    if refuted_by_sample(e, claim.relation, context):
        return None
    question = _Question.of(e, context)
    return question.answer(claim.relation) if question else None


def _of_number(e: sp.Expr, relation: str) -> bool:
    if e.is_zero or e.equals(0):
        return relation in (">=", "==")
    return relation != "==" and (relation == "!=" or bool(sp.N(e, 30) > 0))


def _vanishes(e: sp.Expr, context: Context) -> str | None:
    abstraction = Abstraction()
    try:
        abstraction.survey([e])
        value = abstraction(e)
    except NotPolynomialError:
        return None
    numerator, _ = sp.fraction(sp.together(value))
    if sp.expand(numerator) == 0:
        return "algebra"
    if refuted_by_sample(e, "==", context):
        return None
    roots = [c for c in abstraction.constraints if c.relation == "=="]
    if roots:
        claims = [*abstraction.constraints, Claim(numerator, "!=")]
        if contradictory(claims):
            return "solver"
    expanded = sp.expand_log(sp.expand(elementary(sp.powsimp(e))), force=False)
    if expanded == 0 or sp.simplify(expanded) == 0:
        return "simplification"
    return None


class _Question:
    """The sign of one rational function of abstract terms."""

    def __init__(self, e: sp.Expr, context: Context, abstraction: Abstraction) -> None:
        self.e, self.context, self.abstraction = e, context, abstraction
        value = abstraction(e)
        facts = [Claim(abstraction(f.expression), f.relation) for f in context.facts]
        numerator, denominator = sp.fraction(sp.together(value))
        numerator = _without_roots(numerator, abstraction)
        self.factors: list[tuple[sp.Expr, int]] = []
        self.unit = 1
        for part in (numerator, denominator):
            coefficient, factors = _factors(part)
            self.unit *= 1 if coefficient > 0 else -1 if coefficient < 0 else 0
            self.factors += factors
        symbols = value.free_symbols | self._named()
        self.known = [*facts, *context.about(symbols)[len(context.facts) :]]
        self.known += abstraction.constraints

    def _named(self) -> set[sp.Symbol]:
        ours = self.abstraction
        return set().union(
            *(c.expression.free_symbols for c in (*ours.constraints, *ours.lemmas)),
        )

    @staticmethod
    def of(e: sp.Expr, context: Context) -> _Question | None:
        """The question, unless a function occurs of which nothing is known."""
        abstraction = Abstraction()
        try:
            abstraction.survey([e, *(f.expression for f in context.facts)])
            return _Question(e, context, abstraction)
        except NotPolynomialError:
            return None

    def answer(self, relation: str) -> str | None:
        """How the claim about the whole is proved."""
        strict = relation == ">"
        if self.unit == 0:
            return None if strict else "algebra"
        sign, left, how = self.unit, [], "coefficients"
        for factor, multiplicity in self.factors:
            if multiplicity % 2 == 0 and not strict:
                continue
            found = self._elementary(factor, strict)
            if not found:
                left.append((factor, multiplicity))
            elif multiplicity % 2:
                sign *= found
        if not left:
            return how if sign > 0 else None
        if not solver.available():
            return None
        rest = []
        for factor, multiplicity in left:
            found = self._by_solver(factor, strict)
            if not found:
                rest.append((factor, multiplicity))
            elif multiplicity % 2:
                sign *= found
        if not rest:
            return "solver" if sign > 0 else None
        whole = sign * sp.Mul(*(f if m % 2 else f**2 for f, m in rest))
        return self._whole(whole, relation)

    def _elementary(self, factor: sp.Expr, strict: bool) -> int:
        """The sign of a factor by elementary means, 0 if they do not show it."""
        if factor.is_Symbol and (factor.is_positive or (factor.is_nonnegative and not strict)):
            return 1
        shift = polynomials.shift(tuple(self.known), strict)
        signs = dict(shift.signs)
        found = polynomials.sign(factor, signs, strict=strict)
        if found or not shift.replaced:
            return found
        shifted = shift(factor)
        if shifted == factor:
            return 0
        numerator, denominator = sp.fraction(sp.together(shifted))
        below = polynomials.sign(denominator, signs, strict=True, depth=0)
        return below and below * polynomials.sign(numerator, signs, strict=strict)

    def _by_solver(self, factor: sp.Expr, strict: bool) -> int:
        against = "<=" if strict else "<"
        if contradictory([*self.known, Claim(factor, against)]):
            return 1
        against = ">=" if strict else ">"
        if contradictory([*self.known, Claim(factor, against)]):
            return -1
        return 0

    def _whole(self, whole: sp.Expr, relation: str) -> str | None:
        denied = Claim(whole, NEGATED[relation])
        if len(sp.Mul.make_args(whole)) > 1 and contradictory([*self.known, denied]):
            return "solver"
        ours = self.abstraction
        if not ours.lemmas and not ours.cases:
            return None
        symbols = set().union(*(c.expression.free_symbols for c in ours.lemmas))
        facts = self.context.about(symbols)[len(self.context.facts) :]
        known = list(dict.fromkeys([*self.known, *facts, *ours.lemmas]))
        if contradictory([*known, denied], ours.cases):
            return "lemmas"
        return None


def _without_roots(e: sp.Expr, abstraction: Abstraction) -> sp.Expr:
    """A polynomial with whole powers of roots replaced by what they are roots of."""
    for key, root in abstraction.variables.items():
        if key[0] == "root" and e.has(root):
            base, unit = abstraction(key[1]), key[2]
            high = [p for p in e.atoms(sp.Pow) if p.base == root and p.exp >= unit.q]
            swaps = {
                p: base ** (unit.p * (p.exp // unit.q)) * root ** (p.exp % unit.q) for p in high
            }
            e = sp.numer(sp.together(e.xreplace(swaps))) if base.is_polynomial() else e
    return e


@lru_cache(maxsize=20_000)
def _factors(e: sp.Expr) -> tuple[sp.Rational, list[tuple[sp.Expr, int]]]:
    if not e.free_symbols:
        return sp.nsimplify(e, rational=True), []
    try:
        found = sp.Poly(e, *sorted(e.free_symbols, key=str), domain="QQ").factor_list()
    except sp.PolynomialError:
        raise NotPolynomialError(str(e)) from None
    return found[0], [(f.as_expr(), multiplicity) for f, multiplicity in found[1]]


def infeasible(context: Context) -> bool:
    """Whether no values of the symbols satisfy all facts: proved, not guessed."""
    return _infeasible(context, solver.enabled)


@remembered
@lru_cache(maxsize=20_000)
def _infeasible(context: Context, with_solver: bool) -> bool:
    spend(20 + 10 * len(context.facts))
    if any(claim.expression.is_number for claim in context.facts):
        return True  # trivial facts are left out, so this one is false
    if satisfied_by_sample(context):
        return False
    abstraction = Abstraction()
    try:
        abstraction.survey([f.expression for f in context.facts])
        facts = [Claim(abstraction(f.expression), f.relation) for f in context.facts]
    except NotPolynomialError:
        return False
    symbols = set().union(*(f.expression.free_symbols for f in facts), set())
    about = context.about(symbols)[len(context.facts) :]
    if with_solver:
        return contradictory([*facts, *about, *abstraction.constraints]) is True
    for claim in context.facts:
        rest = Context(context.domains, tuple(f for f in context.facts if f != claim))
        denied = Claim(-claim.expression, ">" if claim.relation == ">=" else ">=")
        if claim.relation in (">", ">=") and _elementary_proof(denied, rest):
            return True
    return False


def _elementary_proof(claim: Claim, context: Context) -> bool:
    question = _Question.of(claim.expression, context)
    if question is None:
        return False
    sign = question.unit
    for factor, multiplicity in question.factors:
        found = question._elementary(factor, claim.relation == ">")
        if not found:
            return False
        sign *= found if multiplicity % 2 else 1
    return sign > 0
