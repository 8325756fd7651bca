"""The Keras classes, as emitted: reductions, shapes, compile, fit, save and load."""

from __future__ import annotations

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from losscompiler.backends.imports import runtime_files
from losscompiler.backends.render import public_names, render_module
from losscompiler.spec import (
    Abs,
    Label,
    Param,
    Piecewise,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    log,
    loss,
)
from tests import tensorflow_kernels as kernels

RNG = np.random.default_rng(11)


@loss
def huber(
    prediction: Any = Prediction(),
    target: Any = Target(),
    *,
    delta: Any = Param(1, positive=True),
) -> Any:
    """Quadratic near zero, linear in the tails."""
    r = Abs(prediction - target)
    return Piecewise((r**2 / 2, r <= delta), (delta * (r - delta / 2), True))


@loss
def sparse_cross_entropy(logits: Any = Prediction("class"), label: Any = Label("class")) -> Any:
    """Minus the log-probability of the label."""
    k = index("class")
    return log(Sum(exp(logits[k]), k)) - logits[label]


@loss
def info_nce(
    query: Any = Prediction("batch", "feature"),
    key: Any = Prediction("batch", "feature"),
    *,
    temperature: Any = Param(0.07, positive=True),
) -> Any:
    """The key of a query against all keys."""
    i, j = index("batch", "i j")
    d = index("feature")
    scores = Sum(query[i, d] * key[j, d], d) / temperature
    return log(Sum(exp(scores), j)) - Sum(query[i, d] * key[i, d], d) / temperature


@loss
def center_loss(
    embedding: Any = Prediction("feature"),
    centers: Any = Prediction("class", "feature"),
    label: Any = Label("class"),
    *,
    scale: Any = Param(1, learnable=True, positive=True),
) -> Any:
    """Squared distance to the center of the class, and small centers."""
    c, d = index("class"), index("feature")
    return scale * Sum((embedding[d] - centers[label, d]) ** 2, d) + Sum(centers[c, d] ** 2, c, d)


