"""Values, layouts, weights and errors of the PyTorch runtime, against torch's own losses."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from tests.torch_kernels import bce, centers, cross_entropy, dice, huber, info_nce, learnable_huber


def doubles(*shape: int, seed: int = 0, grad: bool = False) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    return x.requires_grad_(grad)


def labels(*shape: int, classes: int = 4, seed: int = 9) -> Tensor:
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(seed))


# ---- the same numbers as torch ------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_elementwise_loss_is_torchs(reduction: str) -> None:
    x, y = doubles(5, 3, grad=True), doubles(5, 3, seed=1)
    expected = F.huber_loss(x, y, delta=0.7, reduction=reduction)
    got = huber.evaluate(x, y, delta=0.7, reduction=reduction)
    assert_close(got, expected)
    (gradient,) = torch.autograd.grad(expected.sum(), x)
    assert_close(torch.autograd.grad(got.sum(), x)[0], gradient)
    assert_close(huber.value_and_grad(x, y, delta=0.7, reduction=reduction)[1], gradient)


def test_class_weights_and_ignored_labels_are_torchs() -> None:
    x, label, table = doubles(6, 4, grad=True), labels(6), torch.rand(4, dtype=torch.float64)
    label[2] = -100
    expected = F.cross_entropy(x, label, weight=table)
    got = cross_entropy.evaluate(x, label, ignore_index=-100, class_weight=table)
    assert_close(got, expected)
    assert_close(torch.autograd.grad(got, x), torch.autograd.grad(expected, x))


@pytest.mark.parametrize("axis", [1, -3])
def test_class_axis_anywhere(axis: int) -> None:
    x, label = doubles(2, 4, 5, 6, grad=True), labels(2, 5, 6)
    expected = F.cross_entropy(x, label, reduction="none")
    assert_close(cross_entropy.evaluate(x, label, axis=axis, reduction="none"), expected)
    _, gradient = cross_entropy.value_and_grad(x, label, axis=axis)
    assert_close(gradient, torch.autograd.grad(expected.mean(), x)[0])


def test_unreduced_loss_keeps_the_callers_layout() -> None:
    x, y = doubles(2, 3, 5), torch.rand(2, 3, 5, dtype=torch.float64)
    table = torch.rand(3, dtype=torch.float64) + 0.5
    got = bce.evaluate(x, y, pos_weight=table, axis=1, reduction="none")
    expected = F.binary_cross_entropy_with_logits(x, y, pos_weight=table[:, None], reduction="none")
    assert_close(got, expected)
    weight = torch.rand(3, 1, dtype=torch.float64)
    weighted = bce.evaluate(x, y, pos_weight=table, axis=1, reduction="none", weight=weight)
    assert_close(weighted, expected * weight)


def test_number_for_an_array_parameter() -> None:
    x, y = doubles(5, 3), torch.rand(5, 3, dtype=torch.float64)
    expected = F.binary_cross_entropy_with_logits(
        x, y, pos_weight=torch.full((3,), 2.0, dtype=torch.float64)
    )
    for two in (2.0, 2, torch.tensor(2.0), torch.full((3,), 2.0)):
        assert_close(bce.evaluate(x, y, pos_weight=two), expected)


@pytest.mark.parametrize("spatial", [(), (7,), (2, 3), (2, 3, 2)])
def test_starred_axis_is_any_number_of_axes(spatial: tuple[int, ...]) -> None:
    q = doubles(4, 3, *spatial).sigmoid().requires_grad_()
    y = doubles(4, 3, *spatial, seed=1).sigmoid()
    flat_q, flat_y = q.reshape(4, 3, -1), y.reshape(4, 3, -1)
    expected = 1 - (2 * (flat_q * flat_y).sum(-1) + 1) / (flat_q.sum(-1) + flat_y.sum(-1) + 1)
    assert_close(dice.evaluate(q, y, reduction="none"), expected)
    value, gradient = dice.value_and_grad(q, y)
    assert_close(value, expected.mean())
    assert_close(gradient, torch.autograd.grad(expected.mean(), q)[0])


def test_starred_axis_with_other_batch_axes() -> None:
    q, y = torch.rand(2, 5, 3, 4, 4), torch.rand(2, 5, 3, 4, 4)
    assert dice.evaluate(q, y, batch_axes=2, reduction="none").shape == (2, 5, 3)
    assert dice.evaluate(q[0, 0], y[0, 0], batch_axes=0, reduction="none").shape == (3,)


def test_batch_coupled_loss_with_two_gradients() -> None:
    q, k = doubles(6, 3, grad=True), doubles(6, 3, seed=1, grad=True)
    expected = F.cross_entropy(q @ k.T / 0.5, torch.arange(6))
    value, gradients = info_nce.value_and_grad(q, k)
    assert_close(value, expected)
    assert_close(gradients, torch.autograd.grad(expected, (q, k)))


def test_shared_input_sums_over_the_batch() -> None:
    x, c, label = doubles(2, 5, 3, grad=True), doubles(4, 3, seed=1, grad=True), labels(2, 5)
    scale = torch.rand(2, 5, dtype=torch.float64)
    expected = 0.5 * scale * (x - c[label]).square().sum(-1)
    assert_close(centers.evaluate(x, c, label, scale, reduction="none"), expected)
    gradients = torch.autograd.grad(expected.sum(), (x, c))
    assert_close(centers.value_and_grad(x, c, label, scale, reduction="sum")[1], gradients)
    _, (dx, _) = centers.value_and_grad(x, c, label, reduction="sum")
    assert_close(dx, x - c[label])


def test_shared_scalar() -> None:
    x, y = torch.tensor(0.3, dtype=torch.float64), doubles(5)
    _, gradient = huber.value_and_grad(x, y, delta=9.0, reduction="sum")
    assert_close(gradient, (x - y).sum())


# ---- weights and masks --------------------------------------------------------------------------


def test_mean_divides_by_the_weights() -> None:
    x, y, w = doubles(5, 3), doubles(5, 3, seed=1), doubles(5, 3, seed=2).abs()
    loss = F.huber_loss(x, y, reduction="none")
    assert_close(huber.evaluate(x, y, weight=w), (w * loss).sum() / w.sum())
    assert_close(huber.evaluate(x, y, weight=w[0]), (w[0] * loss).sum() / (w[0] * 5).sum())
    assert_close(huber.evaluate(x, y, weight=w, normalizer=7), (w * loss).sum() / 7)
    seven = torch.tensor(7)
    assert_close(huber.evaluate(x, y, weight=w, normalizer=seven), (w * loss).sum() / 7)


def test_weight_is_differentiable() -> None:
    x, y, w = doubles(5), doubles(5, seed=1), doubles(5, seed=2).abs().requires_grad_()
    loss = F.huber_loss(x, y, reduction="none")
    expected = torch.autograd.grad((w * loss).sum() / w.sum(), w)
    assert_close(torch.autograd.grad(huber.evaluate(x, y, weight=w), w), expected)


@pytest.mark.parametrize("poison", [nan, inf, -inf])
def test_masked_entries_never_contribute(poison: float) -> None:
    x, y = doubles(4, 3), doubles(4, 3, seed=1)
    mask = torch.ones(4, 3, dtype=torch.bool)
    mask[1, 2] = mask[3, 0] = False
    expected, wanted = huber.value_and_grad(x[mask], y[mask])
    x[~mask], y[~mask] = poison, poison
    value, gradient = huber.value_and_grad(x, y, mask=mask)
    assert_close(value, expected)
    assert_close(gradient[mask], wanted)
    assert gradient[~mask].tolist() == [0.0, 0.0]
    x.requires_grad_()
    assert_close(torch.autograd.grad(huber.evaluate(x, y, mask=mask), x)[0], gradient)
    unreduced = huber.evaluate(x, y, mask=mask, reduction="none")
    assert unreduced[~mask].tolist() == [0.0, 0.0]
    for second in (huber.hessian_diagonal, lambda *a, **k: huber.hvp(*a, vector=x, **k)):
        assert torch.isfinite(second(x, y, mask=mask)).all()


def test_ignored_rows_may_hold_anything() -> None:
    x, label = doubles(4, 3, grad=True), labels(4, classes=3)
    expected = F.cross_entropy(x[1:], label[1:].clone())
    (wanted,) = torch.autograd.grad(expected, x)
    poisoned = torch.cat([torch.full((1, 3), nan, dtype=torch.float64), x.detach()[1:]])
    poisoned.requires_grad_()
    label[0] = 17
    for options in ({"ignore_index": 17}, {"mask": label != 17}):
        value = cross_entropy.evaluate(poisoned, label, **options)
        assert_close(value, expected)
        (gradient,) = torch.autograd.grad(value, poisoned)
        assert_close(gradient[1:], wanted[1:])
        assert gradient[0].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "options",
    [
        {"mask": torch.zeros(3, dtype=torch.bool)},
        {"weight": torch.zeros(3)},
        {"normalizer": 0},
        {"normalizer": torch.tensor(0.0)},
    ],
    ids=["mask", "weight", "number", "tensor"],
)
def test_zero_denominator_is_zero(options: dict[str, Any]) -> None:
    x, y = doubles(3, grad=True), doubles(3, seed=1)
    value, gradient = huber.value_and_grad(x, y, **options)
    assert value.item() == 0
    assert gradient.tolist() == [0.0, 0.0, 0.0]
    assert torch.autograd.grad(huber.evaluate(x, y, **options), x)[0].tolist() == [0.0] * 3


# ---- dtypes and strange tensors -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    x = (100 * doubles(1000)).to(dtype).requires_grad_()
    y = torch.zeros(1000, dtype=dtype)
    expected = F.huber_loss(x.float(), y.float(), delta=500.0, reduction="sum")
    value, gradient = huber.value_and_grad(x, y, delta=500.0, reduction="sum")
    assert value.dtype == torch.float32
    assert value > 1e6  # more than float16 can hold
    assert_close(value, expected)
    assert gradient.dtype == dtype
    assert_close(gradient, x.detach())
    assert torch.autograd.grad(huber.evaluate(x, y), x)[0].dtype == dtype


def test_autocast_changes_nothing() -> None:
    q, k = doubles(6, 3).float().requires_grad_(), doubles(6, 3, seed=1).float()
    expected = info_nce.evaluate(q, k)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = info_nce.evaluate(q, k)
        (gradient,) = torch.autograd.grad(value, q)
    assert torch.equal(value, expected)
    assert torch.equal(gradient, torch.autograd.grad(expected, q)[0])


def test_integer_and_boolean_targets() -> None:
    x = doubles(4)
    for y in (torch.tensor([0, 1, 1, 0]), torch.tensor([False, True, True, False])):
        assert_close(huber.evaluate(x, y), F.huber_loss(x, y.double()))


def test_targets_receive_no_gradient() -> None:
    x, y = doubles(4, grad=True), doubles(4, seed=1, grad=True)
    huber.evaluate(x, y).backward()
    assert x.grad is not None
    assert y.grad is None


def test_views_expanded_scalar_and_empty_tensors() -> None:
    base = doubles(6, 8)
    x, y = base.T[::2], base[:, :4].T
    assert_close(huber.evaluate(x, y), F.huber_loss(x, y))
    wide = doubles(3, 1).expand(3, 4).requires_grad_()
    assert_close(huber.value_and_grad(wide, torch.zeros(3, 4))[1].shape, wide.shape)
    assert_close(huber.evaluate(base[0, 0], base[1, 1]), F.huber_loss(base[0, 0], base[1, 1]))
    empty = torch.zeros(0, 3, requires_grad=True)
    for options in ({}, {"weight": torch.ones(3)}, {"mask": torch.ones(3, dtype=torch.bool)}):
        value, gradient = huber.value_and_grad(empty, torch.zeros(0, 3), **options)
        assert value.item() == 0
        assert gradient.shape == (0, 3)
    assert cross_entropy.evaluate(empty, torch.zeros(0, dtype=torch.long)).item() == 0


# ---- mistakes -----------------------------------------------------------------------------------

A, B = torch.zeros(3), torch.zeros(3, 1)
N = torch.zeros(3, dtype=torch.long)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: huber.evaluate(A, B), r"`prediction` has shape \(3,\) and `target` .* \(3, 1\)"),
        (lambda: huber.evaluate(A.long(), A), "`prediction` .*int64.* floating-point"),
        (lambda: huber.evaluate(1.0, A), "`prediction` is of type float"),
        (lambda: huber.evaluate(A, None), "`target` is None"),
        (lambda: huber.evaluate(A, A, delta=0.0), "`delta` is 0.0, .* delta > 0"),
        (lambda: huber.evaluate(A, A, delta=nan), "`delta` is nan"),
        (lambda: huber.evaluate(A, A, delta=torch.tensor(-1.0)), "`delta` is -1.0"),
        (lambda: huber.evaluate(A, A, delta=A), r"`delta` has shape \(3,\)"),
        (lambda: huber.evaluate(A, A, delta="1"), "`delta` is '1', but must be a number"),
        (lambda: huber.evaluate(A, A, reduction="avg"), "`reduction` is 'avg'"),
        (lambda: huber.evaluate(A, A, weight=torch.ones(2)), r"`weight` has shape \(2,\)"),
        (lambda: huber.evaluate(A, A, weight=B), r"`weight` has shape \(3, 1\)"),
        (lambda: huber.evaluate(A, A, mask=A), "`mask` .* booleans"),
        (lambda: huber.evaluate(A, A, normalizer=A), "`normalizer` has shape"),
        (lambda: cross_entropy.evaluate(B, N + 1), r"`label` of shape \(3,\) holds 1"),
        (lambda: cross_entropy.evaluate(B, A), "`label` .* integers"),
        (lambda: cross_entropy.evaluate(A[0], N[0]), r"`logits` has shape \(\)"),
        (lambda: cross_entropy.evaluate(B, N, axis=2), "`axis` is 2"),
        (lambda: cross_entropy.evaluate(B, N, class_weight=A), "`class_weight` has shape"),
        (lambda: huber.evaluate(A, A, ignore_index=0), "`ignore_index` needs a label"),
        (lambda: dice.evaluate(torch.rand(2, 3, 4), torch.rand(2, 3, 5)), "spatial axes"),
        (lambda: dice.evaluate(A, A, batch_axes=2), "2 batch axes"),
        (lambda: info_nce.evaluate(torch.rand(4, 3), torch.rand(4, 2)), "the feature axis"),
        (lambda: huber.hvp(A, A, vector=B), r"`vector` has shape \(3, 1\)"),
        (lambda: info_nce.hvp(B, B, vector=B), "tuple of 2 tensors"),
    ],
)
def test_mistakes_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_learnable_number_has_a_gradient() -> None:
    x, y = torch.tensor([3.0, 0.1]), torch.zeros(2)
    _, (dx, ddelta) = learnable_huber.value_and_grad(x, y, delta=1.0, reduction="sum")
    assert_close(dx, torch.tensor([1.0, 0.1]))
    assert_close(ddelta, torch.tensor(2.0))
    delta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    learnable_huber.evaluate(x, y, delta=delta, reduction="sum").backward()
    assert delta.grad is not None
    assert_close(delta.grad, torch.tensor(2.0, dtype=torch.float64))
