"""Exact values and derivatives of a formula at one sample.

Derivatives are finite differences in huge precision: nothing is shared with `sympy.diff` or with
the compiler's graph. A step of 2**-k leaves an error of the same relative size, and the precision
grows until the roundoff, which the balls bound, is smaller still.

Where a guard ties (a kink) the same is done inside each smooth cell around the point, at points
next to it in random directions, and the convention picks from what the cells say.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp
from mpmath import MPContext, libmp

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.balls import Ball, Field, Undecided
from losscompiler.crosscheck.evaluate import (
    Environment,
    Formula,
    Note,
    Position,
    Values,
    at_entry,
    compile_formula,
)
from losscompiler.crosscheck.subgradient import least_norm
from losscompiler.spec import expressions as ex

MP = MPContext()
MP.prec = 400

ACCURACY = 110  # bits that every result is known to, so that sums of results round correctly too
FLOOR = 1200  # nothing below 2**-FLOOR is told from 0: it underflows in every format
CAP = 24_000  # bits; log(1 - sigmoid(1e4)) as written needs 14,800
RUNGS = (1_700, 5_000, 16_000)  # tried in turn where nothing tells how many bits are missing
STEP = 100  # finite differences step by 2**-STEP times the smallest distance between inputs
CELL = 160  # cells are entered by 2**-CELL, and differences inside them are far smaller
CELL_STEP = 280
DIRECTIONS = 48
MOST_CELLS = 16
SINGULAR_CELLS = 6  # around a point such as the 0 of a norm, where every direction is its own cell

Where = tuple[str, Position]


@dataclass(frozen=True)
class Derivatives:
    """Of one loss entry: gradient, Hessian diagonal and one Hessian-vector product per vector."""

    value: Any
    gradient: list[Any]
    diagonal: list[Any]
    products: list[list[Any]]


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


def settle(
    compute: Callable[[int], list[Ball]], start: int, accuracy: int = ACCURACY
) -> list[Ball] | None:
    """Raises the precision until every ball is known to so many bits; None beyond the cap."""
    bits = start
    while True:
        try:
            found = compute(bits)
        except Undecided:
            missing = next((b for b in RUNGS if b > bits), CAP) - bits
        else:
            missing = max((_missing(b, accuracy) for b in found), default=0)
            if missing <= 0:
                return found
        if bits >= CAP:
            return None
        bits = min(CAP, bits + missing + 16)


def _missing(b: Ball, accuracy: int) -> int:
    v, e = b
    if e is None or balls.special(v):
        return 0
    return e - max(balls.magnitude(v) - accuracy, -FLOOR)


def number(b: Ball) -> Any:
    """A ball's value as an mpf."""
    return MP.make_mpf(libmp.mpf_pos(b[0], MP.prec, "n"))


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
        self.differentiated = differentiated
        self.formula: Formula = compile_formula(expression, differentiated)
        self.free = tuple(
            (self.formula.slots.setdefault(i, len(self.formula.slots)), i.axis) for i in free
        )
        self.coupled = coupled
        self.shares_ties = expression.has(ex.AxisMax, ex.AxisMin, ex.Norm)
        self.freezes = expression.has(ex.stop_gradient)

    # ---- values -----------------------------------------------------------------------------

    def environment(self, values: Values, sizes: Mapping[str, int], bits: int) -> Environment:
        return self.formula.environment(Field(bits), values, sizes)

    def entry(self, env: Environment, at: Position) -> Ball:
        """One entry of the unreduced loss."""
        entry = {slot: n for (slot, _), n in zip(self.free, at, strict=True)}
        result: Ball = self.formula.run(at_entry(env, entry))
        return result

    def value(self, values: Values, sizes: Mapping[str, int], at: Position) -> Any:
        """One entry of the unreduced loss, NaN if it has no value."""
        found = settle(
            lambda bits: [self.entry(self.environment(values, sizes, bits), at)], ACCURACY + 40
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
            touchy.append(notes is not None and any(n.token == 0 or n.singular for n in notes))
        smooth = [at for at, kink in zip(wanted, touchy, strict=True) if not kink]
        found = dict(
            zip(smooth, self.smooth(values, sizes, smooth, [vector], values, STEP), strict=True)
        )
        return [
            self.kink(values, sizes, at, vector) if kink else _plain(found[at])
            for at, kink in zip(wanted, touchy, strict=True)
        ]

    def smooth(
        self,
        values: Values,
        sizes: Mapping[str, int],
        wanted: Sequence[Position],
        vectors: Sequence[Sequence[Ball]],
        base: Values,
        step: int,
    ) -> list[Derivatives]:
        """Central differences at a point around which the formula is smooth."""
        places = self.places(values)
        step += _closeness(base)
        live = [n for n, (name, at) in enumerate(places) if not balls.special(values[name][at][0])]

        def compute(bits: int) -> list[Ball]:
            return _differences(
                self, values, sizes, wanted, vectors, base, step, bits, places, live
            )

        if not wanted:
            return []
        found = settle(compute, 2 * step + ACCURACY + 40)
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

    def kink(
        self, values: Values, sizes: Mapping[str, int], at: Position, vector: Sequence[Ball]
    ) -> Exact:
        """The convention at a point where guards tie."""
        places = self.places(values)
        value = self.value(values, sizes, at)
        cells, stable = self.cells(values, sizes, at, vector)
        lost = [MP.nan] * len(places)
        if not cells:
            return Exact(value, (lost,), (lost, lost), (lost, lost), True)
        gradients = _distinct([c.gradient for c in cells])
        nearest = least_norm(gradients, MP)
        choices = [nearest]
        if self.coupled:
            mean = [sum(parts) / len(gradients) for parts in zip(*gradients, strict=True)]
            choices.append([_snapped(x) for x in mean])
            if not self.shares_ties:
                choices.append(min(gradients, key=lambda g: sum(x * x for x in g)))
        if not _stable(gradients, stable):
            choices = [lost]
        if self.coupled and stable:
            diagonal = product = (lost, lost)
        elif self.coupled:
            diagonal = _between([c.diagonal for c in cells])
            product = _between([c.products[0] for c in cells])
        else:
            numbers = [number(v) for v in vector]
            hessian = [
                [_nearest_zero([c.products[j][i] for c in cells]) for j in range(len(places))]
                for i in range(len(places))
            ]
            exact = [hessian[i][i] for i in range(len(places))]
            times = [
                sum((h * v for h, v in zip(row, numbers, strict=True)), MP.zero) for row in hessian
            ]
            diagonal, product = (exact, exact), (times, times)
        if stable and not _stable([c.diagonal for c in cells], stable, "diagonal"):
            diagonal = product = (lost, lost)
        return Exact(value, tuple(choices), diagonal, product, True)

    def cells(
        self, values: Values, sizes: Mapping[str, int], at: Position, vector: Sequence[Ball]
    ) -> tuple[list[Derivatives], list[Derivatives]]:
        """Derivatives in the cells around a point, and, next to a singular point, nearer to it.

        No cells come back if there are more than the directions tell apart.
        """
        places = self.places(values)
        notes = self.notes(values, sizes, at) or []
        singular = any(n.singular for n in notes)
        generator = random.Random(7)
        seen: set[Any] = set()
        kept: list[list[int]] = []
        idle = 0
        for direction in _directions(len(places), generator):
            idle += 1
            notes_there = self.notes(_moved(values, places, direction, CELL), sizes, at, values)
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
        vectors = [vector] if self.coupled else _units(len(places))
        if self.coupled and singular:
            vectors = []  # second derivatives grow without bound there, as those of a norm do

        def derive(direction: list[int], near: int) -> Derivatives:
            there = _moved(values, places, direction, near)
            return self.smooth(there, sizes, [at], vectors, values, CELL_STEP)[0]

        cells = [_snap(derive(d, CELL)) for d in kept]
        nearer = [_snap(derive(d, CELL + 40)) for d in kept[:2]] if singular else []
        return cells, nearer


def _differences(
    oracle: Oracle,
    values: Values,
    sizes: Mapping[str, int],
    wanted: Sequence[Position],
    vectors: Sequence[Sequence[Ball]],
    base: Values,
    step: int,
    bits: int,
    places: Sequence[Where],
    live: Sequence[int],
) -> list[Ball]:
    """Value, gradient, diagonal and products of every wanted entry, one after the other."""
    field = Field(bits)
    frozen = oracle.environment(base, sizes, bits) if oracle.freezes else None

    def at(move: Mapping[int, Ball]) -> list[Ball]:
        moved: dict[str, Any] = dict(values)
        for n, amount in move.items():
            name, position = places[n]
            entries = dict(moved[name])
            entries[position] = field.add(entries[position], balls.shifted(amount, -step))
            moved[name] = entries
        env = replace(oracle.environment(moved, sizes, bits), frozen=frozen)
        return [oracle.entry(env, position) for position in wanted]

    def slope(up: Ball, down: Ball) -> Ball:
        return balls.shifted(field.subtract(up, down), step - 1)

    def curvature(up: Ball, middle: Ball, down: Ball) -> Ball:
        twice = field.subtract(field.add(up, down), balls.shifted(middle, 1))
        return balls.shifted(twice, 2 * step)

    minus_one = balls.negate(balls.ONE)
    middle = at({})
    ups = {n: at({n: balls.ONE}) for n in live}
    downs = {n: at({n: minus_one}) for n in live}
    along = [{n: vector[n] for n in live} for vector in vectors]
    back = [{n: balls.negate(a) for n, a in move.items()} for move in along]
    single = len(places) == 1  # then a product is the second derivative times the vector
    ups_along = [at(move) for move in along] if not single else []
    downs_along = [at(move) for move in back] if not single else []

    def mixed(j: int, n: int) -> list[Ball]:
        if single:
            return [
                field.multiply(vectors[j][0], curvature(u, m, d))
                for u, m, d in zip(ups[n], middle, downs[n], strict=True)
            ]
        both = at({**along[j], n: field.add(along[j][n], balls.ONE)})
        neither = at({**back[j], n: field.subtract(back[j][n], balls.ONE)})
        return [
            balls.shifted(
                field.subtract(
                    curvature(both[k], middle[k], neither[k]),
                    field.add(
                        curvature(ups_along[j][k], middle[k], downs_along[j][k]),
                        curvature(ups[n][k], middle[k], downs[n][k]),
                    ),
                ),
                -1,
            )
            for k in range(len(wanted))
        ]

    products = [{n: mixed(j, n) for n in live} for j in range(len(vectors))]
    found: list[Ball] = []
    everywhere = range(len(places))
    for k in range(len(wanted)):
        found.append(middle[k])
        found += [slope(ups[n][k], downs[n][k]) if n in ups else balls.ZERO for n in everywhere]
        found += [
            curvature(ups[n][k], middle[k], downs[n][k]) if n in ups else balls.ZERO
            for n in everywhere
        ]
        for product in products:
            found += [product[n][k] if n in product else balls.ZERO for n in everywhere]
    return found


def _closeness(values: Values) -> int:
    """How many bits smaller than 1 the inputs, or the distances between them, get."""
    numbers = [
        b[0]
        for entries in values.values()
        for b in entries.values()
        if isinstance(b, tuple) and not balls.special(b[0])
    ]
    numbers.sort(key=lambda v: libmp.to_float(v))
    gaps = [libmp.mpf_sub(b, a) for a, b in zip(numbers, numbers[1:], strict=False)]
    sizes = [balls.magnitude(v) for v in (*numbers, *gaps) if v[1]]
    return max(0, -min(sizes, default=0))


def _moved(values: Values, places: Sequence[Where], direction: list[int], near: int) -> Values:
    """The point next to another one; components of a direction count 64ths."""
    field = Field(CAP)
    moved: dict[str, Any] = {name: dict(entries) for name, entries in values.items()}
    for (name, at), n in zip(places, direction, strict=True):
        if not balls.special(moved[name][at][0]):
            tiny = balls.shifted(balls.from_int(n), -6 - near)
            moved[name][at] = field.add(moved[name][at], tiny)
    return moved


def _directions(size: int, generator: random.Random) -> list[list[int]]:
    """Antipodal pairs of generic directions."""
    if size == 1:
        return [[64], [-64]]
    found = []
    for _ in range(DIRECTIONS // 2):
        direction = [generator.choice((-1, 1)) * generator.randint(17, 127) for _ in range(size)]
        found += [direction, [-n for n in direction]]
    return found


def _units(size: int) -> list[list[Ball]]:
    return [[balls.ONE if i == j else balls.ZERO for i in range(size)] for j in range(size)]


def _snapped(x: Any) -> Any:
    """What is left of a 0 at a distance of 2**-CELL from the point."""
    return MP.zero if abs(x) < MP.ldexp(1, -110) else x


def _snap(d: Derivatives) -> Derivatives:
    return Derivatives(
        d.value,
        [_snapped(x) for x in d.gradient],
        [_snapped(x) for x in d.diagonal],
        [[_snapped(x) for x in product] for product in d.products],
    )


def _close(a: Sequence[Any], b: Sequence[Any], bits: int) -> bool:
    size = max((abs(x) for x in (*a, *b)), default=MP.zero)
    return all(abs(x - y) <= MP.ldexp(size, -bits) for x, y in zip(a, b, strict=True))


def _distinct(vectors: list[list[Any]]) -> list[list[Any]]:
    kept: list[list[Any]] = []
    for vector in vectors:
        if not any(_close(vector, other, 60) for other in kept):
            kept.append(vector)
    return kept


def _stable(found: list[list[Any]], nearer: list[Derivatives], part: str = "gradient") -> bool:
    """Whether derivatives have a limit at a singular point."""
    if not all(MP.isfinite(x) for vector in found for x in vector):
        return False
    others = [getattr(d, part) for d in nearer]
    return all(any(_close(vector, other, 20) for vector in found) for other in others)


def _nearest_zero(numbers: list[Any]) -> Any:
    low, high = min(numbers), max(numbers)
    if low <= 0 <= high:
        return MP.zero
    return low if low > 0 else high


def _between(vectors: list[list[Any]]) -> tuple[list[Any], list[Any]]:
    """The smallest interval per entry around 0 and what the cells say; a point if they agree."""
    low, high = [], []
    for numbers in zip(*vectors, strict=True):
        a, b = min(numbers), max(numbers)
        agree = _close([a], [b], 60)
        low.append(a if agree else min(a, MP.zero))
        high.append(a if agree else max(b, MP.zero))
    return low, high


def _plain(d: Derivatives) -> Exact:
    return Exact(
        d.value, (d.gradient,), (d.diagonal, d.diagonal), (d.products[0], d.products[0])
    )
