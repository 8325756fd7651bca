"""Piecewise linear losses over classes: distributions whose most probable class they do not find.

The expected loss is the value of a linear program, solved in rationals. If the least value is
reached where another class scores at least as much as the most probable one, no margin between
them is gained by minimising, and the loss is not calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from typing import Any

import sympy as sp
from sympy.solvers.simplex import InfeasibleLPError, UnboundedLPError, lpmin

from losscompiler.analysis.classes import Roles
from losscompiler.analysis.instance import Slot, instance
from losscompiler.analysis.scoring import CLASSES, label_at
from losscompiler.analysis.symbolic import SYMBOLIC
from losscompiler.analysis.walk import UndefinedError, Walk
from losscompiler.spec.decorator import Loss

DISTRIBUTIONS = tuple(
    tuple(Fraction(n, 20) for n in parts) for parts in ((8, 7, 5), (8, 6, 6), (9, 8, 3))
)


class NotLinearError(ValueError):
    """A formula that is no maximum of affine ones."""


def uncalibrated(loss: Loss, roles: Roles) -> dict[str, Any] | None:
    """A distribution of three classes, and a best prediction with a tie at its top.

    The loss has no parameters. None if it is not piecewise linear and convex by its form, or if
    no such distribution is found.
    """
    scores = [sp.Symbol(f"z{k}", real=True) for k in range(CLASSES)]
    made = instance(loss, CLASSES)
    entries: dict[Slot, Any] = {(roles.prediction, (k,)): z for k, z in enumerate(scores)}
    costs = []
    try:
        for k in range(CLASSES):
            label = {
                s: v if isinstance(v, int) else sp.Rational(v)
                for s, v in label_at(roles, k).items()
            }
            walk = Walk(SYMBOLIC, made.axis_sizes, {**entries, **label})
            costs.append(_gathered(sp.expand(walk(made.formula))))
    except UndefinedError:
        return None
    moved = {z: z + sp.Symbol("_c", real=True) for z in scores}
    if any(sp.expand(c.subs(moved, simultaneous=True)) != c for c in costs):
        return None  # scores count by their differences alone: the last one may be 0
    costs = [c.subs(scores[-1], 0) for c in costs]
    for truth in DISTRIBUTIONS:
        try:
            found = _missed(truth, costs, scores[:-1])
        except NotLinearError:
            return None
        except (InfeasibleLPError, UnboundedLPError):
            continue  # SymPy's simplex gives up on some degenerate programs
        if found is not None:
            return found
    return None


def _gathered(e: sp.Expr) -> sp.Expr:
    """A maximum plus something else as one maximum."""
    terms = [a.as_coeff_Mul() for a in sp.Add.make_args(e)]
    tops = [(c, top) for c, top in terms if isinstance(top, sp.Max) and c.is_positive]
    if len(tops) != 1:
        return e
    ((factor, top),) = tops
    rest = e - factor * top
    return sp.Max(*(sp.expand(factor * a + rest) for a in top.args))


def _missed(
    truth: tuple[Fraction, ...], costs: list[sp.Expr], scores: list[sp.Symbol]
) -> dict[str, Any] | None:
    """A minimiser of the expected loss with a tie at the top, if there is one."""
    program = _Program(scores)
    parts = [sp.Rational(p) * c for p, c in zip(truth, costs, strict=True)]
    bound = sp.Add(*map(program.bounded, map(sp.expand, parts)))
    best, _ = lpmin(bound, program.constraints)
    tied, at = lpmin(bound, [*program.constraints, scores[1] >= scores[0]])
    least = [at.get(z, sp.S.Zero) for z in scores]
    if best != tied or not _is_least(sp.Add(*parts), scores, least):
        return None
    told = {"distribution": list(map(str, truth)), "minimiser": [*map(str, least), "0"]}
    return {**told, "expected loss": str(best)}


def _is_least(risk: sp.Expr, scores: list[sp.Symbol], at: list[sp.Expr]) -> bool:
    """Whether a convex, piecewise linear function rises from a point in all directions tried."""
    here = risk.subs(dict(zip(scores, at, strict=True)))
    for step in product(range(-3, 4), repeat=len(scores)):
        there = {z: x + sp.Rational(d, 1024) for z, x, d in zip(scores, at, step, strict=True)}
        if risk.subs(there) < here:
            return False
    return True


@dataclass
class _Program:
    """Maxima as variables that are bounded below."""

    scores: list[sp.Symbol]
    constraints: list[sp.Basic] = field(default_factory=list)

    def bounded(self, e: sp.Expr) -> sp.Expr:
        """An affine expression whose least value is that of a convex one."""
        if not e.has(sp.Max, sp.Min, sp.Abs, sp.Piecewise):
            if not e.is_polynomial(*self.scores):
                raise NotLinearError
            found = sp.Poly(e, *self.scores)
            if found.total_degree() > 1 or not all(c.is_Rational for c in found.coeffs()):
                raise NotLinearError
            return e
        if e.is_Add:
            return sp.Add(*map(self.bounded, e.args))
        factor, rest = e.as_coeff_Mul()
        if isinstance(rest, sp.Max) and factor > 0:
            variable = sp.Symbol(f"t{len(self.constraints)}", real=True)
            parts = [self.bounded(a) for a in rest.args]
            self.constraints += [variable >= part for part in parts]
            return factor * variable
        raise NotLinearError
