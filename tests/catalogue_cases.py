"""Inputs for every loss of the catalogue, from the roles, domains and axes of its inputs alone.

Points are interior and in general position (no ties, off every kink), the same in every run.
Framework-free: inputs are NumPy arrays, floats in float64, labels in int64, masks in bool.
"""

from __future__ import annotations

import importlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.spec import stop_gradient
from losscompiler.spec.loader import load_file

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"batch": 4, "coordinate": 4, "list": 5}  # of core axes; the others have 3 entries
SPATIAL = (2, 3)  # what a starred axis stands for
LEAD = (3,)  # the batch axes
ELEMENTS = (8,)  # the batch axes where there are no others: enough to hit every branch

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """One loss with inputs and parameters.

    Attributes:
        name: The loss; also its function in every generated package.
        family: The generated module that it is in.
        facts: The loss's entry in the manifest.
        inputs: All array inputs in spec order, optional ones too.
        params: A value for each parameter; not the default where another is as sensible.
        lead: The batch axes.
    """

    name: str
    family: str
    facts: Mapping[str, Any]
    inputs: Mapping[str, Array]
    params: Mapping[str, float]
    lead: tuple[int, ...]

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The inputs in spec order: the positional arguments of the loss."""
        return tuple(self.inputs.values())

    @property
    def predictions(self) -> tuple[str, ...]:
        """The names of the differentiated array inputs, in spec order."""
        return self.names("prediction")

    @property
    def learnable(self) -> tuple[str, ...]:
        """The names of the differentiated parameters, which follow the predictions."""
        return tuple(p["name"] for p in self.facts["params"] if p["learnable"])

    @property
    def positions(self) -> tuple[int, ...]:
        """The positions of the predictions among the positional arguments."""
        return tuple(k for k, name in enumerate(self.inputs) if name in self.predictions)

    @property
    def starred(self) -> bool:
        """Whether the loss takes `batch_axes`."""
        return any(axis.startswith("*") for i in self.facts["inputs"] for axis in i["axes"])

    def sizes(self) -> dict[str, int]:
        """The number of entries of each core axis, but for the starred ones."""
        own: dict[str, int] = {}
        for given in self.facts["inputs"]:
            plain = [axis for axis in given["axes"] if not axis.startswith("*")]
            own |= zip(plain, self.inputs[given["name"]].shape[len(self.lead) :], strict=False)
        return own

    def names(self, role: str) -> tuple[str, ...]:
        """The names of the inputs with a role: prediction, target, label or mask."""
        return tuple(i["name"] for i in self.facts["inputs"] if i["role"] == role)

    def vectors(self, seed: int = 1) -> tuple[Array, ...]:
        """Tangents: an array of the shape of each prediction."""
        generator = np.random.default_rng(seed)
        shapes = [self.inputs[name].shape for name in self.predictions]
        return tuple(np.asarray(generator.standard_normal(shape)) for shape in shapes)

    def cast(self, dtype: Any) -> tuple[Array, ...]:
        """The inputs in spec order, floating-point ones in another dtype."""
        return tuple(x.astype(dtype) if x.dtype.kind == "f" else x for x in self.arrays)

    def module(self, package: ModuleType) -> ModuleType:
        """The loss's module in a generated package, such as `generated.torch`."""
        # An attribute of that name may be a loss.
        return importlib.import_module(f"{package.__name__}.{self.family}")


@cache
def facts() -> dict[str, dict[str, Any]]:
    """The manifest's entry of every loss that has been built."""
    manifest = json.loads((ROOT / "generated" / "losses.json").read_text(encoding="utf-8"))
    return {loss["name"]: loss for loss in manifest["losses"]}


def names() -> tuple[str, ...]:
    """Every loss of the catalogue."""
    return tuple(facts())


