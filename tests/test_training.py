"""Training with generated losses reaches what training with the framework's own losses reaches.

Same data, same start, same batches, so that the losses agree step by step and not only at the end.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression

HIDDEN, BATCH, EPOCHS, RATE = 24, 64, 6, 0.3


@dataclass(frozen=True)
class Problem:
    """Data, a loss of ours and what the frameworks call it."""

    loss: str
    load: Callable[[], tuple[np.ndarray, np.ndarray]]
    outputs: int
    theirs: dict[str, Callable[..., Any]]
    least: float  # score that a run must reach: accuracy, or share of the variance explained

    @property
    def class_name(self) -> str:
        """The name of the class form."""
        return "".join(map(str.capitalize, self.loss.split("_"))) + "Loss"

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Standardised features and targets."""
        x, y = self.load()
        x = (x - x.mean(0)) / (x.std(0) + 1e-6)
        if self.loss == "huber":
            y = (y - y.mean()) / y.std()
        order = np.random.default_rng(0).permutation(len(x))
        wanted = np.int64 if self.outputs > 1 else np.float32
        return x[order].astype(np.float32), y[order].astype(wanted)

    def score(self, predicted: np.ndarray, y: np.ndarray) -> float:
        """Accuracy, or share of the variance explained."""
        if self.loss == "huber":
            return float(1 - np.mean((predicted - y) ** 2) / y.var())
        chosen = predicted.argmax(-1) if self.outputs > 1 else predicted > 0
        return float(np.mean(chosen == y))


def numpy_softmax_gradient(z: np.ndarray, y: np.ndarray) -> tuple[Any, np.ndarray]:
    share = np.exp(z - z.max(-1, keepdims=True))
    share /= share.sum(-1, keepdims=True)
    rows = np.arange(len(y))
    value = -np.log(share[rows, y]).mean()
    share[rows, y] -= 1
    return value, share / len(y)


def numpy_logistic_gradient(z: np.ndarray, y: np.ndarray) -> tuple[Any, np.ndarray]:
    value = (np.logaddexp(0, z) - z * y).mean()
    return value, (1 / (1 + np.exp(-z)) - y) / len(y)


def numpy_huber_gradient(z: np.ndarray, y: np.ndarray) -> tuple[Any, np.ndarray]:
    inside = np.clip(z - y, -1, 1)
    return (inside * (z - y) - inside**2 / 2).mean(), inside / len(y)


PROBLEMS = [
    Problem(
        "sparse_softmax_cross_entropy",
        lambda: load_digits(return_X_y=True),
        10,
        {
            "numpy": numpy_softmax_gradient,
            "torch": torch.nn.CrossEntropyLoss,
            "jax": lambda z, y: optax.softmax_cross_entropy_with_integer_labels(z, y).mean(),
            "tensorflow": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        },
        0.95,
    ),
    Problem(
        "binary_cross_entropy_with_logits",
        lambda: load_breast_cancer(return_X_y=True),
        1,
        {
            "numpy": numpy_logistic_gradient,
            "torch": torch.nn.BCEWithLogitsLoss,
            "jax": lambda z, y: optax.sigmoid_binary_cross_entropy(z, y).mean(),
            "tensorflow": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
        },
        0.95,
    ),
    Problem(
        "huber",
        lambda: load_diabetes(return_X_y=True),
        1,
        {
            "numpy": numpy_huber_gradient,
            "torch": torch.nn.HuberLoss,
            "jax": lambda z, y: optax.huber_loss(z, y).mean(),
            "tensorflow": keras.losses.Huber,
        },
        0.4,
    ),
]

Run = tuple[list[float], np.ndarray]
each_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=[p.loss for p in PROBLEMS])


def start(features: int, outputs: int) -> list[np.ndarray]:
    """The weights of a network with one hidden layer: matrix, bias, matrix, bias."""
    rng = np.random.default_rng(1)
    return [
        rng.normal(size=(features, HIDDEN), scale=features**-0.5).astype(np.float32),
        np.zeros(HIDDEN, np.float32),
        rng.normal(size=(HIDDEN, outputs), scale=HIDDEN**-0.5).astype(np.float32),
        np.zeros(outputs, np.float32),
    ]


