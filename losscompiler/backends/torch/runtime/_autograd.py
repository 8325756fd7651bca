"""Losses whose derivatives are kernels, as PyTorch sees them.

Three `autograd.Function`s close the circle of first and second derivatives: the backward pass of
`_Loss` is `_Gradient`, that of `_Gradient` is the Hessian-vector product, and the forward-mode
derivative of `_Loss` is `_Tangent`. They save their inputs alone and recompute: a saved
intermediate would silently lose its own dependence on the inputs in a double backward.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from ._descriptors import Kernels


@dataclass(frozen=True)
class Problem:
    """What the kernels of one call are, and how their results are to be shaped.

    Attributes:
        kernels: The mathematics.
        axes: For each kernel input, arrays before parameters, its core axes.
        arrays: How many of the inputs are arrays.
        loss_axes: The core axes of the unreduced loss.
        wrt: The positions of the inputs that the loss is differentiated by.
        dtype: The dtype that is computed in.
    """

    kernels: Kernels
    axes: tuple[tuple[str, ...], ...]
    arrays: int
    loss_axes: tuple[str, ...]
    wrt: tuple[int, ...]
    dtype: torch.dtype

    def batch_shape(self, inputs: Sequence[Tensor]) -> tuple[int, ...]:
        """The leading axes that the inputs have in common, where they have any."""
        shape: tuple[int, ...] = ()
        for x, names in zip(inputs[: self.arrays], self.axes[: self.arrays], strict=True):
            shape = shape or tuple(x.shape[: x.ndim - len(names)])
        return shape

    def sizes(self, inputs: Sequence[Tensor]) -> dict[str, int]:
        """The number of entries along each core axis."""
        return {
            name: x.shape[k - len(names)]
            for x, names in zip(inputs, self.axes, strict=True)
            if x.ndim >= len(names)  # else a number stands for an array parameter
            for k, name in enumerate(names)
        }

    def loss_shape(self, inputs: Sequence[Tensor]) -> tuple[int, ...]:
        """The shape of the unreduced loss."""
        sizes = self.sizes(inputs)
        return (*self.batch_shape(inputs), *(sizes[name] for name in self.loss_axes))


def unreduced(problem: Problem, *inputs: Tensor) -> Tensor:
    """The loss per entry, differentiable by the inputs `problem.wrt`."""
    result: Tensor = _apply(_Loss, _ForwardLoss, problem, inputs)
    return result


def gradient(problem: Problem, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The gradients for a cotangent, which is the last of `inputs`; differentiable."""
    result: tuple[Tensor, ...] = _apply(_Gradient, _ForwardGradient, problem, inputs)
    return result


