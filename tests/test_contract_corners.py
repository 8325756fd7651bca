"""Specs that are seldom written, by hand: what they mean in every backend."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.backends import Backend, Check

LOG3 = math.log(3)


def test_an_optional_prediction_that_is_absent_has_no_gradient(check: Check) -> None:
    x, y, z = np.array([1.0, 2.0]), np.zeros(2), np.array([3.0, 4.0])
    check("coupled", x, y, entries=np.array([1.0, 4.0]), slopes=([2.0, 4.0],), curved=([2, 2],))
    both = ([5.0, 8.0], [1.0, 2.0])
    check("coupled", x, y, z, entries=np.array([4.0, 12.0]), slopes=both, curved=([3, 3], [1, 1]))


def test_predictions_that_do_not_matter_have_zeros(check: Check) -> None:
    x, w = np.array([1.0, 2.0]), np.full((2, 3), np.nan)
    slopes = ([2.0, 4.0], np.zeros((2, 3)))
    curved = ([2.0, 2.0], np.zeros((2, 3)))
    check("unread", x, w, 0 * x, entries=np.array([1.0, 4.0]), slopes=slopes, curved=curved)
    zeros = np.zeros((2, 3))
    check("constant", w, x, entries=x, slopes=(zeros,), curved=(zeros,))


def test_two_labels_are_ignored_if_either_is(check: Check, backend: Backend, small: str) -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    a, b = np.array([0, 1, -1]), np.array([1, -1, 0])
    slopes = ([[2.0, -1.0], [0, 0], [0, 0]],)
    entries = np.array([-1.0, 0, 0])
    check("two_labels", x, a, b, ignore_index=-1, entries=entries, slopes=slopes)
    with pytest.raises(ValueError, match="class_weight"):
        backend.call("two_labels", x, a % 2, b % 2, class_weight=np.ones(2), package=small)


def test_a_label_into_a_starred_axis(check: Check) -> None:
    x = np.log(np.array([[[1.0, 3.0], [2.0, 2.0]]]))
    slope = np.array([[[1.0, 3 - 8], [2, 2]]]) / 8
    check("keypoint", x, np.array([1]), entries=np.array([math.log(8 / 3)]), slopes=(slope,))


def test_labels_of_an_axis_that_no_input_has(check: Check, backend: Backend, small: str) -> None:
    x, who = np.array([1.0, 2.0, 4.0]), np.array([7, 9, 7])
    check("identities", x, who, entries=np.array([9.0, 0, 9]), slopes=([-12.0, 0, 12],))
    with pytest.raises(ValueError, match="ignore_index"):
        backend.call("identities", x, who, ignore_index=9, package=small)


def test_learnable_parameters_of_masked_samples(check: Check) -> None:
    x, y = np.array([2.0, np.nan]), np.array([0.0, 1.0])
    mask = np.array([True, False])
    curved = ([2 * 3 - 2 * 3 + 2 * 1.5, 0], -2 * 3 + 2 * 3 - 2 * 1.5, 2 * 1.5 - 2 * 1.5)
    check("learned_line", x, y, c=0.5, s=3.0, mask=mask, entries=np.array([6.75, 0]),
          slopes=([9.0, 0], -9.0, 2.25), curved=curved)  # fmt: skip
    none = np.zeros(2, bool)
    check("learned_line", x, y, mask=none, entries=np.zeros(2), slopes=([0, 0], 0.0, 0.0))
    empty = np.zeros(0)
    check("learned_line", empty, empty, entries=empty, slopes=(empty, 0.0, 0.0))


@pytest.mark.parametrize("axis", [0, 1])
def test_a_free_index_along_another_axis(check: Check, axis: int) -> None:
    x = np.arange(6.0).reshape(2, 3)
    w = np.array([[1.0, 2.0, 3.0]])
    check("per_step", x, 0 * x, axis=axis, weight=w, entries=w * x**2, slopes=(2 * w * x,))
    check("twice_per_step", x, 0 * x, axis=axis, entries=2 * x**2, slopes=(4 * x,))


def test_a_masked_row_of_a_matrix(check: Check) -> None:
    m = np.log(np.array([[1.0, 3.0, 4.0], [np.nan, np.nan, np.nan], [1.0, 1.0, 2.0]]))
    mask = np.array([True, False, True])
    entries = np.array([math.log(8), 0, math.log(2)])
    slope = np.array([[-7 / 8, 3 / 8, 4 / 8], [0, 0, 0], [1 / 4, 1 / 4, -1 / 2]])
    check("matched", m, mask=mask, entries=entries, slopes=(slope,))


def test_a_matrix_beside_its_transpose(check: Check) -> None:
    m = np.arange(9.0).reshape(3, 3)
    check("antisymmetric", m, entries=48.0, slopes=(4 * (m - m.T),), curved=(0 * m,))


def test_positions_as_numbers(check: Check) -> None:
    x, gain = np.array([[1.0, 2.0, 3.0]]), np.array([[4.0, 6.0, -4.0]])
    check("discounted", x, gain, entries=np.array([2 + 4 - 3.0]), slopes=([[2.0, 2.0, -1.0]],))


def test_a_mean_over_what_counts(check: Check) -> None:
    x = np.array([[1.0, np.nan, 3.0], [np.inf, np.nan, -np.inf]])
    valid = np.array([[True, False, True], [False, False, False]])
    slope = np.array([[1.0, 0, 3], [0, 0, 0]])
    check("mean_of_valid", x, valid, entries=np.array([5.0, 0]), slopes=(slope,))


def test_shifts_both_ways(check: Check) -> None:
    x = np.array([1.0, 2.0, 5.0, 3.0])
    slope = np.array([4.0, -18, 24, -10])
    check("curvature", x, entries=np.array([0.0, 4, 25, 0]), slopes=(slope,), curved=(0 * x,))
    check("curvature", x[:2], entries=np.zeros(2), slopes=([0.0, 0],))


@pytest.mark.parametrize("lead", [(), (2,), (2, 1)], ids=str)
@pytest.mark.parametrize("is_shared", [True, False])
def test_a_mean_over_labels(check: Check, lead: tuple[int, ...], is_shared: bool) -> None:
    shape = (*lead, 3, 2)
    prior = np.array([0.75, 0.25]) if is_shared else np.broadcast_to([0.75, 0.25], (*lead, 2))
    x = np.broadcast_to([[LOG3, 0.0], [0.0, LOG3], [0.0, 0.0]], shape)
    y = np.broadcast_to([0, 1, 1], shape[:-1])
    p = np.array([[0.9, 0.1], [0.5, 0.5], [0.75, 0.25]])
    total = math.log(2.5) + math.log(1.5) + math.log(1) - 2 * LOG3
    slope = np.broadcast_to((p - [[1, 0], [0, 1], [0, 1]]) / 3, shape)
    entries = np.full(lead, total / 3)
    check("mean_entropy", x, y, prior, entries=entries, slopes=(slope,), curved=(0 * slope,))
