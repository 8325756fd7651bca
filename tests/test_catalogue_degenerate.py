"""Batches that metric-learning losses cannot learn from have finite, documented losses.

Zero vectors, a batch of one, identities with one member, identities that are all equal.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.equality.compare import BACKENDS, ours

LOSSES = json.loads(Path("generated/losses.json").read_text())["losses"]
IDENTIFIED = tuple(
    loss["name"] for loss in LOSSES if any(i["name"] == "identity" for i in loss["inputs"])
)
PAIRED = ("info_nce", "clip", "n_pairs", "barlow_twins", "vicreg")
ROWS = np.array([[1.0, 0.5, -2.0], [0.25, 1.0, 1.5], [-1.0, 0.0, 0.75], [2.0, -0.5, 0.5]])
WITH_ZERO = np.array([[0.0, 0.0, 0.0], *ROWS[1:]])
# Losses with terms for pairs of either kind keep the one that there is.
KEEP_NEGATIVES = ("contrastive_batch", "multi_similarity")
KEEP_POSITIVES = ("contrastive_batch", "multi_similarity", "supervised_contrastive")


def finite(backend: str, loss: str, *arrays: np.ndarray) -> tuple[float, list[np.ndarray]]:
    value, gradients = ours(backend, loss, arrays, {})
    assert np.isfinite(value), loss
    assert all(np.isfinite(g).all() for g in gradients), loss
    return float(value), gradients


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loss", IDENTIFIED)
def test_identities_with_one_member(loss: str, backend: str) -> None:
    value, gradients = finite(backend, loss, ROWS, np.arange(4.0))
    if loss not in KEEP_NEGATIVES:
        assert value == 0.0
        np.testing.assert_array_equal(gradients[0], 0.0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loss", IDENTIFIED)
def test_identities_that_are_all_equal(loss: str, backend: str) -> None:
    value, _ = finite(backend, loss, ROWS, np.zeros(4))
    if loss not in KEEP_POSITIVES:
        assert value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loss", IDENTIFIED)
def test_a_zero_vector_among_identities(loss: str, backend: str) -> None:
    finite(backend, loss, WITH_ZERO, np.array([0.0, 0.0, 1.0, 1.0]))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loss", IDENTIFIED)
def test_a_batch_of_one_has_no_pairs(loss: str, backend: str) -> None:
    value, gradients = finite(backend, loss, ROWS[:1], np.zeros(1))
    assert value == 0.0
    np.testing.assert_array_equal(gradients[0], 0.0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loss", PAIRED)
def test_two_views_of_one_sample_and_of_nothing(loss: str, backend: str) -> None:
    value, _ = finite(backend, loss, ROWS[:1], ROWS[1:2])
    if loss != "vicreg":
        assert value == pytest.approx({"barlow_twins": 3.0}.get(loss, 0.0), abs=1e-12)
    finite(backend, loss, WITH_ZERO, WITH_ZERO)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loss", ["uniformity", "alignment", "byol", "cosine_distance"])
def test_a_zero_vector_is_at_a_right_angle(loss: str, backend: str) -> None:
    zero = np.zeros(3)
    if loss == "uniformity":
        value, gradients = finite(backend, loss, np.stack([zero, ROWS[0]]))
        assert value == pytest.approx(-4.0)
    else:
        value, gradients = finite(backend, loss, zero, ROWS[0])
        assert value == pytest.approx({"alignment": 1, "byol": 2, "cosine_distance": 1}[loss])
    np.testing.assert_array_equal(gradients[0][0], 0.0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_class_that_the_batch_lacks_only_pushes(backend: str) -> None:
    proxies = np.eye(3)[:2]
    embeddings = np.eye(3)[:1]
    value, _ = finite(backend, "proxy_anchor", embeddings, proxies, np.array([0]))
    pulled, pushed = np.log1p(np.exp(-32 * 0.9)), np.log1p(np.exp(32 * 0.1))
    assert value == pytest.approx(pulled + pushed / 2)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_arcface_at_an_angle_of_zero_and_of_a_half_turn(backend: str, direction: float) -> None:
    weights = np.eye(3)[:2]
    value, gradients = finite(backend, "arcface", direction * weights[:1], weights, np.array([0]))
    margin = 0.5
    target = direction * np.cos(margin)
    assert value == pytest.approx(np.log1p(np.exp(-64 * target)))
    other = 64 / (1 + np.exp(64 * target))
    np.testing.assert_allclose(gradients[0], [[0.0, other, 0.0]], atol=1e-6)
