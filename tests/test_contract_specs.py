"""What a spec means, from its text to the numbers of every backend, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.backends import Backend, Check, close

E = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]])
CENTERS = np.array([[1.0, 0.0], [0.0, 2.0]])
OWN = np.array([0, 1, 1])
GAPS = E - CENTERS[OWN]


# ---- inputs that all samples share ---------------------------------------------------------------


def test_inputs_without_batch_axes_are_shared(check: Check) -> None:
    pulls = np.array([-2 * GAPS[0], -2 * (GAPS[1] + GAPS[2])])
    check(
        "to_center",
        E,
        CENTERS,
        OWN,
        entries=(GAPS**2).sum(-1),
        slopes=(2 * GAPS, pulls),
        curved=(np.zeros((3, 2)), np.zeros((2, 2))),
    )


def test_shared_inputs_beside_several_batch_axes(check: Check) -> None:
    e, own = np.stack([E, E]).reshape(3, 2, 1, 2), np.stack([OWN, OWN]).reshape(3, 2, 1)
    gaps = e - CENTERS[own]
    pulls = np.array([-2 * gaps[own == k].sum(0) for k in (0, 1)])
    check("to_center", e, CENTERS, own, entries=(gaps**2).sum(-1), slopes=(2 * gaps, pulls))


def test_inputs_with_batch_axes_are_each_sample_s_own(check: Check) -> None:
    centers = np.stack([CENTERS, CENTERS + 1, CENTERS - 2])
    gaps = E - centers[np.arange(3), OWN]
    pulls = np.where(np.arange(2)[:, None] == OWN[:, None, None], -2 * gaps[:, None], 0)
    check("to_center", E, centers, OWN, entries=(gaps**2).sum(-1), slopes=(2 * gaps, pulls))


def test_no_input_has_batch_axes(check: Check) -> None:
    slopes = (2 * GAPS[1], np.stack([0 * GAPS[1], -2 * GAPS[1]]))
    check("to_center", E[1], CENTERS, OWN[1], entries=(GAPS[1] ** 2).sum(), slopes=slopes)


def test_a_shared_input_that_is_read_by_label_and_as_a_whole(check: Check) -> None:
    pulls = 6 * CENTERS + np.array([E[0], E[1] + E[2]])
    check(
        "repelled",
        E,
        CENTERS,
        OWN,
        entries=(E * CENTERS[OWN]).sum(-1) + (CENTERS**2).sum(),
        slopes=(CENTERS[OWN], pulls),
        curved=(np.ones((3, 2)), 6 + np.array([[1.0, 1], [2, 2]])),
    )


def test_a_masked_sample_does_not_pull_what_is_shared(check: Check) -> None:
    e = np.where([[True], [False], [True]], E, np.nan)
    pulls = np.array([-2 * GAPS[0], -2 * GAPS[2]])
    check(
        "to_center",
        e,
        CENTERS,
        np.array([0, 99, 1]),
        mask=np.array([True, False, True]),
        entries=np.array([4.0, 0.0, 10.0]),
        slopes=(2 * GAPS * [[1], [0], [1]], pulls),
    )


# ---- axes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lead", "spatial"),
    [((), ()), ((), (3, 2)), ((2,), ()), ((2,), (3,)), ((2,), (3, 2)), ((2, 2), (3,))],
    ids=str,
)
def test_a_starred_axis_stands_for_any_number_of_axes(
    check: Check, lead: tuple[int, ...], spatial: tuple[int, ...]
) -> None:
    count = math.prod(lead) * math.prod(spatial)
    odds = np.arange(1.0, 1 + count).reshape(lead + spatial)
    x = np.log(np.stack([odds, np.ones_like(odds)], len(lead)))  # probabilities odds : 1
    y = np.asarray(np.arange(count).reshape(lead + spatial) % 2)
    p = odds / (odds + 1)
    slope = np.stack([p - (y == 0), 1 - p - (y == 1)], len(lead))
    entries = -np.log(np.where(y == 0, p, 1 - p))
    check("pixel_entropy", x, y, batch_axes=len(lead), entries=entries, slopes=(slope,))
    gaps = odds - odds**2
    entries = (gaps**2).mean(tuple(range(len(lead), odds.ndim)))
    slope = 2 * gaps / math.prod(spatial)
    check("image_error", odds, odds**2, batch_axes=len(lead), entries=entries, slopes=(slope,))


def test_one_batch_axis_is_what_a_starred_loss_expects(backend: Backend, small: str) -> None:
    x = np.arange(6.0).reshape(2, 3)
    found = backend.call("image_error", x, 0 * x, reduction="none", package=small)
    close(found, [5 / 3, 50 / 3])
    for wrong in (3, -1, True, 1.0):
        with pytest.raises(ValueError, match=r"batch.axes"):
            backend.call("image_error", x, x, batch_axes=wrong, package=small)


def test_free_indices_come_in_the_order_of_the_signature(check: Check) -> None:
    a, b = np.array([[1.0, 2.0, 3.0]]), np.array([[-1.0, 2.0]])
    outer = a[:, :, None] * b[:, None, :] ** 2
    check("outer", a, b, entries=outer, slopes=(np.full((1, 3), 5.0), 12 * b))
    m = np.arange(6.0).reshape(1, 3, 2)
    entries = (m * b[:, None, :]).swapaxes(1, 2)
    slopes = (m.sum(1), np.broadcast_to(b[:, None, :], m.shape))
    check("transposed", b, m, entries=entries, slopes=slopes)


def test_weights_of_an_entry_with_axes_of_its_own(backend: Backend, small: str) -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([-1.0, 2.0])
    mask = np.array([[True, True], [True, False], [False, False]])
    bad = np.where(mask.any(1), a, np.nan)
    value, (by_a, by_b) = backend.call("outer_value_and_grad", bad, b, mask=mask, package=small)
    close(value, (1 + 4 + 2) / 3)
    close(by_a, np.array([5, 1, 0]) / 3)
    close(by_b, np.array([-6, 4]) / 3)


def test_labels_with_axes_of_their_own(check: Check) -> None:
    x = np.arange(1.0, 13).reshape(2, 3, 2)
    y = np.array([[0, 1, 1], [1, 0, 1]])
    entries = -(np.take_along_axis(x, y[..., None], -1)[..., 0] ** 2)
    slope = np.where(np.arange(2) == y[..., None], -2 * x, 0)
    curved = (np.where(np.arange(2) == y[..., None], -2, 0),)
    check("tokens", x, y, entries=entries, slopes=(slope,), curved=curved)


def test_ignored_labels_with_axes_of_their_own(backend: Backend, small: str) -> None:
    x = np.array([[[1.0, 2], [3, np.nan], [5, 6]]])
    y = np.array([[0, -1, 1]])
    value, slope = backend.call("tokens_value_and_grad", x, y, ignore_index=-1, package=small)
    close(value, -(1 + 36) / 2)
    close(slope, np.array([[[-1.0, 0], [0, 0], [0, -6]]]))


def test_two_free_indices_over_one_axis(check: Check) -> None:
    x = np.array([[1.0, 2.0, 3.0]])
    entries = x[:, :, None] ** 2 * x[:, None, :]
    slope = 2 * x * 6 + 14.0
    check("pairs", x, entries=entries, slopes=(slope,), curved=(24 + 6 * x,))


def test_a_masked_row_and_column_of_pairs(backend: Backend, small: str) -> None:
    x = np.array([1.0, 5.0, 3.0])
    mask = np.array([[True, False, True], [False, False, False], [False, False, True]])
    value, slope = backend.call(
        "pairs_value_and_grad", x, mask=mask, reduction="sum", package=small
    )
    close(value, 1 + 3 + 27.0)
    close(slope, np.array([3 + 6.0, 0, 1 + 27.0]))


def test_comparisons_of_indices(check: Check) -> None:
    x = np.array([[1.0, 2.0, -3.0]])
    check("running", x, entries=np.array([[1.0, 5, 14]]), slopes=([[6.0, 8, -6]],))
    # The sum of x[i] * x[j] over the others: x[i] * (0 - x[i]), as all of them sum to 0.
    check("others", x, entries=-(x**2), slopes=(-2 * x,), curved=(np.full((1, 3), 4.0),))


def test_guarded_shifts(check: Check) -> None:
    x = np.array([[1.0, 4.0, 2.0]])
    slope = np.array([[-6.0, 10.0, -4.0]])
    check("variation_in_time", x, entries=np.array([13.0]), slopes=(slope,), curved=(0 * slope,))
    check("changes", x, entries=np.array([[1.0, 4, 8]]), slopes=([[5.0, 3.0, 4.0]],))
    one = np.array([7.0])
    check("variation_in_time", one, entries=0.0, slopes=([0.0],))
    check("changes", one, entries=one, slopes=([1.0],))


def test_constant_indices(check: Check) -> None:
    box = np.array([[1.0, 9, 4, 9]])
    slopes = ([[-6.0, 0, 6, 0]],)
    check("span", box, entries=np.array([9.0]), slopes=slopes, curved=(np.zeros((1, 4)),))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_an_axis_that_is_too_short_for_a_constant_index(
    backend: Backend, small: str, count: int
) -> None:
    with pytest.raises(ValueError, match="coordinate"):
        backend.call("span", np.zeros((2, count)), package=small)


def test_sizes(check: Check) -> None:
    x = np.array([[1.0, 2.0], [0.0, 4.0]])
    check("sized", x, entries=np.array([4.5, 10.0]), slopes=(x,), curved=(np.ones((2, 2)),))


def test_an_axis_that_is_kept(check: Check) -> None:
    x = np.log(np.array([[1.0, 2, 1], [3, 4, 1]]))
    entries = np.array([[0.25, 0.5, 0.25], [0.375, 0.5, 0.125]])
    check("attention", x, entries=entries, slopes=(np.zeros((2, 3)),))


def test_equal_labels(check: Check) -> None:
    x = np.array([[1.0, 5.0, 4.0, 0.0]])
    identity = np.array([[2, 0, 2, 2]])
    # Pairs (0, 2), (0, 3) and (2, 3).
    slope = np.array([[-4.0, 0, 14, -10]])
    check("alike", x, identity, entries=np.array([26.0]), slopes=(slope,))


# ---- parameters and optional inputs --------------------------------------------------------------


def test_learnable_parameters_have_the_last_gradient(check: Check) -> None:
    x, y = np.array([1.0, 3.0]), np.array([0.0, 1.0])
    check(
        "tempered",
        x,
        y,
        log_scale=math.log(2),
        entries=np.array([0.5, 2.0]) + math.log(2),
        slopes=([1.0, 2.0], 2 - 2.5),
        curved=([1.0 - 1, 1.0 - 2], 2.5 - 3),
    )
    check("tempered", x, y, entries=np.array([1.0, 4.0]), slopes=([2.0, 4.0], 2 - 5.0))


def test_parameters_with_axes(check: Check) -> None:
    x = np.array([[1.0, 3.0], [2.0, 5.0]])
    bias, scale = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    gaps = x - bias
    check(
        "scaled_classes",
        x,
        bias=bias,
        scale=scale,
        entries=(scale * gaps**2).sum(-1),
        slopes=(2 * scale * gaps, (gaps**2).sum(0)),
    )
    check("scaled_classes", x, bias=1.0, entries=((x - 1) ** 2).sum(-1), scale=1.0,
          slopes=(2 * (x - 1), ((x - 1) ** 2).sum()))  # fmt: skip


def test_allowed_values_of_a_parameter(backend: Backend, small: str) -> None:
    x = np.array([2.0])
    close(backend.call("signed", x, sign=-1, package=small), -2.0)
    for wrong in (0, 2, -0.5, math.nan):
        with pytest.raises(ValueError, match=r"sign.*"):
            backend.call("signed", x, sign=wrong, package=small)


def test_optional_inputs(check: Check) -> None:
    x, y, prior = np.array([1.0, 4.0]), np.array([0.0, 2.0]), np.array([2.0, 2.0])
    check("regularised", x, y, entries=np.array([1.0, 4.0]), slopes=([2.0, 4.0],))
    check("regularised", x, y, None, entries=np.array([1.0, 4.0]), slopes=([2.0, 4.0],))
    check("regularised", x, y, prior, entries=np.array([3.0, 12.0]), slopes=([-2.0, 12.0],))


def test_several_optional_inputs(check: Check) -> None:
    x, valid, w = np.array([1.0, 2.0]), np.array([True, False]), np.array([3.0, 5.0])
    check("picked", x, entries=5.0, slopes=([2.0, 4.0],))
    check("picked", x, valid, entries=1.0, slopes=([2.0, 0.0],))
    check("picked", x, None, w, entries=23.0, slopes=([6.0, 20.0],))
    check("picked", x, valid, w, entries=3.0, slopes=([6.0, 0.0],), curved=([6.0, 0.0],))


@pytest.mark.parametrize("padding", [1e9, math.inf, math.nan])
def test_what_a_condition_leaves_out_may_hold_anything(check: Check, padding: float) -> None:
    x, valid = np.array([[0.0, padding, math.log(2)]]), np.array([[True, False, True]])
    slope = np.array([[1.0, 0.0, 2.0]])
    check("padded", x, valid, entries=np.array([3.0]), slopes=(slope,), curved=(slope,))


# ---- composition ---------------------------------------------------------------------------------


def test_losses_of_losses(check: Check) -> None:
    x, y = np.array([2.0]), np.array([-1.0])
    # 2 * (x - y)**2 + x**2 + 100 * (x - y - 1)**2, and with a factor of 2, 4 * (x - y - 1)**2
    check(
        "composed", x, y, entries=18 + 4 + 400 + 0 * x, slopes=([12 + 4 + 400.0],), curved=([206],)
    )
    check("composed", x, y, factor=2, entries=18 + 4 + 16 + 0 * x, slopes=([12 + 4 + 16.0],))
    z = np.array([[1.0, 3.0]])
    check("renamed", z, 0 * z, entries=np.array([30.0]), slopes=(6 * z,))


def test_files_import_each_other_across_folders(check: Check) -> None:
    x, y = np.array([2.0]), np.array([-1.0])
    check("nested", x, y, entries=np.array([431.0]), slopes=([422.0],))
    check("deeper", x, y, entries=np.array([862.0]), slopes=([844.0],))


def test_subfolders_are_subpackages(backend: Backend, small: str) -> None:
    top = backend.module(small)
    nested = backend.module(small, "vision.nested")
    assert backend.module(small, "vision.deep.deeper").deeper is top.deeper
    assert nested.nested is top.nested
    assert {"nested", "deeper", "composed", "outer_hvp"} <= set(top.__all__)
    assert "nested" in backend.module(small, "vision").__all__
    close(backend.call("vision", np.array([2.0]), package=small), 16.0)


def test_names_of_modules_helpers_and_builtins(check: Check) -> None:
    x, y, t = np.array([2.0]), np.array([0.0]), np.array([5.0])
    check("named", x, y, t, entries=8 + math.log(2) + 0 * x, slopes=([8.0], [15.5]))
    zeros = np.array([1.0, 3.0])
    check("size", 0 * zeros, zeros, entries=1 + 4 * math.log(2), slopes=([1.0, 3.0],))


# ---- functions -----------------------------------------------------------------------------------


def test_stop_gradient_is_constant_to_every_derivative(check: Check) -> None:
    x = np.array([3.0, -2.0])
    check("frozen", x, entries=x**3, slopes=(x**2,), curved=(0 * x,))


@pytest.mark.parametrize(
    ("x", "value", "slope", "curved"),
    [
        ([2.0, 3.0, 5.0], 30.0, [15, 10, 6], [8, 7, 5]),
        ([0.0, 3.0, 5.0], 0.0, [15, 0, 0], [8, 5, 3]),
        ([0.0, 3.0, 0.0], 0.0, [0, 0, 0], [3, 0, 3]),
        ([0.0, 0.0, 0.0], 0.0, [0, 0, 0], [0, 0, 0]),
        ([4.0], 4.0, [1], [0]),
        ([], 1.0, [], []),
    ],
    ids=["regular", "one zero", "two zeros", "all zeros", "one", "none"],
)
def test_products_with_zeros(
    check: Check, x: list[float], value: float, slope: list[float], curved: list[float]
) -> None:
    check("volume", np.array(x), entries=value, slopes=(slope,), curved=(curved,))


@pytest.mark.parametrize(
    ("name", "x", "value", "slope"),
    [
        ("norms", [3.0, -4.0], 5.0, [0.6, -0.8]),
        ("norms", [3e150, -4e150], 5e150, [0.6, -0.8]),
        ("norms", [3e-150, -4e-150], 5e-150, [0.6, -0.8]),
        ("norms", [0.0, 0.0], 0.0, [0.0, 0.0]),
        ("taxicab", [3.0, -4.0, 0.0], 7.0, [1.0, -1.0, 0.0]),
        ("chebyshev", [3.0, -4.0], 4.0, [0.0, -1.0]),
        ("chebyshev", [4.0, -4.0, 1.0], 4.0, [0.5, -0.5, 0.0]),
        ("chebyshev", [0.0, 0.0], 0.0, [0.0, 0.0]),
    ],
)
def test_norms(check: Check, name: str, x: list[float], value: float, slope: list[float]) -> None:
    check(name, np.array(x), entries=value, slopes=(slope,))
