"""What PyTorch can do with a loss, it can do with every loss of the catalogue, and rightly so."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests import catalogue_cases
from tests.catalogue_cases import case, facts, names
from tests.torch_catalogue import (
    Point,
    each,
    each_true_gradient,
    gradients,
    module_class,
    point,
    some,
    some_true_gradients,
    tensors,
    with_kernels,
)

# PyTorch's forward mode uses what PyTorch itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch", "ignore::FutureWarning")

STARRED = [name for name in names() if catalogue_cases.case(name).starred]


def no_batch_axes(name: str) -> dict[str, Any]:
    """What a loss of one sample has to be told."""
    return {"batch_axes": 0} if name in STARRED else {}


def hessian_rows(at: Point, blocks: Any) -> list[Tensor]:
    """The Hessian of nested transforms as matrices, contracted with nothing yet."""
    sizes = [x.numel() for x in at.at]
    return [
        torch.cat([block.reshape(n, m) for block, m in zip(row, sizes, strict=True)], dim=1)
        for row, n in zip(blocks, sizes, strict=True)
    ]


# ---- autograd ------------------------------------------------------------------------------------


@each_true_gradient
def test_gradcheck(name: str, full: bool) -> None:
    at = point(name, full=full)
    function = at.function(reduction="none")
    assert torch.autograd.gradcheck(
        function, at.leaves, check_forward_ad=True, check_batched_grad=True
    )


@some_true_gradients
def test_gradgradcheck(name: str, full: bool) -> None:
    at = point(name, full=full)
    function = at.function(reduction="none")
    assert torch.autograd.gradgradcheck(function, at.leaves, check_fwd_over_rev=True)


@some
def test_each_input_may_be_the_only_one_that_is_differentiated(name: str) -> None:
    at = point(name)
    _, expected = at.function("_value_and_grad")(*at.at)
    for k, leaf in enumerate(at.leaves):
        mixed = [leaf if j == k else x for j, x in enumerate(at.at)]
        (got,) = torch.autograd.grad(at.function()(*mixed), leaf)
        assert_close(got, expected[k])


@some
def test_derivatives_are_those_of_the_kernels(name: str) -> None:
    """Kernels that give 2, 3 and 5 times the truth, so that it shows which of them are used."""

    def changed(kernels: Any) -> Any:
        def scaled(kernel: Any, factor: float) -> Any:
            def call(*x: Tensor) -> Any:
                result = kernel(*x)
                if isinstance(result, tuple):
                    return tuple(factor * entry for entry in result)
                return factor * result

            return call

        return dataclasses.replace(
            kernels,
            vjp=scaled(kernels.vjp, 2),
            jvp=scaled(kernels.jvp, 3),
            hvp=scaled(kernels.hvp, 5),
        )

    at = point(name)
    function, vectors = at.of(with_kernels(name, changed)), at.vectors()
    value, first = at.function("_value_and_grad")(*at.at)
    second = at.function("_hvp", vector=vectors)(*at.at)
    leaves = at.leaves
    got = function(*leaves)
    assert_close(got, value)
    slope = gradients(got, leaves, create_graph=True)
    assert_close(slope, tuple(2 * g for g in first))
    assert_close(gradients(slope, leaves, grad_outputs=vectors), tuple(5 * h for h in second))
    along = sum((g * v).sum() for g, v in zip(first, vectors, strict=True))
    assert_close(torch.func.jvp(function, at.at, vectors)[1], 3 * along)
    forward_over_reverse = torch.func.jvp(torch.func.grad(function, at.argnums), at.at, vectors)[1]
    assert_close(forward_over_reverse, tuple(5 * h for h in second))


# ---- torch.func ----------------------------------------------------------------------------------


@some
def test_transforms_give_the_emitted_gradient(name: str) -> None:
    at = point(name)
    value, expected = at.function("_value_and_grad")(*at.at)
    function = at.function()
    assert_close(function(*at.at), value)
    assert_close(torch.func.grad(function, at.argnums)(*at.at), expected)
    assert_close(torch.func.jacfwd(function, at.argnums)(*at.at), expected)
    assert_close(torch.func.jacrev(function, at.argnums)(*at.at), expected)


@some
def test_transforms_give_the_emitted_hessian(name: str) -> None:
    at = point(name)
    vectors = at.vectors()
    matrices = hessian_rows(at, torch.func.hessian(at.function(), at.argnums)(*at.at))
    flat = torch.cat([v.reshape(-1) for v in vectors])
    products = at.function("_hvp", vector=vectors)(*at.at)
    assert_close([h @ flat for h in matrices], [p.reshape(-1) for p in products])
    diagonal = torch.cat(matrices).diagonal()
    emitted = at.function("_hessian_diagonal")(*at.at)
    assert_close(diagonal, torch.cat([d.reshape(-1) for d in emitted]))
    of_gradient = torch.func.jacfwd(lambda *x: at.function("_value_and_grad")(*x)[1], at.argnums)
    assert_close(hessian_rows(at, of_gradient(*at.at)), matrices)


@some
@pytest.mark.filterwarnings("ignore:There is a performance drop")  # no batching rule of log_ndtr
def test_vmapped_gradients_are_those_of_the_batch(name: str) -> None:
    at = point(name)
    count = len(at.case.positions)
    single = no_batch_axes(name)

    def one(*x: Tensor | None) -> Tensor:
        sample = dataclasses.replace(at, inputs=x[: len(at.inputs)])
        predictions = [sample.inputs[k] for k in at.case.positions]
        total: Tensor = sample.function(reduction="sum", **single)(*predictions, *at.at[count:])
        return total

    per_sample = torch.vmap(torch.func.grad(one, at.case.positions))(*at.inputs)
    _, expected = at.function("_value_and_grad", reduction="sum")(*at.at)
    assert_close(per_sample, expected[:count])
    entries = at.function(reduction="none")(*at.at)
    assert_close(torch.vmap(one)(*at.inputs), entries.reshape(entries.shape[0], -1).sum(1))


@each
def test_samples_need_no_batch(name: str) -> None:
    at = point(name)
    single = no_batch_axes(name)
    entries = at.function(reduction="none")(*at.at)
    for row in range(len(entries)):
        sample = [None if x is None else x[row] for x in at.inputs]
        alone = dataclasses.replace(at, inputs=tuple(sample))
        leaves = [x[row] for x in at.leaves[: len(at.case.positions)]]
        leaves += at.leaves[len(leaves) :]
        value = alone.function(reduction="none", **single)(*leaves)
        assert_close(value, entries[row])
        _, expected = alone.function("_value_and_grad", reduction="sum", **single)(*leaves)
        assert_close(gradients(value.sum(), leaves), expected)


# ---- layouts, empty batches, masks ---------------------------------------------------------------


def strided(x: Tensor) -> Tensor:
    """The same entries, every other one of a transposed tensor."""
    order = tuple(reversed(range(x.ndim)))
    spread = torch.stack([x, torch.zeros_like(x)], dim=-1)
    turned = spread.permute(*order, x.ndim).contiguous().permute(*order, x.ndim)[..., 0]
    assert not turned.is_contiguous()
    return turned


@each
def test_layout_in_memory_does_not_matter(name: str) -> None:
    at = point(name)
    inputs = tuple(None if x is None else strided(x) for x in at.inputs)
    other = dataclasses.replace(at, inputs=inputs)
    turned = tuple(strided(x) if x.ndim else x for x in at.at)
    leaves = tuple(x.detach().requires_grad_() for x in turned)
    value, expected = at.function("_value_and_grad")(*at.at)
    got = other.function()(*leaves)
    assert_close(got, value)
    assert_close(gradients(got, leaves), expected, check_stride=False)
    vectors = at.vectors()
    twisted = tuple(strided(v) if v.ndim else v for v in vectors)
    products = at.function("_hvp", vector=vectors)(*at.at)
    assert_close(other.function("_hvp", vector=twisted)(*turned), products)
    entries = at.function(reduction="none")(*at.at)
    assert_close(other.function(reduction="none")(*turned), entries)


@each
def test_repeated_samples_may_be_views(name: str) -> None:
    at = point(name, lead=(1,))
    inputs = tuple(None if x is None else x.expand(5, *x.shape[1:]) for x in at.inputs)
    many = dataclasses.replace(at, inputs=inputs)
    positions = at.case.positions
    leaves = at.leaves
    spread = [x.expand(5, *x.shape[1:]) for x in leaves[: len(positions)]]
    value, expected = at.function("_value_and_grad")(*at.at)
    got = many.function()(*spread, *leaves[len(positions) :])
    assert_close(got, value)
    assert_close(gradients(got, leaves), expected)


@each
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_empty_batch(name: str, reduction: str) -> None:
    at = point(name, lead=(0,))
    leaves = at.leaves
    value = at.function(reduction=reduction)(*leaves)
    shape = (0, *point(name).function(reduction="none")(*point(name).at).shape[1:])
    assert_close(value, torch.zeros(shape if reduction == "none" else (), dtype=torch.float64))
    zeros = tuple(torch.zeros_like(x) for x in leaves)
    assert_close(gradients(value.sum(), leaves), zeros)
    emitted, slope = at.function("_value_and_grad", reduction=reduction)(*at.at)
    assert_close((emitted, slope), (value, zeros))
    assert_close(at.function("_hvp", vector=zeros, reduction=reduction)(*at.at), zeros)
    assert_close(at.function("_hessian_diagonal", reduction=reduction)(*at.at), zeros)


@each
def test_masked_samples_may_hold_anything(name: str) -> None:
    at, rest = point(name), point(name)
    for x in at.inputs:
        assert x is not None
        x[0] = torch.nan if x.is_floating_point() else 0
    rest = dataclasses.replace(rest, inputs=tuple(x[1:] for x in rest.inputs if x is not None))
    count = len(at.case.positions)
    others = (*(x[1:] for x in rest.at[:count]), *rest.at[count:])
    mask = torch.ones_like(at.function(reduction="none")(*at.at), dtype=torch.bool)
    mask[0] = False
    leaves = at.leaves
    value, expected = rest.function("_value_and_grad")(*others)
    got = at.function(mask=mask)(*leaves)
    assert_close(got, value)
    slopes = gradients(got, leaves)
    padded = [torch.cat([torch.zeros_like(g[:1]), g]) for g in expected[:count]]
    assert_close(slopes, (*padded, *expected[count:]))


# ---- precision -----------------------------------------------------------------------------------


def entries_per_sample(name: str) -> int:
    at = point(name)
    return max(x.numel() // len(x) for x in at.at[: len(at.case.positions)])


@some
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_a_million_entries_of_half_precision(name: str, dtype: torch.dtype) -> None:
    samples = 10**6 // entries_per_sample(name)
    at = point(name, dtype=dtype, lead=(samples,))
    leaves = at.leaves
    wide = dataclasses.replace(at, inputs=tuple(_widened(x) for x in at.inputs))
    exact, expected = wide.function("_value_and_grad")(*(x.double() for x in at.at))
    steepest = max(float(wanted.abs().max()) for wanted in expected)
    assert steepest > 0
    # As a gradient scaler has it: float16 begins at 6e-8 and ends at 65504.
    scale = 2.0 ** min(16, math.floor(math.log2(3e4 / steepest)))
    value = at.function()(*leaves)
    assert value.dtype == torch.float32
    slopes = gradients(value * scale, leaves)
    assert {g.dtype for g in slopes} == {dtype}
    assert_close(value.double(), exact, rtol=1e-5, atol=0)
    for got, wanted in zip(slopes, expected, strict=True):
        # By the sum of absolute errors: rounding may put one in a million across a kink.
        error = (got.double() / scale - wanted).abs().sum() / wanted.abs().sum()
        assert error < torch.finfo(dtype).eps


def _widened(x: Tensor | None) -> Tensor | None:
    return x.double() if x is not None and x.is_floating_point() else x


@each
def test_autocast_changes_nothing(name: str) -> None:
    at = point(name, dtype=torch.float32)
    leaves = at.leaves
    value, expected = at.function("_value_and_grad")(*at.at)
    products = at.function("_hvp", vector=at.vectors())(*at.at)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = at.function()(*leaves)
        emitted = at.function("_value_and_grad")(*at.at)
        assert_close(at.function("_hvp", vector=at.vectors())(*at.at), products, rtol=0, atol=0)
    assert_close(got, value, rtol=0, atol=0)
    assert_close(emitted, (value, expected), rtol=0, atol=0)
    assert_close(gradients(got, leaves), expected, rtol=1e-6, atol=1e-7)


# ---- modules -------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_module_is_the_function(name: str, reduction: str) -> None:
    at = point(name)
    module = module_class(name)(**at.case.params, reduction=reduction).double()
    expected = at.function(reduction=reduction)(*at.at)
    for form in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert_close(form(*at.inputs), expected)
        leaves = [*at.leaves[: len(at.case.positions)], *form.parameters()]
        assert len(leaves) == len(at.at)
        got = at.of(lambda *x, form=form, **_: form(*x[: len(at.inputs)]))
        slopes = gradients(got(*leaves).sum(), leaves)
        kinds = at.function("_value_and_grad", reduction=reduction)(*at.at)[1]
        assert_close(slopes, kinds)


@each
def test_module_shows_and_keeps_its_settings(name: str) -> None:
    at = point(name)
    params, learnable = at.case.params, at.case.learnable
    module = module_class(name)(**params, reduction="sum")
    shown = module.extra_repr()
    assert "reduction='sum'" in shown
    for param, value in params.items():
        assert (f"{param}=" if param in learnable else f"{param}={value!r}") in shown
    assert repr(module) == f"{type(module).__name__}({shown})"
    assert [p for p, _ in module.named_parameters()] == list(learnable)
    assert sorted(module.state_dict()) == sorted(learnable)


def with_other_settings(name: str) -> torch.nn.Module:
    """The class form with other settings than the case's, where its domain has such."""
    for factor in (0.75, 1.25):
        with contextlib.suppress(ValueError):
            settings = {p: torch.tensor(factor * v).double() for p, v in case(name).params.items()}
            return module_class(name)(**settings)
    return module_class(name)(**{p: torch.tensor(v).double() for p, v in case(name).params.items()})


@pytest.mark.parametrize("name", [name for name in names() if facts()[name]["params"]])
def test_settings_that_are_tensors_are_saved_and_moved(name: str) -> None:
    at = point(name)
    params = {p: torch.tensor(v, dtype=torch.float64) for p, v in at.case.params.items()}
    module = module_class(name)(**params)
    assert_close(dict(module.state_dict()), params)
    assert_close(module(*at.inputs), at.function()(*at.at))
    other = with_other_settings(name)
    other.load_state_dict(module.state_dict())
    assert_close(other(*at.inputs), module(*at.inputs))
    assert all(x.dtype == torch.float32 for x in other.float().state_dict().values())
    narrow = tensors(at.case, torch.float32)
    assert_close(other(*narrow), at.function()(*at.at).float(), rtol=1e-5, atol=1e-6)
