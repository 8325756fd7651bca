"""A loss over small axes: its entries as numbers, drawn at random or chosen exactly."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.analysis.exact import EXACT
from losscompiler.analysis.probe import draw
from losscompiler.analysis.sampled import SAMPLES
from losscompiler.analysis.walk import Walk
from losscompiler.spec.decorator import Loss
from losscompiler.spec.expressions import Element, MaskElement, Size
from losscompiler.spec.tensors import Index

Slot = tuple[str, tuple[int, ...]]
Values = Mapping[Slot, Any]


@dataclass(frozen=True, eq=False)
class Instance:
    """A loss with a size for each of its axes; `formula` is its value at the first entries."""

    loss: Loss
    formula: sp.Expr
    sizes: tuple[tuple[str, int], ...]

    @cached_property
    def axis_sizes(self) -> dict[str, int]:
        """The size of each axis."""
        return dict(self.sizes)

    @cached_property
    def slots(self) -> dict[str, list[Slot]]:
        """The entries of each input and parameter."""
        found = {}
        for name, role in self.loss.roles.items():
            ranges = (range(self.axis_sizes[a.removeprefix("*")]) for a in role.axes)
            found[name] = [(name, at) for at in itertools.product(*ranges)]
        return found

    def moving(self, wrt: tuple[str, ...]) -> list[Slot]:
        """The entries of some inputs."""
        return [slot for name in wrt for slot in self.slots[name]]

    def evaluate(self, values: Values, *, exactly: bool = False) -> Any:
        """The value of the loss, at sample points or at a rational point."""
        first = {i: 0 for i in self.loss.free_indices}
        walk = Walk(EXACT if exactly else SAMPLES, self.axis_sizes, values, index=first)
        if exactly:
            return walk(self.formula)
        with np.errstate(all="ignore"):
            return walk(self.formula)

    def fixed(self, generator: np.random.Generator, count: int, wrt: tuple[str, ...]) -> Values:
        """Random values for all but some inputs; labels and masks are the same throughout."""
        found: dict[Slot, Any] = {}
        for name, role in self.loss.roles.items():
            if name in wrt:
                continue
            for slot in self.slots[name]:
                if role.kind == "mask":
                    found[slot] = bool(generator.random() < 0.6)
                elif role.kind == "label":
                    found[slot] = int(generator.integers(self.axis_sizes[str(role.label_axis)]))
                else:
                    found[slot] = draw(role.domain, count, generator)
            if role.default is not None and role.default.is_Rational:
                keep = generator.random(count) < 0.3
                exact = float(role.default)
                for slot in self.slots[name]:
                    found[slot] = np.where(keep, exact, found[slot])
        return found


def axes_of(loss: Loss) -> list[str]:
    """The axes whose sizes an evaluation needs."""
    found = {a.removeprefix("*") for r in loss.roles.values() for a in r.axes}
    found |= {r.label_axis for r in loss.roles.values() if r.label_axis}
    found |= {i.axis for i in loss.expression.atoms(Index)}
    found |= {s.axis for s in loss.expression.atoms(Size)}
    return sorted(found)


def instance(loss: Loss, size: int) -> Instance:
    """A loss over axes of one size; larger where the formula names later positions."""
    sizes = dict.fromkeys(axes_of(loss), size)
    for entry in loss.expression.atoms(Element, MaskElement):
        for axis, position in zip(entry.tensor.axes, entry.indices, strict=False):
            name = axis.removeprefix("*")
            if position.is_Integer and name in sizes:
                sizes[name] = max(sizes[name], int(position) + 1)
    return Instance(loss, loss.expression, tuple(sizes.items()))
