"""The functions that TensorFlow kernels use: accuracy, dead branches, gathers and adjoints."""

from __future__ import annotations

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from collections.abc import Callable
from math import inf, nan
from typing import Any

import mpmath
import numpy as np
import pytest
import tensorflow as tf

from losscompiler.backends.tensorflow.operators import SPELLING
from losscompiler.backends.tensorflow.runtime import _functions as fn

MODES: dict[str, Callable[[Any], Any]] = {
    "eager": lambda f: f,
    "xla": lambda f: tf.function(f, jit_compile=True),
}
EXACT: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "sigmoid": (fn.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x))),
    "softplus": (fn.softplus, lambda x: mpmath.log1p(mpmath.exp(x))),
    "log_cosh": (fn.log_cosh, lambda x: mpmath.log1p(2 * mpmath.sinh(x / 2) ** 2)),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXACT)
def test_accurate_to_a_few_ulp(name: str, dtype: Any, mode: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 600) * 10.0 ** rng.integers(-6, 3, 600)
    x = np.concatenate([x, np.linspace(-40, 40, 161), [0.0, -80.0, 80.0, 1e4]]).astype(dtype)
    function, exact = EXACT[name]
    found = np.asarray(MODES[mode](function)(tf.constant(x)))
    with mpmath.workdps(40):
        for one, value in zip(found, x, strict=True):
            wanted = exact(mpmath.mpf(float(value)))
            ulp = np.spacing(dtype(float(wanted)))
            allowed = max(7 * ulp, np.finfo(dtype).tiny)  # TensorFlow flushes subnormals to 0
            assert abs(mpmath.mpf(float(one)) - wanted) <= allowed, (value, one)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("zero", [0.0, tf.zeros(5)])
def test_zero_times_anything_is_zero(zero: Any, mode: str) -> None:
    u = tf.constant([nan, 0.0, -1.0, inf, 2.0])
    for function in (fn.xlogy, fn.xlog1py, fn.xdivy):
        found = MODES[mode](lambda u, f=function: f(zero, u))(u)
        np.testing.assert_array_equal(found, np.zeros(5))
    np.testing.assert_allclose(fn.xlogy(3.0, tf.constant(2.0, tf.float64)), 3 * np.log(2.0))
    np.testing.assert_allclose(fn.xlog1py(3.0, tf.constant(1e-20, tf.float64)), 3e-20)
    np.testing.assert_allclose(fn.xdivy(3.0, tf.constant(2.0, tf.float64)), 1.5)


@pytest.mark.parametrize("mode", MODES)
def test_logsumexp(mode: str) -> None:
    def lse(x: Any, where: Any = None, axis: Any = -1) -> Any:
        return MODES[mode](lambda x: fn.logsumexp(x, axis, where))(tf.constant(x, tf.float64))

    np.testing.assert_allclose(lse([[1e4, 1e4], [-1e4, -1e4]]), [1e4 + np.log(2), np.log(2) - 1e4])
    np.testing.assert_allclose(lse([[0.0, -60.0]]), [np.exp(-60)], 1e-12)  # no digit is lost
    np.testing.assert_array_equal(lse([[-inf, -inf], [inf, 0.0]]), [-inf, inf])
    np.testing.assert_array_equal(lse(np.zeros((2, 0))), [-inf, -inf])
    masked = lse([[nan, 1.0], [nan, nan]], tf.constant([[False, True], [False, False]]))
    np.testing.assert_array_equal(masked, [1.0, -inf])
    both = lse([[[1.0, 2.0], [3.0, 4.0]]], axis=(-2, -1))
    np.testing.assert_allclose(both, [np.log(np.exp([1.0, 2.0, 3.0, 4.0]).sum())])
    assert np.isnan(lse([nan, 0.0]))


def reference_gather(x: Any, index: Any, shared: int, own: int, trailing: int, lead: int) -> Any:
    """Index arithmetic one entry at a time, with the leading axes that are missing put in front."""
    x = x if x.ndim == lead + shared + 1 + trailing else np.broadcast_to(x, (2,) * lead + x.shape)
    full = index.ndim == lead + shared + own
    index = index if full else np.broadcast_to(index, (2,) * lead + index.shape)
    outer = index.shape[: lead + shared]
    found = np.empty(index.shape + x.shape[lead + shared + 1 :])
    for at in np.ndindex(*index.shape):
        found[at] = x[(*at[: len(outer)], index[at])]
    return found


