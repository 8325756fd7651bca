"""What reduction, weight, mask, normalizer, ignore_index, class_weight and axis mean, by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.backends import Backend, close

LOG2, LOG3 = math.log(2), math.log(3)

P = np.array([1.0, 2.0, -1.0, 5.0])
T = np.array([0.0, 4.0, -1.0, 2.0])
SQUARES = np.array([1.0, 4.0, 0.0, 9.0])
SLOPES = np.array([2.0, -4.0, 0.0, 6.0])
WEIGHTS = np.array([1.0, 0.5, 2.0, 4.0])
MASK = np.array([True, True, True, False])

# The softmax of each row is (3/4, 1/4) in some order, or (1/2, 1/2).
LOGITS = np.array([[LOG3, 0.0], [LOG3, 0.0], [0.0, 0.0]])
LABELS = np.array([0, 1, 1])
ENTROPIES = np.array([2 * LOG2 - LOG3, 2 * LOG2, LOG2])
ENTROPY_SLOPES = np.array([[-0.25, 0.25], [0.75, -0.75], [0.5, -0.5]])


def agree(
    backend: Backend, name: str, *inputs: Any, value: Any, slope: Any, **options: Any
) -> None:
    """Value and first gradient, by `value_and_grad` and by the framework's differentiation."""
    found, gradient = backend.call(f"{name}_value_and_grad", *inputs, **options)
    close(found, value)
    close(backend.call(name, *inputs, **options), value)
    close(gradient[0] if isinstance(gradient, tuple) else gradient, slope)
    close(backend.differentiate(name, *inputs, **options), slope)


# ---- reductions, weights, normalizers ------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "value", "slope"),
    [
        ({}, 3.5, SLOPES / 4),
        ({"reduction": "sum"}, 14.0, SLOPES),
        ({"reduction": "none"}, SQUARES, SLOPES),
        ({"normalizer": 7}, 2.0, SLOPES / 7),
        ({"normalizer": 7, "reduction": "sum"}, 14.0, SLOPES),
        ({"weight": WEIGHTS}, 39 / 7.5, WEIGHTS * SLOPES / 7.5),
        ({"weight": WEIGHTS, "reduction": "none"}, WEIGHTS * SQUARES, WEIGHTS * SLOPES),
        ({"weight": WEIGHTS, "reduction": "sum"}, 39.0, WEIGHTS * SLOPES),
        ({"weight": WEIGHTS, "normalizer": 13}, 3.0, WEIGHTS * SLOPES / 13),
        ({"mask": MASK}, 5 / 3, MASK * SLOPES / 3),
        ({"mask": MASK, "reduction": "none"}, MASK * SQUARES, MASK * SLOPES),
        ({"mask": MASK, "reduction": "sum"}, 5.0, MASK * SLOPES),
        ({"mask": MASK, "weight": WEIGHTS}, 3 / 3.5, MASK * WEIGHTS * SLOPES / 3.5),
        ({"mask": MASK, "weight": WEIGHTS, "normalizer": 6}, 0.5, MASK * WEIGHTS * SLOPES / 6),
        ({"weight": np.array(3.0)}, 3.5, SLOPES / 4),
        ({"weight": np.array([2.0]), "reduction": "sum"}, 28.0, 2 * SLOPES),
        ({"weight": np.array([-1.0, 0, 0, 3.0])}, 13.0, np.array([-2.0, 0, 0, 18.0]) / 2),
        ({"weight": np.array([1, 0, 0, 1])}, 5.0, np.array([1, 0, 0, 1]) * SLOPES / 2),
        ({"mask": np.array(True)}, 3.5, SLOPES / 4),
    ],
    ids=lambda case: "-".join(case) or "mean" if isinstance(case, dict) else "",
)
def test_one_meaning_of_the_options(
    backend: Backend, options: dict[str, Any], value: Any, slope: Any
) -> None:
    agree(backend, "squared_error", P, T, value=value, slope=slope, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"weight": np.zeros(4)},
        {"mask": np.zeros(4, bool)},
        {"weight": np.array([1.0, -1.0, 0.0, 0.0])},
        {"weight": np.array([0, 0, 0, 1.0]), "mask": MASK},
        {"normalizer": 0},
        {"normalizer": 0.0, "weight": WEIGHTS},
        {"normalizer": np.array(0.0)},
    ],
    ids=["weights", "mask", "cancelling", "kept", "normalizer", "normalizer-weighted", "array"],
)
def test_over_a_denominator_of_0_all_is_0(backend: Backend, options: dict[str, Any]) -> None:
    agree(backend, "squared_error", P, T, value=0.0, slope=np.zeros(4), **options)
    close(backend.call("squared_error_hvp", P, T, vector=P, **options), np.zeros(4))
    close(backend.call("squared_error_hessian_diagonal", P, T, **options), np.zeros(4))


