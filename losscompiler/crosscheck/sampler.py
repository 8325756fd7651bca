"""Draws inputs for one loss, within domains and shapes, the same in every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.crosscheck import domains
from losscompiler.crosscheck.expected import LossOracle
from losscompiler.spec import Loss
from losscompiler.spec import expressions as ex
from losscompiler.spec.recurrence import Carry
from losscompiler.spec.roles import Role

POINTS = 24  # the length of every array of an elementwise loss: frameworks compile per shape
SIZES = {"batch": 3, "class": 3, "feature": 2}
STAR = (2, 2)

Draw = Callable[[Role, tuple[int, ...]], np.ndarray[Any, Any]]


@dataclass
class Sampler:
    """Draws inputs for one loss, the same in every run."""

    loss: Loss
    oracle: LossOracle
    generator: np.random.Generator
    sizes: dict[str, int]
    forced: frozenset[str]

    @property
    def axes(self) -> bool:
        """Whether the loss is not elementwise."""
        return any(role.axes for role in self.loss.roles.values())

    def shape(
        self, role: Role, lead: tuple[int, ...], star: tuple[int, ...] = STAR
    ) -> tuple[int, ...]:
        """The shape of an input behind some batch axes."""
        core: list[int] = []
        for axis in role.axes:
            core += star if axis.startswith("*") else (self.sizes[axis],)
        return (*lead, *core)

    def arrays(
        self,
        lead: tuple[int, ...],
        draw: Draw,
        *,
        star: tuple[int, ...] = STAR,
        absent: frozenset[str] = frozenset(),
    ) -> dict[str, np.ndarray[Any, Any]]:
        """All inputs but the absent ones: labels and masks at random, the rest as drawn."""
        found: dict[str, np.ndarray[Any, Any]] = {}
        for name, role in self.loss.inputs.items():
            if name in absent:
                continue
            shape = self.shape(role, lead, star)
            if role.kind == "label":
                size = self.sizes.get(role.label_axis or "", int(np.prod(star)))
                found[name] = np.asarray(self.generator.integers(0, max(size, 1), shape))
            elif role.kind == "mask":
                found[name] = np.asarray(self.generator.random(shape) < 0.6)
            else:  # a single number may be drawn as a scalar
                found[name] = np.asarray(self.sensible(role, draw(role, shape)))
        return found

    def sensible(self, role: Role, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Boxes get their second corner beyond the first; other arrays stay as they are."""
        last = role.axes[-1] if role.axes else ""
        if last in self.forced and array.shape[-1:] == (4,):
            array = np.array(array)
            array[..., 2:] = array[..., :2] + np.abs(array[..., 2:]) + 0.5
        return array

    def interior(self, role: Role, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """Draws well inside the domain."""
        return domains.interior(role.domain, self.generator, shape)

    def dyadic(self, role: Role, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """Draws multiples of 1/64."""
        return domains.dyadic(role.domain, self.generator, shape)

    def of(self, numbers: Callable[[sp.Set], list[float]]) -> Draw:
        """Draws among some numbers of the domain."""
        return lambda role, shape: np.asarray(self.generator.choice(numbers(role.domain), shape))

    def parameters(self, kind: str = "default") -> dict[str, Any]:
        """Defaults (rounded to float32), other interior values, or dyadic ones."""
        found: dict[str, Any] = {}
        for name, role in self.loss.params.items():
            shape = tuple(self.sizes[a.removeprefix("*")] for a in role.axes)
            assert role.default is not None, "parameters have defaults"
            default = float(domains.single(float(role.default)))
            if kind == "default" or isinstance(role.domain, sp.FiniteSet):
                found[name] = default
            elif kind == "interior":
                drawn = domains.interior(role.domain, self.generator, shape)
                found[name] = drawn if role.axes else float(drawn)
            else:
                near = [x for x in domains.grid(role.domain) if abs(x) > 0] or [default]
                found[name] = float(self.generator.choice(near))
            if role.learnable and role.axes:  # its gradient has an entry for each of its own
                found[name] = np.broadcast_to(found[name], shape).copy()
        return found

    def fewest(self) -> dict[str, Any]:
        """The parameters that no call may leave to their default: learnable ones over axes."""
        return {name: value for name, value in self.parameters().items() if np.ndim(value)}


def axis_sizes(loss: Loss) -> tuple[dict[str, int], frozenset[str]]:
    """A size for every axis; constant indices force one, shifted ones of inputs need room."""
    sizes = {axis: SIZES.get(axis, 3) for axis in loss.axis_order}
    constants: dict[str, int] = {}
    for e in (loss.expression, *loss.variants.values()):
        for element in e.atoms(ex.Element, ex.MaskElement):
            for axis, position in zip(element.tensor.axes, element.indices, strict=True):
                name = axis.removeprefix("*")
                if isinstance(position, sp.Integer):
                    constants[name] = max(constants.get(name, 0), int(position) + 1)
                elif ex.split_shift(position)[1] and not isinstance(element, Carry):
                    sizes[name] = max(sizes[name], 4)
        for at in e.atoms(ex.At):
            (name,) = (i.axis for i in at.indices)
            if isinstance(at.position, sp.Integer):
                constants[name] = max(constants.get(name, 0), int(at.position) + 1)
    for role in loss.inputs.values():
        if role.label_axis:
            sizes.setdefault(role.label_axis, 3)
    return {**sizes, **constants}, frozenset(constants)
