"""The NumPy runtime: every option, layout, dtype and error, on losses whose kernels are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from losscompiler.backends.numpy.runtime._options import Options
from losscompiler.backends.numpy.runtime._support import (
    evaluate,
    hessian_diagonal,
    hvp,
    value_and_grad,
)
from tests.numpy_kernels import (
    CENTER,
    CONTRAST,
    CROSS_ENTROPY,
    DICE,
    HUBER,
    TRACK,
    WEIGHTED_SQUARES,
    softmax,
)

P = np.array([0.0, 1.0, -3.0, 2.0])
T = np.array([0.5, -1.0, 1.0, 2.0])
ENTRIES = np.array([0.125, 1.5, 3.5, 0.0])
SLOPES = np.array([-0.5, 1.0, -1.0, 0.0])
LOGITS = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 5.0], [-1.0, 3.0, 1.0]])
LABELS = np.array([1, 0, 2])
ENTROPIES = -np.log(softmax(LOGITS)[np.arange(3), LABELS])


def huber(p: Any = P, t: Any = T, delta: Any = 1.0, **options: Any) -> Any:
    return evaluate(HUBER, (p, t), (delta,), Options(**options))


def huber_grad(p: Any = P, t: Any = T, delta: Any = 1.0, **options: Any) -> Any:
    return value_and_grad(HUBER, (p, t), (delta,), Options(**options))


def entropy(x: Any = LOGITS, y: Any = LABELS, **options: Any) -> Any:
    return evaluate(CROSS_ENTROPY, (x, y), (), Options(**options))


# ---- reductions, weights, masks ------------------------------------------------------------------


def test_reductions_of_an_unweighted_loss() -> None:
    np.testing.assert_allclose(huber(reduction="none"), ENTRIES)
    np.testing.assert_allclose(huber(reduction="sum"), ENTRIES.sum())
    np.testing.assert_allclose(huber(), ENTRIES.mean())
    np.testing.assert_allclose(huber(normalizer=10), ENTRIES.sum() / 10)


def test_mean_divides_by_the_sum_of_unmasked_weights() -> None:
    w = np.array([1.0, 2.0, 3.0, 4.0])
    mask = np.array([True, True, False, True])
    kept = np.where(mask, w, 0)
    value, gradient = huber_grad(weight=w, mask=mask)
    np.testing.assert_allclose(value, (kept * ENTRIES).sum() / kept.sum())
    np.testing.assert_allclose(gradient, kept * SLOPES / kept.sum())
    np.testing.assert_allclose(huber(weight=w, mask=mask, reduction="none"), kept * ENTRIES)
    value, gradient = huber_grad(weight=w, mask=mask, reduction="none")
    np.testing.assert_allclose(gradient, kept * SLOPES)


def test_weights_broadcast_to_the_loss() -> None:
    p, t = np.stack([P, P + 1]), np.stack([T, T])
    value = huber(p, t, weight=[[1.0], [0.0]])
    np.testing.assert_allclose(value, ENTRIES.mean())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_masked_entries_never_contribute(bad: float) -> None:
    p, t = P.copy(), T.copy()
    p[1] = t[2] = bad
    mask = np.array([True, False, False, True])
    value, gradient = huber_grad(p, t, mask=mask)
    np.testing.assert_allclose(value, ENTRIES[[0, 3]].mean())
    np.testing.assert_array_equal(gradient, [-0.25, 0, 0, 0])
    product = hvp(HUBER, (p, t), (1.0,), [1.0, np.nan, 1.0, 2.0], Options(mask=mask))
    np.testing.assert_allclose(product, [0.5, 0, 0, 1.0])


@pytest.mark.parametrize("options", [{"mask": [False] * 4}, {"weight": 0}, {"normalizer": 0}])
def test_nothing_left_to_average_is_zero(options: dict[str, Any]) -> None:
    value, gradient = huber_grad(P * np.nan, T, **options)
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros(4))


def test_derivatives_of_second_order() -> None:
    inside = np.array([1.0, 0, 0, 1])
    v = np.array([1.0, 2, 3, 4])
    np.testing.assert_allclose(hvp(HUBER, (P, T), (1.0,), v, Options()), inside * v / 4)
    np.testing.assert_allclose(hessian_diagonal(HUBER, (P, T), (1.0,), Options()), inside / 4)


# ---- labels --------------------------------------------------------------------------------------


def test_labels_are_looked_up() -> None:
    np.testing.assert_allclose(entropy(reduction="none"), ENTROPIES)
    value, gradient = value_and_grad(CROSS_ENTROPY, (LOGITS, LABELS), (), Options())
    np.testing.assert_allclose(value, ENTROPIES.mean())
    np.testing.assert_allclose(gradient, (softmax(LOGITS) - np.eye(3)[LABELS]) / 3)


@pytest.mark.parametrize("ignore_index", [-100, 2])
def test_ignored_labels_do_not_count(ignore_index: int) -> None:
    labels = np.array([1, 0, ignore_index])
    logits = LOGITS.copy()
    logits[2] = np.nan
    options = Options(ignore_index=ignore_index)
    value, gradient = value_and_grad(CROSS_ENTROPY, (logits, labels), (), options)
    np.testing.assert_allclose(value, ENTROPIES[:2].mean())
    np.testing.assert_array_equal(np.asarray(gradient)[2], np.zeros(3))


def test_class_weights_multiply_the_weight() -> None:
    table = np.array([1.0, 2.0, 4.0])
    w = table[LABELS] * [1, 1, 3]
    value = entropy(class_weight=table, weight=[1, 1, 3])
    np.testing.assert_allclose(value, (w * ENTROPIES).sum() / w.sum())
    w[1] = 0
    value = entropy(class_weight=table, weight=[1, 1, 3], ignore_index=0)
    np.testing.assert_allclose(value, (w * ENTROPIES).sum() / w.sum())


def test_masked_labels_may_be_anything() -> None:
    value = entropy(y=[1, 0, 77], mask=[True, True, False], class_weight=[1, 1, 1])
    np.testing.assert_allclose(value, ENTROPIES[:2].mean())


def test_axis_says_where_the_classes_are() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    y = np.array([[0, 1, 2, 0], [2, 2, 1, 0]])
    last = np.moveaxis(x, 1, -1)
    options = Options(axis=1)
    np.testing.assert_allclose(entropy(x, y, axis=1), entropy(last, y))
    np.testing.assert_allclose(entropy(x, y, axis=-2), entropy(last, y))
    _, gradient = value_and_grad(CROSS_ENTROPY, (x, y), (), options)
    _, expected = value_and_grad(CROSS_ENTROPY, (last, y), (), Options())
    np.testing.assert_allclose(gradient, np.moveaxis(np.asarray(expected), -1, 1))
    product = hvp(CROSS_ENTROPY, (x, y), (), x, options)
    expected = hvp(CROSS_ENTROPY, (last, y), (), last, Options())
    np.testing.assert_allclose(product, np.moveaxis(np.asarray(expected), -1, 1))


def test_axis_of_an_unreduced_loss_stays_in_place() -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.zeros((2, 3))
    mask = np.array([[True, False, True], [True, True, True]])
    value = evaluate(TRACK, (x, y), (), Options(axis=0, reduction="none", mask=mask))
    np.testing.assert_allclose(value, np.where(mask, x**2, 0))
    _, gradient = value_and_grad(TRACK, (x, y), (), Options(axis=0, mask=mask, reduction="sum"))
    np.testing.assert_allclose(gradient, np.where(mask, 2 * x, 0))


# ---- layouts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5), (2, 3, 0)])
def test_starred_axes_are_flattened(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    p, t = rng.uniform(size=shape), rng.uniform(size=shape)
    flat = (2, 3, int(np.prod(shape[2:])))
    value, gradient = value_and_grad(DICE, (p, t), (1.0,), Options())
    expected = value_and_grad(DICE, (p.reshape(flat), t.reshape(flat)), (1.0,), Options())
    np.testing.assert_allclose(value, expected[0])
    np.testing.assert_allclose(gradient, np.asarray(expected[1]).reshape(shape))
    assert evaluate(DICE, (p, t), (1.0,), Options(reduction="none")).shape == (2, 3)


def test_batch_axes_are_counted() -> None:
    rng = np.random.default_rng(1)
    p, t = rng.uniform(size=(2, 3, 4, 5)), rng.uniform(size=(2, 3, 4, 5))
    assert evaluate(DICE, (p, t), (1,), Options(reduction="none", batch_axes=0)).shape == (2,)
    assert evaluate(DICE, (p, t), (1,), Options(reduction="none", batch_axes=2)).shape == (2, 3, 4)
    bad = p.copy()
    bad[0, 1] = np.nan
    mask = np.ones((2, 3), bool)
    mask[0, 1] = False
    value, gradient = value_and_grad(DICE, (bad, t), (1.0,), Options(mask=mask))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_a_coupled_batch_and_a_learnable_parameter() -> None:
    rng = np.random.default_rng(2)
    q, k = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 4, 3))
    value, gradients = value_and_grad(CONTRAST, (q, k), (0.5,), Options(reduction="sum"))
    single = [
        value_and_grad(CONTRAST, (q[n], k[n]), (0.5,), Options(reduction="sum")) for n in (0, 1)
    ]
    np.testing.assert_allclose(value, single[0][0] + single[1][0])
    np.testing.assert_allclose(gradients[0], [single[0][1][0], single[1][1][0]])
    np.testing.assert_allclose(gradients[2], single[0][1][2] + single[1][1][2])
    assert np.shape(gradients[2]) == ()
    step = 1e-6
    up = evaluate(CONTRAST, (q, k), (0.5 + step,), Options(reduction="sum"))
    np.testing.assert_allclose(gradients[2], (up - value) / step, rtol=1e-4)


def test_a_masked_row_of_a_coupled_batch() -> None:
    rng = np.random.default_rng(2)
    q, k = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    mask = np.array([True, True, False, True])
    expected = value_and_grad(CONTRAST, (q, k), (0.5,), Options(mask=mask))
    q[2] = np.nan
    value, gradients = value_and_grad(CONTRAST, (q, k), (0.5,), Options(mask=mask))
    np.testing.assert_allclose(value, expected[0])
    for found, wanted in zip(gradients, expected[1], strict=True):
        np.testing.assert_allclose(found, wanted)


def test_shared_inputs_get_the_sum_of_the_gradients() -> None:
    rng = np.random.default_rng(3)
    e, c = rng.normal(size=(2, 5, 3)), rng.normal(size=(4, 3))
    y = rng.integers(4, size=(2, 5))
    value, (_, gradient) = value_and_grad(CENTER, (e, c, y), (), Options(reduction="sum"))
    np.testing.assert_allclose(value, ((e - c[y]) ** 2).sum() / 2)
    wanted = np.zeros_like(c)
    np.add.at(wanted, y, c[y] - e)
    np.testing.assert_allclose(gradient, wanted)
    products = hvp(CENTER, (e, c, y), (), (e, c), Options(reduction="sum"))
    np.testing.assert_allclose(products[1], wanted)
    assert [np.shape(p) for p in products] == [(2, 5, 3), (4, 3)]


def test_one_target_for_all_samples() -> None:
    np.testing.assert_allclose(huber(P, 0.5), huber(P, np.full(4, 0.5)))
    _, gradient = huber_grad(1.5, T, reduction="sum")
    assert np.shape(gradient) == ()
    np.testing.assert_allclose(gradient, np.clip(1.5 - T, -1, 1).sum())


def test_array_parameters_and_optional_inputs() -> None:
    p, t = np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2))
    scale = np.array([1.0, 10.0])
    _, gradients = value_and_grad(WEIGHTED_SQUARES, (p, t), (scale, 2), Options(reduction="sum"))
    np.testing.assert_allclose(gradients[1], [10.0, 20.0])
    _, gradients = value_and_grad(WEIGHTED_SQUARES, (p, t), (2.0, 2), Options(reduction="sum"))
    np.testing.assert_allclose(gradients[0], 4 * p)
    np.testing.assert_allclose(gradients[1], 30.0)
    found = hessian_diagonal(WEIGHTED_SQUARES, (p, t), (scale, 2), Options(reduction="sum"))
    np.testing.assert_allclose(found[0], [[2, 20], [2, 20]])
    np.testing.assert_array_equal(found[1], [0, 0])
    value = evaluate(WEIGHTED_SQUARES, (p, None), (scale, 1), Options(reduction="none"))
    np.testing.assert_allclose(value, [21, 43])


# ---- dtypes and kinds of arrays ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "computed"), [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), (">f8", "f8")]
)
def test_dtypes_of_results(dtype: str, computed: str) -> None:
    p, t = P.astype(dtype), T.astype(np.float32)
    value, gradient = huber_grad(p, t)
    assert value.dtype == computed
    assert gradient.dtype == np.dtype(dtype)
    assert huber(p, t, reduction="none").dtype == computed
    np.testing.assert_allclose(gradient, SLOPES / 4)
    product = np.asanyarray(hvp(HUBER, (p, t), (1.0,), p, Options(weight=T)))
    assert product.dtype == np.dtype(dtype)


def test_bfloat16() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    value, gradient = huber_grad(P.astype(bfloat16), T.astype(bfloat16))
    assert value.dtype == np.float32
    assert gradient.dtype == bfloat16
    np.testing.assert_allclose(value, ENTRIES.mean())


def test_half_precision_does_not_overflow() -> None:
    p = np.full(10**6, 1000, np.float16)
    np.testing.assert_allclose(huber(p, np.zeros_like(p)), 999.5, rtol=1e-6)
    assert np.isfinite(huber(p, np.zeros_like(p), reduction="sum"))


def test_integers_lists_and_numbers() -> None:
    value, gradient = huber_grad([0, 1, -3, 2], T.tolist(), 1)
    np.testing.assert_allclose(value, ENTRIES.mean())
    assert gradient.dtype == np.float64
    assert huber(3.0, 1.0) == 1.5
    assert huber(3, 1).dtype == np.float64
    assert np.shape(huber(3.0, 1.0, reduction="none")) == ()


def test_unusual_arrays() -> None:
    p = np.repeat(P, 2)[::2]
    p.flags.writeable = False
    t = np.broadcast_to(T, (3, 4))
    value, gradient = huber_grad(np.asfortranarray(np.stack([p] * 3)), t)
    np.testing.assert_allclose(value, ENTRIES.mean())
    gradient += 1  # results belong to the caller


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_empty_batches(shape: tuple[int, ...]) -> None:
    value, gradient = huber_grad(np.zeros(shape), np.zeros(shape))
    assert value == 0
    assert gradient.shape == shape
    assert huber(np.zeros(shape), np.zeros(shape), reduction="none").shape == shape
    value, gradient = value_and_grad(CROSS_ENTROPY, (np.zeros((0, 3)), []), (), Options())
    assert value == 0
    assert np.shape(gradient) == (0, 3)


def test_large_elementwise_losses_are_computed_in_blocks() -> None:
    p = np.linspace(-3, 3, 100_003, dtype=np.float32)
    t = np.zeros_like(p)
    expected = np.where(np.abs(p) <= 1, p**2 / 2, np.abs(p) - np.float32(0.5))
    np.testing.assert_allclose(huber(p, t, reduction="none"), expected, rtol=1e-6)
    weight = np.arange(p.size)
    _, gradient = huber_grad(p, 0.0, weight=weight, reduction="sum")
    np.testing.assert_allclose(gradient, np.clip(p, -1, 1) * weight, rtol=1e-6)


# ---- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: huber(P, T[:, None]), r"`prediction` has shape \(4,\) and `target`.*\(4, 1\)"),
        (lambda: huber(delta=0.0), r"parameter `delta` is 0.0, but must satisfy delta > 0"),
        (lambda: huber(delta=np.nan), "parameter `delta` is nan"),
        (lambda: huber(delta=[1.0]), r"parameter `delta` has shape \(1,\).*single number"),
        (lambda: huber(reduction="avg"), "`reduction` is 'avg', but must be one of 'none', 'sum'"),
        (
            lambda: huber(weight=[1, 2]),
            r"`weight` has shape \(2,\).*unreduced loss of shape \(4,\)",
        ),
        (lambda: huber(mask=[1.0] * 4), r"`mask` has shape \(4,\) and dtype float64.*booleans"),
        (lambda: huber(mask=[[True] * 4] * 2), r"`mask` has shape \(2, 4\)"),
        (lambda: huber(normalizer=[1, 2]), r"`normalizer` has shape \(2,\)"),
        (lambda: huber(P + 1j), "`prediction`.*complex128.*real numbers"),
        (lambda: huber(P > 0), "`prediction`.*bool.*real numbers"),
        (lambda: huber(P, None), "`target` is None, but it is not optional"),
        (lambda: entropy(y=[0, 1, 3]), r"`label` of shape \(3,\) holds 3 at \(2,\).*0 and 2"),
        (lambda: entropy(y=[0, -1, 1]), r"holds -1 at \(1,\)"),
        (lambda: entropy(y=[0.0, 1.0, 2.0]), "`label`.*float64.*integers"),
        (lambda: entropy(1.0, 0), r"`logits` has shape \(\).*core axes \(class\)"),
        (lambda: entropy(axis=2), r"`axis` is 2.*`logits` has shape \(3, 3\).*-2 and 1"),
        (lambda: entropy(axis=0.5), "`axis` is 0.5"),
        (lambda: entropy(class_weight=[1, 2]), r"`class_weight` has shape \(2,\).*each of the 3"),
        (lambda: entropy(y=[0, 1]), r"`logits` has shape \(3, 3\) and `label` has shape \(2,\)"),
        (
            lambda: evaluate(DICE, (np.ones((1, 2, 4, 6)), np.ones((1, 2, 6, 4))), (1,), Options()),
            r"`probability` has shape \(1, 2, 4, 6\) and `target` has shape \(1, 2, 6, 4\)",
        ),
        (
            lambda: evaluate(DICE, (np.ones(2), np.ones(2)), (1,), Options()),
            r"`probability` has shape \(2,\).*1 batch axes.*\(class, \*spatial\)",
        ),
        (
            lambda: evaluate(DICE, (np.ones(2), np.ones(2)), (1,), Options(batch_axes=-1)),
            "`batch_axes` is -1",
        ),
        (
            lambda: evaluate(CONTRAST, (np.ones((4, 2)), np.ones((3, 2))), (1,), Options()),
            r"`query` has shape \(4, 2\) and `key` has shape \(3, 2\): the batch axis has 4",
        ),
        (lambda: hvp(HUBER, (P, T), (1,), P[:2], Options()), r"its `vector` has shape \(2,\)"),
        (
            lambda: hvp(CENTER, (P[None], P[None], [0]), (), P, Options()),
            "`vector` must be a tuple of 2 arrays: `embedding`, `centers`",
        ),
        (
            lambda: evaluate(WEIGHTED_SQUARES, (P, T), (1, 3), Options()),
            "`order` is 3.0, but must satisfy order in {1, 2}",
        ),
        (
            lambda: evaluate(WEIGHTED_SQUARES, (P, T), ([1.0, 2.0], 2), Options()),
            r"`prediction` has shape \(4,\) and `scale` has shape \(2,\): the output axis",
        ),
    ],
)
def test_mistakes_are_explained(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
