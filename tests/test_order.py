"""Sort and rank: values, derivatives and ties, against PyTorch's sort and by hand."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

from losscompiler.diagnostics import SpecError
from losscompiler.passes import compile_loss
from losscompiler.spec import (
    Label,
    Max,
    Prediction,
    Sum,
    Target,
    cumsum,
    index,
    indicator,
    log,
    loss,
    rank,
    size,
    sort,
    stop_gradient,
    where,
)
from tests.backends import Backend
from tests.compiled import emitted, gradient, hessian_diagonal, hvp, value
from tests.hessians import checked
from tests.spec_helpers import code, declare

LIST, ROWS = Prediction("class"), Prediction("batch", "class")
i, k = index("batch", "i"), index("class", "k")
RANDOM = np.random.default_rng(5)


# ---- the language -----------------------------------------------------------------------------


@loss
def order_statistics(x: Any = Prediction("class"), w: Any = Target("class")) -> Any:
    return Sum(w[k] * sort(x[k], k) ** 3, k)


def test_sort_and_rank_keep_their_axis() -> None:
    made = declare(lambda x: sort(x[k], k) + rank(x[k], k), x=LIST)
    assert [n.axis for n in made.free_indices] == ["class"]
    found = value(made, {"x": [3.0, 1.0, 2.0, 1.0]})
    np.testing.assert_array_equal(found, [1 + 3, 1 + 0, 2 + 2, 3 + 1])


def test_keys_and_direction() -> None:
    x, key = [1.0, 2.0, 3.0, 4.0], [0.5, 2.0, 0.5, 1.0]
    by = declare(lambda x, y: sort(x[k], k, by=y[k]), x=LIST, y=Target("class"))
    falling = declare(
        lambda x, y: sort(x[k], k, by=y[k], descending=True), x=LIST, y=Target("class")
    )
    np.testing.assert_array_equal(value(by, {"x": x, "y": key}), [1, 3, 4, 2])
    np.testing.assert_array_equal(value(falling, {"x": x, "y": key}), [2, 4, 1, 3])


def test_an_expression_of_the_index_is_sorted_and_a_constant_is_not() -> None:
    made = declare(lambda x: sort(x[k] * k, k) + sort(k, k, by=-k) + rank(3, k), x=LIST)
    found = value(made, {"x": [5.0, -1.0, 2.0]})
    np.testing.assert_array_equal(found, [-1 + 2 + 0, 0 + 1 + 1, 4 + 0 + 2])


def test_a_sorted_axis_is_looked_at_in_one_place() -> None:
    @loss
    def first_and_next(x: Any = Prediction("class"), y: Any = Label("class")) -> Any:
        later = where(k + 1 < size(k), x[k + 1], 0)
        return x[0] + 10 * x[y] + 100 * Sum(later, k)

    made = declare(lambda x, y: first_and_next(sort(x[k] ** 2, k), y), x=LIST, y=Label("class"))
    x, functions = np.array([3.0, -1.0, 2.0]), emitted(made)
    found, slope = functions["some_value_and_grad"](x, np.array(2), reduction="sum")
    assert found == 1 + 10 * 9 + 100 * (4 + 9)
    np.testing.assert_allclose(slope, [6 * 110, -2 * 1, 4 * 100])
    rows = declare(
        lambda x, y: first_and_next(sort(rank(x[i, k], k) * x[i, k], k), y[i]),
        x=ROWS,
        y=Label("class", "batch"),
    )
    x = np.array([[3.0, -1.0, 2.0], [1.0, 0.0, 5.0]])
    found = emitted(rows)["some"](x, np.array([0, 1]), reduction="none")
    np.testing.assert_array_equal(found, [0 + 0 + 800, 0 + 10 + 1100])


def test_a_shift_of_a_sorted_axis_needs_a_guard() -> None:
    @loss
    def steps(x: Any = Prediction("class")) -> Any:
        return Sum(where(k + 1 < 9, x[k + 1], 0), k)

    made = declare(lambda x: steps(sort(x[k], k)), x=LIST)
    with pytest.raises(SpecError, match="outside the axis"):
        compile_loss(made)


def test_what_is_not_an_index_is_refused() -> None:
    assert code(lambda x: Sum(sort(x[k], 3), k), x=LIST) == "LC114"
    assert code(lambda x: Sum(rank(x[k] > 0, k), k), x=LIST) == "LC112"


# ---- derivatives ------------------------------------------------------------------------------


def test_derivatives_of_order_statistics() -> None:
    arrays = {"x": RANDOM.normal(size=(2, 5)), "w": RANDOM.normal(size=(2, 5))}
    checked(order_statistics, lambda x, w: w * x.sort().values ** 3, arrays)


def test_derivatives_of_sorted_rows_and_columns() -> None:
    made = declare(
        lambda x, y: Sum((sort(x[i, k] ** 2, k) - sort(y[i, k], i)) ** 2 * x[i, k], k),
        x=ROWS,
        y=Target("batch", "class"),
    )
    arrays = {"x": RANDOM.normal(size=(3, 4)), "y": RANDOM.normal(size=(3, 4))}

    def formula(x: Any, y: Any) -> Any:
        return ((x**2).sort(-1).values - y.sort(0).values) ** 2 * x

    checked(made, formula, arrays)


def test_an_order_by_keys_is_constant_to_derivatives() -> None:
    made = declare(
        lambda x: Sum((k + 1) * sort(x[k] ** 2, k, by=x[k], descending=True) ** 2, k), x=LIST
    )
    arrays = {"x": np.array([1.0, -2.0, 3.0, 0.5])}

    def formula(x: Any) -> Any:
        order = torch.argsort(x, descending=True)
        return torch.arange(1, 5) * (x**2)[order] ** 2

    checked(made, formula, arrays)


def test_ranks_are_constant_to_derivatives() -> None:
    made = declare(lambda x: Sum(x[k] ** 2 / log(2 + rank(-x[k], k)), k), x=LIST)

    def formula(x: Any) -> Any:
        return x**2 / torch.log(torch.argsort(torch.argsort(-x)).double() + 2)

    checked(made, formula, {"x": RANDOM.normal(size=7)})


def test_second_derivatives_through_an_order_and_past_it() -> None:
    """Some terms of the diagonal belong to a rank, others to a position."""

    def projected(x: Any, w: Any) -> Any:
        c, ordered = index("class", "c"), sort(x[k], k, descending=True)
        inside = 1 + (k + 1) * ordered > cumsum(ordered, k)
        threshold = (Sum(where(inside, ordered, 0), k) - 1) / Sum(indicator(inside), k)
        return Sum(w[c] * Max(x[c] - threshold, 0) ** 2, c)

    made = declare(projected, x=LIST, w=Target("class"))
    arrays = {"x": np.array([1.0, 0.3, 0.5, -1.0]), "w": np.array([1.0, 2.0, 3.0, -4.0])}

    def formula(x: Any, w: Any) -> Any:
        ordered = x.sort(descending=True).values
        inside = 1 + torch.arange(1, 5) * ordered > ordered.cumsum(0)
        threshold = (torch.where(inside, ordered, 0.0).sum() - 1) / inside.sum()
        return w * (x - threshold).clamp(min=0) ** 2

    checked(made, formula, arrays)


def test_the_hessian_diagonal_of_a_long_list_needs_no_matrix() -> None:
    x = RANDOM.normal(size=200_000)
    w = RANDOM.normal(size=x.size)
    found = hessian_diagonal(order_statistics, {"x": x, "w": w})
    expected = np.empty_like(x)
    expected[np.argsort(x)] = 6 * w * np.sort(x)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# ---- ties -------------------------------------------------------------------------------------


def test_tied_entries_share_a_derivative() -> None:
    made = declare(lambda x, w: Sum(w[k] * sort(x[k], k), k), x=LIST, w=Target("class"))
    x, w = [2.0, 1.0, 2.0, 0.0, 1.0, 2.0], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    found = gradient(made, {"x": x, "w": w})
    np.testing.assert_allclose(found, [56 / 3, 3, 56 / 3, 1, 3, 56 / 3])
    largest = declare(lambda x: Sum(where(k < 2, sort(x[k], k, descending=True), 0), k), x=LIST)
    np.testing.assert_allclose(
        gradient(largest, {"x": [1.0, 3.0, 1.0, 1.0]}), [1 / 3, 1] + [1 / 3] * 2
    )


def test_second_derivatives_at_ties_are_those_of_one_order() -> None:
    arrays = {"x": [1.0, 2.0, 1.0], "w": [1.0, 2.0, 4.0]}
    np.testing.assert_allclose(hessian_diagonal(order_statistics, arrays), [6, 48, 12])
    np.testing.assert_allclose(hvp(order_statistics, arrays, [1.0, 1.0, 1.0]), [6, 48, 12])


def test_keys_that_tie_stay_in_order_of_position_both_ways() -> None:
    made = declare(lambda x: Sum((k + 1) * sort(x[k], k, by=0 * x[k] + 1), k), x=LIST)
    np.testing.assert_array_equal(gradient(made, {"x": [3.0, 1.0, 2.0]}), [1, 2, 3])


def test_a_stopped_order_has_the_derivative_of_its_surrogate() -> None:
    made = declare(lambda x: Sum(stop_gradient(sort(x[k], k)) * x[k] ** 2, k), x=LIST)
    arrays = {"x": np.array([3.0, 1.0, 2.0])}
    frozen = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    checked(made, lambda x: frozen * x**2, arrays)


@pytest.mark.parametrize("x", [[], [4.0]])
def test_short_axes(x: list[float]) -> None:
    arrays = {"x": np.array(x), "w": np.full(len(x), 2.0)}
    assert value(order_statistics, arrays) == sum(2 * n**3 for n in x)
    np.testing.assert_array_equal(gradient(order_statistics, arrays), [6 * n**2 for n in x])
    np.testing.assert_array_equal(hessian_diagonal(order_statistics, arrays), [12 * n for n in x])


# ---- run-time functions -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_of_every_backend(backend: Backend, dtype: Any) -> None:
    fn = importlib.import_module(f"losscompiler.backends.{backend.name}.runtime._along")
    keys = np.array([[[2, 1, 2, 0], [1, 1, 1, 1]], [[-1, 5, 3, 3], [0, -np.inf, 0, np.inf]]], dtype)
    x = np.arange(16, dtype=dtype).reshape(keys.shape)
    for axis in (-1, -2, -3):
        given = backend.array(keys)
        order = fn.order(given, axis)
        expected = np.argsort(keys, axis, kind="stable")
        np.testing.assert_array_equal(backend.numpy(order), expected)
        ranks = backend.numpy(fn.rank(given, axis))
        np.testing.assert_array_equal(
            np.take_along_axis(ranks, expected, axis),
            np.broadcast_to(positions(keys, axis), keys.shape),
        )
        found = backend.numpy(fn.tie_mean(backend.array(x), given, order, axis))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, tie_mean(x, keys, axis), rtol=1e-6)


def positions(x: np.ndarray, axis: int) -> np.ndarray:
    shape = [1] * x.ndim
    shape[axis] = -1
    return np.arange(x.shape[axis]).reshape(shape)


def tie_mean(x: np.ndarray, keys: np.ndarray, axis: int) -> np.ndarray:
    x, keys = np.moveaxis(x, axis, -1), np.moveaxis(keys, axis, -1)
    same = keys[..., :, None] == keys[..., None, :]
    return np.moveaxis((same * x[..., None, :]).sum(-1) / same.sum(-1), -1, axis)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
def test_functions_of_empty_arrays(backend: Backend, shape: tuple[int, ...]) -> None:
    fn = importlib.import_module(f"losscompiler.backends.{backend.name}.runtime._along")
    x = backend.array(np.zeros(shape, np.float32))
    order = fn.order(x, -1)
    for found in (order, fn.rank(x, -1), fn.tie_mean(x, x, order, -1)):
        assert backend.numpy(found).shape == shape
