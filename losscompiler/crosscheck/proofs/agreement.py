"""Whether the pieces of a proof cover the domain, and are the formula where they hold.

Both are seen at random points of the loss itself: what the symbols of the pieces stand for is
computed from its inputs, and so is the part of the formula that the pieces are said to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.crosscheck.along_axes import free_indices
from losscompiler.crosscheck.proofs.decoding import decoded
from losscompiler.crosscheck.proofs.pieces import Theorem
from losscompiler.crosscheck.proofs.target import Entries, Target
from losscompiler.crosscheck.proofs.vectors import NoValueError, Points
from losscompiler.spec import expressions as ex
from losscompiler.spec.decorator import Loss

POINTS = 512
CLOSE, NOISE = 2.0**20, 1e-12
Array = Any


def disagreement(loss: Loss, argument: Mapping[str, Any], theorems: Sequence[Theorem]) -> str:
    """Where no piece holds, or one is not what the formula is; nothing if there is no such."""
    part = decoded(argument["part"], loss)
    meaning = {n: decoded(e, loss) for n, e in argument["symbols"].items()}
    sign = -1 if argument["kind"] == "concave" else 1
    generator = np.random.default_rng(7)
    for size, at in ((2, 0), (3, 1), (2, 1)):
        target = Target(loss, size)
        entries = target.draw(tuple(loss.roles), POINTS, generator, None)
        told = ""
        for dtype in (np.float64, np.longdouble):  # rounding errors are other ones in longer floats
            try:
                whole = sign * _values(target, entries, part, at, dtype)
                values = {n: _values(target, entries, e, at, dtype) for n, e in meaning.items()}
            except NoValueError:
                break  # a position outside its axis
            told = _compared(theorems, values, whole, CLOSE * float(np.finfo(dtype).eps))
            if not told:
                break
        if told:
            return told
    return ""


def same(loss: Loss, a: sp.Basic, b: sp.Basic) -> bool:
    """Whether two formulas of the inputs agree at random points."""
    generator = np.random.default_rng(11)
    for size in (2, 3):
        target = Target(loss, size)
        entries = target.draw(tuple(loss.roles), POINTS, generator, None)
        x, y = (_values(target, entries, e, 0) for e in (a, b))
        with np.errstate(all="ignore"):
            clear = np.isfinite(x) & np.isfinite(y)
            if (clear & (np.abs(x - y) > 1e-6 * (1 + np.abs(x) + np.abs(y)))).any():
                return False
    return True


def _values(
    target: Target, entries: Entries, e: sp.Basic, at: int, dtype: Any = np.float64
) -> Array:
    points = Points(target.sizes, entries, dtype=dtype)
    free = {*free_indices(e), *e.atoms(ex.Index)}
    return np.broadcast_to(np.asarray(points.value(e, free, at), dtype), POINTS)


def _compared(
    theorems: Sequence[Theorem], values: Mapping[str, Array], whole: Array, close: float
) -> str:
    covered = np.zeros(POINTS, bool)
    for theorem in theorems:
        chosen = np.ones(POINTS, bool)
        for name, value in theorem.chosen.items():
            chosen &= values[name] == float(value)
        inside = np.ones(POINTS, bool)
        for name, told in theorem.symbols.items():
            if name in values and name not in theorem.chosen:
                closed, open_ = _within(values[name], told)
                if (chosen & ~closed & np.isfinite(values[name])).any():
                    return f"{name} leaves the set that it is said to lie in"
                inside &= open_
        covered |= chosen & ~inside
        apart = {g for cell in theorem.cells for g, side in cell.sides if side == 0}
        for cell in theorem.cells:
            here = chosen & inside
            for guard, side in cell.sides:
                at, size = _number(guard, values)
                on = np.abs(at) <= NOISE * size
                beside = (at * side > 0) & ~on if guard in apart else (at * side > 0) | on
                here = here & (on if side == 0 else beside)
            covered |= here
            value, size = _number(cell.value, values)
            with np.errstate(all="ignore"):
                clear = here & np.isfinite(value) & np.isfinite(whole) & np.isfinite(size)
                wrong = clear & (np.abs(value - whole) > close * (1 + size + np.abs(whole)))
            if wrong.any():
                return f"the piece {cell.value} is not the formula at {_row(values, wrong)}"
    missed = ~covered & np.isfinite(whole)
    return f"no piece holds at {_row(values, missed)}" if missed.any() else ""


def _number(e: sp.Expr, values: Mapping[str, Array]) -> tuple[Array, Array]:
    """A formula of symbols, and the sizes of its terms."""
    entries: Entries = {(n, ()): x for n, x in values.items()}
    points = Points({}, entries, dtype=next(iter(values.values()), np.zeros(1)).dtype.type)
    terms = [np.broadcast_to(points.value(t), POINTS) for t in sp.Add.make_args(e)]
    with np.errstate(all="ignore"):
        return np.add.reduce(terms), np.add.reduce([np.abs(t) for t in terms])


def _within(x: Array, told: Mapping[str, Any]) -> tuple[Array, Array]:
    """Whether numbers lie in a set, its ends included; and its ends left out where it says so."""
    if "values" in told:
        found = np.isin(x, [float(sp.Rational(v)) for v in told["values"]])
        return found, found
    low, high = (float(sp.sympify(told[end])) for end in ("low", "high"))
    slack = 1e-9 * (1 + np.abs(x))
    closed = (x >= low - slack) & (x <= high + slack)
    inner = (x > low if told["open"][0] else x >= low) & (
        x < high if told["open"][1] else x <= high
    )
    return closed, inner


def _row(values: Mapping[str, Array], rows: Array) -> str:
    row = int(np.argmax(rows))
    return ", ".join(f"{n} = {float(x[row])}" for n, x in values.items())
