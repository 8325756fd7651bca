"""Obligations of a proof, checked again from their text: attacked at points, and decided by z3.

Nothing here is shared with what found the proof: claims are read as text, evaluated in 50 digits,
and, where they are rational, handed to the solver as they stand.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath
import sympy as sp

from losscompiler.spec import special

try:
    import z3
except ImportError:
    z3 = None

POINTS = 60
DIGITS = 50
STEPS = 400_000
TINY = mpmath.mpf(10) ** -30
FUNCTIONS = {
    name: getattr(special, name)
    for name in ("Digamma", "InverseMills", "LogGamma", "MillsExcess", "PolyGamma", "ExpMoment",
                 "log_ndtr", "ndtr")
}  # fmt: skip


def _mills(x: Any) -> Any:
    below = mpmath.erfc(-x / mpmath.sqrt(2)) / 2
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi) / below


NUMBERS = {
    "Digamma": lambda x: mpmath.psi(0, x),
    "PolyGamma": mpmath.psi,
    "LogGamma": mpmath.loggamma,
    "ndtr": lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "log_ndtr": lambda x: mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2)) / 2),
    "InverseMills": _mills,
    "MillsExcess": lambda x: x + _mills(x),
    "ExpMoment": lambda n, x, a: mpmath.quad(lambda t: t**n * mpmath.exp(a * t), [0, x]),
}


@dataclass(frozen=True)
class Checked:
    """The outcome for one obligation: a counterexample, or by what means it was checked again."""

    holds: bool
    how: str


def named(symbols: Iterable[str]) -> dict[str, Any]:
    """What the words of a formula mean: real symbols, and functions that SymPy lacks."""
    return {**FUNCTIONS, **{n: sp.Symbol(n, real=True) for n in symbols}}


def check(obligation: Mapping[str, Any]) -> Checked:
    """Checks one obligation as it stands in a certificate."""
    names = named(obligation["symbols"])
    symbols = {n: names[n] for n in obligation["symbols"]}
    claim = sp.sympify(obligation["claim"][0], locals=names)
    where = [(sp.sympify(text, locals=names), relation) for text, relation in obligation["where"]]
    relation = obligation["claim"][1]
    tried = 0
    generator = random.Random(str(obligation["claim"]))
    arguments = list(symbols.values())
    sizes = sp.lambdify(arguments, list(sp.Add.make_args(claim)), [NUMBERS, "mpmath"])
    tell = sp.lambdify(arguments, [claim, *(e for e, _ in where)], [NUMBERS, "mpmath"])
    with mpmath.workdps(DIGITS):
        for _ in range(POINTS):
            point = [drawn(obligation["symbols"][n], generator) for n in symbols]
            try:
                value, *facts = tell(*point)
            except (ValueError, ZeroDivisionError, OverflowError, TypeError):
                continue
            if any(isinstance(v, mpmath.mpc) for v in (value, *facts)):
                continue
            if not all(_holds(f, r) for f, (_, r) in zip(facts, where, strict=True)):
                continue
            tried += 1
            if not _holds(value, relation, slack=TINY * (1 + mpmath.fsum(map(abs, sizes(*point))))):
                told = ", ".join(f"{n} = {v}" for n, v in zip(symbols, point, strict=True))
                return Checked(False, f"fails at {told}")
    decided = _decided(claim, relation, where, obligation["symbols"], symbols)
    means = f"{tried} points" + (", decided by the solver" if decided else "")
    return Checked(True, means)


def drawn(domain: Mapping[str, Any], generator: random.Random) -> Any:
    """A random member of a set that is told by its ends or elements."""
    if "values" in domain:
        return mpmath.mpf(sp.Rational(generator.choice(domain["values"])).p)
    low, high = (mpmath.mpf(str(domain[e]).replace("oo", "inf")) for e in ("low", "high"))
    size = mpmath.mpf(generator.choice((1, 1, 4, 30))) * generator.random()
    if domain["integer"]:
        return mpmath.floor((low if mpmath.isfinite(low) else -3) + 6 * generator.random())
    if mpmath.isfinite(low) and mpmath.isfinite(high):
        share = mpmath.mpf(generator.random()) ** generator.choice((1, 1, 8))
        return low + (high - low) * (share if generator.random() < 0.5 else 1 - share)
    if mpmath.isfinite(low):
        return low + size
    if mpmath.isfinite(high):
        return high - size
    return size * generator.choice((-1, 1))


def _holds(value: Any, relation: str, slack: Any = 0) -> bool:
    if relation == "==":
        return bool(abs(value) <= max(slack, TINY))
    if relation == "!=":
        return bool(value != 0)
    return bool(value >= -slack if relation == ">=" or slack else value > 0)


# ---- the solver ---------------------------------------------------------------------------------


def _decided(
    claim: sp.Expr,
    relation: str,
    where: list[tuple[sp.Expr, str]],
    domains: Mapping[str, Any],
    symbols: Mapping[str, sp.Symbol],
) -> bool:
    """Whether z3 shows that nothing satisfies the facts and not the claim."""
    if z3 is None or relation not in (">=", ">") or not claim.is_rational_function():
        return False
    unknowns = {s: z3.Real(n) for n, s in symbols.items()}
    solver = z3.SolverFor("QF_NRA")
    solver.set("rlimit", STEPS)
    try:
        for name, domain in domains.items():
            for side, end in (("low", domain.get("low")), ("high", domain.get("high"))):
                if end is not None and "oo" not in end:
                    gap = unknowns[symbols[name]] - z3.RealVal(end)
                    solver.add(gap >= 0 if side == "low" else gap <= 0)
        for fact, kind in where:
            if fact.is_rational_function():
                solver.add(_relation(_sign_of(fact, unknowns), kind))
        negative = _sign_of(claim, unknowns)
        solver.add(negative < 0 if relation == ">=" else negative <= 0)
        return bool(solver.check() == z3.unsat)
    except z3.Z3Exception:
        return False


def _sign_of(e: sp.Expr, unknowns: Mapping[sp.Symbol, Any]) -> Any:
    """A polynomial with the sign of a rational function."""
    numerator, denominator = sp.fraction(sp.together(e))
    return _polynomial(sp.expand(numerator), unknowns) * _polynomial(
        sp.expand(denominator), unknowns
    )


def _polynomial(e: sp.Expr, unknowns: Mapping[sp.Symbol, Any]) -> Any:
    if e.is_Rational:
        return z3.RealVal(f"{e.p}/{e.q}")
    if e.is_Symbol:
        return unknowns[e]
    if e.is_Pow and e.exp.is_Integer and e.exp > 0:
        return z3.Product([_polynomial(e.base, unknowns)] * int(e.exp))
    parts = [_polynomial(a, unknowns) for a in e.args]
    if e.is_Add or e.is_Mul:
        return z3.Sum(parts) if e.is_Add else z3.Product(parts)
    raise z3.Z3Exception("not a polynomial")


def _relation(e: Any, kind: str) -> Any:
    return {">=": e >= 0, ">": e > 0, "==": e == 0, "!=": e != 0}[kind]
