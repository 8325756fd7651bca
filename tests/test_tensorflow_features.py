"""Every generated TensorFlow loss: compiled by XLA, under nested tapes, with sizes unknown."""

from __future__ import annotations

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.catalogue_cases import Case, case, facts
from tests.representatives import representatives

NAMES = representatives()
LABELLED = tuple(n for n in NAMES if any(i["role"] == "label" for i in facts()[n]["inputs"]))
MILLION = 10**6

Function = Callable[..., Any]


def close(found: Any, expected: Any, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    """Two nests of arrays are equal, up to rounding."""
    left, right = tf.nest.flatten(found), tf.nest.flatten(expected)
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol, atol)


def generated(loss: str, suffix: str = "", package: str = "tensorflow") -> Function:
    """A generated function."""
    found: Function = getattr(importlib.import_module(f"generated.{package}"), f"{loss}{suffix}")
    return found


def several(given: Any) -> list[Any]:
    """The parts of a derivative: the generated functions give an array, or a tuple of several."""
    return list(given) if isinstance(given, tuple) else [given]


def tensors(example: Case) -> list[Any]:
    """The inputs."""
    return [tf.constant(x) for x in example.arrays]


def vectors(example: Case) -> list[Any]:
    """A direction for each prediction."""
    return [tf.constant(v) for v in example.vectors()]


@cache
def explicit(loss: str) -> dict[str, Any]:
    """What NumPy's emitted derivatives say of the same inputs."""
    example = case(loss)
    directions = (*example.vectors(), *(np.zeros(()) for _ in example.learnable))
    vector = directions[0] if len(directions) == 1 else directions
    arrays, params = example.arrays, example.params
    value, gradient = generated(loss, "_value_and_grad", "numpy")(*arrays, **params)
    count = len(example.predictions)
    product = generated(loss, "_hvp", "numpy")(*arrays, **params, vector=vector)
    return {
        "value": value,
        "gradient": several(gradient)[:count],
        "product": several(product)[:count],
    }


