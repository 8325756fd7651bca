"""The functions that NumPy's kernels call: accuracy, dead branches, and shapes."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from losscompiler.backends.numpy.runtime import _functions as fn


def exactly(function: Any, x: Any) -> Any:
    with mpmath.workdps(60):
        return np.array([float(function(mpmath.mpf(float(v)))) for v in x])


@pytest.mark.parametrize(
    ("found", "exact"),
    [
        (fn.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x))),
        (fn.softplus, lambda x: mpmath.log1p(mpmath.exp(x))),
        (fn.log_cosh, lambda x: mpmath.log1p(2 * mpmath.sinh(x / 2) ** 2)),
    ],
)
def test_named_functions_are_accurate_everywhere(found: Any, exact: Any) -> None:
    scales = 10.0 ** np.arange(-12, 3)
    x = np.concatenate([scales, -scales, np.linspace(-8, 8, 65)])
    with np.errstate(all="ignore"):
        np.testing.assert_array_max_ulp(found(x), exactly(exact, x), maxulp=4)
        assert np.isfinite(found(np.array([-1e4, 1e4]))).all()


def test_products_with_zero_ignore_the_other_factor() -> None:
    u = np.array([0.0, -1.0, np.nan, np.inf])
    with np.errstate(all="ignore"):
        for function in (fn.xlogy, fn.xlog1py, fn.xdivy):
            np.testing.assert_array_equal(function(np.zeros(4), u), np.zeros(4))
            np.testing.assert_array_equal(function(0, u), np.zeros(4))
    np.testing.assert_allclose(fn.xlogy(2, np.array([3.0])), 2 * np.log(3))
    assert fn.xdivy(1.0, np.array([2], np.float32)).dtype == np.float32


def test_logsumexp_edges() -> None:
    x = np.array([[0.0, -20.0], [-np.inf, -np.inf], [1e4, 1e4], [np.inf, 0.0]])
    with np.errstate(all="ignore"):
        found = fn.logsumexp(x, -1)
        masked = fn.logsumexp(x, (-2, -1), where=np.zeros((4, 1), bool))
        single = fn.logsumexp(x, -1, where=np.array([True, False]))
        empty = fn.logsumexp(np.zeros((2, 0)), -1)
    np.testing.assert_allclose(found, [np.log1p(np.exp(-20)), -np.inf, 1e4 + np.log(2), np.inf])
    assert masked == -np.inf
    np.testing.assert_array_equal(single, x[:, 0])
    np.testing.assert_array_equal(empty, [-np.inf, -np.inf])


@pytest.mark.parametrize("x_lead", [(), (6,)])
@pytest.mark.parametrize("index_lead", [(), (6,)])
@pytest.mark.parametrize(
    ("shared", "own", "trailing"), [(0, 0, 1), (1, 0, 0), (1, 2, 1), (0, 1, 2)]
)
def test_scatter_is_the_adjoint_of_gather(
    x_lead: tuple[int, ...], index_lead: tuple[int, ...], shared: int, own: int, trailing: int
) -> None:
    rng = np.random.default_rng(5)
    s, own_shape, tail = (2,) * shared, (3, 2)[:own], (2, 4)[:trailing]
    x = rng.normal(size=(*x_lead, *s, 5, *tail))
    index = rng.integers(5, size=(*index_lead, *s, *own_shape))
    lead = x_lead or index_lead
    found = fn.gather(x, index, shared, own, trailing)
    assert found.shape == (*lead, *s, *own_shape, *tail)
    for at in np.ndindex(*lead, *s, *own_shape):
        n, rest = at[: len(lead)], at[len(lead) :]
        row = x[n if x_lead else ()][rest[:shared]]
        label = index[n if index_lead else ()][rest]
        np.testing.assert_array_equal(found[at], row[label])
    values = rng.normal(size=found.shape)
    spread = fn.scatter(values, index, x, shared, own, trailing)
    shares = 6 if lead and not x_lead else 1
    np.testing.assert_allclose((spread * x).sum() * shares, (values * found).sum())


def test_place_shift_and_diagonal() -> None:
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(fn.place([x[:, 1], 7.0], [2, 0], x, -1), [[7, 0, 1], [7, 0, 4]])
    np.testing.assert_array_equal(fn.place([x[0]], [1], x, -2), [[0, 0, 0], [0, 1, 2]])
    np.testing.assert_array_equal(fn.shift(x, 1, -1), [[1, 2, 0], [4, 5, 0]])
    np.testing.assert_array_equal(fn.shift(x, -2, -1), [[0, 0, 0], [0, 0, 3]])
    np.testing.assert_array_equal(fn.shift(x, 5, -1), np.zeros((2, 3)))
    np.testing.assert_array_equal(fn.shift(x, -5, -1), np.zeros((2, 3)))
    np.testing.assert_array_equal(fn.diagonal(x[None, :, :2], -2, -1), [[0, 4]])
