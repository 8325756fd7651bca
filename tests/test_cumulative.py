"""Cumulated sums and their logarithms against PyTorch, and sums that cancel or overflow."""

from __future__ import annotations

import importlib
from typing import Any

import mpmath
import numpy as np
import pytest
import torch

from losscompiler.passes.recognise import recognise
from losscompiler.spec import (
    Mask,
    Param,
    Prediction,
    Sum,
    Target,
    cumsum,
    exp,
    index,
    log,
    logcumsumexp,
    sort,
    where,
)
from losscompiler.spec import expressions as ex
from tests.backends import Backend
from tests.compiled import gradient, hessian_diagonal, hvp, value
from tests.hessians import checked
from tests.spec_helpers import declare

LIST, ROWS, WEIGHTS = Prediction("class"), Prediction("batch", "class"), Target("class")
i, k = index("batch", "i"), index("class", "k")
RANDOM = np.random.default_rng(11)


def from_the_end(x: torch.Tensor, function: Any) -> torch.Tensor:
    result: torch.Tensor = function(x.flip(-1), -1).flip(-1)
    return result


LOG_SUMS = declare(
    lambda x, w: Sum(w[k] * logcumsumexp(x[k], k), k)
    + Sum(w[k] * logcumsumexp(2 * x[k], k, reverse=True) ** 2, k),
    x=LIST, w=WEIGHTS,
)  # fmt: skip


# ---- the language -----------------------------------------------------------------------------


def test_sums_up_to_each_place_and_from_there_on() -> None:
    made = declare(lambda x: cumsum(x[k], k) + 100 * cumsum(x[k], k, reverse=True), x=LIST)
    found = value(made, {"x": [1.0, 2.0, 4.0]})
    np.testing.assert_array_equal(found, [1 + 700, 3 + 600, 7 + 400])


def test_what_does_not_vary_is_counted() -> None:
    made = declare(
        lambda x, c: cumsum(c, k, reverse=True) + cumsum(2, k) + logcumsumexp(c, k) + 0 * x[k],
        x=LIST, c=Param(3),
    )  # fmt: skip
    found = value(made, {"x": [0.0, 0.0, 0.0]})
    np.testing.assert_allclose(found, [9 + 2 + 3, 6 + 4 + 3 + np.log(2), 3 + 6 + 3 + np.log(3)])


def test_the_logarithm_of_a_cumulated_sum_of_exponentials_is_recognised() -> None:
    made = declare(lambda x: Sum(log(cumsum(exp(x[k]), k, reverse=True)), k), x=LIST)
    assert recognise(made.expression).has(ex.LogCumSumExp)
    masked = declare(
        lambda x, m: Sum(where(m[k], log(cumsum(where(m[k], exp(x[k]), 0), k)), 0), k),
        x=LIST, m=Mask("class"),
    )  # fmt: skip
    assert recognise(masked.expression).has(ex.LogCumSumExp)
    x = np.array([2e4, 1e4, -1e4, 1e4])
    assert value(made, {"x": x}) == pytest.approx(5e4 + np.log(2))
    assert value(masked, {"x": x, "m": np.array([False, True, True, False])}) == pytest.approx(2e4)
    share = declare(lambda x: Sum(exp(x[k]) / cumsum(exp(x[k]), k), k), x=LIST)
    assert value(share, {"x": x}) == 1.0 + 0.0 + 0.0 + 0.0


# ---- derivatives ------------------------------------------------------------------------------


def test_derivatives_of_cumulated_sums() -> None:
    made = declare(
        lambda x, w: Sum((cumsum(x[k] ** 2, k) - w[k]) ** 2 * cumsum(x[k], k, reverse=True), k),
        x=LIST, w=WEIGHTS,
    )  # fmt: skip
    arrays = {"x": RANDOM.normal(size=(2, 6)), "w": RANDOM.normal(size=(2, 6))}

    def formula(x: Any, w: Any) -> Any:
        return ((x**2).cumsum(-1) - w) ** 2 * from_the_end(x, torch.cumsum)

    checked(made, formula, arrays)


def test_derivatives_of_their_logarithms() -> None:
    arrays = {"x": RANDOM.normal(size=(2, 6)), "w": RANDOM.normal(size=(2, 6))}

    def formula(x: Any, w: Any) -> Any:
        back = from_the_end(2 * x, torch.logcumsumexp)
        return w * torch.logcumsumexp(x, -1) + w * back**2

    checked(LOG_SUMS, formula, arrays)


def test_derivatives_along_either_axis() -> None:
    made = declare(lambda x: Sum(logcumsumexp(x[i, k], i) * cumsum(x[i, k], k) ** 2, k), x=ROWS)
    arrays = {"x": RANDOM.normal(size=(4, 3))}
    checked(made, lambda x: torch.logcumsumexp(x, 0) * x.cumsum(1) ** 2, arrays)