def by_tapes(example: Case) -> Function:
    """Value, gradient and Hessian-vector product, by nested tapes."""

    def derivatives(directions: list[Any], *arrays: Any) -> dict[str, Any]:
        sources = [arrays[k] for k in example.positions]
        with tf.GradientTape() as outer:
            outer.watch(sources)
            with tf.GradientTape() as inner:
                inner.watch(sources)
                value = generated(example.name)(*arrays, **example.params)
            gradient = inner.gradient(value, sources)
        product = outer.gradient(
            gradient, sources, directions, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return {"value": value, "gradient": gradient, "product": product}

    return derivatives


@pytest.mark.parametrize("loss", NAMES)
def test_eager_and_explicit(loss: str) -> None:
    example = case(loss)
    found = by_tapes(example)(vectors(example), *tensors(example))
    close(found, explicit(loss))
    assert found["value"].dtype == tf.float64
    value, gradient = generated(loss, "_value_and_grad")(*tensors(example), **example.params)
    close(value, explicit(loss)["value"])
    close(several(gradient)[: len(example.predictions)], explicit(loss)["gradient"])


@pytest.mark.parametrize("loss", NAMES)
def test_compiled_by_xla(loss: str) -> None:
    example = case(loss)
    compiled = tf.function(by_tapes(example), jit_compile=True)
    close(compiled(vectors(example), *tensors(example)), explicit(loss))


@pytest.mark.parametrize("loss", NAMES)
def test_no_size_is_known(loss: str) -> None:
    example = case(loss)

    def unknown(x: Any) -> Any:
        return tf.TensorSpec([None] * x.shape.rank, x.dtype)

    arrays, directions = tensors(example), vectors(example)
    graph = tf.function(
        by_tapes(example),
        input_signature=[[unknown(x) for x in directions], *(unknown(x) for x in arrays)],
    )
    close(graph(directions, *arrays), explicit(loss))
    # The same graph takes another number of samples.
    twice = [tf.concat([x, x], 0) for x in arrays]
    if example.lead:
        found = graph([tf.concat([x, x], 0) for x in directions], *twice)
        close(found["value"], explicit(loss)["value"])


@pytest.mark.parametrize("loss", NAMES)
def test_xla_with_an_unknown_number_of_samples(loss: str) -> None:
    example = case(loss)

    def derivatives(*arrays: Any) -> Any:
        value, gradient = generated(loss, "_value_and_grad")(*arrays, **example.params)
        return value, several(gradient)[: len(example.predictions)]

    wanted = explicit(loss)
    signature = [tf.TensorSpec([None, *x.shape[1:]], x.dtype) for x in tensors(example)]
    compiled = tf.function(derivatives, input_signature=signature, jit_compile=True)
    close(compiled(*tensors(example)), (wanted["value"], wanted["gradient"]))


@pytest.mark.parametrize("loss", NAMES)
def test_hessian_by_nested_tapes(loss: str) -> None:
    example = case(loss)
    flat = tf.concat([tf.reshape(v, [-1]) for v in vectors(example)], 0)

    def hessian(*arrays: Any) -> Any:
        sources = [arrays[k] for k in example.positions]
        with tf.GradientTape() as outer:
            outer.watch(sources)
            with tf.GradientTape() as inner:
                inner.watch(sources)
                value = generated(loss)(*arrays, **example.params)
            slope = tf.concat([tf.reshape(g, [-1]) for g in inner.gradient(value, sources)], 0)
        blocks = outer.jacobian(slope, sources, unconnected_gradients="zero")
        return tf.concat([tf.reshape(b, [slope.shape[0], -1]) for b in blocks], 1)

    matrix = tf.function(hessian)(*tensors(example))
    product = np.concatenate([p.ravel() for p in explicit(loss)["product"]])
    close(tf.linalg.matvec(matrix, flat), product)
    close(matrix, tf.transpose(matrix))


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("loss", NAMES)
def test_a_million_numbers_in_half_precision(loss: str, dtype: Any) -> None:
    example = case(loss)
    few = example.cast(dtype.as_numpy_dtype)
    predictions = sum(few[k].size for k in example.positions)
    copies = MILLION // predictions + 1
    many = [tf.constant(np.tile(x, (copies, *(1,) * (x.ndim - 1)))) for x in few]
    derivatives = generated(loss, "_value_and_grad")
    value = generated(loss)(*many, **example.params)
    total, gradient = derivatives(*many, reduction="sum", **example.params)

    exact = [x.astype(np.float64) if x.dtype == dtype.as_numpy_dtype else x for x in few]
    wanted = generated(loss, package="numpy")(*exact, **example.params)
    wanted_total, slopes = generated(loss, "_value_and_grad", "numpy")(
        *exact, reduction="sum", **example.params
    )
    assert (value.dtype, total.dtype) == (tf.float32, tf.float32)
    close(value, wanted, 2e-5, 1e-7)
    close(total, wanted_total * copies, 2e-5, 1e-2)
    count = len(example.predictions)
    for found, slope in zip(several(gradient)[:count], several(slopes)[:count], strict=True):
        assert found.dtype == dtype
        tiled = np.tile(slope, (copies, *(1,) * (slope.ndim - 1)))
        rounding = 2.0 ** (-7 if dtype == tf.bfloat16 else -10)
        close(tf.cast(found, tf.float64), tiled, rounding, rounding * 1e-2)


@pytest.mark.parametrize("loss", LABELLED)
def test_a_label_out_of_range(loss: str) -> None:
    example = case(loss)
    at = list(example.inputs).index(example.names("label")[0])
    function = tf.function(
        lambda *arrays: generated(loss)(*arrays, reduction="none", **example.params)
    )
    right = tf.reshape(function(*tensors(example)), [-1])
    for wrong in (-1, 100):
        arrays = list(example.arrays)
        arrays[at] = arrays[at].copy()
        arrays[at].flat[0] = wrong
        found = tf.reshape(function(*map(tf.constant, arrays)), [-1])
        assert np.isnan(found[0])
        close(found[1:], right[1:])
        with pytest.raises(ValueError, match=r"holds -?\d+, but axis"):
            generated(loss)(*map(tf.constant, arrays), **example.params)
    narrow = [tf.cast(x, tf.int32) if x.dtype == tf.int64 else x for x in tensors(example)]
    close(tf.reshape(function(*narrow), [-1]), right)
