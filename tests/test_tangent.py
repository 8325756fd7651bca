"""Second derivatives of the whole catalogue against the dense Hessian, column by column.

The columns come from Hessian-vector products with unit vectors, and these from differences of the
gradient: three programs of the compiler that share none of the rules that could be wrong in one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from losscompiler.selection import find_specs
from losscompiler.spec import Loss
from losscompiler.spec.loader import load_file
from tests.catalogue_cases import Case, case, stops_gradients
from tests.compiled import emitted
from tests.representatives import representatives

SPECS = Path(__file__).resolve().parents[1] / "specs"
STEP = 2e-6


def catalogue() -> dict[str, Loss]:
    files = find_specs(SPECS)
    return {made.name: made for f in files for made in load_file(f, SPECS).losses}


LOSSES = catalogue()
NAMES = representatives()
TRUE_GRADIENTS = [name for name in NAMES if name not in stops_gradients()]


class Derivatives:
    """The emitted functions of a loss at one point, on all differentiated arrays as one vector."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.case: Case = case(name, spatial=(4,))
        self.module = emitted(LOSSES[name])
        self.shapes = [self.case.inputs[n].shape for n in self.case.predictions]
        self.shapes += [np.shape(self.case.params[n]) for n in self.case.learnable]
        self.at = self.joined([self.case.inputs[n] for n in self.case.predictions] + [
            self.case.params[n] for n in self.case.learnable
        ])  # fmt: skip

    def joined(self, parts: Any) -> Any:
        """Arrays of the differentiated inputs as one vector."""
        parts = parts if isinstance(parts, list | tuple) else [parts]
        broadcast = [np.broadcast_to(p, s) for p, s in zip(parts, self.shapes, strict=True)]
        return np.concatenate([np.ravel(p) for p in broadcast]).astype(np.float64)

    def parts(self, vector: Any) -> list[Any]:
        """The vector as arrays of the differentiated inputs."""
        ends = np.cumsum([int(np.prod(s)) for s in self.shapes])[:-1]
        return [np.reshape(p, s) for p, s in zip(np.split(vector, ends), self.shapes, strict=True)]

    def call(self, kind: str, at: Any, **options: Any) -> Any:
        """One of the functions, of the loss's sum."""
        given = dict(zip([*self.case.predictions, *self.case.learnable], self.parts(at),
                         strict=True))  # fmt: skip
        arrays = [given.get(n, a) for n, a in self.case.inputs.items()]
        params = {n: given.get(n, p) for n, p in self.case.params.items()}
        function = self.module[f"{self.name}{kind}"]
        return function(*arrays, **params, reduction="sum", **options)

    def gradient(self, vector: Any) -> Any:
        return self.joined(self.call("_value_and_grad", vector)[1])

    def hvp(self, direction: Any) -> Any:
        parts = self.parts(direction)
        given = parts[0] if len(parts) == 1 else tuple(parts)
        return self.joined(self.call("_hvp", self.at, vector=given))

    def hessian(self) -> Any:
        """Dense: one Hessian-vector product per entry."""
        return np.stack([self.hvp(e) for e in np.eye(self.at.size)], axis=1)


@cache
def derivatives(name: str) -> Derivatives:
    return Derivatives(name)


@cache
def hessian(name: str) -> Any:
    return derivatives(name).hessian()


def scale(matrix: Any) -> float:
    return 1 + float(np.max(np.abs(matrix)))


@pytest.mark.parametrize("name", TRUE_GRADIENTS)
def test_the_gradient_is_the_slope_of_the_value(name: str) -> None:
    found = derivatives(name)
    expected = [
        (found.call("", found.at + STEP * e) - found.call("", found.at - STEP * e)) / (2 * STEP)
        for e in np.eye(found.at.size)
    ]
    gradient = found.gradient(found.at)
    np.testing.assert_allclose(gradient, expected, atol=3e-8 * scale(gradient))


@pytest.mark.parametrize("name", TRUE_GRADIENTS)
def test_columns_of_the_hessian_are_differences_of_gradients(name: str) -> None:
    found = derivatives(name)
    matrix = hessian(name)
    for column, e in zip(matrix.T, np.eye(found.at.size), strict=True):
        ends = found.gradient(found.at + STEP * e), found.gradient(found.at - STEP * e)
        expected = (ends[0] - ends[1]) / (2 * STEP)
        np.testing.assert_allclose(column, expected, atol=3e-8 * scale(matrix))


@pytest.mark.parametrize("name", NAMES)
def test_the_hessian_is_symmetric(name: str) -> None:
    matrix = hessian(name)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-13 * scale(matrix))


@pytest.mark.parametrize("name", NAMES)
def test_the_diagonal_is_that_of_the_dense_hessian(name: str) -> None:
    found = derivatives(name)
    diagonal = found.joined(found.call("_hessian_diagonal", found.at))
    matrix = hessian(name)
    np.testing.assert_allclose(diagonal, np.diagonal(matrix), atol=1e-13 * scale(matrix))


@pytest.mark.parametrize("name", NAMES)
def test_the_hessian_is_applied_to_every_vector(name: str) -> None:
    found = derivatives(name)
    direction = np.random.default_rng(3).normal(size=found.at.size)
    matrix = hessian(name)
    np.testing.assert_allclose(found.hvp(direction), matrix @ direction, atol=1e-12 * scale(matrix))


@pytest.mark.parametrize("name", NAMES)
def test_tangents_are_the_gradient_read_forwards(name: str) -> None:
    found = derivatives(name)
    direction = np.random.default_rng(5).normal(size=found.at.size)
    (definition,) = (d for d in found.module.values() if type(d).__name__ == "Definition")
    sizes = found.case.sizes()
    axes = [[sizes[axis] for axis in p["axes"]] for p in found.case.facts["params"]]
    given = zip(found.case.params.values(), axes, strict=True)
    params = [np.broadcast_to(p, shape) for p, shape in given]
    along = definition.kernels[()].jvp(*found.case.arrays, *params, *found.parts(direction))
    unreduced = found.module[name](*found.case.arrays, **found.case.params, reduction="none")
    expected = float(found.gradient(found.at) @ direction)
    total = float(np.sum(np.broadcast_to(along, unreduced.shape)))
    np.testing.assert_allclose(total, expected, atol=1e-12 * scale(found.gradient(found.at)))
