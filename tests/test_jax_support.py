"""The JAX runtime under hand-written kernels: each transformation of JAX."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from losscompiler.backends.jax.runtime import _support as support
from losscompiler.backends.jax.runtime._descriptors import Definition
from losscompiler.backends.jax.runtime._options import Options
from tests.jax_kernels import (
    BCE,
    CENTERS,
    DICE,
    GAUSSIAN,
    HUBER,
    INFO_NCE,
    MARKED,
    PIXEL_CE,
    RNG,
    SPARSE_CE,
    assert_close,
    call,
    grads,
    labels,
    normal,
)

Function = Callable[..., Any]


@pytest.fixture
def _x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


# ---- values and derivatives of each loss against JAX's own differentiation of another formula ----


def _reference_centers(x: Any, y: Any, c: Any) -> Any:
    return jnp.sum((x - c[y]) ** 2, axis=-1) / 2


def _reference_nce(q: Any, k: Any, tau: Any) -> Any:
    return -jnp.diagonal(jax.nn.log_softmax(jnp.einsum("id,jd->ij", q, k) / tau))


def _reference_ce(x: Any, y: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(x, y)


def _reference_pixels(x: Any, y: Any) -> Any:
    flat = optax.softmax_cross_entropy_with_integer_labels(jnp.moveaxis(x, 1, -1), y)
    return flat


def _reference_dice(p: Any, t: Any, s: Any) -> Any:
    axes = (1, 2)
    return 1 - (2 * jnp.sum(p * t, axes) + s) / (jnp.sum(p, axes) + jnp.sum(t, axes) + s)


def _reference_bce(x: Any, t: Any, w: Any) -> Any:
    return -(w * t * jax.nn.log_sigmoid(x) + (1 - t) * jax.nn.log_sigmoid(-x))


def _reference_gaussian(x: Any, t: Any, s: Any) -> Any:
    return 0.5 * (jnp.square(x - t) / jnp.exp(s) + s)


Case = tuple[Definition, Function, tuple[Any, ...], tuple[Any, ...], tuple[int, ...]]


def _cases() -> dict[str, Case]:
    """Loss, reference, arrays, parameters, and the differentiated positions among both."""
    bits = jnp.asarray(RNG.integers(0, 2, size=(2, 3, 4))) * 1.0
    return {
        "bce": (BCE, _reference_bce, (normal(5), jax.nn.sigmoid(normal(5))), (2.5,), (0,)),
        "huber": (
            HUBER,
            lambda x, t, d: optax.huber_loss(x, t, delta=d),
            (3 * normal(7), normal(7)),
            (0.7,),
            (0,),
        ),
        "gaussian": (GAUSSIAN, _reference_gaussian, (normal(4), normal(4)), (0.3,), (0, 2)),
        "sparse_ce": (SPARSE_CE, _reference_ce, (normal(4, 3), labels(3, 4)), (), (0,)),
        "pixel_ce": (
            PIXEL_CE,
            _reference_pixels,
            (normal(2, 3, 2, 2), labels(3, 2, 2, 2)),
            (),
            (0,),
        ),
        "dice": (DICE, _reference_dice, (jax.nn.sigmoid(normal(2, 3, 4)), bits), (0.5,), (0,)),
        "info_nce": (INFO_NCE, _reference_nce, (normal(4, 3), normal(4, 3)), (0.4,), (0, 1, 2)),
        "centers": (
            CENTERS,
            _reference_centers,
            (normal(5, 2), labels(3, 5), normal(3, 2)),
            (),
            (0, 2),
        ),
    }


NAMES = ("bce", "huber", "gaussian", "sparse_ce", "pixel_ce", "dice", "info_nce", "centers")


@pytest.fixture
def case(request: pytest.FixtureRequest, _x64: None) -> Case:
    return _cases()[request.param]


def _functions(case: Case, reduction: str, weight: Any = None) -> tuple[Function, Function, Any]:
    """The loss and its reference as functions of the tuple of differentiated inputs."""
    loss, reference, arrays, params, positions = case
    inputs = [*arrays, *(jnp.asarray(p) for p in params)]

    def fill(moving: Any) -> list[Any]:
        filled = list(inputs)
        for position, value in zip(positions, moving, strict=True):
            filled[position] = value
        return filled

    def ours(moving: Any) -> Any:
        filled = fill(moving)
        given, parameters = tuple(filled[: len(arrays)]), tuple(filled[len(arrays) :])
        return call(loss, *given, params=parameters, reduction=reduction, weight=weight)

    def theirs(moving: Any) -> Any:
        entries = reference(*fill(moving))
        weights = jnp.broadcast_to(1.0 if weight is None else weight, entries.shape)
        total = jnp.sum(weights * entries)
        return {"none": weights * entries, "sum": total, "mean": total / jnp.sum(weights)}[
            reduction
        ]

    return ours, theirs, tuple(inputs[p] for p in positions)


@pytest.mark.parametrize("reduction", ["none", "mean"])
@pytest.mark.parametrize("case", NAMES, indirect=True)
def test_value_and_derivatives_in_both_modes(case: Case, reduction: str) -> None:
    ours, theirs, moving = _functions(case, reduction)

    @jax.jit
    def compiled(moving: Any) -> Any:
        forward_first, reverse_first = jax.jacrev(jax.jacfwd(ours)), jax.jacfwd(jax.jacrev(ours))
        first = jax.jacrev(ours)(moving), jax.jacfwd(ours)(moving)
        return ours(moving), *first, forward_first(moving), reverse_first(moving)

    @jax.jit
    def expected(moving: Any) -> Any:
        slope, curvature = jax.jacrev(theirs)(moving), jax.hessian(theirs)(moving)
        return theirs(moving), slope, slope, curvature, curvature

    assert_close(compiled(moving), expected(moving), rtol=1e-10)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("case", NAMES, indirect=True)
def test_explicit_functions_agree_with_autodiff(case: Case, reduction: str) -> None:
    loss, _, arrays, params, _ = case
    _, theirs, moving = _functions(case, reduction)
    options = Options(reduction=reduction)  # type: ignore[arg-type]
    vector = tuple(normal(*x.shape) for x in moving)
    given: Any = vector if len(vector) > 1 else vector[0]

    @jax.jit
    def explicit() -> Any:
        value, gradient = support.value_and_grad(loss, arrays, params, options)
        product = support.hvp(loss, arrays, params, given, options)
        diagonal = support.hessian_diagonal(loss, arrays, params, options)
        rest = jax.tree.leaves((gradient, product, diagonal))
        # the hand-written kernels of info_nce leave the diagonal out
        return value, rest[: 2 * len(moving)] if loss is INFO_NCE else rest

    @jax.jit
    def expected() -> Any:
        value, gradient = jax.value_and_grad(theirs)(moving)
        product = jax.jvp(jax.grad(theirs), (moving,), (vector,))[1]
        hessian = jax.hessian(theirs)(moving)
        diagonals = [
            jnp.diagonal(hessian[n][n].reshape(x.size, x.size)).reshape(x.shape)
            for n, x in enumerate(moving)
        ]
        return value, [*gradient, *product, *(() if loss is INFO_NCE else diagonals)]

    assert_close(explicit(), expected(), rtol=1e-10)


@pytest.mark.parametrize("reduction", ["none", "mean"])
@pytest.mark.parametrize("case", NAMES, indirect=True)
def test_weights_are_differentiable(case: Case, reduction: str) -> None:
    _, theirs, moving = _functions(case, "none")
    weight = jnp.abs(normal(*theirs(moving).shape)) + 0.1

    def of(which: int, reduction: str) -> Function:
        return lambda m, w: jnp.sum(_functions(case, reduction, w)[which](m))

    def derivatives(f: Function) -> Any:
        gradient: Function = jax.grad(f, (0, 1))
        both: Function = jax.jit(lambda *x: (gradient(*x), jax.jacfwd(gradient, (0, 1))(*x)))
        return both(moving, weight)

    assert_close(derivatives(of(0, reduction)), derivatives(of(1, reduction)), rtol=1e-10)


# ---- transformations -----------------------------------------------------------------------------


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_first_and_second_derivatives_are_the_kernels(reduction: str) -> None:
    x, zero = normal(3) + 3.0, jnp.zeros(3)

    def f(x: Any) -> Any:
        return jnp.sum(call(MARKED, x, zero, reduction=reduction))

    for g in (f, jax.jit(f), jax.checkpoint(f), lambda x: jax.vmap(f)(x[None])[0]):
        assert_close(jax.grad(g)(x), 5 * x)
        assert_close(jax.jacfwd(g)(x), 5 * x)
        assert_close(jax.linearize(g, x)[1](zero + 2), jnp.sum(10 * x))
        for outer in (jax.jacfwd, jax.jacrev):
            for inner in (jax.jacfwd, jax.jacrev):
                assert_close(jax.jit(outer(inner(g)))(x), 7 * jnp.eye(3))
    batch = jax.vmap(jax.jacrev(jax.jacrev(f)))(jnp.stack([x, 2 * x]))
    assert_close(batch, jnp.stack([7 * jnp.eye(3)] * 2))
    loss_value, gradient = grads(MARKED, x, zero, reduction=reduction)
    assert_close(jnp.sum(loss_value), jnp.sum(x**2))
    assert_close(gradient, 5 * x)
    options = Options(reduction=reduction)  # type: ignore[arg-type]
    assert_close(support.hvp(MARKED, (x, zero), (), x, options), 7 * x)
    assert_close(support.hessian_diagonal(MARKED, (x, zero), (), options), jnp.full(3, 11.0))
    # The gradient function is itself differentiable, as in a gradient penalty.
    penalty: Function = lambda x: jnp.sum(grads(MARKED, x, zero, reduction=reduction)[1] ** 2) / 2  # noqa: E731
    assert_close(jax.grad(penalty)(x), 35 * x)


@pytest.mark.usefixtures("_x64")
def test_bodies_of_scans() -> None:
    x, t = jnp.array([[0.0, 2.0], [-1.0, 0.5]]), jnp.full(2, 0.3)

    def through(loss: Definition, params: tuple[Any, ...]) -> Function:
        def step(carry: Any, row: Any) -> tuple[Any, None]:
            return carry + call(loss, row, t, params=params, reduction="sum"), None

        return lambda x: jax.lax.scan(step, 0.0, x)[0]

    assert_close(jax.jit(jax.grad(through(MARKED, ())))(x), 5 * x)
    p = jax.nn.sigmoid(x)
    curvature = jnp.diag((p * (1 - p)).ravel()).reshape(2, 2, 2, 2)
    assert_close(jax.hessian(through(BCE, (1.0,)))(x), curvature)
    assert_close(jax.jacrev(jax.jacrev(through(BCE, (1.0,))))(x), curvature)


@pytest.mark.parametrize("case", NAMES, indirect=True)
def test_vmap_maps_every_derivative(case: Case) -> None:
    ours, _, moving = _functions(case, "mean")
    several = tuple(jnp.stack([x, x * 0.5, x * 0.25]) for x in moving)
    for transform in (jax.value_and_grad, jax.hessian):
        mapped = jax.jit(jax.vmap(transform(ours)))(several)
        for n in range(3):
            alone = jax.jit(transform(ours))(tuple(x[n] for x in several))
            assert_close(jax.tree.map(lambda m, n=n: m[n], mapped), alone, rtol=1e-10)


@pytest.mark.usefixtures("_x64")
def test_traced_parameters() -> None:
    x, t = normal(4) * 3, normal(4)
    traced = jax.jit(jax.grad(lambda x, d: call(HUBER, x, t, params=(d,))))(x, 0.5)
    assert_close(traced, jnp.clip(x - t, -0.5, 0.5) / 4)
    # A parameter that is not learnable, and a target, are data: no derivative flows into them.
    assert jax.grad(lambda d: call(HUBER, x, t, params=(d,)))(0.5) == 0
    assert_close(jax.grad(lambda t: call(HUBER, x, t, params=(1.0,)))(t), jnp.zeros(4))
    gradient = jax.jit(jax.grad(lambda s: call(GAUSSIAN, x, t, params=(s,))))(0.3)
    assert_close(gradient, jnp.mean(0.5 - (x - t) ** 2 * np.exp(-0.3) / 2))


@pytest.mark.usefixtures("_x64")
def test_integer_labels_have_no_tangent() -> None:
    x, y = normal(4, 3), labels(3, 4)
    gradient = jax.grad(lambda x, y: call(SPARSE_CE, x, y), argnums=(0, 1), allow_int=True)(x, y)
    assert gradient[1].dtype == jax.dtypes.float0
    assert_close(gradient[0], (jax.nn.softmax(x) - jax.nn.one_hot(y, 3)) / 4)


# ---- devices -------------------------------------------------------------------------------------

DEVICES = """
import jax, numpy as np
import jax.numpy as jnp
from functools import partial
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from tests.jax_kernels import CENTERS, SPARSE_CE, call

