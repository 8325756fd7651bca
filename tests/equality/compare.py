"""Compares generated losses with those of libraries: values and gradients.

A library's value and gradient are computed once, in the library's own framework, and compared with
those of every backend.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch

from tests.equality.rows import DTYPES, Row, draw

BACKENDS = ("numpy", "torch", "tensorflow", "jax")
TOLERANCES = {"float64": (1e-9, 1e-12), "float32": (2e-5, 2e-6)}

# ---- theirs -----------------------------------------------------------------------------------


def _torch(row: Row, x: dict[str, Any], reduction: str) -> tuple[Any, list[Any]]:
    tensors = {n: torch.tensor(a) if isinstance(a, np.ndarray) else a for n, a in x.items()}
    leaves = [tensors[n].requires_grad_() for n in row.differentiated]
    value = row.theirs(SimpleNamespace(**tensors), reduction)
    gradients = torch.autograd.grad(value.sum(), leaves)
    return value.detach().numpy(), [g.numpy() for g in gradients]


def _optax(row: Row, x: dict[str, Any], reduction: str) -> tuple[Any, list[Any]]:
    with jax.enable_x64(True):
        arrays = {n: jnp.asarray(a) if isinstance(a, np.ndarray) else a for n, a in x.items()}

        def value(leaves: dict[str, Any]) -> Any:
            return row.theirs(SimpleNamespace(**{**arrays, **leaves}), reduction)

        leaves = {n: arrays[n] for n in row.differentiated}
        gradients = jax.grad(lambda d: value(d).sum())(leaves)
        return np.asarray(value(leaves)), [np.asarray(gradients[n]) for n in row.differentiated]


def _keras(row: Row, x: dict[str, Any], reduction: str) -> tuple[Any, list[Any]]:
    tensors = {n: tf.constant(a) if isinstance(a, np.ndarray) else a for n, a in x.items()}
    leaves = [tensors[n] for n in row.differentiated]
    with tf.GradientTape() as tape:
        tape.watch(leaves)
        value = row.theirs(SimpleNamespace(**tensors), reduction)
        total = tf.reduce_sum(value)
    return value.numpy(), [g.numpy() for g in tape.gradient(total, leaves)]


def _sklearn(row: Row, x: dict[str, Any], reduction: str) -> tuple[Any, list[Any]]:
    value, gradients = row.theirs(SimpleNamespace(**x), reduction)
    return value, gradients


LIBRARIES = {"torch": _torch, "optax": _optax, "keras": _keras, "sklearn": _sklearn}


_COMPUTED: dict[tuple[Any, ...], tuple[Any, list[Any]]] = {}


def theirs(row: Row, batch: tuple[int, ...], reduction: str) -> tuple[Any, list[Any]]:
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
    module = importlib.import_module(f"generated.{backend}")
    convert = CONVERT[backend]
    with precision(backend):
        arrays = [convert(a) for a in inputs]
        given = {n: convert(v) if isinstance(v, np.ndarray) else v for n, v in options.items()}
        value, gradient = getattr(module, f"{loss}_value_and_grad")(*arrays, **given)
        plain = getattr(module, loss)(*arrays, **given)
        np.testing.assert_array_equal(np.asarray(plain), np.asarray(value))
        gradients = gradient if isinstance(gradient, tuple) else (gradient,)
        return np.asarray(value), [np.asarray(g) for g in gradients]


def assert_equal(row: Row, backend: str) -> None:
    """Fails unless values and gradients agree for every batch shape and reduction of the row."""
    rtol, atol = TOLERANCES[DTYPES[row.library]]
    for batch in row.batches:
        inputs, options = draw(row, batch)
        for reduction in row.reductions:
            value, gradients = theirs(row, batch, reduction)
            mine, mine_gradients = ours(
                backend, row.loss, inputs.values(), {**options, "reduction": reduction}
            )
            case = f"{row.name}, batch {batch}, {reduction}"
            assert mine.shape == np.shape(value), case
            np.testing.assert_allclose(mine, value, rtol=rtol, atol=atol, err_msg=case)
            assert len(mine_gradients) == len(gradients), case
            for got, wanted in zip(mine_gradients, gradients, strict=True):
                np.testing.assert_allclose(got, wanted, rtol=rtol, atol=atol, err_msg=case)
