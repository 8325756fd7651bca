"""Which dtypes go in, what is computed in, and which come out."""

from __future__ import annotations

from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest

from tests.backends import Backend

HALVES = [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]
FLOATS = [*HALVES, np.dtype(np.float32), np.dtype(np.float64)]
P, T = np.array([0.5, -2.0, 3.0]), np.array([1.0, -2.0, 0.5])
SQUARES, SLOPES = np.array([0.25, 0.0, 6.25]), np.array([-1.0, 0.0, 5.0])


def computed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32) if dtype in HALVES else dtype


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_values_are_single_and_gradients_are_the_input_s_own(
    backend: Backend, dtype: np.dtype[Any]
) -> None:
    p, t = P.astype(dtype), T.astype(dtype)
    for reduction in ("none", "sum", "mean"):
        value, gradient = backend.call("squared_error_value_and_grad", p, t, reduction=reduction)
        assert value.dtype == computed(dtype)
        assert gradient.dtype == dtype
        assert backend.call("squared_error", p, t, reduction=reduction).dtype == value.dtype
        found = backend.differentiate("squared_error", p, t, reduction=reduction)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, gradient)
    entries, gradient = backend.call("squared_error_value_and_grad", p, t, reduction="none")
    np.testing.assert_array_equal(entries, SQUARES)
    np.testing.assert_array_equal(gradient.astype(float), SLOPES)
    product = backend.call("squared_error_hvp", p, t, vector=t, reduction="sum")
    diagonal = backend.call("squared_error_hessian_diagonal", p, t, reduction="sum")
    assert product.dtype == diagonal.dtype == dtype
    np.testing.assert_array_equal(product.astype(float), 2 * T)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_half_precision_is_computed_in_single(backend: Backend, dtype: np.dtype[Any]) -> None:
    # 300 squared overflows float16, and neither half counts to 4096.
    p, t = np.full(4096, 300, dtype), np.zeros(4096, dtype)
    assert backend.call("squared_error", p, t, reduction="sum") == 4096 * 90000.0
    value, gradient = backend.call("squared_error_value_and_grad", p, t)
    assert value == 90000.0
    np.testing.assert_array_equal(gradient.astype(float), np.full(4096, 600 / 4096).astype(dtype))
    logits = np.array([[0.0, 11.0]], dtype)
    exact = 11 + np.log1p(np.exp(-11.0))
    found = backend.call("sparse_softmax_cross_entropy", logits, np.array([0]))
    np.testing.assert_allclose(found, exact, rtol=3e-7)


def test_each_gradient_has_the_dtype_of_its_input(backend: Backend) -> None:
    key = np.array([[1.0, 2.0], [0.5, -1.0]])
    query = key[::-1].astype(np.float32)
    value, (by_query, by_key) = backend.call("info_nce_value_and_grad", query, key)
    assert (value.dtype, by_query.dtype, by_key.dtype) == (np.float64, np.float32, np.float64)
    product = backend.call("info_nce_hvp", query, key, vector=(query, key))
    assert [part.dtype for part in product] == [np.float32, np.float64]
    half, single = P.astype(np.float16), T.astype(np.float32) ** 2 + 1
    value, gradients = backend.call("gaussian_nll_value_and_grad", half, single, T)
    assert value.dtype == np.float32
    assert [part.dtype for part in gradients] == [np.float16, np.float32]


@pytest.mark.parametrize("dtype", [*FLOATS, np.dtype(np.int32), np.dtype(np.uint8)], ids=str)
def test_the_prediction_alone_decides_what_is_computed_in(
    backend: Backend, dtype: np.dtype[Any]
) -> None:
    t = np.array([1, 2, 4]).astype(dtype)
    p = np.array([0.5, 2.0, 3.0], np.float32)
    value, gradient = backend.call("squared_error_value_and_grad", p, t, weight=t, reduction="sum")
    assert value.dtype == gradient.dtype == np.float32
    assert value == 0.25 + 4
    np.testing.assert_array_equal(gradient, [-1.0, 0.0, -8.0])


def test_targets_may_be_booleans(backend: Backend) -> None:
    p, t = np.array([0.5, 0.5]), np.array([True, False])
    np.testing.assert_allclose(backend.call("squared_error", p, t, reduction="none"), 0.25)


def test_what_a_parameter_is_made_of_changes_no_dtype(backend: Backend) -> None:
    p, t = P.astype(np.float32), T.astype(np.float32)
    for delta in (1, 1.0, np.float64(1), np.asarray(1.0), np.asarray(1, np.float16)):
        value, gradient = backend.call("huber_value_and_grad", p, t, delta=delta)
        assert value.dtype == gradient.dtype == np.float32
    value = backend.call("squared_error", p, t, normalizer=np.asarray(3.0), weight=np.ones(3))
    assert value.dtype == np.float32


def test_integer_predictions(backend: Backend) -> None:
    """They are as good as floats to the losses of NumPy and Keras, and to those alone."""
    p, t = np.array([1, 2, 4]), np.array([1, 0, 1])
    if backend.name in ("torch", "jax"):
        with pytest.raises(ValueError, match="`prediction`"):
            backend.call("squared_error", p, t)
    else:
        assert backend.call("squared_error", p, t, reduction="sum") == 13.0


def test_python_numbers_and_lists(backend: Backend) -> None:
    loss = backend.function("squared_error")
    if backend.name == "torch":  # whose own losses take tensors alone
        with pytest.raises(ValueError, match="`prediction`"):
            loss(3.0, 1.0)
        return
    assert float(loss(3.0, 1.0)) == 4.0
    assert float(loss([1.0, 2.0], [0.0, 4.0])) == 2.5


def test_without_x64_jax_computes_in_single() -> None:
    from generated.jax import huber_value_and_grad

    with jax.enable_x64(False):
        value, gradient = huber_value_and_grad(P, T)
    assert value.dtype == np.float32
    assert isinstance(gradient, jax.Array)
    assert gradient.dtype == np.float32


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_an_empty_batch_has_a_dtype(backend: Backend, dtype: np.dtype[Any]) -> None:
    empty = np.zeros((0, 2), dtype)
    value, gradient = backend.call("squared_error_value_and_grad", empty, empty)
    assert (value, value.dtype) == (0, computed(dtype))
    assert (gradient.shape, gradient.dtype) == ((0, 2), dtype)


def test_masked_halves_keep_their_dtype(backend: Backend) -> None:
    p = np.array([1.0, np.nan], np.float16)
    mask = np.array([True, False])
    value, gradient = backend.call("squared_error_value_and_grad", p, 0 * mask, mask=mask)
    assert (value, value.dtype, gradient.dtype) == (1.0, np.float32, np.float16)
    np.testing.assert_array_equal(gradient, [2.0, 0.0])
