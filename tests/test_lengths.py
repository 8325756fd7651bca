"""Lengths and cosines of vectors: right where squares overflow or underflow, and at 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from losscompiler.backends.jax.runtime import _functions as jax_functions
from losscompiler.backends.numpy.runtime import _functions as numpy_functions
from losscompiler.backends.tensorflow.runtime import _functions as tensorflow_functions
from losscompiler.backends.torch.runtime import _functions as torch_functions
from losscompiler.passes import compile_loss
from losscompiler.spec import Norm, Prediction, Sum, index, loss
from tests.compiled import emitted, gradient, hessian_diagonal, hvp, value

D = index("feature")


@loss
def length(x: Any = Prediction("feature")) -> Any:
    return Norm(x[D], D)


@loss
def squared_length(x: Any = Prediction("feature")) -> Any:
    return Norm(x[D], D) ** 2


@loss
def cosine(a: Any = Prediction("feature"), b: Any = Prediction("feature")) -> Any:
    return Sum(a[D] * b[D], D) / (Norm(a[D], D) * Norm(b[D], D))


@loss
def squared_chord(a: Any = Prediction("feature"), b: Any = Prediction("feature")) -> Any:
    return Sum((a[D] / Norm(a[D], D) - b[D] / Norm(b[D], D)) ** 2, D)


@loss
def cosines(
    a: Any = Prediction("batch", "feature"), b: Any = Prediction("batch", "feature")
) -> Any:
    i, j = index("batch", "i j")
    near = Sum(a[i, D] * b[j, D], D) / (Norm(a[i, D], D) * Norm(b[j, D], D))
    return Sum(near**3, j)


A, B = np.array([3.0, -4.0, 12.0]), np.array([1.0, 2.0, -2.0])
COSINE = -29 / 39


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1.0, 1e170, 1e300])
def test_lengths_of_tiny_and_huge_vectors(scale: float) -> None:
    x = {"x": scale * A}
    np.testing.assert_allclose(value(length, x), 13 * scale, rtol=1e-15)
    np.testing.assert_allclose(gradient(length, x), A / 13, rtol=1e-15)
    across = (1 - (A / 13) ** 2) / (13 * scale)
    np.testing.assert_allclose(hessian_diagonal(length, x), across, rtol=1e-14)


@pytest.mark.parametrize("small", [np.float32(1e-30), np.float32(1e20)])
def test_lengths_in_single_precision(small: Any) -> None:
    x = (A * small).astype(np.float32)
    cost, slope = emitted(length)["length_value_and_grad"](x)
    np.testing.assert_allclose(cost, 13 * small, rtol=3e-7)
    np.testing.assert_allclose(slope, A / 13, rtol=3e-7)


def test_nothing_has_no_direction() -> None:
    x = {"x": np.zeros(3)}
    assert value(length, x) == 0
    np.testing.assert_array_equal(gradient(length, x), 0.0)
    np.testing.assert_array_equal(hessian_diagonal(length, x), 0.0)


def test_an_even_power_of_a_length_is_smooth_at_0() -> None:
    np.testing.assert_array_equal(hessian_diagonal(squared_length, {"x": np.zeros(3)}), 2.0)


@pytest.mark.parametrize("scales", [(1e-200, 1e200), (1e-300, 1.0), (1e150, 1e300), (1.0, 1.0)])
@pytest.mark.parametrize("made", [cosine, squared_chord])
def test_cosines_of_tiny_and_huge_vectors(made: Any, scales: tuple[float, float]) -> None:
    one, two = scales
    vectors = {"a": one * A, "b": two * B}
    expected = COSINE if made is cosine else 2 - 2 * COSINE
    factor = 1 if made is cosine else -2
    np.testing.assert_allclose(value(made, vectors), expected, rtol=1e-15)
    by_a, by_b = gradient(made, vectors)
    np.testing.assert_allclose(by_a * one, factor * (B / 3 - COSINE * A / 13) / 13, rtol=1e-13)
    np.testing.assert_allclose(by_b * two, factor * (A / 13 - COSINE * B / 3) / 3, rtol=1e-13)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_second_derivatives_of_cosines_in_single_precision(scale: float) -> None:
    """Powers of the reciprocal of a length above the second are out of range here."""
    exact = hvp(cosine, {"a": A, "b": B}, (B, A))
    vectors = [(scale * x).astype(np.float32) for x in (A, B)]
    along = [(scale * x).astype(np.float32) for x in (B, A)]
    found = emitted(cosine)["cosine_hvp"](*vectors, reduction="sum", vector=tuple(along))
    for ours, theirs in zip(found, exact, strict=True):
        np.testing.assert_allclose(ours * scale, theirs, rtol=3e-6, atol=1e-7)


def test_a_zero_vector_is_at_a_right_angle_to_all() -> None:
    vectors = {"a": np.zeros(3), "b": B}
    assert value(cosine, vectors) == 0
    for slope in gradient(cosine, vectors):
        np.testing.assert_array_equal(slope, 0.0)


@pytest.mark.parametrize("kernel", ["vjp", "hvp", "hessian_diagonal"])
def test_cosines_of_all_pairs_build_no_array_of_pairs_and_features(kernel: str) -> None:
    (variant,) = compile_loss(cosines).variants.values()
    program = variant.programs[kernel]
    graph = program.graph
    for definition in graph.topological([output.value for output in program.outputs]):
        assert len(definition.free) < 3, definition


# ---- the functions of each backend ---------------------------------------------------------------


def _torch(x: Any) -> Any:
    import torch

    return torch.from_numpy(np.asarray(x))


BACKENDS: dict[str, tuple[Any, Any]] = {
    "numpy": (numpy_functions, np.asarray),
    "torch": (torch_functions, _torch),
    "tensorflow": (tensorflow_functions, lambda x: __import__("tensorflow").constant(x)),
    "jax": (jax_functions, lambda x: __import__("jax").numpy.asarray(x)),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_norms_along_axes(backend: str) -> None:
    fn, array = BACKENDS[backend]
    x = np.array([[3e30, -4e30], [3e-30, 4e-30], [0, 0], [np.inf, 1], [np.nan, 1]], np.float32)
    with np.errstate(all="ignore"):
        found = np.asarray(fn.norm(array(x), axis=-1))
    np.testing.assert_allclose(found, np.array([5e30, 5e-30, 0, np.inf, np.nan]), rtol=3e-7)
    assert found.dtype == np.float32
    assert np.asarray(fn.norm(array(np.zeros((2, 0), np.float32)), axis=-1)).tolist() == [0, 0]
    cube = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    several = np.asarray(fn.norm(array(cube), axis=(-3, -1)))
    np.testing.assert_allclose(several, np.sqrt((cube**2).sum((0, 2))), rtol=3e-7)


@pytest.mark.parametrize("backend", BACKENDS)
def test_directions_and_reciprocals(backend: str) -> None:
    fn, array = BACKENDS[backend]
    x = np.array([[3e30, -4e30], [0, 0], [np.nan, 1]], np.float32)
    n = np.array([[5e30], [0], [np.nan]], np.float32)
    expected = np.array([[0.6, -0.8], [0, 0], [np.nan, np.nan]])
    np.testing.assert_allclose(np.asarray(fn.unit(array(x), array(n))), expected, rtol=3e-7)
    found = np.asarray(fn.reciprocal(array(n[:, 0])))
    np.testing.assert_allclose(found, np.array([2e-31, 0, np.nan]), rtol=3e-7)
    assert found.dtype == np.float32