LOSSES = (
    (huber, kernels.HUBER),
    (sparse_cross_entropy, kernels.SPARSE),
    (info_nce, kernels.INFO_NCE),
    (center_loss, kernels.CENTER),
)


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A generated module over hand-written kernels."""
    package = tmp_path_factory.mktemp("keras") / "emitted_tensorflow"
    package.mkdir()
    (package / "__init__.py").touch()
    for name, text in runtime_files("tensorflow").items():
        (package / name).write_text(text)
    text = render_module(
        "tensorflow", [(traced, {}, ()) for traced, _ in LOSSES], "Losses.", "specs/x.py"
    )
    (package / "losses.py").write_text(text)
    sys.path.insert(0, str(package.parent))
    module: Any = importlib.import_module("emitted_tensorflow.losses")
    for traced, definition in LOSSES:
        setattr(module, f"_{traced.name.upper()}", definition)
    yield module
    sys.path.remove(str(package.parent))


def close(found: Any, expected: Any, rtol: float = 1e-5) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol, 1e-7)


def pairs(*shape: int) -> tuple[Any, Any]:
    y, x = RNG.normal(size=(2, *shape)).astype(np.float32)
    return y, x


def test_the_class_is_public(emitted: Any) -> None:
    assert "HuberLoss" in public_names("tensorflow", huber)
    assert "HuberLoss" in emitted.__all__
    assert issubclass(emitted.HuberLoss, keras.losses.Loss)


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3), (5, 2, 3)])
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None]
)
def test_reductions_and_sample_weights_are_those_of_keras(
    emitted: Any, shape: tuple[int, ...], reduction: str | None
) -> None:
    y, x = pairs(*shape)
    w = RNG.uniform(size=5).astype(np.float32)
    if len(shape) == 3:
        w = RNG.uniform(size=(5, 2)).astype(np.float32)
    mine, own = (
        cls(delta=0.7, reduction=reduction) for cls in (emitted.HuberLoss, keras.losses.Huber)
    )
    # Keras's own takes a vector for one sample: it wants a column.
    column = (slice(None), None) if len(shape) == 1 else ...
    close(mine(y, x), own(y[column], x[column]))
    close(mine(y, x, sample_weight=w), own(y[column], x[column], sample_weight=w))


def test_shapes_are_aligned_or_refused(emitted: Any) -> None:
    y, x = pairs(4)
    wanted = keras.losses.Huber()(y, x)
    close(emitted.HuberLoss()(y[:, None], x), wanted)
    close(emitted.HuberLoss()(y, x[:, None]), wanted)
    with pytest.raises(ValueError, match=r"`prediction` .*\(4, 3\) and `target` .*\(4,\)"):
        emitted.HuberLoss()(y, np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match=r"\(4,\) and `target` has shape \(1,\)"):
        emitted.HuberLoss()(y[:1], x)


def test_labels_survive_that_keras_casts_them(emitted: Any) -> None:
    logits, label = RNG.normal(size=(6, 300)).astype(np.float32), RNG.integers(257, 300, 6)
    own = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(label, logits)
    mine = emitted.SparseCrossEntropyLoss()
    close(mine(label, logits), own)
    close(mine(label[:, None], logits), own)
    half = emitted.SparseCrossEntropyLoss(dtype="mixed_bfloat16")(label, logits)
    close(half, own)
    assert half.dtype == tf.float32


def test_ignored_labels_do_not_count_in_the_mean(emitted: Any) -> None:
    logits, label = RNG.normal(size=(4, 3)).astype(np.float32), np.array([0, -1, 2, 1])
    own = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    mine = emitted.SparseCrossEntropyLoss(ignore_index=-1)
    close(mine(label, logits), own(label, logits))
    weight = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    close(mine(label, logits, weight), own(label, logits, weight))
    table = [1.0, 2.0, 3.0]
    weighted = emitted.SparseCrossEntropyLoss(ignore_index=-1, class_weight=table)
    factors = np.array([1.0, 0.0, 3.0, 2.0], np.float32)
    close(weighted(label, logits), own(label, logits, factors))


def test_the_class_axis_may_lie_anywhere(emitted: Any) -> None:
    logits, label = RNG.normal(size=(2, 4, 3)).astype(np.float32), RNG.integers(0, 4, (2, 3))
    mine = emitted.SparseCrossEntropyLoss(axis=1)(label, logits)
    own = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    close(mine, own(label, np.moveaxis(logits, 1, -1)))


def test_several_predictions_and_targets(emitted: Any) -> None:
    q, k = pairs(4, 3)
    mine = emitted.InfoNceLoss(temperature=0.5, reduction="none")
    close(mine(np.zeros(4), (q, k)), kernels.info_nce_plain(q, k, 0.5))
    with pytest.raises(ValueError, match=r"`y_pred` has 1 parts, .* `query`, `key`"):
        mine(np.zeros(4), q)
    x, centers = RNG.normal(size=(5, 3)).astype("f"), RNG.normal(size=(4, 3)).astype("f")
    label = np.array([0, 1, 3, 2, 1])
    scaled = emitted.CenterLoss(scale=2.0)
    close(
        scaled(label, (x, centers)),
        2 * ((x - centers[label]) ** 2).sum(1).mean() + (centers**2).sum(),
    )


def model(emitted: Any, **settings: Any) -> Any:
    keras.utils.set_random_seed(0)
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    made.compile(keras.optimizers.SGD(0.1), **settings)
    return made


@pytest.mark.parametrize("jit_compile", [True, False, "auto"])
def test_fit_trains_as_with_keras_own_loss(emitted: Any, jit_compile: bool | str) -> None:
    x, y = RNG.normal(size=(10, 3)).astype("f"), RNG.normal(size=(10, 2)).astype("f")
    weight = RNG.uniform(size=10).astype("f")
    weights = []
    for own in (emitted.HuberLoss(delta=0.5), keras.losses.Huber(0.5)):
        made = model(emitted, loss=own, jit_compile=jit_compile)
        made.fit(x, y, sample_weight=weight, batch_size=4, epochs=3, verbose=0)
        weights.append(made.get_weights())
    for mine, other in zip(*weights, strict=True):
        close(mine, other)


def test_fit_under_mixed_precision_computes_in_float32(emitted: Any) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        made = model(emitted, loss=emitted.SparseCrossEntropyLoss())
    finally:
        keras.config.set_dtype_policy("float32")
    history = made.fit(np.ones((8, 3), "f"), np.ones(8, int), epochs=5, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert made.loss(np.zeros(2), made(np.ones((2, 3), "f"))).dtype == tf.float32


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:keras")
def test_save_and_load_keep_every_setting(emitted: Any, tmp_path: Path) -> None:
    x, y = RNG.normal(size=(8, 3)).astype("f"), RNG.normal(size=(8, 2)).astype("f")
    made = model(emitted, loss=emitted.HuberLoss(delta=np.float32(0.25), reduction="sum"))
    made.fit(x, y, verbose=0)
    made.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.loss) is emitted.HuberLoss
    assert loaded.loss.get_config() == made.loss.get_config()
    assert loaded.loss.delta == 0.25
    close(loaded.evaluate(x, y, verbose=0), made.evaluate(x, y, verbose=0))


def test_the_config_is_complete(emitted: Any) -> None:
    made = emitted.SparseCrossEntropyLoss(
        reduction="sum",
        name="mine",
        dtype=keras.DTypePolicy("float64"),
        ignore_index=-1,
        class_weight=tf.constant([1.0, 2.0]),
        axis=1,
    )
    config = made.get_config()
    assert config == {
        "name": "mine",
        "reduction": "sum",
        "dtype": "float64",
        "ignore_index": -1,
        "class_weight": [1.0, 2.0],
        "axis": 1,
    }
    again = keras.losses.deserialize(keras.losses.serialize(made))
    assert again.get_config() == config
    assert again.dtype == "float64"
    assert again(np.array([0]), np.zeros((1, 2))).dtype == tf.float64
