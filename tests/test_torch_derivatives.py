"""Every way in which PyTorch differentiates a loss goes through its kernels, and is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._dynamo.testing import CompileCounter
from torch.testing import assert_close

from losscompiler.backends.torch.runtime._descriptors import Argument, Definition, Kernels
from tests.torch_kernels import (
    bce,
    centers,
    cross_entropy,
    dice,
    forms,
    huber,
    info_nce,
    learnable_huber,
)

# PyTorch's forward mode and its compiler use what PyTorch itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch", "ignore::FutureWarning")


def doubles(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def labels(*shape: int, classes: int = 4, seed: int = 9) -> Tensor:
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Case:
    """A loss as a function of what it is differentiated by."""

    function: Callable[..., Tensor]
    at: tuple[Tensor, ...]

    @property
    def leaves(self) -> tuple[Tensor, ...]:
        return tuple(x.clone().requires_grad_() for x in self.at)


Y, MASK, W = doubles(5, 3, seed=1), doubles(5, 3, seed=2) > 0, doubles(5, 3, seed=3).abs()
TABLE, LABEL = torch.tensor([0.5, 1.0, 2.0]), labels(5, classes=3)
PIXELS, IMAGE = labels(2, 4, classes=3), doubles(2, 2, 2, 3, seed=1).sigmoid()
CASES = {
    "huber": Case(lambda x: huber.evaluate(x, Y, delta=0.7), (doubles(5, 3),)),
    "weighted": Case(
        lambda x, w: huber.evaluate(x, Y, delta=torch.tensor(0.7), mask=MASK, weight=w),
        (doubles(5, 3), W),
    ),
    "learnable": Case(
        lambda x, delta: learnable_huber.evaluate(x, Y, delta=delta),
        (doubles(5, 3), torch.tensor(0.7, dtype=torch.float64)),
    ),
    "bce": Case(
        lambda x: bce.evaluate(x, Y.sigmoid(), pos_weight=TABLE, reduction="none").square().sum(),
        (doubles(5, 3),),
    ),
    "cross_entropy": Case(
        lambda x: cross_entropy.evaluate(x, LABEL, ignore_index=1, class_weight=TABLE),
        (doubles(5, 3),),
    ),
    "axis": Case(lambda x: cross_entropy.evaluate(x, PIXELS, axis=1), (doubles(2, 3, 4),)),
    "dice": Case(
        lambda q: dice.evaluate(q, IMAGE),
        (doubles(2, 2, 2, 3).sigmoid(),),
    ),
    "info_nce": Case(info_nce.evaluate, (doubles(4, 3), doubles(4, 3, seed=1))),
    "centers": Case(
        lambda x, c: centers.evaluate(x, c, LABEL, W[:, 0]),
        (doubles(5, 3), doubles(4, 3, seed=1)),
    ),
}
each = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@each
def test_gradcheck(case: Case) -> None:
    assert torch.autograd.gradcheck(
        case.function, case.leaves, check_forward_ad=True, check_batched_grad=True
    )


@each
def test_gradgradcheck(case: Case) -> None:
    assert torch.autograd.gradgradcheck(case.function, case.leaves, check_fwd_over_rev=True)


@each
def test_all_nested_transforms_give_one_hessian(case: Case) -> None:
    positions = tuple(range(len(case.at)))

    def hessian(outer: Any, inner: Any) -> list[Tensor]:
        both = outer(inner(case.function, argnums=positions), argnums=positions)(*case.at)
        return [block for row in both for block in row]

    forward, reverse = torch.func.jacfwd, torch.func.jacrev
    expected = hessian(reverse, reverse)
    for outer, inner in ((forward, reverse), (reverse, forward), (forward, forward)):
        assert_close(hessian(outer, inner), expected)


@pytest.mark.parametrize(
    "loss", [huber, learnable_huber, bce, cross_entropy, dice, info_nce, centers]
)
def test_hvp_and_diagonal_are_those_of_the_hessian(loss: Any) -> None:
    arrays: dict[str, tuple[Tensor, ...]] = {
        "cross_entropy": (doubles(5, 4), labels(5)),
        "dice": (doubles(2, 2, 2, 3).sigmoid(), doubles(2, 2, 2, 3, seed=1).sigmoid()),
        "centers": (doubles(5, 3), doubles(4, 3, seed=1), labels(5)),
    }
    given = arrays.get(loss.definition.name, (doubles(5, 3), Y))
    names = [p.name for p in loss.definition.parameters if p.learnable]
    roles = [a.role for a in loss.definition.arguments]
    data = [x for x, role in zip(given, roles, strict=False) if role != "prediction"]
    at = [x for x, role in zip(given, roles, strict=False) if role == "prediction"]
    count = len(at)
    at += [torch.tensor(0.7, dtype=torch.float64) for _ in names]

    def call(name: str, *x: Tensor, **options: Any) -> Any:
        parameters = dict(zip(names, x[count:], strict=True))
        return getattr(loss, name)(*x[:count], *data, **parameters, **options)

    vectors = tuple(doubles(*x.shape, seed=7 + k) for k, x in enumerate(at))
    vector = vectors if len(at) > 1 else vectors[0]
    got = call("hvp", *at, vector=vector)
    leaves = tuple(x.clone().requires_grad_() for x in at)
    gradients = torch.autograd.grad(call("evaluate", *leaves), leaves, create_graph=True)
    expected = torch.autograd.grad(gradients, leaves, vectors)
    assert_close(got if len(at) > 1 else (got,), expected)

    blocks = torch.func.jacrev(
        torch.func.jacrev(lambda *x: call("evaluate", *x), argnums=tuple(range(len(at)))),
        argnums=tuple(range(len(at))),
    )(*at)
    diagonals = tuple(
        blocks[k][k].reshape(x.numel(), x.numel()).diagonal().reshape(x.shape)
        for k, x in enumerate(at)
    )
    got = call("hessian_diagonal", *at)
    assert_close(got if len(at) > 1 else (got,), diagonals)


def test_vmap() -> None:
    x, label = doubles(6, 5, 3), labels(6, 5, classes=3)
    expected = torch.stack([F.cross_entropy(a, b) for a, b in zip(x, label, strict=True)])
    assert_close(torch.vmap(cross_entropy.evaluate)(x, label), expected)
    gradients = torch.vmap(torch.func.grad(cross_entropy.evaluate))(x, label)
    one = torch.func.grad(F.cross_entropy)
    assert_close(gradients, torch.stack([one(a, b) for a, b in zip(x, label, strict=True)]))
    label[0, 0] = 3  # no question may be asked of data here: NaN instead of an error
    values = torch.vmap(cross_entropy.evaluate)(x, label)
    assert values.isnan().tolist() == [True] + 5 * [False]
    deltas = torch.tensor([0.5, 1.0], dtype=torch.float64)
    over = torch.vmap(lambda delta: huber.evaluate(x[0], Y, delta=delta))(deltas)
    assert_close(over, torch.stack([F.huber_loss(x[0], Y, delta=d) for d in (0.5, 1.0)]))


def test_batched_gradients_of_autograd() -> None:
    x = doubles(5, 3).requires_grad_()
    rows = huber.evaluate(x, Y, reduction="none").sum(1)
    (jacobian,) = torch.autograd.grad(rows, x, torch.eye(5).double(), is_grads_batched=True)
    slope = (x.detach() - Y).clamp(-1, 1)
    assert_close(jacobian, torch.diag_embed(slope.T).movedim(0, 2))


# ---- the kernels, and nothing else, are what is differentiated -----------------------------------

# Derivatives that disagree with the value, so that it shows which of them is used.
marked = forms(
    Definition(
        "marked",
        (Argument("prediction", "prediction"),),
        (),
        (),
        {
            (): Kernels(
                value=lambda x: x**2,
                vjp=lambda x, g: (3 * g * x,),
                jvp=lambda x, v: 3 * x * v,
                hvp=lambda x, g, v: (5 * g * v,),
                hessian_diagonal=lambda x, g: (5 * g,),
            )
        },
    )
)
POINT = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)


def _marked(x: Tensor) -> Tensor:
    result: Tensor = marked.evaluate(2 * x, reduction="sum")
    return result


def _marked_gradient(x: Tensor) -> Tensor:
    gradient: Tensor = marked.value_and_grad(2 * x, reduction="sum")[1]
    return 2 * gradient


def _nest(outer: Any, inner: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: outer(inner(_marked))(x).diagonal()


FIRST: dict[str, Callable[[Tensor], Tensor]] = {
    "grad": torch.func.grad(_marked),
    "jacfwd": torch.func.jacfwd(_marked),
    "vmap": lambda x: torch.vmap(torch.func.grad(_marked))(x[:, None])[:, 0],
    "value_and_grad": _marked_gradient,
}
SECOND: dict[str, Callable[[Tensor], Tensor]] = {
    "hessian": _nest(torch.func.jacfwd, torch.func.jacrev),
    "reverse twice": _nest(torch.func.jacrev, torch.func.jacrev),
    "reverse of forward": _nest(torch.func.jacrev, torch.func.jacfwd),
    "of value_and_grad": lambda x: torch.func.jacrev(_marked_gradient)(x).diagonal(),
}


@pytest.mark.parametrize("transform", [*FIRST, *SECOND])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_derivatives_are_the_kernels(transform: str, compiled: bool) -> None:
    function = {**FIRST, **SECOND}[transform]
    if compiled:
        torch._dynamo.reset()
        function = torch.compile(function, fullgraph=True, backend="aot_eager")
    expected = 12 * POINT if transform in FIRST else torch.full_like(POINT, 20)
    assert_close(function(POINT), expected)


def test_forward_mode_twice_is_the_kernels() -> None:
    second = torch.func.jacfwd(torch.func.jacfwd(_marked))(POINT).diagonal()
    assert_close(second, torch.full_like(POINT, 20))


# ---- torch.compile and torch.export --------------------------------------------------------------


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@pytest.mark.parametrize("name", ["weighted", "cross_entropy"])
def test_compiled_gradients(name: str, backend: str) -> None:
    torch._dynamo.reset()
    case = CASES[name]
    leaves = case.leaves
    expected = torch.autograd.grad(case.function(*leaves), leaves)
    compiled = torch.compile(case.function, fullgraph=True, backend=backend)
    assert_close(torch.autograd.grad(compiled(*leaves), leaves), expected)


@pytest.mark.parametrize("name", ["learnable", "axis", "dice", "info_nce"])
def test_compiled_with_dynamic_shapes_and_transforms(name: str) -> None:
    torch._dynamo.reset()
    case = CASES[name]
    leaves = case.leaves
    expected = torch.autograd.grad(case.function(*leaves), leaves)
    options: dict[str, Any] = {"fullgraph": True, "backend": "aot_eager"}
    dynamic = torch.compile(case.function, dynamic=True, **options)
    assert_close(torch.autograd.grad(dynamic(*leaves), leaves), expected)
    assert_close(dynamic(*case.at), case.function(*case.at))
    gradient = torch.func.grad(case.function, argnums=tuple(range(len(case.at))))
    assert_close(torch.compile(gradient, **options)(*case.at), expected)


def test_one_compiled_graph_serves_all_sizes_and_numbers() -> None:
    torch._dynamo.reset()
    counter = CompileCounter()

    def function(x: Tensor, y: Tensor, delta: float) -> Tensor:
        result: Tensor = huber.evaluate(x, y, delta=delta)
        return result

    compiled = torch.compile(function, fullgraph=True, dynamic=True, backend=counter)
    for size, delta in ((5, 0.5), (9, 0.7), (100, 1.3)):
        x, y = doubles(size), doubles(size, seed=1)
        assert_close(compiled(x, y, delta), F.huber_loss(x, y, delta=delta))
    assert counter.frame_count == 1


def test_compiled_labels_out_of_range_are_nan() -> None:
    torch._dynamo.reset()
    x, label = doubles(4, 3).requires_grad_(), torch.tensor([0, 3, -1, 2])
    compiled: Any = torch.compile(cross_entropy.evaluate, fullgraph=True, backend="aot_eager")
    loss = compiled(x, label, reduction="none")
    assert loss.isnan().tolist() == [False, True, True, False]
    assert_close(loss[[0, 3]], F.cross_entropy(x[[0, 3]], label[[0, 3]], reduction="none"))
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    assert gradient.isnan().all(1).tolist() == [False, True, True, False]
    masked = compiled(x, label, reduction="sum", mask=(label >= 0) & (label < 3))
    assert_close(masked, loss[[0, 3]].sum())


@pytest.mark.parametrize("strict", [False, True])
def test_export(strict: bool) -> None:
    class Net(torch.nn.Module):
        def forward(self, x: Tensor, label: Tensor) -> Tensor:
            result: Tensor = cross_entropy.evaluate(x, label)
            return result

    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(
        Net(),
        (doubles(5, 3), labels(5, classes=3)),
        dynamic_shapes=({0: batch},) * 2,
        strict=strict,
    )
    x, label = doubles(8, 3), labels(8, classes=3)
    assert_close(program.module()(x, label), F.cross_entropy(x, label))