SHAPES = [
    # shared, own, trailing, lead of x, lead of the index
    (0, 0, 0, 1, 1),
    (0, 0, 1, 0, 1),
    (0, 1, 1, 0, 2),
    (0, 1, 0, 1, 0),
    (1, 0, 0, 1, 1),
    (1, 1, 1, 2, 2),
    (1, 1, 1, 0, 1),
    (2, 1, 1, 0, 2),
    (1, 0, 1, 1, 0),
    (1, 2, 0, 0, 0),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("shared", "own", "trailing", "x_lead", "index_lead"), SHAPES)
def test_gather_and_scatter_are_adjoint(
    shared: int, own: int, trailing: int, x_lead: int, index_lead: int, mode: str
) -> None:
    rng = np.random.default_rng(1)
    common = (3, 4)[:shared]
    x = rng.normal(size=((2,) * x_lead + common + (5,) + (6,) * trailing))
    index = rng.integers(0, 5, (2,) * index_lead + common + (7, 8)[:own])
    wanted = reference_gather(x, index, shared, own, trailing, max(x_lead, index_lead))
    wrap = MODES[mode]
    picked = wrap(lambda x, i: fn.gather(x, i, shared, own, trailing))(
        tf.constant(x), tf.constant(index)
    )
    np.testing.assert_array_equal(picked, wanted)

    values = rng.normal(size=wanted.shape)
    signature = [tf.TensorSpec([None] * a.ndim, a.dtype) for a in (values, index, x)]
    scatter = tf.function(
        lambda v, i, x: fn.scatter(v, i, x, shared, own, trailing),
        signature,
        jit_compile=mode == "xla",
    )
    added = scatter(values, index, x)
    assert added.shape == x.shape
    basis = rng.normal(size=x.shape)
    lead = max(x_lead, index_lead)
    samples = 1 if x_lead else 2**index_lead  # a shared input gets the mean of its shares
    through = reference_gather(basis, index, shared, own, trailing, lead)
    np.testing.assert_allclose(samples * np.vdot(added, basis), np.vdot(values, through))


def test_scatter_takes_constants_and_single_entries() -> None:
    x, index = tf.zeros((2, 3)), tf.constant([1, 2])
    np.testing.assert_array_equal(fn.scatter(-1.0, index, x, 0, 0, 0), [[0, -1, 0], [0, 0, -1]])
    shared = fn.scatter(tf.ones((4, 1)), tf.constant([1, 1, 0, 1]), x, 0, 0, 1)
    np.testing.assert_array_equal(shared, [[0.25] * 3, [0.75] * 3])


@pytest.mark.parametrize("mode", MODES)
def test_layout_helpers(mode: str) -> None:
    x = tf.constant(np.arange(12.0).reshape(2, 2, 3))
    wrap = MODES[mode]
    for offset in (-4, -1, 0, 1, 2, 5):
        wanted = np.zeros((2, 2, 3))
        for t in range(3):
            if 0 <= t + offset < 3:
                wanted[..., t] = x.numpy()[..., t + offset]
        found = wrap(lambda x, offset=offset: fn.shift(x, offset, -1))(x)
        np.testing.assert_array_equal(found, wanted)
    parts = [tf.constant(np.ones((2, 3))), 5.0]
    placed = wrap(lambda x: fn.place(parts, (1, 0), x, -2))(x)
    np.testing.assert_array_equal(placed, np.broadcast_to([[[5.0] * 3, [1.0] * 3]], (2, 2, 3)))
    found = wrap(lambda x: fn.diagonal(x, -3, -2))(x)
    np.testing.assert_array_equal(found, np.diagonal(x.numpy(), axis1=0, axis2=1))
    chosen = fn.select(x > 3, 1.0, 0, x)
    assert chosen.dtype == tf.float64
    np.testing.assert_array_equal(chosen, x.numpy() > 3)


def test_sizes_and_positions() -> None:
    x = tf.zeros((2, 3), tf.float64)
    assert fn.size(x, -1) == 3
    np.testing.assert_array_equal(fn.positions(x, -1), [0, 1, 2])

    divided = tf.function(lambda x: x / fn.size(x, -1), [tf.TensorSpec([None], tf.float64)])
    np.testing.assert_array_equal(divided(tf.constant([1.0, 2.0], tf.float64)), [0.5, 1.0])


def test_a_number_made_of_sizes_is_as_precise_as_the_array() -> None:
    x = tf.zeros(3, tf.float64)
    third = eval(SPELLING.full("1 / fn.size(x, -1)", "x"), {"tf": tf, "fn": fn, "x": x})
    assert (third.dtype, float(third)) == (tf.float64, 1 / 3)
