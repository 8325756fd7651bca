"""The search for segments on which a loss is not convex.

Floating point searches, exact arithmetic decides: a candidate counts if its gap is certified.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.analysis.instance import Instance, Slot, Values, instance
from losscompiler.analysis.probe import draw, seed
from losscompiler.analysis.walk import UndefinedError
from losscompiler.analysis.witness import Witness, certify
from losscompiler.spec.decorator import Loss
from losscompiler.spec.expressions import Binder, Element

COUNT = 4_000
TRIED = 4  # candidates of a round whose gap is computed exactly
NOISE = 1e-11
SIZES = (2, 3)
ROUNDS = 2
Segment = tuple[dict[Slot, Any], dict[Slot, Any]]


def exactly(values: Values, k: int) -> dict[Slot, Any]:
    """One of many sample points in rationals; labels and masks stay what they are."""
    found: dict[Slot, Any] = {}
    for slot, value in values.items():
        if isinstance(value, bool):
            found[slot] = value
        else:
            one = value if isinstance(value, int) else float(np.broadcast_to(value, COUNT)[k])
            found[slot] = Fraction(one)
    return found


def best(
    made: Instance, wrt: tuple[str, ...], segment: Segment, fixed: Values, *, quasi: bool
) -> Witness | None:
    """The segment with the largest gap, if it is one."""
    start, end = segment
    middle = {s: (start[s] + end[s]) / 2 for s in start}
    try:
        first, second, inside = (
            made.evaluate({**fixed, **v}) * np.ones(COUNT) for v in (start, end, middle)
        )
    except UndefinedError:
        return None
    with np.errstate(all="ignore"):
        chord = np.maximum(first, second) if quasi else (first + second) / 2
        gaps = inside - chord
        size = np.abs(first) + np.abs(second) + np.abs(inside)
        gaps = np.where(np.isfinite(gaps) & (gaps > NOISE * size), gaps, 0.0)
        scores = [gaps / (1 + size), gaps / (1e-30 + size)]
        # In coarse steps: the last digits, which depend on the machine, must not decide.
        scores = [np.round(np.log2(np.maximum(score, 1e-300)) * 4) for score in scores]
    orders = [np.argsort(-score, kind="stable")[:TRIED] for score in scores]
    promising = [k for order in orders for k in order if gaps[k] > 0]
    for k in dict.fromkeys(promising):
        found = certify(
            made, wrt, (exactly(start, k), exactly(end, k)), exactly(fixed, k), quasi=quasi
        )
        if found is not None:
            return found
    return None


def segments(made: Instance, wrt: tuple[str, ...], generator: np.random.Generator) -> Segment:
    """Random segments: anywhere, along a coordinate, and short ones."""
    start, end = {}, {}
    slots = made.moving(wrt)
    one = generator.integers(len(slots), size=COUNT)
    shape = generator.random(COUNT)
    scale = 2.0 ** generator.integers(-5, 1, COUNT)
    for n, slot in enumerate(slots):
        domain = made.loss.roles[slot[0]].domain
        a, b = draw(domain, COUNT, generator), draw(domain, COUNT, generator)
        b = np.where(shape < 0.3, np.where(one == n, b, a), b)
        start[slot] = a
        end[slot] = np.where(shape > 0.7, a + (b - a) * scale, b)
    return start, end


def refute_at_random(
    loss: Loss, wrt: tuple[str, ...], *, quasi: bool = False, rounds: int = ROUNDS
) -> Witness | None:
    """Looks for a segment among random ones, over axes of a few sizes."""
    generator = seed(f"{loss.name} {wrt}")
    for made in instances(loss):
        for _ in range(rounds):
            fixed = made.fixed(generator, COUNT, wrt)
            found = best(made, wrt, segments(made, wrt, generator), fixed, quasi=quasi)
            if found is not None:
                return found
    return None


def instances(loss: Loss) -> Iterator[Instance]:
    """The loss over small axes."""
    first = instance(loss, SIZES[0])
    yield first
    if first.sizes:
        yield from (instance(loss, size) for size in SIZES[1:])


# ---- close to where something happens -----------------------------------------------------------


def centres(loss: Loss, name: str) -> list[sp.Expr]:
    """Values of a scalar prediction at which a linear part of the formula vanishes."""
    entry = next((e for e in loss.expression.atoms(Element) if e.tensor.name == name), None)
    if entry is None or entry.indices or loss.expression.has(Binder):
        return []
    x = sp.Symbol("x", real=True)
    formula = loss.expression.xreplace({entry: x})
    found: dict[sp.Expr, None] = {}
    for node in sp.preorder_traversal(formula):
        parts = [node]
        if len(node.args) == 2 and getattr(node, "is_Relational", False):
            parts = [node.args[0] - node.args[1]]
        if isinstance(node, sp.Max | sp.Min):
            parts = [a - b for a in node.args for b in node.args if a != b]
        for part in parts:
            if not (part.is_Add and part.has(x) and part.is_polynomial(x)):
                continue
            slope = sp.expand(part).coeff(x)
            if sp.Poly(part, x).degree() == 1:
                found[-sp.expand(part - slope * x) / slope] = None
            elif sp.Poly(part, x).degree() == 2 and not part.free_symbols - {x}:
                found |= dict.fromkeys(r for r in sp.roots(part, x) if r.is_Rational)
    magnitudes = [n.args[0] for n in sp.preorder_traversal(formula) if isinstance(n, sp.Abs)]
    for inside in magnitudes:
        found |= dict.fromkeys(_shifted_zeros(formula, inside, x))
    return list(found)


def _shifted_zeros(formula: sp.Expr, inside: sp.Expr, x: sp.Symbol) -> Iterator[sp.Expr]:
    """Where `|inside|` reaches what it is compared with."""
    if not inside.is_polynomial(x) or sp.Poly(inside, x).degree() != 1:
        return
    slope = sp.expand(inside).coeff(x)
    rest = sp.expand(inside - slope * x)
    for node in sp.preorder_traversal(formula):
        if getattr(node, "is_Relational", False) and sp.Abs(inside) in node.args:
            (bound,) = [a for a in node.args if a != sp.Abs(inside)] or [sp.S.Zero]
            if not bound.has(x):
                yield (bound - rest) / slope
                yield (-bound - rest) / slope


def refute_nearby(loss: Loss, wrt: tuple[str, ...], *, quasi: bool = False) -> Witness | None:
    """Looks for short segments at all scales, around where parts of the formula vanish."""
    generator = seed(f"near {loss.name} {wrt}")
    made = instance(loss, SIZES[0])
    from_formula = {name: centres(loss, name) for name in wrt}
    for _ in range(3):
        fixed = made.fixed(generator, COUNT, wrt)
        start, end = {}, {}
        slots = made.moving(wrt)
        one = generator.integers(len(slots), size=COUNT)
        width = 2.0 ** generator.integers(-24, 6, COUNT)
        for n, slot in enumerate(slots):
            name = slot[0]
            role = loss.roles[name]
            middle = draw(role.domain, COUNT, generator)
            for place in from_formula[name]:
                at = _at(made, place, fixed)
                mine = generator.random(COUNT) < 1.5 / (1 + len(from_formula[name]))
                middle = np.where(mine & np.isfinite(at), at, middle)
            offset = generator.choice([0.0, 0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 64.0], COUNT)
            middle = middle + offset * width
            step = np.where((one == n) | (generator.random(COUNT) < 0.3), width, 0.0)
            inside = _inside(role.domain, middle - step) & _inside(role.domain, middle + step)
            start[slot] = np.where(inside, middle - step, np.nan)
            end[slot] = np.where(inside, middle + step, np.nan)
        found = best(made, wrt, (start, end), fixed, quasi=quasi)
        if found is not None:
            return found
    return None


def _at(made: Instance, place: sp.Expr, fixed: Values) -> Any:
    value = Instance(made.loss, place, made.sizes)
    try:
        return value.evaluate(fixed) * np.ones(COUNT)
    except UndefinedError:
        return np.full(COUNT, np.nan)


def _inside(domain: sp.Set, x: Any) -> Any:
    return (x >= float(domain.inf)) & (x <= float(domain.sup))
