"""The losses of the catalogue as PyTorch functions of what they are differentiated by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import generated.torch as catalogue
from generated.torch import _support
from generated.torch._descriptors import Definition, Kernels
from generated.torch._options import Options
from losscompiler.public import class_name
from tests import catalogue_cases
from tests.catalogue_cases import Case, facts, names, stops_gradients
from tests.representatives import representatives

OPTIONAL = [name for name in names() if any(i["optional"] for i in facts()[name]["inputs"])]
VARIANTS = [(name, True) for name in names()] + [(name, False) for name in OPTIONAL]
each = pytest.mark.parametrize("name", names())
some = pytest.mark.parametrize("name", representatives())
SOME_VARIANTS = [(name, full) for name, full in VARIANTS if name in representatives()]
TRUE_GRADIENTS = [(name, full) for name, full in VARIANTS if name not in stops_gradients()]
each_true_gradient = pytest.mark.parametrize(("name", "full"), TRUE_GRADIENTS)
some_true_gradients = pytest.mark.parametrize(
    ("name", "full"), [variant for variant in SOME_VARIANTS if variant in TRUE_GRADIENTS]
)
some_variants = pytest.mark.parametrize(("name", "full"), SOME_VARIANTS)


def tensors(case: Case, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """The inputs in spec order, floating-point ones in a dtype."""
    made = [torch.from_numpy(x) for x in case.arrays]
    return [x.to(dtype) if x.is_floating_point() else x for x in made]


@dataclass(frozen=True)
class Point:
    """A loss at a point: `at` are the differentiated inputs, predictions before parameters."""

    case: Case
    inputs: tuple[Tensor | None, ...]
    at: tuple[Tensor, ...]

    @property
    def leaves(self) -> tuple[Tensor, ...]:
        """Copies of `at` that require a gradient."""
        return tuple(x.detach().clone().requires_grad_() for x in self.at)

    @property
    def argnums(self) -> tuple[int, ...]:
        """The positions of all of `at`."""
        return tuple(range(len(self.at)))

    def vectors(self, seed: int = 1) -> tuple[Tensor, ...]:
        """A tangent for each of `at`."""
        generator = torch.Generator().manual_seed(seed)
        return tuple(torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in self.at)

    def function(self, form: str = "", **options: Any) -> Callable[..., Any]:
        """A form of the loss (`_value_and_grad`, ...) as a function of `at`; tuples in and out."""
        return self.of(getattr(catalogue, self.case.name + form), form, **options)

    def of(
        self, function: Callable[..., Any], form: str = "", **options: Any
    ) -> Callable[..., Any]:
        """A function with the arguments of the loss as one of `at`."""
        positions, learnable = self.case.positions, self.case.learnable

        def call(*x: Tensor) -> Any:
            arrays = list(self.inputs)
            for position, tensor in zip(positions, x, strict=False):
                arrays[position] = tensor
            parameters = {
                **self.case.params,
                **dict(zip(learnable, x[len(positions) :], strict=True)),
            }
            given = dict(options)
            if "vector" in given and len(x) == 1:
                (given["vector"],) = given["vector"]
            result = function(*arrays, **parameters, **given)
            if form == "_value_and_grad":
                return result[0], _tuple(result[1])
            return _tuple(result) if form else result

        return call


def point(
    name: str, *, full: bool = True, dtype: torch.dtype = torch.float64, **shape: Any
) -> Point:
    """A loss at the point that `catalogue_cases.case` gives, without its optional inputs or not."""
    case = catalogue_cases.case(name, **shape)
    inputs = tensors(case, dtype)
    at = [inputs[k] for k in case.positions]
    at += [torch.tensor(case.params[p], dtype=dtype) for p in case.learnable]
    optional = [given["optional"] and not full for given in case.facts["inputs"]]
    kept = [None if left_out else x for x, left_out in zip(inputs, optional, strict=True)]
    return Point(case, tuple(kept), tuple(at))


def module_class(name: str) -> type[nn.Module]:
    """The class form of a loss."""
    found: type[nn.Module] = getattr(catalogue, class_name(name))
    return found


def definition(name: str) -> Definition:
    """What the functions of a loss are made of."""
    module = catalogue_cases.case(name).module(catalogue)
    found = [x for x in vars(module).values() if isinstance(x, Definition) and x.name == name]
    return found[0]


def with_kernels(name: str, change: Callable[[Kernels], Kernels]) -> Callable[..., Tensor]:
    """The function of a loss, with changed kernels."""
    original = definition(name)
    changed = {key: change(kernels) for key, kernels in original.kernels.items()}
    altered = dataclasses.replace(original, kernels=changed)

    def function(*arrays: Tensor, reduction: Any = "mean", **parameters: Any) -> Tensor:
        values = [parameters[p.name] for p in original.parameters]
        options = Options(reduction=reduction)
        return _support.evaluate(altered, arrays, values, options)

    return function


def gradients(
    value: Tensor | Sequence[Tensor], leaves: Sequence[Tensor], **options: Any
) -> tuple[Tensor, ...]:
    """Gradients, zeros where the value does not depend on a leaf."""
    found: tuple[Tensor, ...] = torch.autograd.grad(
        value, leaves, allow_unused=True, materialize_grads=True, **options
    )
    return found


def _tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)