def case(
    name: str,
    lead: tuple[int, ...] | None = None,
    sizes: tuple[tuple[str, int], ...] = (),
    spatial: tuple[int, ...] = SPATIAL,
) -> Case:
    """Inputs for one loss.

    Args:
        name: The loss.
        lead: The batch axes; exactly one for losses with a starred axis. None: a few entries.
        sizes: Pairs of a core axis and how many entries it has, instead of those of `SIZES`.
        spatial: The axes that a starred axis stands for.
    """
    loss = facts()[name]
    if lead is None:
        lead = LEAD if any(given["axes"] for given in loss["inputs"]) else ELEMENTS
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    lengths = {**SIZES, **dict(sizes)}
    inputs = {}
    for given in loss["inputs"]:
        core: tuple[int, ...] = ()
        for axis in given["axes"]:
            core += spatial if axis.startswith("*") else (lengths.get(axis, 3),)
        shape = (*lead, *core)
        if given["role"] == "label":
            inputs[given["name"]] = _labels(generator, given, shape, lengths)
        elif given["role"] == "mask":
            inputs[given["name"]] = _mask(generator, shape)
        elif given["axes"] == ["coordinate"]:
            inputs[given["name"]] = _boxes(generator, shape)
        else:
            inputs[given["name"]] = inside(given["domain"], generator, shape)
    params = {p["name"]: _parameter(p) for p in loss["params"]}
    return Case(name, _family(loss), loss, inputs, params, lead)


def inside(domain: str, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers of a domain, well inside of it."""
    area = _set(domain)
    if isinstance(area, sp.FiniteSet):
        return generator.choice([float(x) for x in sorted(area)], shape)
    if area.is_subset(sp.S.Integers):  # small ones: counts, lengths, and classes that recur
        least = int(area.inf) if area.inf.is_finite else 0
        return generator.integers(least, least + 4, shape).astype(float)
    low, high = float(area.inf), float(area.sup)
    if np.isfinite(low) and np.isfinite(high):
        return low + (high - low) * generator.uniform(0.1, 0.9, shape)
    if np.isfinite(low) or np.isfinite(high):
        away = generator.uniform(0.5, 2.0, shape)
        return low + away if np.isfinite(low) else high - away
    return generator.standard_normal(shape)


@cache
def stops_gradients() -> frozenset[str]:
    """Losses part of which counts as a constant: their gradient is not that of their value."""
    paths = {Path(loss["path"]) for loss in facts().values()}
    return frozenset(
        loss.name
        for path in sorted(paths)
        if "stop_gradient" in (ROOT / path).read_text(encoding="utf-8")
        for loss in load_file(ROOT / path, ROOT / "specs").losses
        if loss.expression.has(stop_gradient)
    )


def _family(loss: Mapping[str, Any]) -> str:
    return Path(loss["path"]).stem


@cache
def _set(domain: str) -> sp.Set:
    found = sp.sympify(domain)
    return found if isinstance(found, sp.Set) else sp.FiniteSet(*found)


def _parameter(param: Mapping[str, Any]) -> float:
    """A quarter more than the default, or a quarter if that is 0; the default if all else fails."""
    default = float(sp.Rational(param["default"]))
    wanted = 1.25 * default or 0.25
    allowed = sp.Float(wanted) in _set(param["domain"])
    return wanted if allowed else default


def _labels(
    generator: np.random.Generator,
    given: Mapping[str, Any],
    shape: tuple[int, ...],
    lengths: Mapping[str, int],
) -> Array:
    """Labels in range. One that points along an axis of its own never points at itself."""
    axis = given["label_axis"]
    count = lengths.get(axis, 3)
    if axis not in given["axes"]:
        return generator.integers(0, count, shape)
    along = len(shape) - len(given["axes"]) + given["axes"].index(axis)
    own = np.arange(count).reshape(-1, *(1,) * (len(shape) - along - 1))
    step = generator.integers(1, max(count, 2), shape)
    return (own + step) % max(count, 1)


def _mask(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Mostly true, and true at the start of each row."""
    mask: Array = generator.random(shape) < 0.7
    mask[..., :1] = True
    return mask


def _boxes(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Boxes of which most overlap: corners around the origin, sides of about 2."""
    first = generator.uniform(-1.5, -0.5, (*shape[:-1], 2))
    second = generator.uniform(0.5, 1.5, (*shape[:-1], 2))
    return np.concatenate([first, second], axis=-1)
