"""Verdicts about a loss, tried on the loss itself: in ball arithmetic, at points of its domains.

Witnesses are evaluated again and must keep their promise; what is proved is attacked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.crosscheck import balls, domains
from losscompiler.crosscheck.oracle import Oracle
from losscompiler.crosscheck.precision import MP
from losscompiler.spec import expressions as ex
from losscompiler.spec.decorator import Loss

SLACK = MP.mpf(2) ** -80
NOTHING = MP.mpf(2) ** -400  # what exact cancellation leaves
Values = dict[str, Any]


class Target:
    """A loss over axes of a given size, evaluated exactly at its first entries."""

    def __init__(self, loss: Loss, size: int) -> None:
        """Compiles the formula."""
        self.loss = loss
        self.oracle = Oracle(loss.expression, loss.differentiated, loss.free_indices, coupled=True)
        self.sizes = _sizes(loss, size)

    def value(self, values: Values) -> Any:
        """The loss at a point; nan where it has no value."""
        entries = {name: _entries(self.loss, name, value) for name, value in values.items()}
        return self.oracle.value(entries, self.sizes, (0,) * len(self.loss.free_indices))

    def draw(self, generator: np.random.Generator, names: tuple[str, ...]) -> Values:
        """Random values of some inputs and parameters."""
        found: Values = {}
        for name in names:
            role = self.loss.roles[name]
            shape = tuple(self.sizes[a.removeprefix("*")] for a in role.axes)
            if role.kind == "mask":
                found[name] = generator.random(shape) < 0.6
            elif role.kind == "label":
                found[name] = generator.integers(self.sizes[str(role.label_axis)], size=shape)
            else:
                found[name] = domains.dyadic(role.domain, generator, shape)
        return found


def _entries(loss: Loss, name: str, value: Any) -> dict[tuple[int, ...], Any]:
    """One input as the oracle takes it: balls, integers for labels, truth values for masks."""
    kind = loss.roles[name].kind
    convert = {"mask": bool, "label": int}.get(kind, lambda x: balls.from_float(float(x)))
    array = np.asarray(value)
    return {at: convert(array[at]) for at in np.ndindex(*array.shape)}


def _sizes(loss: Loss, size: int) -> dict[str, int]:
    axes = {a.removeprefix("*") for r in loss.roles.values() for a in r.axes}
    axes |= {r.label_axis for r in loss.roles.values() if r.label_axis}
    axes |= {i.axis for i in loss.expression.atoms(ex.Index, ex.Size)}
    sizes = dict.fromkeys(sorted(axes), size)
    for entry in loss.expression.atoms(ex.Element, ex.MaskElement):
        for axis, at in zip(entry.tensor.axes, entry.indices, strict=False):
            if at.is_Integer:
                name = axis.removeprefix("*")
                sizes[name] = max(sizes[name], int(at) + 1)
    return sizes


def check(loss: Loss, properties: Mapping[str, Any], segments: int = 30) -> Iterator[str]:
    """What contradicts the verdicts about a loss; nothing if all is well."""
    for name, told in properties.items():
        kind = name.partition(":")[0]
        if told["verdict"] == "refuted" and kind in ("convex", "convex_in", "quasi_convex"):
            if not _keeps(loss, told["witness"], quasi=kind == "quasi_convex"):
                yield f"{name}: the witness does not show what it should"
        elif told["verdict"] == "proved" and kind in ATTACKS:
            wrt = tuple(told.get("wrt") or _predictions(loss))
            for size in (2, 3):
                yield from ATTACKS[kind](Target(loss, size), name, told, wrt, segments)


def _predictions(loss: Loss) -> tuple[str, ...]:
    return tuple(n for n, r in loss.inputs.items() if r.kind == "prediction")


def _keeps(loss: Loss, witness: Mapping[str, Any], *, quasi: bool) -> bool:
    """Whether the middle of the segment lies above the chord by the gap that is promised."""
    target = Target(loss, 1)
    fixed = {n: _array(v) for n, v in witness["fixed"].items()}
    first, second = ({n: _array(v) for n, v in p.items()} for p in witness["points"])
    for name, role in loss.roles.items():
        shape = np.shape({**fixed, **first}[name])
        target.sizes |= dict(zip((a.removeprefix("*") for a in role.axes), shape, strict=True))
    middle = {n: (first[n] + second[n]) / 2 for n in first}
    a, b, inside = (target.value({**fixed, **p}) for p in (first, second, middle))
    above = inside - (max(a, b) if quasi else (a + b) / 2)
    gap = Fraction(witness["gap"])
    return bool(above >= MP.mpf(gap.numerator) / gap.denominator * (1 - SLACK))


def _array(value: Any) -> Any:
    if isinstance(value, list):
        return np.array([_array(v) for v in value])
    return value if isinstance(value, bool) else np.float64(Fraction(value))


# ---- attacks on what is proved ------------------------------------------------------------------


def _pairs(
    target: Target, wrt: tuple[str, ...], count: int
) -> Iterator[tuple[Values, Values, Values]]:
    """Two values of some predictions, and one of all else."""
    generator = np.random.default_rng(7)
    rest = tuple(n for n in target.loss.roles if n not in wrt)
    for _ in range(count):
        fixed = target.draw(generator, rest)
        yield target.draw(generator, wrt), target.draw(generator, wrt), fixed


def _attack_convexity(
    target: Target, name: str, told: Any, wrt: tuple[str, ...], count: int
) -> Iterator[str]:
    for first, second, fixed in _pairs(target, wrt, count):
        middle = {n: (first[n] + second[n]) / 2 for n in wrt}
        a, b, inside = (target.value({**fixed, **p}) for p in (first, second, middle))
        chord = max(a, b) if name.startswith("quasi") else (a + b) / 2
        if MP.isfinite(chord) and inside > chord + SLACK * (abs(a) + abs(b)) + NOTHING:
            yield f"{name}: fails between {first} and {second} at {fixed}"


def _attack_constant(
    target: Target, name: str, told: Any, wrt: tuple[str, ...], count: int
) -> Iterator[str]:
    for first, second, fixed in _pairs(target, wrt, count):
        constant = _number(told["constant"], fixed)
        a, b = (target.value({**fixed, **p}) for p in (first, second))
        distance = MP.mpf(float(np.linalg.norm(np.ravel(first[wrt[0]] - second[wrt[0]]))))
        if MP.isfinite(a) and MP.isfinite(b) and abs(a - b) > constant * distance * (1 + SLACK):
            yield f"{name}: fails between {first} and {second} at {fixed}"


def _attack_bound(
    target: Target, name: str, told: Any, wrt: tuple[str, ...], count: int
) -> Iterator[str]:
    for first, _, fixed in _pairs(target, wrt, count):
        value = target.value({**fixed, **first})
        if MP.isfinite(value) and value < _number(told["bound"], fixed) - SLACK:
            yield f"{name}: the value at {first} and {fixed} is below it"


def _number(text: str, fixed: Values) -> Any:
    symbols = {n: sp.Symbol(n) for n in fixed}
    swaps = {symbols[n]: sp.Rational(float(v)) for n, v in fixed.items() if np.ndim(v) == 0}
    value = sp.sympify(text, locals=symbols).subs(swaps)
    if value in (sp.oo, -sp.oo):
        return MP.inf if value == sp.oo else -MP.inf
    return MP.mpf(sp.N(value, 60))


ATTACKS = {
    "convex": _attack_convexity,
    "convex_in": _attack_convexity,
    "quasi_convex": _attack_convexity,
    "lipschitz": _attack_constant,
    "lower_bound": _attack_bound,
}