assert jax.device_count() == 2
shard_map = jax.shard_map if hasattr(jax, "shard_map") else jax.experimental.shard_map.shard_map
x, c = np.linspace(-2, 2, 24, dtype=np.float32).reshape(8, 3), np.eye(4, 3, dtype=np.float32)
y = np.arange(8) % 3
mesh = Mesh(np.array(jax.devices()), ("data",))
rows, whole = NamedSharding(mesh, P("data")), NamedSharding(mesh, P())

def mean(x, y):
    return call(SPARSE_CE, x, y)

def centers(x, y, c):
    return call(CENTERS, x, y, c, reduction="sum")

expected = jax.grad(mean)(x, y)
hessian = jax.hessian(mean)(x, y)
sharded = jax.device_put(x, rows), jax.device_put(y, rows)
gradient = jax.jit(jax.grad(mean))(*sharded)
assert gradient.sharding.is_equivalent_to(rows, 2), gradient.sharding
np.testing.assert_allclose(gradient, expected, atol=1e-6)
np.testing.assert_allclose(jax.jit(jax.hessian(mean))(*sharded), hessian, atol=1e-6)
of_centers = jax.jit(jax.grad(centers, 2))(*sharded, jax.device_put(c, whole))
np.testing.assert_allclose(of_centers, jax.grad(centers, 2)(x, y, c), atol=1e-6)

local = shard_map(
    lambda x, y: jax.lax.pmean(mean(x, y), "data"),
    mesh=mesh, in_specs=(P("data"), P("data")), out_specs=P(),
)
np.testing.assert_allclose(jax.jit(local)(x, y), mean(x, y), atol=1e-6)
np.testing.assert_allclose(jax.jit(jax.grad(local))(x, y), expected, atol=1e-6)
np.testing.assert_allclose(jax.jit(jax.hessian(local))(x, y), hessian, atol=1e-6)

halves = x.reshape(2, 4, 3), y.reshape(2, 4)
each = jax.pmap(jax.value_and_grad(lambda x, y: jax.lax.pmean(mean(x, y), "i")), "i")(*halves)
np.testing.assert_allclose(each[0], [mean(x, y)] * 2, atol=1e-6)
parts = jax.pmap(jax.grad(mean))(*halves).reshape(8, 3) / 2
np.testing.assert_allclose(parts, expected, atol=1e-6)
"""


def test_two_devices() -> None:
    flags = "--xla_force_host_platform_device_count=2"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", DEVICES],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
