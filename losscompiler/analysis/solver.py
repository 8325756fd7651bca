"""Whether polynomial inequalities contradict each other: decided by z3, if it is installed.

Work is bounded by z3's own count of steps, not by the clock: the answer is the same on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sympy as sp

from losscompiler.analysis.claims import Claim
from losscompiler.analysis.effort import remembered, spend

try:
    import z3
except ImportError:
    z3 = None

STEPS = 300_000  # of z3, for one question: about a second at worst
MOST_TERMS = 600
Case = tuple[tuple[Claim, ...], Claim]
enabled = z3 is not None
"""False where z3 is not installed; tests switch it off."""


def available() -> bool:
    """Whether questions can be asked."""
    return enabled


def contradictory(
    claims: Sequence[Claim], cases: Sequence[Case] = (), steps: int = STEPS
) -> bool | None:
    """True if no real numbers satisfy all claims and cases; None if that is not known."""
    if not enabled:
        return None
    return _asked(tuple(claims), tuple(cases), steps)


@remembered
@lru_cache(maxsize=20_000)
def _asked(claims: tuple[Claim, ...], cases: tuple[Case, ...], steps: int) -> bool | None:
    symbols: dict[sp.Symbol, Any] = {}
    solver = z3.SolverFor("QF_NRA")
    solver.set("rlimit", steps)
    try:
        for claim in claims:
            solver.add(_stated(claim, symbols))
        for premises, conclusion in cases:
            given = [_stated(p, symbols) for p in premises]
            solver.add(z3.Implies(z3.And(*given), _stated(conclusion, symbols)))
        spend(100)
        answer = solver.check()
    except (_TooLargeError, z3.Z3Exception):
        return None
    if answer == z3.unsat:
        return True
    return False if answer == z3.sat else None


class _TooLargeError(ValueError):
    """A polynomial that would take too long."""


@lru_cache(maxsize=20_000)
def polynomial(e: sp.Expr) -> sp.Poly | None:
    """A rational function as a polynomial of the same sign; None if it is too large."""
    symbols = sorted(e.free_symbols, key=str)
    if not symbols:
        return None
    numerator, denominator = sp.fraction(sp.together(e))
    try:
        found = sp.Poly(numerator, *symbols, domain="QQ")
        if not denominator.is_number:
            found *= sp.Poly(denominator, *symbols, domain="QQ")
        elif denominator < 0:
            found = -found
    except (sp.PolynomialError, sp.CoercionFailed):
        return None
    return found if len(found.terms()) <= MOST_TERMS else None


def _stated(claim: Claim, symbols: dict[sp.Symbol, Any]) -> Any:
    e = claim.expression
    if e.is_Rational:
        left: Any = z3.RealVal(f"{e.p}/{e.q}")
    else:
        found = polynomial(e)
        if found is None:
            raise _TooLargeError
        unknowns = [symbols.setdefault(s, z3.Real(str(s))) for s in found.gens]
        left = z3.Sum([_term(powers, c, unknowns) for powers, c in found.terms()])
    relation = claim.relation
    return {
        ">=": left >= 0, ">": left > 0, "==": left == 0, "!=": left != 0, "<": left < 0,
        "<=": left <= 0,
    }[relation]  # fmt: skip


def _term(powers: tuple[int, ...], coefficient: sp.Rational, unknowns: Sequence[Any]) -> Any:
    factors = [z3.RealVal(f"{coefficient.p}/{coefficient.q}")]
    for power, unknown in zip(powers, unknowns, strict=True):
        factors += [unknown] * power
    return z3.Product(factors)