def batches(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of all epochs."""
    for _ in range(EPOCHS):
        for first in range(0, len(x), BATCH):
            yield x[first : first + BATCH], y[first : first + BATCH]


def assert_same_training(problem: Problem, mine: Run, theirs: Run) -> None:
    """Fails unless two runs went the same way, and to a good end."""
    _, y = problem.data()
    np.testing.assert_allclose(mine[0], theirs[0], rtol=2e-3, atol=1e-5)
    scores = problem.score(mine[1], y), problem.score(theirs[1], y)
    assert abs(scores[0] - scores[1]) < 0.005
    assert scores[0] >= problem.least
    assert mine[0][-1] < 0.9 * mine[0][0]


def train_torch(problem: Problem, criterion: torch.nn.Module) -> Run:
    x, y = problem.data()
    first = torch.nn.Linear(x.shape[1], HIDDEN)
    last = torch.nn.Linear(HIDDEN, problem.outputs)
    weights = [first.weight, first.bias, last.weight, last.bias]
    with torch.no_grad():
        for weight, value in zip(weights, start(x.shape[1], problem.outputs), strict=True):
            weight.copy_(torch.tensor(value.T))
    network = torch.nn.Sequential(first, torch.nn.Tanh(), last)
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    losses = []
    for some, wanted in batches(x, y):
        optimizer.zero_grad()
        scores = network(torch.tensor(some))
        value = criterion(scores if problem.outputs > 1 else scores[:, 0], torch.tensor(wanted))
        value.backward()
        optimizer.step()
        losses.append(value.item())
    scores = network(torch.tensor(x)).detach().numpy()
    return losses, scores if problem.outputs > 1 else scores[:, 0]


@each_problem
def test_torch(problem: Problem) -> None:
    mine = getattr(importlib.import_module("generated.torch"), problem.class_name)()
    assert_same_training(
        problem, train_torch(problem, mine), train_torch(problem, problem.theirs["torch"]())
    )


def train_jax(problem: Problem, criterion: Callable[..., Any]) -> Run:
    x, y = problem.data()
    weights = [jnp.asarray(w) for w in start(x.shape[1], problem.outputs)]

    def network(weights: list[Any], some: Any) -> Any:
        scores = jnp.tanh(some @ weights[0] + weights[1]) @ weights[2] + weights[3]
        return scores if problem.outputs > 1 else scores[:, 0]

    @jax.jit
    def step(weights: list[Any], some: Any, wanted: Any) -> tuple[Any, list[Any]]:
        value, gradient = jax.value_and_grad(lambda w: criterion(network(w, some), wanted))(weights)
        return value, [w - RATE * g for w, g in zip(weights, gradient, strict=True)]

    losses = []
    for some, wanted in batches(x, y):
        value, weights = step(weights, some, jnp.asarray(wanted))
        losses.append(float(value))
    return losses, np.asarray(network(weights, x))


@each_problem
def test_jax(problem: Problem) -> None:
    mine = getattr(importlib.import_module("generated.jax"), problem.loss)
    assert_same_training(
        problem, train_jax(problem, mine), train_jax(problem, problem.theirs["jax"])
    )


def train_keras(problem: Problem, criterion: Any) -> Run:
    x, y = problem.data()
    network = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            keras.layers.Dense(HIDDEN, activation="tanh"),
            keras.layers.Dense(problem.outputs),
        ]
    )
    network.set_weights(start(x.shape[1], problem.outputs))
    network.compile(optimizer=keras.optimizers.SGD(RATE), loss=criterion)
    wanted = y if problem.outputs > 1 else y[:, None]
    history = network.fit(
        x, wanted, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0
    ).history
    scores = network.predict(x, verbose=0)
    return history["loss"], scores if problem.outputs > 1 else scores[:, 0]


@each_problem
def test_keras(problem: Problem) -> None:
    mine = getattr(importlib.import_module("generated.tensorflow"), problem.class_name)()
    assert_same_training(
        problem, train_keras(problem, mine), train_keras(problem, problem.theirs["tensorflow"]())
    )


def train_numpy(problem: Problem, criterion: Callable[..., Any]) -> Run:
    x, y = problem.data()
    matrix = np.zeros((x.shape[1], problem.outputs))
    bias = np.zeros(problem.outputs)
    losses = []
    for some, wanted in batches(x, y):
        scores = some @ matrix + bias
        value, gradient = criterion(scores if problem.outputs > 1 else scores[:, 0], wanted)
        gradient = gradient.reshape(scores.shape)
        matrix -= RATE * some.T @ gradient
        bias -= RATE * gradient.sum(0)
        losses.append(float(value))
    scores = x @ matrix + bias
    return losses, scores if problem.outputs > 1 else scores[:, 0]


@each_problem
def test_numpy(problem: Problem) -> None:
    module = importlib.import_module("generated.numpy")
    mine = train_numpy(problem, getattr(module, f"{problem.loss}_value_and_grad"))
    assert_same_training(problem, mine, train_numpy(problem, problem.theirs["numpy"]))
    if problem.loss != "huber":
        x, y = problem.data()
        fitted = LogisticRegression(max_iter=500).fit(x, y)
        assert problem.score(mine[1], y) >= fitted.score(x, y) - 0.02
