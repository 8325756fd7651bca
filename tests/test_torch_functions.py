"""The helper functions of the PyTorch runtime: accurate, and free of NaN where they must be."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from losscompiler.backends.torch.runtime import _functions as fn

EXACT: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "log_cosh": lambda x: mpmath.log(mpmath.cosh(x)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", EXACT)
def test_accurate_to_three_units_in_the_last_place(name: str, dtype: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    sizes = 10.0 ** rng.uniform(-30, 2.8, 200)
    values = np.concatenate([sizes, -sizes, rng.normal(size=200), np.linspace(-95, 95, 96), [0]])
    x = torch.tensor(values, dtype=dtype)
    got = getattr(fn, name)(x).double()
    with mpmath.workprec(2600):
        exact = [EXACT[name](mpmath.mpf(v)) for v in x.tolist()]
        rounded = torch.tensor([float(e) for e in exact], dtype=dtype)
        spacing = torch.tensor(np.spacing(rounded.abs().numpy())).double()
        wrong = [float(abs(mpmath.mpf(g) - e)) for g, e in zip(got.tolist(), exact, strict=True)]
    assert (torch.tensor(wrong, dtype=torch.float64) <= 3 * spacing).all()


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "log_cosh"])
def test_limits(name: str) -> None:
    x = torch.tensor([-inf, inf, nan])
    expected = {"sigmoid": [0.0, 1.0], "softplus": [0.0, inf], "log_cosh": [inf, inf]}[name]
    assert_close(getattr(fn, name)(x), torch.tensor([*expected, nan]), equal_nan=True)


@pytest.mark.parametrize("u", [0.0, -1.0, inf, -inf, nan])
def test_zero_times_anything_is_zero(u: float) -> None:
    for function in (fn.xlogy, fn.xlog1py, fn.xdivy):
        for a in (0.0, torch.zeros(1)):
            other = torch.tensor([u], requires_grad=True)
            result = function(a, other)
            assert result.item() == 0
            if result.requires_grad:
                assert torch.autograd.grad(result, other)[0].item() == 0
    half = torch.tensor([0.5])
    assert_close(fn.xlogy(2.0, half), 2 * half.log())
    assert_close(fn.xlog1py(half, half), half * half.log1p())
    assert_close(fn.xdivy(3.0, half), torch.tensor([6.0]))


def test_logsumexp() -> None:
    x = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert_close(fn.logsumexp(x, (-3, -1)), torch.logsumexp(x, (0, 2)))
    keep = torch.tensor([True, False, True, True])
    assert_close(fn.logsumexp(x, -1, where=keep), torch.logsumexp(x[..., keep], -1))
    nothing = torch.zeros(4, dtype=torch.bool)
    assert (fn.logsumexp(x, -1, where=nothing) == -inf).all()
    assert (fn.logsumexp(x[..., :0], -1) == -inf).all()
    assert fn.logsumexp(torch.tensor([1e4, -inf, 1e4]), -1).item() == pytest.approx(1e4 + 0.6931)
    assert fn.logsumexp(torch.tensor([inf, 0.0]), -1).item() == inf
    # A confident prediction keeps its small loss.
    assert fn.logsumexp(torch.tensor([0.0, -40.0]), -1).item() == pytest.approx(4.248354e-18)
    tied = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: fn.logsumexp(a, -1), tied)


def _by_loops(x: Tensor, index: Tensor) -> Tensor:
    """x (N, S, A, M), index (N, S, L) -> (N, S, L, M)."""
    return torch.stack(
        [torch.stack([x[n, s, index[n, s]] for s in range(x.shape[1])]) for n in range(len(x))]
    )


@pytest.mark.parametrize("x_lead", [True, False])
@pytest.mark.parametrize("index_lead", [True, False])
def test_gather_and_its_adjoint(x_lead: bool, index_lead: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(*([2] if x_lead else []), 3, 5, 4, dtype=torch.float64, generator=generator)
    index = torch.randint(0, 5, [*([2] if index_lead else []), 3, 6], generator=generator)
    expected = _by_loops(x.expand(2, 3, 5, 4), index.expand(2, 3, 6))
    got = fn.gather(x, index, 1, 1, 1)
    assert_close(got.expand_as(expected), expected)
    values = torch.randn(2, 3, 6, 4, dtype=torch.float64, generator=generator)
    scattered = fn.scatter(values, index, x, 1, 1, 1)
    assert scattered.shape == x.shape
    share = 1 if x_lead else 2  # one share for each of the samples that share x
    assert_close(share * (scattered * x).sum(), (values * expected).sum())


def test_gather_without_shared_axes() -> None:
    table = torch.arange(12.0).reshape(4, 3)
    index = torch.tensor([[1, 0], [3, 3]])
    assert_close(fn.gather(table, index, 0, 0, 1), table[index])
    assert_close(fn.gather(table, index[0], 0, 1, 1), table[index[0]])
    assert_close(
        fn.gather(table, torch.tensor([2, 1, 0, 1]), 0, 0, 0), table[range(4), [2, 1, 0, 1]]
    )
    total = fn.scatter(torch.ones(2, 2, 3), index, table, 0, 0, 1)
    assert_close(4 * total[:, 0], torch.tensor([1.0, 1.0, 0.0, 2.0]))


def test_moving_entries() -> None:
    x = torch.arange(1.0, 7.0).reshape(2, 3)
    assert fn.shift(x, 1, -1).tolist() == [[2, 3, 0], [5, 6, 0]]
    assert fn.shift(x, -1, -1).tolist() == [[0, 1, 2], [0, 4, 5]]
    assert fn.shift(x, -1, -2).tolist() == [[0, 0, 0], [1, 2, 3]]
    assert fn.shift(x, 5, -1).tolist() == [[0] * 3] * 2
    placed = fn.place((torch.tensor([7.0, 8.0]), 9.0), (2, 0), x, -1)
    assert placed.tolist() == [[9, 0, 7], [9, 0, 8]]
    assert fn.place((1.0,), (1,), x, -2).tolist() == [[0] * 3, [1] * 3]
    assert fn.diagonal(x[:, :2], -2, -1).tolist() == [1, 5]
    assert fn.positions(x, -1).tolist() == [0, 1, 2]
    assert fn.size(x, -2) == 2


def test_selecting_between_numbers_keeps_the_dtype() -> None:
    like = torch.zeros(2, dtype=torch.float64)
    selected = fn.select(torch.tensor([True, False]), 0.1, 1, like)
    assert selected.dtype == torch.float64
    assert selected.tolist() == [0.1, 1.0]