def test_hessians_carry_weights_and_denominators(backend: Backend) -> None:
    options: dict[str, Any] = {"weight": WEIGHTS, "mask": MASK}
    scale = MASK * WEIGHTS * 2 / 3.5
    close(backend.call("squared_error_hvp", P, T, vector=P, **options), scale * P)
    close(backend.call("squared_error_hessian_diagonal", P, T, **options), scale)
    summed = backend.call("squared_error_hvp", P, T, vector=P, **options, reduction="none")
    close(summed, 3.5 * scale * P)


def test_weights_and_masks_broadcast_to_the_loss(backend: Backend) -> None:
    p, t = np.stack([P, P]), np.stack([T, T + 1])
    squares = (p - t) ** 2
    rows, columns = np.array([[1.0], [3.0]]), np.array([True, False, True, True])
    w = rows * columns
    agree(
        backend,
        "squared_error",
        p,
        t,
        weight=rows,
        mask=columns,
        value=(w * squares).sum() / w.sum(),
        slope=2 * w * (p - t) / w.sum(),
    )


def test_a_global_batch_in_two_parts(backend: Backend) -> None:
    whole = backend.call("squared_error", P, T)
    parts = [
        backend.call("squared_error", P[s], T[s], normalizer=4) for s in (slice(0, 2), slice(2, 4))
    ]
    close(sum(parts), whole)


def test_the_normalizer_is_one_number(backend: Backend) -> None:
    close(backend.call("squared_error", P, T, normalizer=np.array(7.0)), 2.0)
    with pytest.raises(ValueError, match="normalizer"):
        backend.call("squared_error", P, T, normalizer=np.array([7.0]))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_an_empty_batch_costs_nothing(backend: Backend, shape: tuple[int, ...]) -> None:
    empty = np.zeros(shape)
    agree(backend, "squared_error", empty, empty, value=0.0, slope=empty)
    close(backend.call("squared_error", empty, empty, reduction="none"), empty)
    logits, labels = np.zeros((0, 2)), np.zeros(0, int)
    agree(backend, "sparse_softmax_cross_entropy", logits, labels, value=0.0, slope=logits)


