"""Windows over an axis: values at the border, derivatives, and Hessians without matrices."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from losscompiler.spec import Param, Prediction, Sum, Target, correlate, index
from tests.backends import Backend
from tests.compiled import emitted, gradient, hessian_diagonal, hvp, value
from tests.hessians import checked
from tests.spec_helpers import code, declare

functional: Any = torch.autograd.functional  # has no types
LIST, IMAGE = Prediction("class"), Prediction("row", "column")
k = index("class", "k")
i, j = index("row", "i"), index("column", "j")
RANDOM = np.random.default_rng(2)


def blurred(e: Any) -> Any:
    return correlate(correlate(e, i, [1, 2, 1]), j, [1, 3])


def convolved(x: torch.Tensor) -> torch.Tensor:
    window = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 3])).double()
    return F.conv2d(F.pad(x[None, None], (1, 0, 1, 1)), window[None, None])[0, 0]


# ---- values -----------------------------------------------------------------------------------


def test_neighbours_are_weighed_and_nothing_lies_outside() -> None:
    made = declare(lambda x: correlate(x[k], k, [100, 10, 1]), x=LIST)
    np.testing.assert_array_equal(value(made, {"x": [1.0, 2.0, 3.0]}), [12, 123, 230])
    even = declare(lambda x: correlate(x[k], k, [10, 1]), x=LIST)
    np.testing.assert_array_equal(value(even, {"x": [1.0, 2.0, 3.0]}), [1, 12, 23])
    one = declare(lambda x: correlate(x[k], k, [5]), x=LIST)
    np.testing.assert_array_equal(value(one, {"x": [1.0, 2.0]}), [5, 10])


def test_a_window_of_a_constant_counts_the_taps_inside() -> None:
    made = declare(lambda x: correlate(2, k, [1, 10, 100]) + 0 * x[k], x=LIST)
    np.testing.assert_array_equal(value(made, {"x": [0.0, 0.0, 0.0]}), [220, 222, 22])


def test_windows_are_not_functions_of_places() -> None:
    assert code(lambda x: Sum(correlate(x[k], k, [k, 1]), k), x=LIST) == "LC114"
    assert code(lambda x: Sum(correlate(x[k], k, []), k), x=LIST) == "LC114"


# ---- derivatives ------------------------------------------------------------------------------


def test_derivatives_of_a_window_over_two_axes() -> None:
    made = declare(
        lambda x, y: Sum(blurred(x[i, j] ** 2) * blurred(x[i, j] * y[i, j])
                         + blurred(x[i, j]) ** 3, i, j),
        x=IMAGE, y=Target("row", "column"),
    )  # fmt: skip
    arrays = {"x": RANDOM.normal(size=(4, 5)), "y": RANDOM.normal(size=(4, 5))}

    def formula(x: Any, y: Any) -> Any:
        return convolved(x**2) * convolved(x * y) + convolved(x) ** 3

    checked(made, formula, arrays)


def test_a_window_whose_taps_are_learned() -> None:
    made = declare(
        lambda x, a: Sum(correlate(x[k] ** 2, k, [a, 1, a**2]) ** 2, k),
        x=LIST, a=Param(0.5, learnable=True),
    )  # fmt: skip
    start = RANDOM.normal(size=5)

    def total(x: Any, a: Any) -> Any:
        s = F.pad(x**2, (1, 1))
        return ((a * s[:-2] + s[1:-1] + a**2 * s[2:]) ** 2).sum()

    point = (torch.tensor(start), torch.tensor(0.5).double())
    slopes = functional.jacobian(total, point)
    hessian = functional.hessian(total, point)
    arrays = {"x": start, "a": np.array(0.5)}
    for found, slope in zip(gradient(made, arrays), slopes, strict=True):
        np.testing.assert_allclose(found, slope, rtol=1e-12)
    along = (np.ones(5), np.array(2.0))
    for n, found in enumerate(hvp(made, arrays, along)):
        expected = hessian[n][0] @ torch.ones(5).double() + 2 * hessian[n][1]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    of_x, of_a = hessian_diagonal(made, arrays)
    np.testing.assert_allclose(of_x, hessian[0][0].diagonal(), rtol=1e-12)
    np.testing.assert_allclose(of_a, hessian[1][1], rtol=1e-12)


def test_the_hessian_diagonal_of_a_large_image_needs_no_matrix() -> None:
    made = declare(lambda x: Sum(blurred(x[i, j]) ** 2, i, j), x=IMAGE)
    found = hessian_diagonal(made, {"x": RANDOM.normal(size=(300, 200))})
    np.testing.assert_allclose(found[1:-1, 1:-1], 2 * (1 + 4 + 1) * (1 + 9))


@pytest.mark.parametrize("shape", [(1, 1), (0, 3), (2, 0)])
def test_short_axes(shape: tuple[int, int]) -> None:
    made = declare(lambda x: Sum(blurred(x[i, j]) ** 2, i, j), x=IMAGE)
    functions, x = emitted(made), np.ones(shape)
    centre = 6.0 * np.prod(shape)
    assert functions["some"](x, reduction="none") == centre**2
    _, slope = functions["some_value_and_grad"](x, reduction="none")
    np.testing.assert_array_equal(slope, np.full(shape, 72.0))


# ---- run-time functions -----------------------------------------------------------------------


@pytest.mark.parametrize("first", [-4, -2, -1, 0, 3])
def test_functions_of_every_backend(backend: Backend, first: int) -> None:
    along = importlib.import_module(f"losscompiler.backends.{backend.name}.runtime._along")
    x, taps = RANDOM.normal(size=(2, 5, 3)).astype(np.float32), (0.5, -1.0, 2.0)
    for axis in (-1, -2, -3):
        found = backend.numpy(along.correlate(backend.array(x), taps, axis, first))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, correlated(x, taps, axis, first), rtol=1e-5, atol=1e-6)


def correlated(x: np.ndarray, taps: Any, axis: int, first: int) -> np.ndarray:
    moved = np.moveaxis(x, axis, 0)
    result = np.zeros_like(moved)
    for place in range(len(moved)):
        for n, tap in enumerate(taps):
            there = place + first + n
            if 0 <= there < len(moved):
                result[place] += tap * moved[there]
    return np.moveaxis(result, 0, axis)
