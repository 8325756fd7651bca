"""Parameters that are learned, one number or one per class, through everything PyTorch does."""

# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code=untyped-decorator

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from losscompiler.backends import render_module, runtime_files
from losscompiler.passes import compile_loss
from losscompiler.spec import Label, Param, Prediction, Sum, Target, exp, index, log, loss

# PyTorch's compiler and its forward mode use what PyTorch itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

PACKAGE = "generated_with_learnable"


@loss
def scaled(
    prediction=Prediction(), target=Target(), *, scale=Param(2, positive=True, learnable=True)
):
    """Squares over a learned scale, which it pays for."""
    return (prediction - target) ** 2 / scale + log(scale)


@loss
def tempered(
    logits=Prediction("class"),
    label=Label("class"),
    *,
    sharpness=Param(1, axes="class", positive=True, learnable=True),
):
    """Cross-entropy of logits, each class with a learned factor."""
    k = index("class")
    return log(Sum(exp(logits[k] * sharpness[k]), k)) - logits[label] * sharpness[label]


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    root = tmp_path_factory.mktemp("learnable")
    folder: Path = root / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Losses."""\n')
    for name, text in runtime_files("torch").items():
        (folder / name).write_text(text)
    compiled = [compile_loss(x) for x in (scaled, tempered)]
    module = render_module("torch", compiled, "Losses.", "specs/losses.py")
    (folder / "losses.py").write_text(module)
    sys.path.insert(0, str(root))
    yield importlib.import_module(f"{PACKAGE}.losses")
    sys.path.remove(str(root))


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


LABEL = torch.tensor([0, 2, 1, 1, 0])
POINTS = {
    "scaled": (draw(5), draw(5, seed=1), draw(seed=2).exp()),
    "tempered": (draw(5, 3), LABEL, draw(3, seed=2).exp()),
}
each = pytest.mark.parametrize("name", POINTS)


def by_hand(name: str, x: Tensor, data: Tensor, parameter: Tensor) -> Tensor:
    if name == "scaled":
        return ((x - data) ** 2 / parameter + torch.log(parameter)).mean()
    return torch.nn.functional.cross_entropy(x * parameter, data)


def function(losses: Any, name: str, form: str = "") -> Any:
    _, data, _ = POINTS[name]
    keyword = "scale" if name == "scaled" else "sharpness"

    def call(x: Tensor, parameter: Tensor, **options: Any) -> Any:
        return getattr(losses, name + form)(x, data, **{keyword: parameter}, **options)

    return call


@each
def test_gradients_and_second_derivatives(losses: Any, name: str) -> None:
    x, data, parameter = POINTS[name]
    leaves = tuple(t.clone().requires_grad_() for t in (x, parameter))
    ours = function(losses, name)
    assert_close(ours(x, parameter), by_hand(name, x, data, parameter))
    assert torch.autograd.gradcheck(ours, leaves, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(ours, leaves, check_fwd_over_rev=True)
    expected = torch.autograd.grad(by_hand(name, leaves[0], data, leaves[1]), leaves)
    _, emitted = function(losses, name, "_value_and_grad")(x, parameter)
    assert_close(emitted, expected)


@each
def test_hessian(losses: Any, name: str) -> None:
    x, data, parameter = POINTS[name]
    vectors = (draw(*x.shape, seed=5), draw(*parameter.shape, seed=6))

    def theirs(*at: Tensor) -> Tensor:
        return by_hand(name, at[0], data, at[1])

    _, products = torch.autograd.functional.hvp(theirs, (x, parameter), vectors)
    emitted = function(losses, name, "_hvp")(x, parameter, vector=vectors)
    assert_close(emitted, products)
    blocks = torch.func.hessian(theirs, (0, 1))(x, parameter)
    sizes = (x.numel(), parameter.numel())
    diagonals = tuple(blocks[k][k].reshape(n, n).diagonal() for k, n in enumerate(sizes))
    found = function(losses, name, "_hessian_diagonal")(x, parameter)
    assert_close(tuple(d.reshape(-1) for d in found), diagonals)
    ours = torch.func.hessian(function(losses, name), (0, 1))(x, parameter)
    assert_close(ours, blocks)


@each
def test_compiled_and_vmapped(losses: Any, name: str) -> None:
    torch._dynamo.reset()
    x, data, parameter = POINTS[name]
    ours = function(losses, name)
    leaves = tuple(t.clone().requires_grad_() for t in (x, parameter))
    expected = torch.autograd.grad(by_hand(name, leaves[0], data, leaves[1]), leaves)
    compiled: Any = torch.compile(ours, fullgraph=True, backend="aot_eager")
    assert_close(torch.autograd.grad(compiled(*leaves), leaves), expected)
    several = torch.stack([parameter, 2 * parameter])
    slopes = torch.vmap(torch.func.grad(ours, 1), (None, 0))(x, several)
    doubled = leaves[1].detach().mul(2).requires_grad_()
    (second,) = torch.autograd.grad(by_hand(name, x, data, doubled), doubled)
    assert_close(slopes, torch.stack([expected[1], second]))


@each
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_half_precision_sums_over_the_batch_in_single(
    losses: Any, name: str, dtype: torch.dtype
) -> None:
    x, _, parameter = POINTS[name]
    count = 100_000
    keyword = "scale" if name == "scaled" else "sharpness"
    wide = draw(count, *x.shape[1:], seed=3).to(dtype)
    data = draw(count, seed=4).to(dtype) if name == "scaled" else LABEL.repeat(count // 5)
    narrow = parameter.to(dtype).requires_grad_()
    value = getattr(losses, name)(wide, data, **{keyword: narrow})
    assert value.dtype == torch.float32
    (slope,) = torch.autograd.grad(value, narrow)
    assert slope.dtype == dtype
    exact = narrow.detach().double().requires_grad_()
    targets = data.double() if data.is_floating_point() else data
    truth = by_hand(name, wide.double(), targets, exact)
    assert_close(value.double(), truth.detach(), rtol=1e-5, atol=0)
    (expected,) = torch.autograd.grad(truth, exact)
    eps = torch.finfo(dtype).eps
    assert_close(slope.double(), expected, rtol=eps, atol=1e-5)


def test_training_a_module_finds_the_best_parameter(losses: Any) -> None:
    x, y, _ = POINTS["scaled"]
    module = losses.ScaledLoss(scale=1.0).double()
    optimiser = torch.optim.LBFGS(module.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value: Tensor = module(x, y)
        value.backward()
        return value

    optimiser.step(closure)
    assert_close(module.scale.detach(), (x - y).square().mean(), rtol=1e-4, atol=0)
