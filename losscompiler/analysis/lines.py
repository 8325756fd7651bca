"""A loss along a line, as a formula: what grows beyond all bounds there does so everywhere.

A line starts at a point of short numbers over small axes and runs through the domains; the loss
on it is a formula in one or two symbols, whose limits and derivatives are decided as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.analysis import lattice
from losscompiler.analysis.claims import Context
from losscompiler.analysis.curvature import predictions
from losscompiler.analysis.effort import SpentError, limited, spend
from losscompiler.analysis.elementary import elementary
from losscompiler.analysis.growth import by_leading_terms
from losscompiler.analysis.instance import Instance, Slot, instance
from losscompiler.analysis.probe import seed
from losscompiler.analysis.walk import UndefinedError, Walk
from losscompiler.analysis.witness import shaped
from losscompiler.ir import operators as op
from losscompiler.ir.kinks import is_switch
from losscompiler.spec.decorator import Loss
from losscompiler.spec.special import PolyGamma

FAR = sp.Symbol("far", positive=True)
STEP = sp.Symbol("step", real=True)
PLACES = Context.over({FAR: sp.Interval.open(0, sp.oo), STEP: sp.S.Reals})
MOST_OPERATIONS = 60
LARGEST = 250
"""A formula on a line beyond this size is not looked at."""
TRIES = 9
SEARCH = 4_000
"""Steps that drawing lines may take."""
FAR_AWAY, THROUGH_ZERO = range(2)
"""Kinds of lines that are tried in turn; the third comes back to where it starts."""


class Formulas:
    """The algebra of formulas: nothing is decided that depends on where one is on the line."""

    functions: Mapping[type[sp.Basic], Callable[..., sp.Basic]]

    def __init__(self) -> None:
        """Every function is itself."""
        heads = (
            sp.Add, sp.Mul, sp.Pow, sp.exp, sp.log, op.Magnitude, op.Maximum, op.Minimum, op.Sign,
            sp.sin, sp.cos, sp.atan, op.sigmoid, op.softplus, op.LogCosh, op.Expm1, sp.erf, sp.erfc,
            op.LogGamma, op.Digamma, PolyGamma, op.ndtr, op.log_ndtr, sp.tanh, sp.cosh, sp.sinh,
        )  # fmt: skip
        self.functions = {head: partial(_applied, head) for head in heads}
        self.functions[op.Magnitude] = _magnitude
        self.functions[sp.Pow] = _power
        self.functions[op.stop_gradient] = lambda x: x
        self.functions[op.XLogY] = lambda a, u: sp.S.Zero if a == 0 else a * sp.log(u)

    def number(self, e: sp.Expr) -> sp.Expr:
        """A constant."""
        return e

    def compare(self, relation: str, a: sp.Expr, b: sp.Expr) -> bool:
        """Whether a relation holds; of numbers alone."""
        found = sp.Rel(a, b, relation)
        if found not in (sp.true, sp.false):
            raise UndefinedError("a condition that varies along the line")
        return bool(found)

    def choose(self, pairs: Iterator[tuple[Any, Callable[[], Any]]]) -> Any:
        """The first value whose condition holds."""
        return next(value() for condition, value in pairs if condition)

    def sort(self, keys: list[Any], falling: bool) -> list[Any]:
        """The order of numbers alone."""
        if not all(sp.sympify(k).is_Rational for k in keys):
            raise UndefinedError("an order that varies along the line")
        return sorted(range(len(keys)), key=lambda n: -keys[n] if falling else keys[n])

    def pick(self, entries: list[Any], place: Any) -> Any:
        """The entry at a position."""
        return entries[place]


def _applied(head: type[sp.Basic], *arguments: Any) -> sp.Basic:
    return head(*arguments)


def _magnitude(x: sp.Expr) -> sp.Expr:
    found = sp.Abs(x)
    return op.Magnitude(x) if found.has(sp.Abs) else found


def _power(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    """A power; an even one of a magnitude has no kink."""
    if isinstance(base, op.Magnitude) and exponent.is_even:
        return sp.expand(base.args[0] ** exponent)
    return base**exponent


FORMULAS = Formulas()


@dataclass(frozen=True)
class Line:
    """The loss at `start + far * along + step * across`; witnesses tell where that is."""

    formula: sp.Expr
    towards: str
    told: dict[str, Any]

    def slope(self, order: int) -> sp.Expr:
        """A derivative across the line, as a formula of how far one is."""
        found = sp.diff(self.formula, STEP, order).subs(STEP, 0)
        return elementary(found) if found.count_ops() <= 2 * MOST_OPERATIONS else found

    def value(self) -> sp.Expr:
        """The loss on the line itself."""
        return elementary(self.formula.subs(STEP, 0))


def limit(e: sp.Expr, towards: str) -> sp.Expr | None:
    """The limit far away, or close to the start; None if it is not found."""
    if (
        e.count_ops() > MOST_OPERATIONS
        or e.has(sp.DiracDelta)
        or any(map(is_switch, sp.preorder_traversal(e)))
    ):
        return None
    roots = [p.exp.q for p in e.atoms(sp.Pow) if p.base == FAR and p.exp.is_Rational]
    whole = FAR ** sp.ilcm(1, 1, *roots)
    near = e.subs(FAR, whole if towards == "oo" else 1 / whole)
    expanded = sp.expand(near)
    weight = expanded.coeff(sp.log(FAR))
    if weight.is_number and weight != 0:
        rest = by_leading_terms(expanded - weight * sp.log(FAR), FAR, PLACES)
        bounded = rest is not None and rest.is_number and rest.is_finite
        return (sp.oo if weight > 0 else -sp.oo) if bounded else None
    found = by_leading_terms(sp.powsimp(near), FAR, PLACES)
    return found if found is not None else _of_logarithms(expanded)


def _of_logarithms(e: sp.Expr) -> sp.Expr | None:
    """The limit far away of whole multiples of logarithms: the logarithm of that of a product."""
    factors = []
    for term in sp.Add.make_args(e):
        weight, inside = term.as_coeff_Mul()
        if isinstance(inside, sp.log) and weight.is_Integer:
            factors.append(inside.args[0] ** weight)
        elif term.has(sp.log):
            return None
        else:
            factors.append(sp.exp(term))
    product = by_leading_terms(sp.Mul(*factors), FAR, PLACES)
    if product in (sp.S.Zero, sp.oo):
        return sp.log(product) if product else -sp.oo
    return sp.log(product) if product is not None and product.is_positive else None


def lines(loss: Loss, wrt: tuple[str, ...], tries: int = TRIES) -> Iterator[Line]:
    """The loss along some lines through its domains."""
    generator = seed(f"lines {loss.name}")
    here = instance(loss, 2)
    cost = 60 + 2 * loss.expression.count_ops()
    for k in range(tries):
        spend(cost)
        at = lattice.point(here, generator)
        if at is None:
            return
        start, along, across, towards = _drawn(here, wrt, at, k % 3, generator)
        values: dict[Slot, Any] = {}
        for slot, x in at.items():
            values[slot] = x if isinstance(x, bool | int) else _rational(x)
        for slot, x in start.items():
            values[slot] = _rational(x) + FAR * along[slot] + STEP * across[slot]
        first = {i: 0 for i in loss.free_indices}
        try:
            walk = Walk(FORMULAS, here.axis_sizes, values, index=first)
            formula = walk(loss.expression)
        except (UndefinedError, StopIteration, ValueError, TypeError, ZeroDivisionError):
            continue
        if not isinstance(formula, sp.Expr) or formula.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
            continue
        if formula.count_ops() > LARGEST:
            continue
        rest = [n for n in loss.roles if n not in wrt]
        told = {
            "start": _texts(shaped(here, wrt, start)),
            "along": _texts(shaped(here, wrt, along)),
            "across": _texts(shaped(here, wrt, across)),
            "fixed": _texts(shaped(here, rest, at)),
        }
        yield Line(formula, towards, told)


def _rational(x: Fraction) -> sp.Rational:
    return sp.Rational(x.numerator, x.denominator)


def _drawn(
    here: Instance,
    wrt: tuple[str, ...],
    at: dict[Slot, Any],
    kind: int,
    generator: np.random.Generator,
) -> tuple[dict[Slot, Any], dict[Slot, Any], dict[Slot, Any], str]:
    """Where a line starts, how it runs, across which direction slopes are taken; and to which end.

    To `oo` it runs where the domains are unbounded; to `0` it comes back to where it starts, which
    may be an end of a domain.
    """
    slots = here.moving(wrt)
    if kind == THROUGH_ZERO and any(slot[1] for slot in slots):
        return _through_zero(here, slots, at, generator)
    far = kind == FAR_AWAY
    origin, same = generator.random() < 0.5, generator.random() < 0.5
    one, other = (int(n) for n in generator.integers(len(slots), size=2))
    alone = generator.random() < 0.5
    start, along, across = {}, {}, {}
    for n, slot in enumerate(slots):
        domain = here.loss.roles[slot[0]].domain
        low, high = domain.inf, domain.sup
        x = at[slot]
        if origin and not far and low.is_Rational:
            x = Fraction(int(low.p), int(low.q))
        elif origin and domain.contains(0) == sp.true:
            x = Fraction(0)
        run = lattice.STEPS[int(generator.integers(len(lattice.STEPS)))]
        run = run if not alone else Fraction(1 if n == one else 0)
        if far:
            run = abs(run) if low != -sp.oo else -abs(run) if high != sp.oo else run
            run = run if sp.oo in (high, -low) else Fraction(0)
        elif x in (low, high):
            inside = domain.contains(_rational(x)) == sp.true
            run = (abs(run) or Fraction(0 if inside else 1)) * (1 if x == low else -1)
        start[slot], along[slot] = x, run
        turn = lattice.STEPS[int(generator.integers(len(lattice.STEPS)))]
        across[slot] = run if same else turn if not alone else Fraction(1 if n == other else 0)
    return start, along, across, "oo" if far else "0"


def _through_zero(
    here: Instance, slots: list[Slot], at: dict[Slot, Any], generator: np.random.Generator
) -> tuple[dict[Slot, Any], dict[Slot, Any], dict[Slot, Any], str]:
    """A vector that comes back to 0, and turns; all else stays where it is."""
    chosen = [s for s in slots if s[1]][int(generator.integers(sum(bool(s[1]) for s in slots)))]
    row = [s for s in slots if s[0] == chosen[0] and s[1][:-1] == chosen[1][:-1]]
    start = {s: at[s] if s not in row else Fraction(0) for s in slots}
    if here.loss.roles[chosen[0]].domain.contains(0) == sp.false:
        start = {s: at[s] for s in slots}
    along = {s: Fraction(int(s == row[0])) for s in slots}
    across = {s: Fraction(int(s == row[-1])) for s in slots}
    return start, along, across, "0"


def _texts(values: Any) -> Any:
    if isinstance(values, dict):
        return {n: _texts(v) for n, v in values.items()}
    if isinstance(values, list):
        return [_texts(v) for v in values]
    return values if isinstance(values, bool) else str(values)


def drawn(loss: Loss) -> tuple[Line, ...]:
    """Some lines through the domains of a loss; as many as the work for them allows."""
    found: list[Line] = []
    with suppress(SpentError), limited(SEARCH):
        found.extend(lines(loss, predictions(loss)))
    return tuple(found)


def beyond(
    known: Sequence[Line], read: Callable[[Line], sp.Expr], wanted: tuple[sp.Expr, ...]
) -> dict[str, Any] | None:
    """A line on which something goes to one of the wanted limits."""
    for line in known:
        e = read(line)
        found = limit(e, line.towards)
        if found in wanted:
            told = {"far": line.towards, "formula": str(e), "limit": str(found)}
            return {**line.told, **told}
    return None
