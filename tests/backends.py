"""The four backends behind one interface: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import tensorflow as tf
import torch

Gradient = Callable[[Callable[..., Any], list[Any], int], Any]
Check = Callable[..., None]


@dataclass(frozen=True)
class Backend:
    """How to speak to the code generated for a framework.

    Attributes:
        name: Name of the backend's package.
        array: Makes an array of the framework from one of NumPy.
        numpy: The inverse.
        gradient: The gradient of a scalar function by one of its arguments, by the framework's own
            differentiation; None where there is none.
        compiled: A function compiled by the framework; None where there is no compiler.
    """

    name: str
    array: Callable[[np.ndarray], Any]
    numpy: Callable[[Any], np.ndarray]
    gradient: Gradient | None
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]] | None

    def function(self, name: str, package: str = "generated") -> Callable[..., Any]:
        """A generated function, by its framework's arrays."""
        found: Callable[..., Any] = getattr(self.module(package), name)
        return found

    def module(self, package: str = "generated", module: str = "") -> Any:
        """The backend's package, or a module in it."""
        return importlib.import_module(f"{package}.{self.name}{module and '.'}{module}")

    def given(self, value: Any) -> Any:
        """What the framework takes: NumPy's arrays become its own, all else stays."""
        if isinstance(value, tuple):
            return tuple(map(self.given, value))
        return (
            self.array(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else value
        )

    def returned(self, value: Any) -> Any:
        """The framework's arrays as NumPy's."""
        if isinstance(value, tuple | list):
            return tuple(map(self.returned, value))
        return self.numpy(value)

    def call(self, name: str, *inputs: Any, package: str = "generated", **options: Any) -> Any:
        """The result of a generated function."""
        named = {key: self.given(value) for key, value in options.items()}
        return self.returned(self.function(name, package)(*map(self.given, inputs), **named))

    def differentiate(
        self, name: str, *inputs: Any, by: int = 0, package: str = "generated", **options: Any
    ) -> np.ndarray:
        """The gradient by an input, in the framework's own way; NumPy has the compiler's alone."""
        if self.gradient is None:
            _, found = self.call(f"{name}_value_and_grad", *inputs, package=package, **options)
            return np.asarray(found[by] if isinstance(found, tuple) else found)
        loss = self.function(name, package)
        named = {key: self.given(value) for key, value in options.items()}
        arrays = [self.given(value) for value in inputs]
        return self.numpy(self.gradient(lambda *x: loss(*x, **named), arrays, by))


def _from_torch(x: torch.Tensor) -> np.ndarray:
    if x.dtype == torch.bfloat16:
        return np.asarray(x.detach().float().numpy().astype(ml_dtypes.bfloat16))
    return np.asarray(x.detach().numpy())


def _to_torch(x: np.ndarray) -> torch.Tensor:
    if x.dtype == ml_dtypes.bfloat16:
        return torch.tensor(x.astype(np.float32)).bfloat16()
    return torch.tensor(x)


def _torch_gradient(function: Callable[..., Any], arrays: list[Any], by: int) -> Any:
    arrays[by] = arrays[by].requires_grad_()
    return torch.autograd.grad(function(*arrays).sum(), arrays[by])[0]


def _tensorflow_gradient(function: Callable[..., Any], arrays: list[Any], by: int) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(arrays[by])
        value = tf.reduce_sum(function(*arrays))
    return tape.gradient(value, arrays[by])


def _jax_gradient(function: Callable[..., Any], arrays: list[Any], by: int) -> Any:
    return jax.grad(lambda *x: function(*x).sum(), by)(*arrays)


BACKENDS = {
    one.name: one
    for one in (
        Backend("numpy", np.asarray, np.asarray, None, None),
        Backend(
            "torch",
            _to_torch,
            _from_torch,
            _torch_gradient,
            lambda f: torch.compile(f, fullgraph=True, backend="aot_eager"),
        ),
        Backend("tensorflow", tf.constant, lambda x: x.numpy(), _tensorflow_gradient, tf.function),
        Backend("jax", jnp.asarray, np.asarray, _jax_gradient, jax.jit),
    )
}


@contextlib.contextmanager
def entered(name: str) -> Iterator[Backend]:
    """A backend while it can hold float64; JAX has that only where it is asked for."""
    with jax.enable_x64(True) if name == "jax" else contextlib.nullcontext():
        yield BACKENDS[name]


def close(found: Any, wanted: Any) -> None:
    """Equal up to rounding in float64, and of one shape."""
    assert np.shape(found) == np.shape(wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-15)


def checker(backend: Backend, package: str) -> Check:
    """Compares entries, gradients of their sum by any route, and a Hessian-vector product."""

    def check(
        name: str,
        *inputs: Any,
        entries: Any,
        slopes: tuple[Any, ...],
        curved: tuple[Any, ...] | None = None,
        **options: Any,
    ) -> None:
        options = {"reduction": "none", "package": package, **options}
        close(backend.call(name, *inputs, **options), entries)
        value, gradient = backend.call(f"{name}_value_and_grad", *inputs, **options)
        close(value, entries)
        found = gradient if isinstance(gradient, tuple) else (gradient,)
        assert len(found) == len(slopes)
        for part, slope in zip(found, slopes, strict=True):
            close(part, np.asarray(slope, float))
        close(backend.differentiate(name, *inputs, **options), slopes[0])
        if curved is not None:  # along the vector of ones
            ones = tuple(np.ones(np.shape(slope)) for slope in slopes)
            vector = ones if len(ones) > 1 else ones[0]
            product = backend.call(f"{name}_hvp", *inputs, **options, vector=vector)
            product = product if isinstance(product, tuple) else (product,)
            for part, wanted in zip(product, curved, strict=True):
                close(part, np.asarray(wanted, float))

    return check
