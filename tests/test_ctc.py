"""CTC against PyTorch's own: repeated labels, lengths of each sample, what cannot be aligned.

PyTorch's `ctc_loss` is written by hand, value and gradient; ours is a recurrence of six lines whose
gradient is derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.backends import Backend

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Batch:
    """Logits of shape (samples, time, classes), and the arrays that go with them."""

    logits: Array
    labels: Array
    input_length: Array
    label_length: Array

    def theirs(self, blank: int) -> tuple[Array, Array]:
        """PyTorch's loss of each sample, 0 where there is no alignment, and its gradient."""
        logits = torch.tensor(self.logits, requires_grad=True)
        loss = F.ctc_loss(
            logits.log_softmax(-1).movedim(1, 0),
            torch.tensor(self.labels),
            torch.tensor(self.input_length, dtype=torch.long),
            torch.tensor(self.label_length, dtype=torch.long),
            blank=blank,
            reduction="none",
            zero_infinity=True,
        )
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        return loss.detach().numpy(), gradient.numpy()

    def ours(self, backend: Backend, blank: int) -> tuple[Array, Array]:
        """The generated loss of each sample, and the gradient of their sum."""
        arrays = (self.logits, self.labels, self.input_length, self.label_length)
        found: tuple[Array, Array] = backend.call(
            "ctc_value_and_grad", *arrays, blank=blank, reduction="none"
        )
        return found

    def feasible(self) -> Array:
        """Whether a sample has an alignment: a blank has to part labels that repeat."""
        used = np.arange(1, self.labels.shape[1]) < self.label_length[:, None]
        repeats = ((self.labels[:, 1:] == self.labels[:, :-1]) & used).sum(-1)
        return np.asarray(self.label_length + repeats <= self.input_length)


def batch(samples: int, time: int, labels: int, classes: int, blank: int, seed: int = 0) -> Batch:
    """Random samples of every length, with few classes, so that labels repeat."""
    generator = np.random.default_rng(seed)
    others = [c for c in range(classes) if c != blank]
    return Batch(
        3 * generator.standard_normal((samples, time, classes)),
        generator.choice(others, (samples, labels)),
        generator.integers(1, time + 1, samples),
        generator.integers(0, labels + 1, samples),
    )


@pytest.mark.parametrize("blank", [0, 2])
def test_random_samples_equal_pytorch(backend: Backend, blank: int) -> None:
    given = batch(200, 8, 4, 3, blank)
    feasible = given.feasible()
    assert 20 < feasible.sum() < 180
    value, gradient = given.ours(backend, blank)
    expected, slopes = given.theirs(blank)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-10, atol=1e-13)
    assert not value[~feasible].any()
    assert not gradient[~feasible].any()


def test_five_hundred_steps_and_a_hundred_labels(backend: Backend) -> None:
    drawn = batch(2, 500, 100, 20, 0, seed=1)
    lengths = {"input_length": np.array([500, 430]), "label_length": np.array([100, 71])}
    given = Batch(drawn.logits, drawn.labels, **lengths)
    assert given.feasible().all()
    value, gradient = given.ours(backend, 0)
    expected, slopes = given.theirs(0)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-9, atol=1e-12)