def hessian_product(
    problem: Problem, inputs: Sequence[Tensor], cotangent: Tensor, tangents: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The Hessian of `sum(cotangent * loss)`, times one tangent per differentiated input."""
    results = _run(problem, problem.kernels.hvp, *inputs, cotangent, *tangents)
    return _as_inputs(problem, inputs, results)


def hessian_diagonal(
    problem: Problem, inputs: Sequence[Tensor], cotangent: Tensor
) -> tuple[Tensor, ...]:
    """The diagonal of the Hessian of `sum(cotangent * loss)`."""
    results = _run(problem, problem.kernels.hessian_diagonal, *inputs, cotangent)
    return _as_inputs(problem, inputs, results)


def _vjp(problem: Problem, inputs: Sequence[Tensor], cotangent: Tensor) -> tuple[Tensor, ...]:
    results = _run(problem, problem.kernels.vjp, *inputs, cotangent)
    return _as_inputs(problem, inputs, results)


def _jvp(problem: Problem, inputs: Sequence[Tensor], tangents: Sequence[Tensor]) -> Tensor:
    return _as_loss(problem, inputs, _run(problem, problem.kernels.jvp, *inputs, *tangents))


def _run(problem: Problem, kernel: Callable[..., Any], *inputs: Tensor) -> Any:
    """Calls a kernel in the dtype of the problem, whatever autocast would have."""
    cast = [x.to(problem.dtype) if x.is_floating_point() else x for x in inputs]
    device = inputs[0].device.type
    if not torch.amp.is_autocast_available(device):
        return kernel(*cast)
    with torch.autocast(device, enabled=False):
        return kernel(*cast)


def _as_loss(problem: Problem, inputs: Sequence[Tensor], result: Tensor | float) -> Tensor:
    """Broadcasts a kernel's result to the shape of the unreduced loss."""
    shape = problem.loss_shape(inputs)
    if not isinstance(result, Tensor):
        return torch.full(shape, result, dtype=problem.dtype, device=inputs[0].device)
    # Always a tensor of its own: an input must not come back as the output, as that of `x` would.
    return result.expand(shape).contiguous()


def _as_inputs(
    problem: Problem, inputs: Sequence[Tensor], results: Sequence[Tensor | float]
) -> tuple[Tensor, ...]:
    """Broadcasts gradients over the batch, then sums them to the shapes of what is shared by it."""
    batch, sizes = problem.batch_shape(inputs), problem.sizes(inputs)
    fitted = []
    for position, result in zip(problem.wrt, results, strict=True):
        x = inputs[position]
        if not isinstance(result, Tensor):
            result = torch.full((), result, dtype=problem.dtype, device=x.device)
        core = tuple(sizes[name] for name in problem.axes[position])
        if x.ndim > len(core):
            # Laid out like any other: forward mode asks tangents of views to be laid out like them.
            result = result.expand(*batch, *core).contiguous()
        elif result.ndim > len(core):
            result = result.expand(*batch, *core).sum(tuple(range(len(batch))))
        else:  # the same for each sample
            result = result.expand(core) * math.prod(batch)
        fitted.append(result.to(x.dtype))
    return tuple(fitted)


def _apply(
    function: type[_KernelFunction],
    forward_function: type[_KernelFunction],
    problem: Problem,
    inputs: Any,
) -> Any:
    """Applies a function in the form that suits how PyTorch is about to differentiate it.

    `torch.compile` refuses functions that define `jvp`. Where nothing requires a gradient, it calls
    `forward` as if that had a fixed number of arguments, so it is called directly there. Under a
    transform of `torch.func` it would differentiate the code of `forward`: there, the polynomial
    stands for the function.
    """
    apply: Callable[..., Any] = forward_function.apply
    if torch.compiler.is_compiling():
        differentiated = torch.is_grad_enabled() and any(x.requires_grad for x in inputs)
        apply = function.apply if differentiated else function.forward
        if torch._C._are_functorch_transforms_active():
            apply = function.polynomial
    return apply(problem, *inputs)


def _about_itself(problem: Problem, inputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """The inputs as constants, and how far they are from them: by 0, but differentiably so."""
    fixed = [x.detach() for x in inputs]
    steps = []
    for position in problem.wrt:
        x, constant = inputs[position], fixed[position]
        steps.append(torch.where(torch.isfinite(constant), x - constant, 0.0))
    return fixed, steps


def _curvature(
    problem: Problem, inputs: Sequence[Tensor], v: Sequence[Tensor], u: Sequence[Tensor]
) -> Tensor:
    """The second derivative of each loss entry in the directions `v` and `u`."""

    def total(cotangent: Tensor) -> Tensor:
        pairs = zip(hessian_product(problem, inputs, cotangent, v), u, strict=True)
        return torch.stack([torch.sum(p * d, dtype=problem.dtype) for p, d in pairs]).sum()

    # It is linear in the cotangent, so that its gradient is exact, whatever the kernel looks like.
    shape, device = problem.loss_shape(inputs), inputs[0].device
    result: Tensor = torch.func.grad(total)(torch.ones(shape, dtype=problem.dtype, device=device))
    return result


class _KernelFunction(Function):
    """A function of a problem and tensors that saves exactly those."""

    generate_vmap_rule = True

    @staticmethod
    def polynomial(problem: Problem, *inputs: Tensor) -> Any:
        """The same value, and the same derivatives by autodiff, up to the kernels' order.

        Abstract: each kind of function has its own.
        """
        raise NotImplementedError

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        problem, *tensors = inputs
        ctx.problem = problem
        ctx.save_for_backward(*tensors)


class _Loss(_KernelFunction):
    """The unreduced loss of the inputs."""

    @staticmethod
    def forward(problem: Problem, *inputs: Tensor) -> Tensor:
        return _as_loss(problem, inputs, _run(problem, problem.kernels.value, *inputs))

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        problem, inputs = ctx.problem, ctx.saved_tensors
        gradients = gradient(problem, *inputs, cotangent)
        return (None, *_at(problem, gradients))

    @staticmethod
    def polynomial(problem: Problem, *inputs: Tensor) -> Tensor:
        fixed, steps = _about_itself(problem, inputs)
        value = _as_loss(problem, fixed, _run(problem, problem.kernels.value, *fixed))
        terms = _jvp(problem, fixed, steps) + 0.5 * _curvature(problem, fixed, steps, steps)
        return value + torch.where(torch.isfinite(terms), terms, 0.0)


class _ForwardLoss(_Loss):
    """The unreduced loss, in forward mode too."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        _KernelFunction.setup_context(ctx, inputs, output)
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Tensor:
        problem, inputs = ctx.problem, ctx.saved_tensors
        apply: Callable[..., Tensor] = _Tangent.apply
        return apply(problem, *inputs, *_wrt(problem, inputs, tangents))


class _Gradient(_KernelFunction):
    """The gradients of the inputs, from the inputs and a cotangent of the unreduced loss."""

    @staticmethod
    def forward(problem: Problem, *tensors: Tensor) -> tuple[Tensor, ...]:
        *inputs, cotangent = tensors
        return _vjp(problem, inputs, cotangent)

    @staticmethod
    def backward(ctx: Any, *tangents: Tensor) -> tuple[Tensor | None, ...]:
        problem, (*inputs, cotangent) = ctx.problem, ctx.saved_tensors
        products = hessian_product(problem, inputs, cotangent, tangents)
        along = _jvp(problem, inputs, tangents).to(cotangent.dtype)
        return (None, *_at(problem, products), along)

    @staticmethod
    def polynomial(problem: Problem, *tensors: Tensor) -> tuple[Tensor, ...]:
        *inputs, cotangent = tensors
        fixed, steps = _about_itself(problem, inputs)
        moved = hessian_product(problem, fixed, cotangent, steps)
        changes = [torch.where(torch.isfinite(change), change, 0.0) for change in moved]
        pairs = zip(_vjp(problem, fixed, cotangent), changes, strict=True)
        return tuple(at + change for at, change in pairs)


class _ForwardGradient(_Gradient):
    """The gradients, in forward mode too."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        _KernelFunction.setup_context(ctx, inputs, output)
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> tuple[Tensor, ...]:
        problem, (*inputs, cotangent) = ctx.problem, ctx.saved_tensors
        *of_inputs, of_cotangent = tangents
        moved = hessian_product(problem, inputs, cotangent, _wrt(problem, inputs, of_inputs))
        if of_cotangent is None:
            return moved
        scaled = _vjp(problem, inputs, of_cotangent)
        return tuple(a + b for a, b in zip(moved, scaled, strict=True))


class _Tangent(_KernelFunction):
    """The derivative of the unreduced loss, from the inputs and a tangent of each in `wrt`."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        _KernelFunction.setup_context(ctx, inputs, output)
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def forward(problem: Problem, *tensors: Tensor) -> Tensor:
        return _jvp(problem, *_inputs_and_tangents(problem, tensors))

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        problem = ctx.problem
        inputs, tangents = _inputs_and_tangents(problem, ctx.saved_tensors)
        products = hessian_product(problem, inputs, cotangent, tangents)
        return (None, *_at(problem, products), *_vjp(problem, inputs, cotangent))

    @staticmethod
    def jvp(ctx: Any, _: None, *changes: Tensor | None) -> Tensor:
        problem = ctx.problem
        inputs, tangents = _inputs_and_tangents(problem, ctx.saved_tensors)
        count = len(problem.axes)
        directions = _wrt(problem, inputs, changes[:count])
        second = _curvature(problem, inputs, tangents, directions)
        rest = [
            torch.zeros_like(v) if c is None else c
            for v, c in zip(tangents, changes[count:], strict=True)
        ]
        return second + _jvp(problem, inputs, rest)


def _inputs_and_tangents(
    problem: Problem, tensors: Sequence[Tensor]
) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    count = len(problem.axes)
    return tensors[:count], tensors[count:]


def _wrt(
    problem: Problem, inputs: Sequence[Tensor], tangents: Sequence[Tensor | None]
) -> list[Tensor]:
    """The tangents of the differentiated inputs, zeros for those that have none."""
    chosen = [(inputs[position], tangents[position]) for position in problem.wrt]
    return [torch.zeros_like(x) if v is None else v for x, v in chosen]


def _at(problem: Problem, gradients: Sequence[Tensor]) -> list[Tensor | None]:
    """The gradients at the positions of their inputs, and None at the others."""
    found = dict(zip(problem.wrt, gradients, strict=True))
    return [found.get(position) for position in range(len(problem.axes))]
