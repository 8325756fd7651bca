"""Where a library's loss of the same name gives another number, and which number is ours.

These are differences of meaning: a library that comes to agree makes its case fail here.
"""

from __future__ import annotations

import re

import jax
import numpy as np
import optax
import pytest
import tensorflow as tf

from tests.disagreements import conventions, numerics, reductions
from tests.disagreements.case import Case
from tests.disagreements.places import PLACES
from tests.equality.catalogue import ROWS
from tests.equality.compare import BACKENDS, ours
from tests.equality.rows import Row

TOLD = [row for row in ROWS if row.library != "formula" and row.unlike]
CASES = [*reductions.CASES, *conventions.CASES, *numerics.CASES]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_library_still_differs(case: Case) -> None:
    with jax.enable_x64(case.dtype == "float64"):
        number = float(np.asarray(case.theirs()))
    assert number == pytest.approx(case.number, rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_ours_is_the_number_of_the_formula(case: Case, backend: str) -> None:
    arrays = [np.asarray(a) for a in case.inputs]
    inputs = [a.astype(case.dtype) if a.dtype.kind == "f" else a for a in arrays]
    value, gradients = ours(backend, case.loss, inputs, case.options)
    got = float(gradients[case.by].sum()) if case.gradient else float(value)
    assert got == pytest.approx(case.our_number, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_to_average_has_a_zero_gradient(backend: str) -> None:
    logits = np.array([[1.0, 2.0]])
    _, (gradient,) = ours(
        backend,
        "sparse_softmax_cross_entropy",
        [logits, np.array([-100])],
        {"ignore_index": -100},
    )
    np.testing.assert_array_equal(gradient, np.zeros((1, 2)))


def test_tensorflow_has_another_slope_at_a_kink_than_we_do() -> None:
    zero = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(zero)
        value = tf.maximum(zero, 0.0)
    assert float(tape.gradient(value, zero)) == 1.0


def test_jax_has_a_curvature_of_neither_side() -> None:
    from generated.numpy import huber_hessian_diagonal

    assert float(jax.hessian(optax.losses.huber_loss)(1.0)) == 0.25
    for e, curvature in ((0.999, 1.0), (1.0, 0.0), (1.001, 0.0)):
        assert huber_hessian_diagonal(np.array(e), np.array(0.0)) == curvature


def test_every_place_is_held_by_cases_or_says_why_not() -> None:
    held = [name for cases in PLACES.values() if isinstance(cases, tuple) for name in cases]
    assert sorted(held) == sorted(case.name for case in CASES)
    assert all(PLACES.values())


def numbers(text: str) -> list[tuple[float, float]]:
    """What a text says as a decimal or a fraction, and half a unit of its last digit."""
    found = []
    for top, bottom in re.findall(r"(?<![\w.])(\d+)/(\d+)(?![\w.])", text):
        found.append((int(top) / int(bottom), 1e-9))
    for number in re.findall(r"(?<![\w.+-])-?\d+\.\d+(?![\w.])", text):
        found.append((float(number), 0.5 * 10.0 ** -len(number.partition(".")[2])))
    return found


@pytest.mark.parametrize("row", TOLD, ids=[row.name for row in TOLD])
def test_the_numbers_that_are_told_of_a_library_are_held_by_a_case(row: Row) -> None:
    known = [
        float(number)
        for case in CASES
        if case.loss == row.loss
        for number in (case.number, case.our_number, *case.options.values(), *case.inputs)
        if not isinstance(number, str)
        for number in np.ravel(np.asarray(number, dtype=float))
    ]
    for number, digits in numbers(row.unlike):
        assert any(abs(abs(number) - abs(k)) <= digits + 1e-12 for k in known), number
