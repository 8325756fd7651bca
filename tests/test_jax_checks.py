"""What the JAX runtime accepts and refuses: dtypes, masks, weights, labels, messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from losscompiler.backends.jax.runtime import _support as support
from losscompiler.backends.jax.runtime._options import Options
from tests.jax_kernels import (
    BCE,
    CENTERS,
    DICE,
    GAUSSIAN,
    HUBER,
    PIXEL_CE,
    SPARSE_CE,
    assert_close,
    call,
    grads,
    labels,
    normal,
)

Function = Callable[..., Any]
cross_entropy = optax.softmax_cross_entropy_with_integer_labels


@pytest.fixture
def _x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


# ---- kinks, dtypes, kinds of input ---------------------------------------------------------------


def test_logit_zero_has_the_true_gradient() -> None:
    gradient = jax.grad(lambda x: call(BCE, x, jnp.array([0.3]), params=(1.0,)))(jnp.zeros(1))
    np.testing.assert_allclose(gradient, [0.2], rtol=1e-6)


@pytest.mark.usefixtures("_x64")
def test_second_derivative_at_the_kink_is_the_kernels() -> None:
    f: Function = lambda x: call(HUBER, x, jnp.zeros(()), params=(1.0,), reduction="sum")  # noqa: E731
    assert jax.hessian(f)(1.0) == 1.0  # differentiating the emitted minimum would give 1/4
    assert jax.hessian(f)(1.5) == 0.0


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_computes_in_float32(dtype: Any) -> None:
    x, t = jnp.full(70000, 4.0, dtype), jnp.zeros(70000, dtype)
    value, gradient = grads(HUBER, x, t, params=(1.0,), reduction="sum")
    assert value.dtype == jnp.float32
    assert value == 245000  # beyond the largest float16
    assert gradient.dtype == dtype
    assert jnp.all(gradient == 1)
    assert jax.grad(lambda x: call(HUBER, x, t, params=(1.0,)))(x).dtype == dtype
    product: Any = support.hvp(HUBER, (x, t), (1.0,), t, Options())
    assert product.dtype == dtype
    mixed = call(HUBER, x, t.astype(jnp.float32), params=(1.0,), reduction="none")
    assert mixed.dtype == jnp.float32


def test_dtypes_of_the_result() -> None:
    x = np.ones(3)
    assert call(HUBER, x, x, params=(1.0,)).dtype == jnp.float32
    with jax.enable_x64(True):
        assert call(HUBER, x, x, params=(1.0,)).dtype == jnp.float64
        assert call(HUBER, np.float32(x), x, params=(1.0,), weight=x).dtype == jnp.float32
        assert call(HUBER, 2.0, 0.0, params=(1.0,)).dtype == jnp.float64
        assert grads(HUBER, np.float32(x), x, params=(1.0,))[1].dtype == jnp.float32


def test_lists_numpy_arrays_and_numbers() -> None:
    assert call(HUBER, [3.0, 0.5], [0, 0], params=(1.0,), reduction="none").tolist() == [2.5, 0.125]
    assert call(HUBER, 3.0, 0.0, params=(1,)) == 2.5
    value = call(SPARSE_CE, [[0.0, 0.0]], [1], mask=[True], weight=[3])
    np.testing.assert_allclose(value, np.log(2), rtol=1e-6)


def test_empty_batches_and_axes() -> None:
    empty = np.zeros((0, 3))
    for reduction, expected in (("sum", 0.0), ("mean", 0.0)):
        value, gradient = grads(SPARSE_CE, empty, [], reduction=reduction)
        assert value == expected
        assert gradient.shape == (0, 3)
    assert call(SPARSE_CE, empty, [], reduction="none").shape == (0,)


# ---- weights, masks, labels ----------------------------------------------------------------------


@pytest.mark.usefixtures("_x64")
def test_masked_entries_never_contribute() -> None:
    x = jnp.array([[1.0, 2.0], [jnp.nan, jnp.inf], [0.5, -1.0]])
    y, mask = jnp.array([0, 99, 1]), jnp.array([True, False, True])
    clean = x[mask]
    for reduction in ("sum", "mean"):
        f: Function = lambda x, y, **k: call(SPARSE_CE, x, y, reduction=reduction, **k)  # noqa: B023, E731
        expected, gradient = jax.value_and_grad(f)(clean, y[mask])
        for options in ({"mask": mask}, {"ignore_index": 99}, {"mask": mask, "ignore_index": -1}):
            value, actual = jax.jit(jax.value_and_grad(lambda x, o=options: f(x, y, **o)))(x)  # noqa: B023
            assert_close(value, expected)
            assert_close(actual[mask], gradient)
            assert jnp.all(actual[1] == 0)
            assert_close(grads(SPARSE_CE, x, y, reduction=reduction, **options), (value, actual))
            hessian = jax.hessian(lambda x, o=options: f(x, y, **o))(x)  # noqa: B023
            assert jnp.all(jnp.isfinite(hessian))
    unreduced = call(SPARSE_CE, x, y, reduction="none", mask=mask)
    assert_close(unreduced, jnp.where(mask, cross_entropy(jnp.nan_to_num(x), y % 2), 0))


def test_nothing_left_is_zero() -> None:
    x, t = jnp.array([jnp.nan, 1.0]), jnp.zeros(2)
    weightless = {"weight": np.zeros(2), "mask": np.array([False, True])}
    for options in ({"mask": np.array([False, False])}, weightless):
        value, gradient = jax.value_and_grad(
            lambda x, o=options: call(HUBER, x, t, params=(1.0,), **o)
        )(x)
        assert value == 0
        assert gradient.tolist() == [0, 0]
        assert grads(HUBER, x, t, params=(1.0,), **options)[1].tolist() == [0, 0]


def test_label_out_of_range_is_nan_for_its_entry_alone() -> None:
    x, y = jnp.zeros((3, 2)), jnp.array([0, 2, -1])
    loss = jax.jit(lambda x: call(SPARSE_CE, x, y, reduction="none"))(x)
    np.testing.assert_allclose(loss, np.asarray([float(np.log(2)), np.nan, np.nan]), rtol=1e-6)
    value, gradient = grads(SPARSE_CE, x, y)
    assert jnp.isnan(value)
    assert jnp.isnan(gradient).tolist() == [[False, False], [True, True], [True, True]]
    auto = jax.grad(lambda x: call(SPARSE_CE, x, y, reduction="sum"))(x)
    assert jnp.isnan(auto).tolist() == jnp.isnan(gradient).tolist()
    rescued = grads(SPARSE_CE, x, y, mask=jnp.array([True, False, False]))
    np.testing.assert_allclose(rescued[0], np.log(2), rtol=1e-6)
    np.testing.assert_allclose(rescued[1], [[-0.5, 0.5], [0.0, 0.0], [0.0, 0.0]], rtol=1e-6)


@pytest.mark.usefixtures("_x64")
def test_class_weight_ignore_index_and_axis() -> None:
    x, y = normal(2, 3, 4), jnp.array([[0, 1, -100, 2], [2, -100, 1, 1]])
    table, weight = jnp.array([1.0, 2.0, 5.0]), jnp.abs(normal(2, 1))
    loss = cross_entropy(jnp.moveaxis(x, 1, -1), y % 3)
    w = jnp.where(y >= 0, table[y % 3] * weight, 0)
    options: dict[str, Any] = {
        "axis": 1,
        "ignore_index": -100,
        "class_weight": table,
        "weight": weight,
    }
    assert_close(call(SPARSE_CE, x, y, **options), jnp.sum(w * loss) / jnp.sum(w))
    assert_close(call(SPARSE_CE, x, y, **options, normalizer=7), jnp.sum(w * loss) / 7)
    value, gradient = grads(SPARSE_CE, x, y, **options)
    slope = (jax.nn.softmax(x, axis=1) - jax.nn.one_hot(y, 3, axis=1)) * w[:, None]
    assert_close(gradient, slope / jnp.sum(w))
    narrow = call(SPARSE_CE, x, y.astype(jnp.int8), **options)
    assert_close(narrow, value)
    of_table = jax.grad(lambda c: call(SPARSE_CE, x, y, axis=1, ignore_index=-100, class_weight=c))
    by_class = jnp.array([jnp.sum(jnp.where(y == k, loss, 0)) for k in range(3)])
    counts = jnp.array([jnp.sum(y == k) for k in range(3)])
    total = jnp.sum(table * counts)
    mean = jnp.sum(table * by_class) / total
    assert_close(of_table(table), (by_class - mean * counts) / total)


@pytest.mark.usefixtures("_x64")
def test_mask_of_a_starred_axis_keeps_the_callers_shape() -> None:
    x, y = normal(2, 3, 2, 2), labels(3, 2, 2, 2)
    mask = jnp.array([[True, False], [True, True]])
    poisoned = x.at[:, :, 0, 1].set(jnp.nan)
    loss = call(PIXEL_CE, poisoned, y, reduction="none", mask=mask)
    assert_close(loss, jnp.where(mask, cross_entropy(jnp.moveaxis(x, 1, -1), y), 0))
    gradient = jax.grad(lambda x: call(PIXEL_CE, x, y, mask=mask))(poisoned)
    slope = (jax.nn.softmax(x, axis=1) - jax.nn.one_hot(y, 3, axis=1)) / 6
    assert_close(gradient, jnp.where(mask, slope, 0))


@pytest.mark.usefixtures("_x64")
def test_shared_centers_add_up_over_the_batch() -> None:
    x, y, c = normal(4, 2), jnp.array([0, 2, 0, 2]), normal(3, 2)
    _, (_, gradient) = grads(CENTERS, x, y, c, reduction="sum")
    expected = jnp.stack([2 * c[0] - x[0] - x[2], jnp.zeros(2), 2 * c[2] - x[1] - x[3]])
    assert_close(gradient, expected)
    masked = jax.grad(lambda c: call(CENTERS, x, y, c, mask=y == 0, reduction="sum"))(c)
    assert_close(masked, expected.at[1:].set(0))


# ---- what is refused, while tracing --------------------------------------------------------------


X, T = np.zeros((4, 3), np.float32), np.zeros((4, 3), np.float32)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: call(HUBER, X[:, 0], X[:, :1], params=(1.0,)), ["prediction", "(4,)", "(4, 1)"]),
        (lambda: call(SPARSE_CE, X, np.zeros(3, int)), ["logits", "(4, 3)", "label", "(3,)"]),
        (lambda: call(SPARSE_CE, np.float32(1), 0), ["logits", "()", "class"]),
        (lambda: call(SPARSE_CE, X, np.zeros(4)), ["label", "float", "integers"]),
        (lambda: call(HUBER, X.astype(int), T, params=(1.0,)), ["prediction", "int", "floating"]),
        (lambda: call(HUBER, X, T, params=(-1.0,)), ["delta", "-1.0", "delta > 0"]),
        (lambda: call(HUBER, X, T, params=(np.float64("nan"),)), ["delta", "nan"]),
        (lambda: call(HUBER, X, T, params=(X[0],)), ["delta", "(3,)", "single number"]),
        (lambda: call(HUBER, X, T, params=(1.0,), reduction="avg"), ["avg", "'mean'"]),
        (lambda: call(HUBER, X, T, params=(1.0,), weight=np.ones(4)), ["weight", "(4,)", "(4, 3)"]),
        (lambda: call(HUBER, X, T, params=(1.0,), mask=np.ones((4, 3))), ["mask", "booleans"]),
        (lambda: call(SPARSE_CE, X, np.zeros(4, int), axis=2), ["axis", "2", "(4, 3)"]),
        (
            lambda: call(SPARSE_CE, X, np.zeros(4, int), class_weight=[1.0, 2.0]),
            ["class_weight", "(2,)", "3"],
        ),
        (lambda: call(HUBER, X, T, params=(1.0,), ignore_index=0), ["ignore_index", "label"]),
        (lambda: call(HUBER, X, None, params=(1.0,)), ["target", "not optional"]),
        (lambda: call(CENTERS, X, np.zeros(4, int), np.zeros((5, 2))), ["feature", "(4, 3)"]),
        (lambda: call(DICE, X, X[:, :2], params=(1.0,)), ["spatial", "(4, 3)", "(4, 2)"]),
        (lambda: call(DICE, X, T, params=(1.0,), batch_axes=-1), ["batch_axes", "-1"]),
        (lambda: support.hvp(HUBER, (X, T), (1.0,), X[0], Options()), ["vector", "(3,)"]),
        (lambda: support.hvp(GAUSSIAN, (X, T), (1.0,), X, Options()), ["vector", "`scale`"]),
    ],
)
def test_refusals_name_what_is_wrong(make: Function, words: list[str]) -> None:
    runs: tuple[Function, ...] = (make, jax.jit(make))
    for run in runs:
        with pytest.raises(ValueError, match=r"^\w+\(\): ") as caught:
            run()
        for word in words:
            assert word in str(caught.value)
