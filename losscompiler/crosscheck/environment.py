"""One evaluation of a formula: its inputs, its precision, and what its guards did.

`Environment.notes` collects the sign of every `Abs`, the winner of every maximum and the branch of
every condition that a differentiated input can change. A tie or a singular point is where
derivatives need care; equal notes mean one smooth cell.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from losscompiler.crosscheck.balls import Ball, Field

Position = tuple[int, ...]
Where = tuple[str, Position]  # a name, and where in its array
Values = Mapping[str, Mapping[Position, Any]]
Closure = Callable[["Environment"], Any]
Slots = tuple[tuple[int, str], ...]  # per index: its place in Environment.index, and its axis


class UnknownNode(Exception):
    """The formula contains something that this oracle cannot evaluate."""


class Note(NamedTuple):
    """What one guard did: which, at which indices, how it turned out (0: a tie), by how much."""

    guard: int
    where: Position
    token: int
    gap: Ball | None = None
    singular: bool = False


@dataclass
class Environment:
    """One evaluation: precision, inputs, sizes of axes, and values of indices.

    `values` maps a name to its entries: balls, integers for labels, truth values for masks.
    `frozen` is where stop_gradient looks instead.
    """

    field: Field
    values: Values
    sizes: Mapping[str, int]
    index: list[int]
    notes: list[Note] | None = None
    frozen: Environment | None = None
    memo: dict[Any, Any] = dataclasses.field(default_factory=dict)

    def note(
        self, guard: int, token: int, gap: Ball | None = None, *, singular: bool = False
    ) -> None:
        """Records a guard, if anybody wants to know."""
        if self.notes is not None:
            self.notes.append(Note(guard, tuple(self.index), token, gap, singular))

    def each(self, slots: Slots) -> Iterator[None]:
        """Runs through all values of some indices, then puts back the former ones."""
        before = [self.index[slot] for slot, _ in slots]
        for position in itertools.product(*(range(self.sizes[axis]) for _, axis in slots)):
            for (slot, _), value in zip(slots, position, strict=True):
                self.index[slot] = value
            yield
        for (slot, _), value in zip(slots, before, strict=True):
            self.index[slot] = value


def at_entry(environment: Environment, entry: Mapping[int, int]) -> Environment:
    """The same evaluation at given values of the free indices; results are shared."""
    index = list(environment.index)
    for slot, value in entry.items():
        index[slot] = value
    return replace(environment, index=index)
