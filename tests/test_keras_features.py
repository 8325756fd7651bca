"""Every generated Keras class: compiled into a model, fitted, saved, loaded and evaluated."""

from __future__ import annotations

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import importlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from losscompiler.diagnostics import SpecError
from losscompiler.public import class_name
from losscompiler.spec import Param, Prediction, Target
from losscompiler.spec.decorator import ATTRIBUTES
from tests.catalogue_cases import Case, case, facts, names
from tests.representatives import representatives
from tests.spec_helpers import declare


def _is_pair(name: str) -> bool:
    """One prediction and one target or label, which is what `fit` passes."""
    roles = [i["role"] for i in facts()[name]["inputs"] if not i["optional"]]
    return sorted(roles) in (["label", "prediction"], ["prediction", "target"])


PAIRS = tuple(name for name in representatives() if _is_pair(name))
RATE = 0.01


def close(found: Any, expected: Any, rtol: float = 2e-5, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol, atol)


def data(name: str) -> tuple[Case, Any, Any]:
    """A case with enough samples, its predictions in float32, and its targets."""
    inputs = facts()[name]["inputs"]
    if all(i["axes"][:1] == ["batch"] for i in inputs):
        example = case(name, lead=(), sizes=(("batch", 6),))  # the samples are a core axis
    else:
        example = case(name, lead=(6,) if any(i["axes"] for i in inputs) else (6, 3))
    (prediction,) = example.predictions
    (truth,) = (i["name"] for i in inputs if i["name"] != prediction and not i["optional"])
    x, y = example.inputs[prediction], example.inputs[truth]
    return example, x.astype("f"), y.astype("f") if y.dtype.kind == "f" else y


def numpy_function(name: str) -> Any:
    return getattr(importlib.import_module("generated.numpy"), name)


def made(example: Case, **settings: Any) -> Any:
    """The Keras class with the case's parameters."""
    module = importlib.import_module("generated.tensorflow")
    return getattr(module, class_name(example.name))(**example.params, **settings)


def arguments(example: Case, x: Any, y: Any) -> tuple[Any, Any]:
    """Predictions and truths in the spec's order."""
    return (x, y) if example.positions == (0,) else (y, x)


def identity_model(x: Any) -> Any:
    """A layer that starts as the identity, so that predictions lie in their domain."""
    layer = keras.layers.Dense(x.shape[-1], kernel_initializer="identity")
    return keras.Sequential([keras.Input(x.shape[1:]), layer])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:keras")
@pytest.mark.parametrize("name", PAIRS)
def test_fit_steps_along_the_gradient_and_evaluate_survives_save_and_load(
    name: str, tmp_path: Path
) -> None:
    example, x, y = data(name)
    model = identity_model(x)
    own = made(example)
    model.compile(keras.optimizers.SGD(RATE), loss=own, jit_compile=True)
    first = model.fit(x, y, batch_size=len(x), shuffle=False, verbose=0).history["loss"]

    exact = arguments(example, x.astype(float), y)
    value, gradient = numpy_function(f"{name}_value_and_grad")(*exact, **example.params)
    close(first, [value])
    flat_x, flat_gradient = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, x.shape[-1])
    kernel, bias = model.get_weights()
    close(kernel, np.eye(x.shape[-1]) - RATE * flat_x.T @ flat_gradient)
    close(bias, -RATE * flat_gradient.sum(0))

    weight = np.linspace(0.5, 2, len(x)).astype("f")
    plain = model.evaluate(x, y, batch_size=len(x), verbose=0)
    weighted = model.evaluate(x, y, batch_size=len(x), sample_weight=weight, verbose=0)
    now = arguments(example, (x @ kernel + bias).astype(float), y)
    entries = numpy_function(name)(*now, **example.params, reduction="none")
    close(plain, entries.mean())
    close(weighted, (entries * weight.reshape(-1, *[1] * (entries.ndim - 1))).mean())

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.loss) is type(own)
    assert loaded.loss.get_config() == own.get_config()
    assert {n: getattr(loaded.loss, n) for n in example.params} == example.params
    assert loaded.evaluate(x, y, batch_size=len(x), verbose=0) == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("name", names())
def test_class_equals_function_and_keeps_its_settings(name: str) -> None:
    inputs = facts()[name]["inputs"]
    whole = all(i["axes"][:1] == ["batch"] for i in inputs)
    example = case(name, lead=() if whole else None)
    floats = {n: x.astype("f") if x.dtype.kind == "f" else x for n, x in example.inputs.items()}
    y_pred = tuple(x for n, x in floats.items() if n in example.predictions)
    y_true = tuple(x for n, x in floats.items() if n not in example.predictions)
    own = made(example, reduction="mean", dtype="float64")
    again = keras.losses.deserialize(keras.losses.serialize(own))
    assert type(again) is type(own)
    assert again.get_config() == own.get_config()
    assert {n: getattr(again, n) for n in example.params} == example.params
    exact = [x.astype(float) if x.dtype.kind == "f" else x for x in floats.values()]
    wanted = numpy_function(name)(*exact, **example.params)
    found = again(y_true or np.zeros(len(y_pred[0])), y_pred)
    close(found, wanted)


@pytest.mark.parametrize("name", ["call", "dtype", "name"])
def test_a_parameter_that_would_hide_an_attribute_is_refused(name: str) -> None:
    assert name in ATTRIBUTES

    def scaled(prediction: Any, target: Any, **parameters: Any) -> Any:
        return parameters[name] * (prediction - target) ** 2

    with pytest.raises(SpecError) as caught:
        declare(scaled, prediction=Prediction(), target=Target(), **{name: Param(1)})
    assert caught.value.code == "LC101"