def test_derivatives_of_a_cumulated_order() -> None:
    made = declare(
        lambda x: Sum(logcumsumexp(sort(x[k] ** 2, k, descending=True), k) ** 2, k), x=LIST
    )
    arrays = {"x": RANDOM.normal(size=(2, 5))}

    def formula(x: Any) -> Any:
        return torch.logcumsumexp((x**2).sort(descending=True).values, -1) ** 2

    checked(made, formula, arrays)


def test_long_lists_need_no_matrix() -> None:
    n = 50_000
    arrays = {"x": RANDOM.normal(size=n), "w": np.full(n, 1 / n)}
    x = torch.tensor(arrays["x"], requires_grad=True)
    total = torch.logcumsumexp(x, -1).mean() + (from_the_end(2 * x, torch.logcumsumexp) ** 2).mean()
    (expected,) = torch.autograd.grad(total, x)
    np.testing.assert_allclose(gradient(LOG_SUMS, arrays), expected, rtol=1e-9, atol=1e-15)
    assert hessian_diagonal(LOG_SUMS, arrays).shape == (n,)


@pytest.mark.parametrize("size", [0, 1])
def test_short_axes(size: int) -> None:
    arrays = {"x": np.full(size, 3.0), "w": np.full(size, 2.0)}
    assert value(LOG_SUMS, arrays) == size * (6 + 2 * 36)
    np.testing.assert_allclose(gradient(LOG_SUMS, arrays), np.full(size, 2 + 48))
    np.testing.assert_allclose(hessian_diagonal(LOG_SUMS, arrays), np.full(size, 16))
    np.testing.assert_allclose(hvp(LOG_SUMS, arrays, np.ones(size)), np.full(size, 16))


# ---- run-time functions -----------------------------------------------------------------------


def module(backend: Backend) -> Any:
    return importlib.import_module(f"losscompiler.backends.{backend.name}.runtime._along")


def log_sums(x: np.ndarray) -> list[float]:
    with mpmath.workdps(60):
        powers = [mpmath.exp(mpmath.mpf(float(v))) for v in x]
        return [float(mpmath.log(mpmath.fsum(powers[: n + 1]))) for n in range(len(x))]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logarithms_are_exact_to_rounding(backend: Backend, dtype: Any) -> None:
    x = np.array([[-800.0, -900, -3, 4, 4, 2, 700], [0, -20, -40, -41, 0, 1e-3, 88]], dtype)
    for axis, reverse in ((-1, False), (-2, True)):
        given = np.ascontiguousarray(x[:, ::-1].T) if reverse else x
        found = backend.numpy(
            module(backend).logcumsumexp(backend.array(given), axis, reverse=reverse)
        )
        rows = found.T[:, ::-1] if reverse else found
        np.testing.assert_array_max_ulp(rows, np.array([*map(log_sums, x)], dtype), 4)


def test_infinities(backend: Backend) -> None:
    inf = np.inf
    x = np.array([[-inf, -inf, 1.0, -inf], [inf, 0, -inf, inf], [-inf] * 4])
    fn = module(backend)
    with np.errstate(all="ignore"):
        found = backend.numpy(fn.logcumsumexp(backend.array(x), -1))
        some, logs = backend.array(x[:1]), backend.array(found[:1])
        down = backend.numpy(fn.cumulate(1, -logs, -some, -1, reverse=True))
        up = backend.numpy(fn.cumulate(backend.array(np.ones((1, 4))), some, logs, -1))
    np.testing.assert_array_equal(found, [[-inf, -inf, 1, 1], [inf] * 4, [-inf] * 4])
    np.testing.assert_array_equal(down, [[0, 0, 2, 0]])
    np.testing.assert_array_equal(up, [[0, 0, 1, 1]])


@pytest.mark.parametrize("reverse", [False, True])
def test_terms_are_scaled_before_they_are_added(backend: Backend, reverse: bool) -> None:
    x = np.array([3.0, -1, 2, 5, -4, 1])
    log_in = np.array([900.0, -900, 3, 905, 904, -2])
    log_out = np.array([900.0, 899, 901, 906, 905, 906])
    log_out = log_out + 10 if reverse else log_out
    kept = np.tri(6).T if reverse else np.tri(6)
    with mpmath.workdps(60):
        terms = [[mpmath.mpf(x[s]) * mpmath.exp(mpmath.mpf(log_in[s] - log_out[t])) * kept[t, s]
                  for s in range(6)] for t in range(6)]  # fmt: skip
        expected = [float(mpmath.fsum(row)) for row in terms]
    arrays = map(backend.array, (x, log_in, log_out))
    found = backend.numpy(module(backend).cumulate(*arrays, -1, reverse=reverse))
    np.testing.assert_allclose(found, expected, rtol=1e-15)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 1)])
def test_functions_of_empty_arrays(backend: Backend, shape: tuple[int, ...]) -> None:
    fn, x = module(backend), backend.array(np.zeros(shape, np.float32))
    for found in (fn.cumsum(x, -1), fn.logcumsumexp(x, -1, reverse=True), fn.cumulate(1, x, x, -1)):
        assert backend.numpy(found).shape == shape
        assert backend.numpy(found).dtype == np.float32
