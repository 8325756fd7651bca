"""Compares generated losses with those of libraries: values and gradients.

A library's value and gradient are computed once, in the library's own framework, and compared with
those of every backend.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch

from tests.equality.rows import Row, draw

BACKENDS = ("numpy", "torch", "tensorflow", "jax")
# Relative to an entry, and relative to the largest entry of its array.
TOLERANCES = {"formula": (1e-11, 1e-12), "keras": (2e-5, 2e-6)}
OTHERWISE = (1e-9, 1e-12)

Theirs = tuple[Any, list[Any] | None]
"""A value, and gradients in the order of `Row.differentiated`; None if the library has none."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A JAX function as one program, compiled as fast as can be."""
    quickly: Any = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    done: Callable[..., Any] = jax.jit(function, compiler_options=quickly)
    return done


# ---- theirs -----------------------------------------------------------------------------------


def _torch(row: Row, x: dict[str, Any], reduction: str) -> Theirs:
    tensors = {n: torch.tensor(a) if isinstance(a, np.ndarray) else a for n, a in x.items()}
    leaves = [tensors[n].requires_grad_() for n in row.differentiated]
    value = row.theirs(SimpleNamespace(**tensors), reduction)
    gradients = torch.autograd.grad(value.sum(), leaves)
    return value.detach().numpy(), [g.numpy() for g in gradients]


def _optax(row: Row, x: dict[str, Any], reduction: str) -> Theirs:
    with jax.enable_x64(True):
        arrays = {n: jnp.asarray(a) if isinstance(a, np.ndarray) else a for n, a in x.items()}

        def total(leaves: dict[str, Any]) -> Any:
            value = row.theirs(SimpleNamespace(**{**arrays, **leaves}), reduction)
            return value.sum(), value

        leaves = {n: arrays[n] for n in row.differentiated}
        derive = jax.grad(total, has_aux=True)
        try:
            gradients, value = compiled(derive)(leaves)
        except jax.errors.TracerBoolConversionError:  # it looks at numbers, to check them
            gradients, value = derive(leaves)
        return np.asarray(value), [np.asarray(gradients[n]) for n in row.differentiated]


def _keras(row: Row, x: dict[str, Any], reduction: str) -> Theirs:
    tensors = {n: tf.constant(a) if isinstance(a, np.ndarray) else a for n, a in x.items()}
    leaves = [tensors[n] for n in row.differentiated]
    with tf.GradientTape() as tape:
        tape.watch(leaves)
        value = row.theirs(SimpleNamespace(**tensors), reduction)
        total = tf.reduce_sum(value)
    return value.numpy(), [g.numpy() for g in tape.gradient(total, leaves)]


def _sklearn(row: Row, x: dict[str, Any], reduction: str) -> Theirs:
    value, gradients = row.theirs(SimpleNamespace(**x), reduction)
    return value, gradients


LIBRARIES = {
    "formula": _torch,
    "torch": _torch,
    "optax": _optax,
    "keras": _keras,
    "sklearn": _sklearn,
}
_COMPUTED: dict[tuple[Any, ...], Theirs] = {}


def theirs(row: Row, batch: tuple[int, ...], reduction: str) -> Theirs:
    """The library's value and gradients, computed once for all backends."""
    key = (row.name, batch, reduction)
    if key not in _COMPUTED:
        inputs, options = draw(row, batch)
        _COMPUTED[key] = LIBRARIES[row.library](row, {**inputs, **options}, reduction)
    return _COMPUTED[key]


# ---- ours -------------------------------------------------------------------------------------

CONVERT: dict[str, Callable[[np.ndarray], Any]] = {
    "numpy": np.asarray,
    "torch": torch.tensor,
    "tensorflow": tf.constant,
    "jax": jnp.asarray,
}


def precision(backend: str) -> contextlib.AbstractContextManager[Any]:
    """JAX has float64 only where it is asked for."""
    return jax.enable_x64(True) if backend == "jax" else contextlib.nullcontext()


def ours(
    backend: str, loss: str, inputs: Iterable[Any], options: Mapping[str, Any]
) -> tuple[Any, list[Any]]:
    """The generated loss's value and gradients, as NumPy arrays."""
    function = getattr(importlib.import_module(f"generated.{backend}"), f"{loss}_value_and_grad")
    convert = CONVERT[backend]
    with precision(backend):
        arrays = [convert(a) for a in inputs]
        given = {n: convert(v) if isinstance(v, np.ndarray) else v for n, v in options.items()}
        if backend == "jax":  # a program of its own per primitive and shape takes far longer
            call = functools.partial(function, **given)
            value, gradient = compiled(call)(*arrays)
        else:
            value, gradient = function(*arrays, **given)
        gradients = gradient if isinstance(gradient, tuple) else (gradient,)
        return np.asarray(value), [np.asarray(g) for g in gradients]


def cases(row: Row, backend: str) -> Iterator[tuple[tuple[int, ...], str]]:
    """The batch shapes and reductions to compare: all in NumPy, one in the other backends.

    That the backends agree on shapes and reductions is tested once for all losses.
    """
    if backend == "numpy":
        yield from itertools.product(row.batches, row.reductions)
    else:
        yield row.batches[-1], row.reductions[-1]


def assert_equal(row: Row, backend: str) -> None:
    """Fails unless values and gradients agree."""
    for batch, reduction in cases(row, backend):
        inputs, options = draw(row, batch)
        value, gradients = theirs(row, batch, reduction)
        mine, mine_gradients = ours(
            backend, row.loss, inputs.values(), {**options, "reduction": reduction}
        )
        case = f"{row.name}, batch {batch}, {reduction}"
        assert mine.shape == np.shape(value), case
        _assert_close(mine, value, row, case)
        if gradients is None:
            continue
        assert len(mine_gradients) == len(gradients), case
        for got, wanted in zip(mine_gradients, gradients, strict=True):
            _assert_close(got, wanted, row, f"gradient of {case}")


def _assert_close(got: Any, wanted: Any, row: Row, case: str) -> None:
    relative, absolute = TOLERANCES.get(row.library, OTHERWISE)
    largest = np.max(np.abs(wanted), initial=0.0, where=np.isfinite(wanted))
    np.testing.assert_allclose(
        got, wanted, rtol=relative, atol=absolute * max(1.0, largest), err_msg=case
    )
