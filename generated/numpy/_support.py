"""The calls behind the generated functions, which are one-liners over the four functions here.

Kernels see only canonical arrays, and run with warnings off: branches that they do not select may
overflow. What they return is reduced, or brought back to the caller's shapes and dtypes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ._checks import Input, is_floating, prepare, real_array
from ._descriptors import Definition
from ._options import Array, ArrayLike, Options
from ._weights import Weighted, weigh

# Entries of an elementwise loss that are computed at a time: the intermediates stay in the cache.
_BLOCK = 16384


def evaluate(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[ArrayLike],
    options: Options,
) -> Array:
    """The loss, reduced as the options say."""
    with np.errstate(all="ignore"):
        return _value(weigh(prepare(definition, arrays, parameters, options), options), options)


def value_and_grad(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[ArrayLike],
    options: Options,
) -> tuple[Array, Array | tuple[Array, ...]]:
    """The loss and the gradient of the reduced loss (of the sum if it is not reduced)."""
    with np.errstate(all="ignore"):
        weighted = weigh(prepare(definition, arrays, parameters, options), options)
        value = _value(weighted, options)
        return value, _derivative(weighted, "vjp", ())


def hvp(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[ArrayLike],
    vector: ArrayLike | Sequence[ArrayLike],
    options: Options,
) -> Array | tuple[Array, ...]:
    """The Hessian of the reduced loss times a vector."""
    with np.errstate(all="ignore"):
        weighted = weigh(prepare(definition, arrays, parameters, options), options)
        tangents = _tangents(weighted, vector)
        return _derivative(weighted, "hvp", tangents)


def hessian_diagonal(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[ArrayLike],
    options: Options,
) -> Array | tuple[Array, ...]:
    """The diagonal of the Hessian of the reduced loss."""
    with np.errstate(all="ignore"):
        weighted = weigh(prepare(definition, arrays, parameters, options), options)
        return _derivative(weighted, "hessian_diagonal", ())


def _value(weighted: Weighted, options: Options) -> Array:
    call = weighted.call
    if weighted.is_empty:
        zeros = np.zeros(call.visible_shape, call.dtype)
        return zeros if options.reduction == "none" else call.dtype.type(0)
    (result,) = _run(weighted, lambda *operands: (call.kernels.value(*operands),), ())
    loss = np.broadcast_to(np.asarray(result, call.dtype), call.shape)
    if weighted.keep is not None:
        loss = np.where(weighted.keep, loss, call.dtype.type(0))
    if weighted.weight is not None:
        loss = loss * weighted.weight
    if options.reduction == "none":
        return call.to_visible(_owned(loss, weighted.operands))
    total: Array = np.sum(loss, dtype=call.dtype) / weighted.denominator
    return total


def _derivative(
    weighted: Weighted, kernel: str, tangents: Sequence[Array]
) -> Array | tuple[Array, ...]:
    """Runs a kernel that gives one array per differentiated input, and undoes the layout."""
    call = weighted.call
    parts = _differentiated(weighted)
    results: Sequence[Any] = (0.0,) * len(parts)
    if not weighted.is_empty:
        function = getattr(call.kernels, kernel)
        results = _run(weighted, function, (weighted.cotangent, *tangents))
    gradients = tuple(
        _gradient(weighted, part, filled, result)
        for (part, filled), result in zip(parts, results, strict=True)
    )
    return gradients[0] if len(gradients) == 1 else gradients


def _run(
    weighted: Weighted, function: Callable[..., Sequence[Any]], more: Sequence[Array]
) -> Sequence[Any]:
    """The results of a kernel; one of a large elementwise loss is run block by block."""
    call = weighted.call
    operands = (*weighted.operands, *more)
    count = prod(call.lead)
    if call.sizes or call.definition.loss_axes or count < 4 * _BLOCK:
        return function(*operands)
    flat = [x.reshape(count) if x.shape == call.lead else x for x in operands]
    results: list[Array] = []
    for start in range(0, count, _BLOCK):
        block = slice(start, min(start + _BLOCK, count))
        parts = function(*(x[block] if x.ndim else x for x in flat))
        results = results or [np.empty(call.lead, call.dtype) for _ in parts]
        for result, part in zip(results, parts, strict=True):
            result.reshape(count)[block] = part
    return results


def _differentiated(weighted: Weighted) -> list[tuple[Input, Array | None]]:
    """The differentiated inputs in order, each with the entries that are filled in."""
    call = weighted.call
    pairs = zip(call.inputs, weighted.filled, strict=True)
    found = [(part, filled) for part, filled in pairs if part.argument.role == "prediction"]
    return found + [(part, None) for part in call.learnable]


def _gradient(weighted: Weighted, part: Input, filled: Array | None, result: Any) -> Array:
    """A kernel's result in the shape and dtype of the input that it belongs to."""
    call = weighted.call
    core = part.array.shape[len(part.lead) :]
    share = np.asarray(result, call.dtype)
    if part.lead or share.ndim > len(core):
        full = np.broadcast_to(share, (*call.lead, *core))
        full = full if part.lead else full.sum(axis=tuple(range(len(call.lead))))
    else:  # the same share of every sample
        full = np.broadcast_to(share, core) * call.dtype.type(prod(call.lead))
    if part.argument.role == "parameter" and not part.given.ndim:  # one number for all entries
        full = np.asarray(full.sum())
    if filled is not None:
        full = np.where(filled, call.dtype.type(0), full)
    dtype = part.given.dtype if is_floating(part.given) else call.dtype
    owned = _owned(np.asarray(full).astype(dtype, copy=False), weighted.operands)
    return call.unpack(owned, part.argument.axes) if owned.ndim else owned


def _tangents(weighted: Weighted, vector: ArrayLike | Sequence[ArrayLike]) -> tuple[Array, ...]:
    """The vector of a Hessian-vector product in the canonical layout, one array per input."""
    name = weighted.call.definition.name
    parts = _differentiated(weighted)
    given: Sequence[Any] = (vector,)
    if len(parts) > 1:
        given = vector if isinstance(vector, tuple | list) else ()
    if len(given) != len(parts):
        wanted = ", ".join(f"`{part.argument.name}`" for part, _ in parts)
        raise ValueError(f"{name}(): `vector` must be a tuple of {len(parts)} arrays: {wanted}")
    return tuple(
        _tangent(weighted, part, filled, real_array(name, "vector", value))
        for (part, filled), value in zip(parts, given, strict=True)
    )


def _tangent(weighted: Weighted, part: Input, filled: Array | None, vector: Array) -> Array:
    call = weighted.call
    if vector.shape != part.given.shape:
        raise ValueError(
            f"{call.definition.name}(): `{part.argument.name}` has shape {part.given.shape} and "
            f"its `vector` has shape {vector.shape}, but they must be equal"
        )
    packed = call.pack(vector.astype(call.dtype), part.argument.axes)
    shape = part.array.shape
    tangent = packed.reshape(shape) if packed.ndim else np.broadcast_to(packed, shape)
    return tangent if filled is None else np.where(filled, call.dtype.type(0), tangent)


def _owned(array: Array, operands: Sequence[Array]) -> Array:
    """An array that the caller may write to: no view of an input or of a single broadcast entry."""
    borrowed = array.base is not None or any(array is operand for operand in operands)
    return array.copy() if borrowed or not array.flags.writeable else array
