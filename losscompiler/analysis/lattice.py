"""Points where a formula is likely to have a kink: few short numbers, equal rows, ends."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.analysis.instance import Instance, Slot
from losscompiler.spec.roles import Role

NUMBERS = tuple(map(Fraction, ("0", "1", "-1", "1/2", "2", "-2", "1/4", "3")))
STEPS = tuple(map(Fraction, ("0", "1", "-1", "2", "0")))
SPREAD, FEW, ONE, ROWS = range(4)
"""All numbers; two of them; one number for all inputs; rows out of two."""


@lru_cache(maxsize=200)
def numbers_of(domain: sp.Set) -> list[Fraction]:
    """Short numbers of a set."""
    if isinstance(domain, sp.FiniteSet):
        return [_fraction(x) for x in domain if x.is_Rational]
    found = [x for x in NUMBERS if domain.contains(_rational(x)) == sp.true]
    if not found and domain.inf.is_Rational:
        found = [_fraction(domain.inf) + n for n in (0, 1)]
    return found


def _fraction(x: sp.Rational) -> Fraction:
    return Fraction(int(x.p), int(x.q))


def _rational(x: Fraction) -> sp.Rational:
    return sp.Rational(x.numerator, x.denominator)


def point(here: Instance, generator: np.random.Generator) -> dict[Slot, Any] | None:
    """A value for each input and parameter; None if a domain has no short numbers."""
    mode = int(generator.integers(4))
    found: dict[Slot, Any] = {}
    for name, role in here.loss.roles.items():
        slots = here.slots[name]
        if role.kind == "mask":
            found |= {slot: bool(generator.random() < 0.8) for slot in slots}
        elif role.kind == "label":
            size = here.axis_sizes[str(role.label_axis)]
            found |= {slot: int(generator.integers(size)) for slot in slots}
        else:
            numbers = numbers_of(role.domain)
            if not numbers:
                return None
            found |= _drawn(role, slots, numbers, mode, generator)
    return found


def _drawn(
    role: Role,
    slots: list[Slot],
    numbers: list[Fraction],
    mode: int,
    generator: np.random.Generator,
) -> dict[Slot, Fraction]:
    if role.kind == "param":
        chance = generator.random()
        choices = [min(numbers)] if chance < 0.25 else numbers
        if chance > 0.6 and role.default is not None and role.default.is_Rational:
            choices = [_fraction(role.default)]
        return {slot: choices[int(generator.integers(len(choices)))] for slot in slots}
    if mode == ONE and not isinstance(role.domain, sp.FiniteSet | sp.Range):
        return dict.fromkeys(slots, Fraction(1) if Fraction(1) in numbers else numbers[0])
    if mode == ROWS and role.axes:
        width = 1 + max(slot[1][-1] for slot in slots)
        kinds = [[numbers[int(generator.integers(len(numbers)))] for _ in range(width)]
                 for _ in range(2)]  # fmt: skip
        rows = {slot[1][:-1]: kinds[int(generator.integers(2))] for slot in slots}
        return {slot: rows[slot[1][:-1]][slot[1][-1]] for slot in slots}
    choices = numbers[:2] if mode == FEW else numbers
    return {slot: choices[int(generator.integers(len(choices)))] for slot in slots}


def direction(
    here: Instance, wrt: tuple[str, ...], at: dict[Slot, Any], generator: np.random.Generator
) -> tuple[dict[Slot, Fraction], tuple[int, ...]]:
    """A direction, and the sides on which it stays inside the domains."""
    slots = here.moving(wrt)
    only = int(generator.integers(len(slots))) if generator.random() < 0.4 else None
    found: dict[Slot, Fraction] = {}
    sides = {1, -1}
    for n, slot in enumerate(slots):
        domain = here.loss.roles[slot[0]].domain
        step = STEPS[int(generator.integers(len(STEPS)))]
        if only is not None:
            step = Fraction(1 if n == only else 0)
        x = _rational(at[slot])
        if x in (domain.inf, domain.sup) and generator.random() < 0.5 and only is None:
            step = Fraction(0)
        if step and x in (domain.inf, domain.sup):
            step = abs(step) if x == domain.inf else -abs(step)
            sides.discard(-1)
        found[slot] = step
    return found, tuple(sorted(sides, reverse=True))
