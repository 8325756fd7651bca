"""The catalogue equals the losses of torch, optax, Keras and scikit-learn where it should."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests.equality.compare import BACKENDS, assert_equal, ours
from tests.equality.keras_rows import KERAS
from tests.equality.optax_rows import OPTAX
from tests.equality.rows import Row, draw
from tests.equality.sklearn_rows import SCORES, SKLEARN
from tests.equality.torch_rows import TORCH

ROWS = [*TORCH, *OPTAX, *KERAS, *SKLEARN]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_value_and_gradient_equal_the_library(row: Row, backend: str) -> None:
    assert_equal(row, backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("row", SCORES, ids=[row.name for row in SCORES])
def test_mean_equals_the_score(row: Row, backend: str) -> None:
    inputs, options = draw(row, (20,))
    value, _ = ours(backend, row.loss, inputs.values(), options)
    wanted = row.theirs(SimpleNamespace(**inputs, **options), "mean")
    np.testing.assert_allclose(value, wanted, rtol=1e-12)


def test_names_of_rows_are_unique() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
