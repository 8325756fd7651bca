"""Kinks and ties have the subgradient of least norm: 0 if it is one, else the nearest end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.backends import Backend


def slopes(backend: Backend, name: str, *inputs: Any, **options: Any) -> tuple[np.ndarray, ...]:
    """The gradients of the sum, which the framework's differentiation must share."""
    options = {"reduction": "sum", **options}
    arrays = [np.asarray(x, float) if not isinstance(x, np.ndarray) else x for x in inputs]
    _, found = backend.call(f"{name}_value_and_grad", *arrays, **options)
    gradients: tuple[np.ndarray, ...] = found if isinstance(found, tuple) else (found,)
    for by, gradient in enumerate(gradients):
        mine = backend.differentiate(name, *arrays, by=by, **options)
        np.testing.assert_array_equal(mine, gradient)
    return gradients


def agree(found: tuple[np.ndarray, ...], *wanted: Any) -> None:
    assert len(found) == len(wanted)
    for mine, slope in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, np.asarray(slope, float), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "inputs", "options", "slope"),
    [
        ("absolute_error", ([2.0, 3.0, 1.0], [2.0, 2.0, 2.0]), {}, [0, 1, -1]),
        ("quantile", ([2.0, 3.0, 1.0], [2.0, 2.0, 2.0]), {"tau": 0.9}, [0, 0.1, -0.9]),
        ("hinge", ([1.0, -1.0, 0.5], [1.0, -1.0, 1.0]), {}, [0, 0, -1]),
        ("squared_hinge", ([1.0, -1.0, 0.5], [1.0, -1.0, 1.0]), {}, [0, 0, -1]),
        ("huber", ([1.0, -1.0, 0.0], [0.0, 0.0, 0.0]), {}, [1, -1, 0]),
        ("smooth_l1", ([1.0, -1.0, 0.0], [0.0, 0.0, 0.0]), {}, [1, -1, 0]),
        ("tukey_biweight", ([2.0, -2.0, 0.0], [0.0, 0.0, 0.0]), {"c": 2.0}, [0, 0, 0]),
        ("log_cosh", ([0.0], [0.0]), {}, [0]),
        ("contrastive", ([[1.0, 2.0]], [[1.0, 2.0]], [0.0]), {}, [[0, 0]]),
        ("contrastive", ([[3.0, 0.0]], [[2.0, 0.0]], [0.0]), {}, [[0, 0]]),
    ],
)
def test_kinks_of_the_catalogue(
    backend: Backend, name: str, inputs: tuple[Any, ...], options: dict[str, Any], slope: Any
) -> None:
    agree(slopes(backend, name, *inputs, **options)[:1], slope)


def test_margin_ranking_at_its_margin(backend: Backend) -> None:
    # Right by exactly the margin; wrong; and tied without a margin.
    inputs = [3.0, 1.0, 2.0], [2.0, 1.0, 4.0], [1.0, 1.0, -1.0]
    agree(slopes(backend, "margin_ranking", *inputs, margin=1.0), [0, -1, 0], [0, 1, 0])
    tied = [1.0, 2.0], [1.0, 2.0], [1.0, -1.0]
    agree(slopes(backend, "margin_ranking", *tied), [0, 0], [0, 0])


def test_triplets_of_equal_embeddings(backend: Backend) -> None:
    zero = [[0.0, 0.0]]
    agree(slopes(backend, "triplet_margin", zero, zero, zero), zero, zero, zero)
    # At the margin the whole loss may be taken for its flat side.
    inputs = [[0.0, 0.0]], [[3.0, 0.0]], [[0.0, 4.0]]
    agree(slopes(backend, "triplet_margin", *inputs), zero, zero, zero)


def test_a_box_on_its_target(backend: Backend) -> None:
    box = [[0.0, 0.0, 2.0, 1.0], [1.0, 1.0, 2.0, 3.0]]
    agree(slopes(backend, "giou", box, box), np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("name", "x", "slope"),
    [
        ("steep", [0.0, 1.0, -1.0], [1, 3, 1]),
        ("falling", [0.0, 1.0, -1.0], [-1, -1, -3]),
        ("notch", [0.0, 1.0, -1.0], [1, 1, 2]),
        ("squared_ramp", [0.0, 1.0, -1.0], [0, 2, 0]),
        ("largest", [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [1.0, 0.0, -1.0]],
         [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3], [1, 0, 0]]),
        ("smallest", [[3.0, 1.0, 1.0], [2.0, 2.0, 2.0], [1.0, 0.0, -1.0]],
         [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3], [0, 0, 1]]),
        ("norms", [[0.0, 0.0]], [[0, 0]]),
        ("taxicab", [[0.0, -2.0]], [[0, -1]]),
        ("chebyshev", [[2.0, -2.0], [0.0, 0.0]], [[0.5, -0.5], [0, 0]]),
    ],
)  # fmt: skip
def test_kinks_by_construction(backend: Backend, small: str, name: str, x: Any, slope: Any) -> None:
    agree(slopes(backend, name, x, package=small), slope)


def test_tied_predictions_share_equally(backend: Backend, small: str) -> None:
    found = slopes(backend, "larger", [1.0, 2.0, 0.0], [1.0, 1.0, 1.0], package=small)
    agree(found, [0.5, 1, 0], [0.5, 0, 1])


def test_least_norm_is_that_of_all_predictions_together(backend: Backend, small: str) -> None:
    # Between (1, 0) and (0, 2) lies (0.8, 0.4).
    found = slopes(backend, "doubled_rival", [2.0, 3.0], [1.0, 1.0], package=small)
    agree(found, [0.8, 1], [0.4, 0])
    # Between (1, 0), (0, 1) and (0, 0); and between the first two.
    found = slopes(backend, "larger_or_none", [0.0, 1.0], [0.0, 1.0], package=small)
    agree(found, [0, 0.5], [0, 0.5])


def test_a_smooth_function_written_with_kinks_has_its_own_derivatives(
    backend: Backend, small: str
) -> None:
    x, y = np.array([0.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.25])
    agree(slopes(backend, "stable_entropy", x, y, package=small), 0.5 - y)
    options = {"reduction": "sum", "package": small}
    ones = np.ones(3)
    agree((backend.call("stable_entropy_hvp", x, y, vector=ones, **options),), ones / 4)
    agree((backend.call("stable_entropy_hessian_diagonal", x, y, **options),), ones / 4)


@pytest.mark.parametrize("name", ["absolute_error", "hinge", "quantile"])
def test_second_derivatives_at_kinks_are_0(backend: Backend, name: str) -> None:
    x = np.array([1.0, -1.0])
    zeros = np.zeros(2)
    agree((backend.call(f"{name}_hvp", x, x, vector=x),), zeros)
    agree((backend.call(f"{name}_hessian_diagonal", x, x),), zeros)
