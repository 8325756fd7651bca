"""The calls behind the generated functions, which are one-liners over the four functions here.

Gradients, whether asked for here or by autograd, are the compiler's own kernels; so are Hessians.
Targets, labels and masks are data: they receive no gradient. Weights do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ._autograd import gradient, hessian_product, unreduced
from ._autograd import hessian_diagonal as diagonal_of_hessian
from ._checks import checked_tensor
from ._descriptors import Definition
from ._layout import Input, prepare
from ._options import Array, ArrayLike, Options, Scalar
from ._weights import Weighted, weigh


def evaluate(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[Scalar],
    options: Options,
) -> Array:
    """The loss, reduced as the options say."""
    return _value(weigh(prepare(definition, arrays, parameters, options), options), options)


def value_and_grad(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[Scalar],
    options: Options,
) -> tuple[Array, Array | tuple[Array, ...]]:
    """The loss and the gradient of the reduced loss (of the sum if it is not reduced)."""
    weighted = weigh(prepare(definition, arrays, parameters, options), options)
    gradients = gradient(weighted.call.problem, *weighted.operands, weighted.cotangent)
    return _value(weighted, options), _as_given(weighted, gradients)


def hvp(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[Scalar],
    vector: ArrayLike | Sequence[ArrayLike],
    options: Options,
) -> Array | tuple[Array, ...]:
    """The Hessian of the reduced loss times a vector."""
    weighted = weigh(prepare(definition, arrays, parameters, options), options)
    problem, operands = weighted.call.problem, weighted.operands
    tangents = _tangents(weighted, vector)
    return _as_given(weighted, hessian_product(problem, operands, weighted.cotangent, tangents))


def hessian_diagonal(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[Scalar],
    options: Options,
) -> Array | tuple[Array, ...]:
    """The diagonal of the Hessian of the reduced loss."""
    weighted = weigh(prepare(definition, arrays, parameters, options), options)
    problem, operands = weighted.call.problem, weighted.operands
    return _as_given(weighted, diagonal_of_hessian(problem, operands, weighted.cotangent))


def _value(weighted: Weighted, options: Options) -> Array:
    loss = weighted.weighted(unreduced(weighted.call.problem, *weighted.operands))
    if options.reduction == "none":
        return weighted.call.to_visible(loss)
    return weighted.divided(loss.sum())


def _as_given(weighted: Weighted, gradients: Sequence[Tensor]) -> Array | tuple[Array, ...]:
    """Gradients in the shapes and dtypes of the inputs that they belong to."""
    parts = zip(_differentiated(weighted), gradients, strict=True)
    results = tuple(_one_as_given(weighted, *part, g) for part, g in parts)
    return results[0] if len(results) == 1 else results


def _one_as_given(weighted: Weighted, part: Input, kept: Tensor | None, result: Tensor) -> Tensor:
    given = part.given
    if kept is not None:
        result = torch.where(kept, result, 0.0)
    if part.argument.role == "parameter":
        if not (isinstance(given, Tensor) and given.ndim):  # one number for all entries
            result = result.sum()
        floating = isinstance(given, Tensor) and given.is_floating_point()
        return result.to(given.dtype) if floating else result
    return weighted.call.unpack(result, part.argument.axes)


def _differentiated(weighted: Weighted) -> list[tuple[Input, Tensor | None]]:
    """The differentiated inputs in order, each with where it is not filled in."""
    kept = (*weighted.kept, *(None for _ in weighted.call.parameters))
    positions = weighted.call.problem.wrt
    return list(zip(weighted.call.differentiated, (kept[k] for k in positions), strict=True))


def _tangents(weighted: Weighted, vector: Any) -> tuple[Tensor, ...]:
    """The vector of a Hessian-vector product in the canonical layout, one tensor per input."""
    name, parts = weighted.call.name, _differentiated(weighted)
    given: Sequence[Any] = (vector,)
    if len(parts) > 1:
        given = vector if isinstance(vector, tuple | list) else ()
    if len(given) != len(parts):
        wanted = ", ".join(f"`{part.argument.name}`" for part, _ in parts)
        raise ValueError(f"{name}(): `vector` must be a tuple of {len(parts)} tensors: {wanted}")
    return tuple(
        _tangent(weighted, part, kept, value)
        for (part, kept), value in zip(parts, given, strict=True)
    )


def _tangent(weighted: Weighted, part: Input, kept: Tensor | None, value: Any) -> Tensor:
    call, argument = weighted.call, part.argument
    if argument.role == "parameter" and not isinstance(value, Tensor):
        value = torch.full((), value, dtype=call.dtype, device=call.device)
    vector = checked_tensor(call.name, "vector", value)
    shape = tuple(part.given.shape) if isinstance(part.given, Tensor) else ()
    if tuple(vector.shape) != shape:
        raise ValueError(
            f"{call.name}(): `{argument.name}` has shape {shape} and its `vector` has shape "
            f"{tuple(vector.shape)}, but they must be equal"
        )
    packed = call.pack(vector.to(call.dtype), argument.axes)
    tangent = packed.reshape(part.tensor.shape) if packed.ndim else packed.expand_as(part.tensor)
    return tangent if kept is None else torch.where(kept, tangent, 0.0)
