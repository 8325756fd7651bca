"""The functions that JAX kernels are written in: accuracy, derivatives, adjoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from losscompiler.backends.jax.runtime import _functions as fn
from tests.jax_kernels import assert_close, normal

POINTS = np.concatenate([s * np.linspace(-1, 1, 24) for s in (1e-6, 1e-2, 0.5, 3, 20, 80)])


@pytest.fixture(autouse=True)
def _x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("function", "exact"),
    [
        (fn.sigmoid, lambda x: 1 / (1 + mp.exp(-x))),
        (fn.softplus, lambda x: mp.log1p(mp.exp(x))),
        (fn.log_cosh, lambda x: mp.log(mp.cosh(x))),
    ],
)
def test_within_four_units_in_the_last_place(
    function: Callable[[Any], Any], exact: Callable[[Any], Any], dtype: Any
) -> None:
    x = POINTS.astype(dtype)
    with mp.workprec(400):
        expected = [exact(mp.mpf(float(v))) for v in x]
        for actual, true in zip(np.asarray(jax.jit(function)(x)), expected, strict=True):
            unit = float(np.spacing(np.abs(dtype(float(true)))))
            assert abs(mp.mpf(float(actual)) - true) <= 4 * unit


def test_derivatives_need_no_rule() -> None:
    x = jnp.array([-900.0, -2.0, -0.5, 0.0, 0.5, 2.0, 900.0])
    s = jax.nn.sigmoid(x)
    assert_close(jax.vmap(jax.grad(fn.softplus))(x), s)
    assert_close(jax.vmap(jax.grad(jax.grad(fn.softplus)))(x), s * (1 - s))
    assert_close(jax.vmap(jax.grad(fn.log_cosh))(x), jnp.tanh(x))
    assert_close(jax.vmap(jax.grad(jax.grad(fn.log_cosh)))(x), 1 - jnp.tanh(x) ** 2)
    z = jnp.array([2.0, 2.0, 1.0, -jnp.inf])
    p = jax.nn.softmax(z)
    assert_close(jax.grad(lambda z: fn.logsumexp(z, -1))(z), p)
    finite = jnp.diag(p) - jnp.outer(p, p)
    assert_close(jax.hessian(lambda z: fn.logsumexp(z, -1))(z)[:3, :3], finite[:3, :3])


def test_products_are_zero_where_the_factor_is() -> None:
    a, bad = jnp.array([0.0, 2.0]), jnp.array([-jnp.inf, 3.0])
    assert_close(fn.xlogy(a, bad), [0.0, 2 * np.log(3)])
    assert_close(fn.xlog1py(a, bad), [0.0, 2 * np.log(4)])
    assert_close(fn.xdivy(a, jnp.array([0.0, 4.0])), [0.0, 0.5])
    assert_close(fn.xlogy(0, bad), [0.0, 0.0])
    assert_close(jax.grad(lambda u: jnp.sum(fn.xlogy(a, u)))(bad), [0.0, 2 / 3])


def test_logsumexp() -> None:
    assert fn.logsumexp(jnp.array([0.0, -40.0]), -1) == np.exp(-40)
    x = normal(2, 3, 4)
    where = jnp.asarray(np.arange(4) < 2)
    assert_close(fn.logsumexp(x, (-1, -3)), jnp.log(jnp.sum(jnp.exp(x), axis=(0, 2))))
    assert_close(fn.logsumexp(x, -1, where), jnp.log(jnp.sum(jnp.exp(x[..., :2]), axis=-1)))
    assert_close(fn.logsumexp(x + 1e4, -1), fn.logsumexp(x, -1) + 1e4)
    nothing = jnp.zeros(4, bool)
    assert fn.logsumexp(x[0, 0], -1, nothing) == -jnp.inf
    assert_close(jax.grad(lambda x: fn.logsumexp(x, -1, nothing))(x[0, 0]), jnp.zeros(4))
    assert fn.logsumexp(jnp.zeros((2, 0)), -1).tolist() == [-np.inf] * 2
    assert fn.logsumexp(jnp.array([1.0, jnp.inf]), -1) == jnp.inf
    assert jnp.isnan(fn.logsumexp(jnp.array([1.0, jnp.nan]), -1))


@pytest.mark.parametrize("x_lead", [(), (2,)])
@pytest.mark.parametrize("index_lead", [(), (2,)])
@pytest.mark.parametrize("shared", [(), (3,)])
@pytest.mark.parametrize("own", [(), (4,)])
@pytest.mark.parametrize("trailing", [(), (2,)])
def test_scatter_is_the_adjoint_of_gather(
    x_lead: tuple[int, ...],
    index_lead: tuple[int, ...],
    shared: tuple[int, ...],
    own: tuple[int, ...],
    trailing: tuple[int, ...],
) -> None:
    x = normal(*x_lead, *shared, 5, *trailing)
    size = int(np.prod((*index_lead, *shared, *own)))
    index = (jnp.arange(size) * 7 % 5).reshape(*index_lead, *shared, *own)
    sizes = len(shared), len(own), len(trailing)
    taken = fn.gather(x, index, *sizes)
    lead = max(x_lead, index_lead, key=len)
    assert taken.shape == (*lead, *shared, *own, *trailing)
    for place in np.ndindex(*lead, *shared, *own):
        outer, s, o = np.split(np.array(place, int), [len(lead), len(lead) + len(shared)])
        at = int(index[(*outer[: len(index_lead)], *s, *o)])
        assert_close(taken[place], x[(*outer[: len(x_lead)], *s, at)])
    values = normal(*taken.shape)
    expected = jax.linear_transpose(lambda x: fn.gather(x, index, *sizes), x)(values)[0]
    samples = int(np.prod(lead[len(x_lead) :]))  # of which a shared x holds the mean
    assert_close(fn.scatter(values, index, x, *sizes) * samples, expected)


def test_layout_functions() -> None:
    x = jnp.arange(12.0).reshape(3, 4)
    assert fn.size(x, -2) == 3
    assert fn.positions(x, -1).tolist() == [0, 1, 2, 3]
    assert fn.shift(x, 1, -1)[0].tolist() == [1, 2, 3, 0]
    assert fn.shift(x, -2, -2).tolist() == [[0] * 4, [0] * 4, [0, 1, 2, 3]]
    assert not jnp.any(fn.shift(x, 9, -1))
    assert fn.shift(x[:0], 1, -2).shape == (0, 4)
    placed = fn.place([x[:, 0], 2.0], [3, 1], x, -1)
    assert placed.tolist() == [[0, 2, 0, 0], [0, 2, 0, 4], [0, 2, 0, 8]]
    assert fn.place([x[0]], [1], x, -2).tolist() == [[0] * 4, [0, 1, 2, 3], [0] * 4]
    assert fn.diagonal(x[:, :3], -1, -2).tolist() == [0, 5, 10]
    half = fn.select(x > 5, 1, 0, x.astype(jnp.float32))
    assert half.dtype == jnp.float32
    assert jnp.sum(half) == 6
