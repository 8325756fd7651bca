"""Inputs that a loss refuses by its own terms, and rows of a batch that are an axis of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from losscompiler.build import BuildRequest, build
from tests.backends import BACKENDS, Backend, close

PACKAGE = "refusals_generated"
SPECS = '''"""Domains with gaps, constant indices, rows that are an axis."""
from losscompiler.spec import *

@loss
def scaled(
    x=Prediction(),
    *,
    a=Param(1, nonzero=True),
    b=Param(0),
    c=Param(1, nonzero=True, learnable=True),
):
    """Parameters of which two must not be 0."""
    return (x - b) ** 2 / (a * c)

@loss
def later(x=Prediction("class", "*spatial")):
    """Constant indices, one of them into a starred axis."""
    k = index("class")
    return Sum(x[k, 3] ** 2, k) + x[1, 0]

@loss
def mixed(x=Prediction("batch", "class"), y=Label("class", "batch")):
    """Cross-entropy of a whole batch."""
    i, k = index("batch"), index("class", "k")
    return Mean(logsumexp(x[i, k], k) - x[i, y[i]], i)
'''


@pytest.fixture(scope="module", autouse=True)
def _package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("refusals")
    (root / "specs").mkdir()
    (root / "specs" / "refusals.py").write_text(SPECS)
    result = build(BuildRequest(root / "specs", root / PACKAGE, verify=False))
    assert [d for d in result.diagnostics if d.severity != "note"] == []
    sys.path.insert(0, str(root))
    yield
    sys.path.remove(str(root))


@pytest.mark.parametrize("name", ["a", "b", "c"])
@pytest.mark.parametrize("value", [0.0, np.inf, -np.inf, np.nan])
def test_parameters_outside_their_domains(backend: Backend, name: str, value: float) -> None:
    options: dict[str, Any] = {name: value}
    if (name, value) == ("b", 0.0):
        close(backend.call("scaled", np.array([2.0]), package=PACKAGE, **options), 4.0)
        return
    with pytest.raises(ValueError, match=f"`{name}` is {value}"):
        backend.call("scaled", np.array([2.0]), package=PACKAGE, **options)


@pytest.mark.parametrize("name", ["a", "c"])
def test_tensors_outside_their_domains(name: str) -> None:
    for backend, x, zero in (
        ("torch", torch.ones(2), torch.tensor(0.0)),
        ("tensorflow", tf.ones(2), tf.constant(0.0)),
    ):
        scaled = BACKENDS[backend].function("scaled", PACKAGE)
        with pytest.raises(ValueError, match=rf"`{name}` is 0\.0"):
            scaled(x, **{name: zero})
        assert float(scaled(x, **{name: zero - 2})) == -0.5


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((5, 2, 3), r"\(5, 2, 3\).*spatial axis.*reads entry 3"),
        ((5, 2, 1, 3), r"\(5, 2, 1, 3\).*spatial axis.*reads entry 3"),
        ((5, 1, 6), r"\(5, 1, 6\).*class axis.*reads entry 1"),
    ],
)
def test_constant_indices_beyond_their_axes(
    backend: Backend, shape: tuple[int, ...], words: str
) -> None:
    for name in ("later", "later_value_and_grad"):
        with pytest.raises(ValueError, match=words):
            backend.call(name, np.zeros(shape), package=PACKAGE)
    if backend.compiled:
        later = backend.function("later", PACKAGE)
        axis = words.partition(".*")[2]  # sizes may be symbols while PyTorch traces
        with pytest.raises(Exception, match=axis):
            backend.compiled(lambda x: later(x))(backend.given(np.zeros(shape)))


def test_constant_indices_at_the_ends_of_their_axes(backend: Backend) -> None:
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    value, slope = backend.call("later_value_and_grad", x, package=PACKAGE)
    close(value, 9.0 + 49 + 4)
    expected = np.zeros((2, 4))
    expected[0, 3], expected[1, 3], expected[1, 0] = 6, 14, 1
    close(slope, expected.reshape(x.shape))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_an_axis_that_turns_out_too_short(jit_compile: bool) -> None:
    later = BACKENDS["tensorflow"].function("later", PACKAGE)
    unknown = tf.TensorSpec((None, None, None), tf.float64)
    compiled = tf.function(later, input_signature=[unknown], jit_compile=jit_compile)
    assert float(compiled(tf.ones((5, 2, 4), tf.float64))) == 3.0
    if jit_compile:  # where there are no assertions
        with pytest.raises(tf.errors.InvalidArgumentError):
            compiled(tf.ones((5, 2, 3), tf.float64))
    else:
        with pytest.raises(tf.errors.InvalidArgumentError, match="reads entry 3"):
            compiled(tf.ones((5, 2, 3), tf.float64))


@pytest.mark.parametrize("lead", [(), (2,), (0,)])
def test_labels_of_rows_that_are_an_axis(backend: Backend, lead: tuple[int, ...]) -> None:
    x = np.zeros((*lead, 3, 2))
    y = np.broadcast_to(np.array([0, 1, 1]), (*lead, 3))
    value, slope = backend.call("mixed_value_and_grad", x, y, package=PACKAGE)
    close(value, np.log(2.0) if x.size else 0.0)
    row = np.array([[-1.0, 1], [1, -1], [1, -1]]) / 6 / max(1, len(x) if lead else 1)
    close(slope, np.broadcast_to(row, x.shape))