# ---- masked entries never contribute -------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["squared_error", "huber", "log_cosh", "poisson_nll", "quantile"])
def test_what_a_masked_entry_holds_does_not_matter(backend: Backend, name: str, bad: float) -> None:
    p, t, w = P.copy(), np.abs(T), WEIGHTS.copy()
    kept = slice(0, 3)
    value, slope = backend.call(f"{name}_value_and_grad", p[kept], t[kept], weight=w[kept])
    product = backend.call(f"{name}_hvp", p[kept], t[kept], weight=w[kept], vector=p[kept])
    diagonal = backend.call(f"{name}_hessian_diagonal", p[kept], t[kept], weight=w[kept])
    p[3] = t[3] = w[3] = bad
    options: dict[str, Any] = {"mask": MASK, "weight": w}
    agree(backend, name, p, t, **options, value=value, slope=np.append(slope, 0))
    close(backend.call(f"{name}_hvp", p, t, vector=p, **options), np.append(product, 0))
    found = backend.call(f"{name}_hessian_diagonal", p, t, **options)
    close(found, np.append(diagonal, 0))
    entries = backend.call(name, p, t, **options, reduction="none")
    assert entries[3] == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_masked_sample_with_core_axes(backend: Backend, bad: float) -> None:
    logits = LOGITS.copy()
    logits[1] = bad
    mask = np.array([True, False, True])
    agree(
        backend,
        "sparse_softmax_cross_entropy",
        logits,
        np.array([0, -7, 1]),
        mask=mask,
        value=(ENTROPIES[0] + ENTROPIES[2]) / 2,
        slope=ENTROPY_SLOPES * mask[:, None] / 2,
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_masked_query_of_a_batch(backend: Backend, bad: float) -> None:
    query = np.array([[2.0, 0.0], [bad, bad], [0.0, 3.0]])
    key = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    options: dict[str, Any] = {"mask": np.array([True, False, True]), "temperature": 1.0}
    # Similarities: (1, 1, 0) for the first query, (0, 0, 1) for the last one.
    value = (math.log(2 * math.e + 1) - 1 + math.log(2 + math.e) - 1) / 2
    found, (by_query, by_key) = backend.call("info_nce_value_and_grad", query, key, **options)
    close(found, value)
    assert np.isfinite(by_query).all()
    assert np.isfinite(by_key).all()
    close(by_query[1], np.zeros(2))
    # Along the first query nothing changes; across, its third similarity does, at a rate of 1/2.
    close(by_query[0], [0.0, 0.5 / (2 * math.e + 1) / 2])
    close(backend.differentiate("info_nce", query, key, **options), by_query)
    close(backend.differentiate("info_nce", query, key, by=1, **options), by_key)
    vector = (np.ones((3, 2)), np.ones((3, 2)))
    product = backend.call("info_nce_hvp", query, key, vector=vector, **options)
    assert all(np.isfinite(part).all() for part in product)
    close(product[0][1], np.zeros(2))


# ---- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ignored", [-100, -1, 0, 1, 255])
def test_ignored_labels(backend: Backend, ignored: int) -> None:
    labels = np.where(np.arange(3) == 1, ignored, LABELS)
    kept = labels != ignored
    logits = np.where(kept[:, None], LOGITS, np.nan)
    agree(
        backend,
        "sparse_softmax_cross_entropy",
        logits,
        labels,
        ignore_index=ignored,
        value=ENTROPIES[kept].mean() if kept.any() else 0.0,
        slope=ENTROPY_SLOPES * kept[:, None] / max(kept.sum(), 1),
    )
    entries = backend.call(
        "sparse_softmax_cross_entropy", logits, labels, ignore_index=ignored, reduction="none"
    )
    close(entries, np.where(kept, ENTROPIES, 0))


def test_all_labels_ignored(backend: Backend) -> None:
    agree(
        backend,
        "sparse_softmax_cross_entropy",
        LOGITS,
        np.full(3, -100),
        ignore_index=-100,
        value=0.0,
        slope=np.zeros((3, 2)),
    )


def test_class_weights_multiply_the_weights(backend: Backend) -> None:
    table, w = np.array([2.0, 0.5]), np.array([1.0, 3.0, 4.0])
    full = np.array([2.0, 1.5, 2.0])
    options: dict[str, Any] = {"class_weight": table, "weight": w}
    agree(
        backend,
        "sparse_softmax_cross_entropy",
        LOGITS,
        LABELS,
        **options,
        value=(full * ENTROPIES).sum() / 5.5,
        slope=full[:, None] * ENTROPY_SLOPES / 5.5,
    )
    for more, kept in (({"ignore_index": 0}, LABELS != 0), ({"mask": LABELS == 1}, LABELS == 1)):
        agree(
            backend,
            "sparse_softmax_cross_entropy",
            LOGITS,
            LABELS,
            **options,
            **more,
            value=(kept * full * ENTROPIES).sum() / 3.5,
            slope=(kept * full)[:, None] * ENTROPY_SLOPES / 3.5,
        )


def test_class_weights_are_one_per_class(backend: Backend) -> None:
    for table in (np.ones(3), np.ones(1), np.ones((2, 1))):
        with pytest.raises(ValueError, match="class_weight"):
            backend.call("sparse_softmax_cross_entropy", LOGITS, LABELS, class_weight=table)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_labels_of_every_integer_dtype(backend: Backend, dtype: type) -> None:
    found = backend.call("sparse_softmax_cross_entropy", LOGITS, LABELS.astype(dtype))
    close(found, ENTROPIES.mean())


@pytest.mark.parametrize("bad", [2, -1])
def test_a_label_out_of_range(backend: Backend, bad: int) -> None:
    labels = np.array([0, bad, 1])
    name = "sparse_softmax_cross_entropy"
    if backend.name == "jax":  # whose arrays may be traced, and are never asked for their values
        assert np.isnan(backend.call(name, LOGITS, labels))
        return
    with pytest.raises(ValueError, match=rf"`label`.*{bad}"):
        backend.call(name, LOGITS, labels)


def test_a_label_out_of_range_in_compiled_code(backend: Backend) -> None:
    if backend.compiled is None:
        return
    labels = np.array([2, 0, -1])
    loss = backend.function("sparse_softmax_cross_entropy_value_and_grad")
    each = backend.compiled(lambda x, y: (*loss(x, y, reduction="none"), *loss(x, y)))
    found = backend.returned(each(*backend.given((LOGITS, labels))))
    entries, gradient, value, divided = found
    np.testing.assert_allclose(entries, [np.nan, ENTROPIES[0], np.nan])
    assert np.isnan(gradient).any(axis=1).tolist() == [True, False, True]
    assert np.isnan(value)
    assert np.isnan(divided[0]).all()


# ---- axis ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_the_core_axis_lies_where_axis_says(backend: Backend, axis: int) -> None:
    first = np.stack([LOGITS, LOGITS[::-1]])
    labels = np.stack([LABELS, 1 - LABELS[::-1]])
    entries = np.stack([ENTROPIES, [LOG2, 2 * LOG2 - LOG3, 2 * LOG2]])
    slopes = np.stack([ENTROPY_SLOPES, [[-0.5, 0.5], [-0.25, 0.25], [0.75, -0.75]]])
    agree(
        backend,
        "sparse_softmax_cross_entropy",
        np.moveaxis(first, -1, axis),
        labels,
        axis=axis,
        reduction="none",
        value=entries,
        slope=np.moveaxis(slopes, -1, axis),
    )
    product = backend.call(
        "sparse_softmax_cross_entropy_hvp",
        np.moveaxis(first, -1, axis),
        labels,
        axis=axis,
        reduction="sum",
        vector=np.moveaxis(np.broadcast_to([1.0, 0.0], first.shape).copy(), -1, axis),
    )
    variance = np.array([[3 / 16, 3 / 16, 1 / 4], [1 / 4, 3 / 16, 3 / 16]])
    close(np.moveaxis(product, axis, -1), np.stack([variance, -variance], -1))


@pytest.mark.parametrize("axis", [2, -3])
def test_an_axis_that_is_not_there(backend: Backend, axis: int) -> None:
    with pytest.raises(ValueError, match="axis"):
        backend.call("sparse_softmax_cross_entropy", LOGITS, LABELS, axis=axis)


def test_batch_axes_may_be_none_or_several(backend: Backend) -> None:
    one = backend.call("sparse_softmax_cross_entropy", LOGITS[1], LABELS[1])
    close(one, ENTROPIES[1])
    several = backend.call(
        "sparse_softmax_cross_entropy",
        LOGITS.reshape(1, 3, 1, 2),
        LABELS.reshape(1, 3, 1),
        reduction="none",
    )
    close(several, ENTROPIES.reshape(1, 3, 1))
    close(backend.call("squared_error", np.array(3.0), np.array(1.0)), 4.0)
