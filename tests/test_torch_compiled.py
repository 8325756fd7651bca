"""Losses of the catalogue in graphs: compiled and exported, forward and backward."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch.testing import assert_close

from tests.catalogue_cases import case
from tests.representatives import one_per_structure, representatives
from tests.torch_catalogue import gradients, module_class, point, some, some_variants

# PyTorch's compiler uses what PyTorch itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

LABELLED = [name for name in representatives() if case(name).names("label")]

one_of_each = pytest.mark.parametrize("name", one_per_structure())


@pytest.fixture(autouse=True)
def _nothing_compiled() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiled(function: Any, backend: Any = "aot_eager", **options: Any) -> Any:
    return torch.compile(function, fullgraph=True, backend=backend, **options)


def check_compiled(name: str, *, full: bool, backend: str) -> None:
    at = point(name, full=full)
    entries = at.function(reduction="none")(*at.at)
    generator = torch.Generator().manual_seed(0)
    weight = torch.rand(entries.shape, generator=generator, dtype=torch.float64)
    mask = torch.rand(entries.shape, generator=generator) < 0.8
    given: dict[str, Any] = {"weight": weight, "mask": mask}
    value, expected = at.function("_value_and_grad", **given)(*at.at)
    leaves = at.leaves
    loss = compiled(at.function(**given), backend)
    got = loss(*leaves)
    assert_close(got, value)
    assert_close(gradients(got, leaves), expected)


@some_variants
def test_compiled_loss_is_the_eager_one(name: str, full: bool) -> None:
    check_compiled(name, full=full, backend="aot_eager")


@one_of_each
def test_loss_compiled_to_machine_code_is_the_eager_one(name: str) -> None:
    check_compiled(name, full=True, backend="inductor")


@some
def test_compiled_derivatives_are_the_eager_ones(name: str) -> None:
    at = point(name)
    vectors = at.vectors()

    def all_forms(*x: Tensor) -> tuple[Any, ...]:
        return (
            at.function("_value_and_grad")(*x),
            at.function("_hvp", vector=vectors)(*x),
            at.function("_hessian_diagonal")(*x),
        )

    assert_close(compiled(all_forms)(*at.at), all_forms(*at.at))


@one_of_each
def test_compiled_transform_of_the_loss(name: str) -> None:
    at = point(name)
    _, expected = at.function("_value_and_grad")(*at.at)
    gradient = torch.func.grad(at.function(), at.argnums)
    assert_close(compiled(gradient)(*at.at), expected)


@one_of_each
def test_one_graph_for_batches_of_all_sizes(name: str) -> None:
    counter = CompileCounterWithBackend("aot_eager")
    module = compiled(module_class(name)(**case(name).params), counter, dynamic=True)
    frames = []
    for samples in (6, 9, 20):
        at = point(name, lead=(samples,))
        leaves = at.leaves
        inputs = list(at.inputs)
        for position, leaf in zip(at.case.positions, leaves, strict=False):
            inputs[position] = leaf
        got = module(*inputs)
        value, expected = at.function("_value_and_grad")(*at.at)
        assert_close(got, value)
        count = len(at.case.positions)
        assert_close(gradients(got, leaves[:count]), expected[:count])
        frames.append(counter.frame_count)
    assert frames[0] == frames[-1]


@some
def test_exported_module(name: str) -> None:
    at, other = point(name, lead=(6,)), point(name, lead=(9,))
    module = module_class(name)(**at.case.params)
    batch = torch.export.Dim("batch", min=2, max=1024)
    program = torch.export.export(
        module, at.inputs, dynamic_shapes=tuple({0: batch} for _ in at.inputs)
    )
    for each_point in (at, other):
        expected = each_point.function()(*each_point.at)
        assert_close(program.module()(*each_point.inputs), expected)


@pytest.mark.parametrize("name", LABELLED)
def test_compiled_labels_out_of_range_give_nan(name: str) -> None:
    at = point(name)
    (label,) = at.case.names("label")
    position = list(at.case.inputs).index(label)
    inputs = list(at.inputs)
    wrong = at.inputs[position]
    assert wrong is not None
    inputs[position] = torch.cat([torch.full_like(wrong[:1], 99), wrong[1:]])
    bad = dataclasses.replace(at, inputs=tuple(inputs))
    with pytest.raises(ValueError, match=f"`{label}`"):
        bad.function()(*at.at)
    leaves = at.leaves
    entries = compiled(bad.function(reduction="none"))(*leaves)
    assert entries[0].isnan().all()
    assert_close(entries[1:], at.function(reduction="none")(*at.at)[1:])
    slope, *_ = gradients(entries.sum(), leaves)
    assert slope[0].isnan().any() or not slope[0].any()  # no direction is made up
    assert slope[1:].isfinite().all()
