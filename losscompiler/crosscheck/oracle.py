"""Exact values and derivatives of a formula at one sample.

Derivatives are finite differences in huge precision: nothing is shared with `sympy.diff` or with
the compiler's graph. A step of 2**-k leaves an error of the same relative size, and the precision
grows until the roundoff, which the balls bound, is smaller still.

Where a guard ties (a kink) the same is done inside each smooth cell around the point, at points
next to it in random directions, and the convention picks from what the cells say.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from mpmath import libmp

from losscompiler.crosscheck import balls, cells
from losscompiler.crosscheck.balls import Ball, Field
from losscompiler.crosscheck.cells import CELL, CELL_STEP, DIRECTIONS
from losscompiler.crosscheck.differences import (
    STEP,
    Derivatives,
    closeness,
    confirmed,
    differences,
    suspicious,
)
from losscompiler.crosscheck.environment import (
    Environment,
    Note,
    Position,
    Values,
    Where,
    at_entry,
)
from losscompiler.crosscheck.evaluate import Formula, compile_formula
from losscompiler.crosscheck.precision import ACCURACY, MP, number, settle
from losscompiler.crosscheck.subgradient import least_norm
from losscompiler.spec import expressions as ex

MOST_CELLS = 16
ROUGH = 60  # bits of accuracy, and of the step, where an estimate will do
SINGULAR_CELLS = 6  # around a point such as the 0 of a norm, where every direction is its own cell


@dataclass(frozen=True)
class Exact:
    """What one loss entry should be; NaN is "no number to compare with".

    `gradients` are the acceptable ones: the minimum-norm subgradient, then, for losses that couple
    entries, the shares of a tie and the nearest end. Hessians lie between a low and a high end,
    which agree but at kinks of coupled losses.
    """

    value: Any
    gradients: tuple[list[Any], ...]
    diagonal: tuple[list[Any], list[Any]]
    product: tuple[list[Any], list[Any]]
    kink: bool = False


class Oracle:
    """A formula, its differentiated inputs and its free indices, ready to be evaluated."""

    def __init__(
        self,
        expression: sp.Expr,
        differentiated: tuple[str, ...],
        free: tuple[ex.Index, ...],
        *,
        coupled: bool,
    ) -> None:
        """Compiles the formula; `coupled` losses have axes."""
        self.differentiated = differentiated
        self.formula: Formula = compile_formula(expression, differentiated)
        self.free = tuple(
            (self.formula.slots.setdefault(i, len(self.formula.slots)), i.axis) for i in free
        )
        self.coupled = coupled
        self.shares_ties = expression.has(ex.AxisMax, ex.AxisMin, ex.Norm, ex.Sort)
        self.freezes = expression.has(ex.stop_gradient, ex.Rank, ex.Sort)

    # ---- values -----------------------------------------------------------------------------

    def environment(self, values: Values, sizes: Mapping[str, int], bits: int) -> Environment:
        """A fresh evaluation at some precision."""
        return self.formula.environment(Field(bits), values, sizes)

    def entry(self, env: Environment, at: Position) -> Ball:
        """One entry of the unreduced loss."""
        entry = {slot: n for (slot, _), n in zip(self.free, at, strict=True)}
        result: Ball = self.formula.run(at_entry(env, entry))
        return result

    def value(
        self, values: Values, sizes: Mapping[str, int], at: Position, accuracy: int = ACCURACY
    ) -> Any:
        """One entry of the unreduced loss, NaN if it has no value."""
        found = settle(
            lambda bits: [self.entry(self.environment(values, sizes, bits), at)],
            accuracy + 40,
            accuracy,
        )
        return MP.nan if found is None else number(found[0])

    def notes(
        self, values: Values, sizes: Mapping[str, int], at: Position, base: Values | None = None
    ) -> list[Note] | None:
        """What the guards do at a point; None if that has no value."""
        notes: list[Note] = []

        def run(bits: int) -> list[Ball]:
            env = self.environment(values, sizes, bits)
            if base is not None and self.freezes:
                env.frozen = self.environment(base, sizes, bits)
            notes.clear()
            env.notes = notes
            result = self.entry(env, at)
            return [balls.NAN] if result[0] == libmp.fnan else []

        found = settle(run, 2 * CELL + 200)
        return None if found is None or found else list(notes)

    # ---- derivatives ------------------------------------------------------------------------

    def places(self, values: Values) -> list[Where]:
        """The differentiated entries, in order."""
        return [(name, at) for name in self.differentiated for at in values[name]]

    def entries(
        self,
        values: Values,
        sizes: Mapping[str, int],
        wanted: Sequence[Position],
        vector: Sequence[Ball],
    ) -> list[Exact]:
        """Everything about the wanted loss entries; `vector` goes with the differentiated ones."""
        touchy = []
        for at in wanted:
            notes = self.notes(values, sizes, at)
            touchy.append(bool(self.kinks(values, sizes, at, notes or [])))
        smooth = [at for at, kink in zip(wanted, touchy, strict=True) if not kink]
        found = dict(
            zip(smooth, self.smooth(values, sizes, smooth, [vector], values, STEP), strict=True)
        )
        return [
            self.kink(values, sizes, at, vector) if kink else _plain(found[at])
            for at, kink in zip(wanted, touchy, strict=True)
        ]

    def kinks(
        self, values: Values, sizes: Mapping[str, int], at: Position, notes: list[Note]
    ) -> list[Note]:
        """The ties and singular points, without those that inputs cannot leave: log(exp(-oo))."""
        found = [n for n in notes if n.token == 0 or n.singular]
        if not any(n.singular for n in found):
            return found
        places = self.places(values)
        direction = cells.directions(len(places), random.Random(3))[0]
        there = cells.moved(values, places, direction, CELL)
        moved = self.notes(there, sizes, at, values) or []
        lasting = {(n.guard, n.where) for n in moved if n.singular}
        return [n for n in found if not n.singular or (n.guard, n.where) not in lasting]

    def smooth(
        self,
        values: Values,
        sizes: Mapping[str, int],
        wanted: Sequence[Position],
        vectors: Sequence[Sequence[Ball]],
        base: Values,
        step: int,
        accuracy: int = ACCURACY,
    ) -> list[Derivatives]:
        """Central differences at a point around which the formula is smooth."""
        places = self.places(values)
        step += closeness(base)
        live = [n for n, (name, at) in enumerate(places) if not balls.special(values[name][at][0])]

        def compute(bits: int) -> list[Ball]:
            field = Field(bits)
            frozen = self.environment(base, sizes, bits) if self.freezes else None

            def evaluate(move: Mapping[int, Ball]) -> list[Ball]:
                env = self.environment(cells.shifted(values, places, move, step), sizes, bits)
                env.frozen = frozen
                return [self.entry(env, at) for at in wanted]

            return differences(evaluate, field, step, vectors, live, len(places))

        if not wanted:
            return []
        found = settle(compute, 2 * step + accuracy + 40, accuracy)
        if found is not None and any(suspicious(b, step) for b in found):
            step -= 1  # `compute` reads it: differences over twice the distance
            wider = settle(compute, 2 * step + accuracy + 40, accuracy)
            found = [confirmed(a, b, step) for a, b in zip(found, wider or found, strict=True)]
        size, count = len(places), len(places) * (2 + len(vectors)) + 1
        if found is None:
            found = [balls.NAN] * (count * len(wanted))
            for n, at in enumerate(wanted):
                found[n * count] = (self.value(values, sizes, at)._mpf_, None)
        results = []
        for n in range(len(wanted)):
            numbers = [number(b) for b in found[n * count : (n + 1) * count]]
            parts = [numbers[1 + k * size : 1 + (k + 1) * size] for k in range(2 + len(vectors))]
            results.append(Derivatives(numbers[0], parts[0], parts[1], parts[2:]))
        return results

    def rough(
        self,
        values: Values,
        sizes: Mapping[str, int],
        wanted: Sequence[Position],
        vector: Sequence[Ball],
        order: int,
    ) -> list[Exact]:
        """Derivatives up to an order, the others 0, to a few digits, at points without ties."""
        if order:
            vectors = [vector] if order > 1 else []
            found = self.smooth(values, sizes, wanted, vectors, values, ROUGH, ROUGH)
            return [_plain(d) for d in found]

        def run(bits: int) -> list[Ball]:
            env = self.environment(values, sizes, bits)
            return [self.entry(env, at) for at in wanted]

        entries = settle(run, 2 * ROUGH, ROUGH) or [balls.NAN] * len(wanted)
        zeros = [MP.zero] * len(self.places(values))
        return [Exact(number(b), (zeros,), (zeros, zeros), (zeros, zeros)) for b in entries]

    def kink(
        self, values: Values, sizes: Mapping[str, int], at: Position, vector: Sequence[Ball]
    ) -> Exact:
        """The convention at a point where guards tie."""
        places = self.places(values)
        value = self.value(values, sizes, at)
        around, nearer = self.cells(values, sizes, at, vector)
        lost = [MP.nan] * len(places)
        if not around:
            return Exact(value, (lost,), (lost, lost), (lost, lost), True)
        gradients = cells.distinct([c.gradient for c in around])
        nearest = least_norm(gradients, MP)
        choices = [nearest]
        if self.coupled:
            mean = [sum(parts) / len(gradients) for parts in zip(*gradients, strict=True)]
            choices.append([cells.snapped(x) for x in mean])
            if not self.shares_ties:
                choices.append(min(gradients, key=lambda g: sum(x * x for x in g)))
        if not cells.stable(gradients, nearer):
            choices = [lost]
        if self.coupled and nearer:
            diagonal = product = (lost, lost)
        elif self.coupled:
            diagonal = cells.between([c.diagonal for c in around])
            product = cells.between([c.products[0] for c in around])
        else:
            numbers = [number(v) for v in vector]
            hessian = [
                [cells.nearest_zero([c.products[j][i] for c in around]) for j in range(len(places))]
                for i in range(len(places))
            ]
            exact = [hessian[i][i] for i in range(len(places))]
            times = [
                sum((h * v for h, v in zip(row, numbers, strict=True)), MP.zero) for row in hessian
            ]
            diagonal, product = (exact, exact), (times, times)
        if nearer and not cells.stable([c.diagonal for c in around], nearer, "diagonal"):
            diagonal = product = (lost, lost)
        return Exact(value, tuple(choices), diagonal, product, True)

    def cells(
        self, values: Values, sizes: Mapping[str, int], at: Position, vector: Sequence[Ball]
    ) -> tuple[list[Derivatives], list[Derivatives]]:
        """Derivatives in the cells around a point, and, next to a singular point, nearer to it.

        No cells come back if there are more than the directions tell apart.
        """
        places = self.places(values)
        notes = self.kinks(values, sizes, at, self.notes(values, sizes, at) or [])
        singular = any(n.singular for n in notes)
        generator = random.Random(7)
        seen: set[Any] = set()
        kept: list[list[int]] = []
        idle = 0
        for direction in cells.directions(len(places), generator):
            idle += 1
            notes_there = self.notes(
                cells.moved(values, places, direction, CELL), sizes, at, values
            )
            if notes_there is None:
                continue  # outside the formula's domain
            signature = tuple((n.guard, n.where, n.token) for n in notes_there)
            if singular and self.coupled and len(kept) == SINGULAR_CELLS:
                break
            if signature in seen and not singular:
                continue
            if signature not in seen:
                idle = 0
            seen.add(signature)
            kept.append(direction)
            if len(kept) > MOST_CELLS:
                if singular:
                    kept.pop()
                    break
                return [], []
        if idle < DIRECTIONS // 4 and len(places) > 1 and not singular:
            return [], []
        vectors = [vector] if self.coupled else cells.units(len(places))
        if self.coupled and singular:
            vectors = []  # second derivatives grow without bound there, as those of a norm do

        def derive(direction: list[int], near: int) -> Derivatives:
            there = cells.moved(values, places, direction, near)
            return self.smooth(there, sizes, [at], vectors, values, CELL_STEP)[0]

        around = [cells.snap(derive(d, CELL)) for d in kept]
        nearer = [cells.snap(derive(d, CELL + 40)) for d in kept[:2]] if singular else []
        return around, nearer


def _plain(d: Derivatives) -> Exact:
    product = d.products[0] if d.products else [MP.zero] * len(d.gradient)
    return Exact(d.value, (d.gradient,), (d.diagonal, d.diagonal), (product, product))
