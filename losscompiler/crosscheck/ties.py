"""Finds inputs at which one guard of a formula ties exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.case import Case
from losscompiler.crosscheck.domains import has
from losscompiler.crosscheck.environment import Note, Position
from losscompiler.crosscheck.expected import LossOracle, entries_of
from losscompiler.crosscheck.layout import Layout, layout

Guard = tuple[int, Position]
_STEP = 0.25
_ENOUGH = 2  # tied inputs per guard


def guards(oracle: LossOracle, case: Case) -> dict[Guard, Note]:
    """What every guard does at the first sample of a call, over all its loss entries."""
    laid = layout(oracle.loss, case)
    return _guards(oracle, laid, next(laid.samples())[1])


def _guards(oracle: LossOracle, laid: Layout, sample: Mapping[str, Any]) -> dict[Guard, Note]:
    found: dict[Guard, Note] = {}
    values, formula = entries_of(laid, sample), oracle.oracle(laid.absent)
    for at in np.ndindex(*laid.core):
        for note in formula.notes(values, laid.sizes, at) or []:
            found.setdefault((note.guard, note.where), note)
    return found


def tied(notes: Mapping[Guard, Note]) -> set[Guard]:
    """The guards that tie."""
    return {key for key, note in notes.items() if note.token == 0}


def solved(oracle: LossOracle, case: Case) -> Iterator[Case]:
    """Moves single entries of a call of one sample so that one guard after the other ties.

    Only guards that are linear in some input can be met exactly; the gap is measured at three
    points to find out. At most two results come for each guard of the formula.
    """
    notes = guards(oracle, case)
    done: dict[int, int] = {}
    for key, note in notes.items():
        if note.gap is None or note.token == 0 or done.get(key[0], 0) >= _ENOUGH:
            continue
        found = _meet(oracle, case, key)
        if found is not None:
            done[key[0]] = done.get(key[0], 0) + 1
            yield found


def _meet(oracle: LossOracle, case: Case, key: Guard) -> Case | None:
    for name in oracle.loss.differentiated:
        if name not in case.arrays:
            continue
        for at in np.ndindex(*case.arrays[name].shape):
            start = float(case.arrays[name][at])
            gaps = [
                _gap(guards(oracle, _set(case, name, at, start + n * _STEP)).get(key))
                for n in range(3)
            ]
            root = _root(start, gaps)
            if root is None or not has(oracle.loss.roles[name].domain, root):
                continue
            there = _set(case, name, at, root)
            if tied(guards(oracle, there)) == {key}:
                return there
    return None


def _root(start: float, gaps: list[Fraction | None]) -> float | None:
    a, b, c = gaps
    if a is None or b is None or c is None or b - a != c - b or a == b:
        return None
    root = Fraction(start) - a * Fraction(_STEP) / (b - a)
    rounded = float(np.float32(float(root)))
    return rounded if Fraction(rounded) == root and abs(rounded) < 100 else None


def _gap(note: Note | None) -> Fraction | None:
    if note is None or note.gap is None or note.gap[1] is not None or balls.special(note.gap[0]):
        return None
    sign, man, exp, _ = note.gap[0]
    size = Fraction(int(man)) * Fraction(2) ** int(exp)
    return -size if sign else size


def _set(case: Case, name: str, at: Position, x: float) -> Case:
    array = np.array(case.arrays[name])
    array[at] = x
    return replace(case, arrays={**case.arrays, name: array})
