"""The calls behind the generated functions, which are one-liners over the four functions here.

A call is laid out for the kernels by a linear function of the differentiated inputs (casts, moved
axes, values filled in for masked entries), so that its transpose brings derivatives back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from . import _derivatives as derivatives
from ._checks import Call, Input, prepare
from ._derivatives import Arrays, Problem, Site
from ._descriptors import Definition, Parameter
from ._options import Array, ArrayLike, Options, Scalar
from ._weights import Weights, divide, read_by_kept, rows_of, weigh


@dataclass(frozen=True)
class _Operand:
    """A prediction or parameter: its position among the kernels' arguments, and the way there."""

    name: str
    position: int
    array: Array
    layout: Callable[[Array], Array]
    spread: bool  # one number that stands for all entries of a parameter


@dataclass(frozen=True)
class _Laid:
    """A call as the derivatives see it."""

    call: Call
    weights: Weights
    problem: Problem
    parts: tuple[_Operand, ...]
    fixed: Arrays

    @property
    def given(self) -> Arrays:
        """The differentiated inputs as the caller passed them."""
        return tuple(part.array for part in self.parts)

    def layout(self, given: Arrays) -> Arrays:
        """The differentiated inputs as the kernels take them."""
        return tuple(part.layout(array) for part, array in zip(self.parts, given, strict=True))


def evaluate(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[Scalar],
    options: Options,
) -> Array:
    """The loss, reduced as the options say."""
    laid = _lay(definition, arrays, parameters, options)
    return _value(laid, laid.layout(laid.given), options)


def value_and_grad(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[Scalar],
    options: Options,
) -> tuple[Array, Array | tuple[Array, ...]]:
    """The loss and the gradient of the reduced loss (of the sum if it is not reduced)."""
    laid = _lay(definition, arrays, parameters, options)
    moving, back = jax.vjp(laid.layout, laid.given)
    gradient = derivatives.gradient(laid.problem, moving, laid.fixed, laid.weights.cotangent)
    return _value(laid, moving, options), _returned(laid, back, gradient)


def hvp(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[Scalar],
    vector: ArrayLike | Sequence[ArrayLike],
    options: Options,
) -> Array | tuple[Array, ...]:
    """The Hessian of the reduced loss times a vector."""
    laid = _lay(definition, arrays, parameters, options)
    moving, back = jax.vjp(laid.layout, laid.given)
    _, tangents = jax.jvp(laid.layout, (laid.given,), (_vector(laid, vector),))
    product = derivatives.hessian_product(
        laid.problem, moving, laid.fixed, laid.weights.cotangent, tangents
    )
    return _returned(laid, back, product)


def hessian_diagonal(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[Scalar],
    options: Options,
) -> Array | tuple[Array, ...]:
    """The diagonal of the Hessian of the reduced loss."""
    laid = _lay(definition, arrays, parameters, options)
    moving, back = jax.vjp(laid.layout, laid.given)
    operands = laid.problem, moving, laid.fixed, laid.weights.cotangent
    diagonal = list(derivatives.curvatures(*operands))
    for n, part in enumerate(laid.parts):
        if part.spread:  # it moves all entries at once: their mixed derivatives count, too
            direction = [jnp.zeros_like(x) for x in moving]
            direction[n] = jnp.ones_like(moving[n])
            diagonal[n] = derivatives.hessian_product(*operands, tuple(direction))[n]
    return _returned(laid, back, tuple(diagonal))


def _value(laid: _Laid, moving: Arrays, options: Options) -> Array:
    weights, operands = laid.weights, (laid.problem, moving, laid.fixed)
    if options.reduction == "none":
        loss = derivatives.entries(*operands)
        loss = derivatives.keep(weights.kept, weights.cotangent * loss)
        return laid.call.unpack(loss, laid.call.definition.loss_axes)
    total = derivatives.total(*operands, weights.kept, weights.cotangent)
    return divide(total, weights.denominator)


def _returned(
    laid: _Laid, back: Callable[[Arrays], tuple[Arrays]], results: Arrays
) -> Array | tuple[Array, ...]:
    """Kernel results divided as the reduction says, in the shapes and dtypes of the caller."""
    (given,) = back(tuple(divide(result, laid.weights.denominator) for result in results))
    return given[0] if len(given) == 1 else given


def _lay(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[Scalar],
    options: Options,
) -> _Laid:
    call = prepare(definition, arrays, parameters, options)
    weights = weigh(call, options)
    parts: list[_Operand] = []
    sites: list[Site] = []
    fixed: list[Array] = []
    for position, given in enumerate(call.inputs):
        layout = _input_layout(call, weights, given)
        if given.argument.role == "prediction":
            part = _Operand(given.argument.name, position, given.array, layout, False)
            parts.append(part)
            sites.append(_site(call, part, rows_of(given)))
        else:
            fixed.append(lax.stop_gradient(layout(given.array)))
    pairs = zip(definition.parameters, call.parameters, strict=True)
    for position, (parameter, value) in enumerate(pairs, len(call.inputs)):
        part = _parameter(call, parameter, position, value)
        if parameter.learnable:
            parts.append(part)
            sites.append(_site(call, part, (None,) * len(parameter.axes)))
        else:
            fixed.append(lax.stop_gradient(part.layout(value)))
    problem = Problem(call.kernels, tuple(sites), call.lead, call.shape, call.dtype)
    return _Laid(call, weights, problem, tuple(parts), tuple(fixed))


def _input_layout(call: Call, weights: Weights, given: Input) -> Callable[[Array], Array]:
    argument, lead = given.argument, given.lead
    if argument.role == "label":
        return lambda array: weights.labels[argument.name]
    if argument.role == "mask":
        return lambda array: call.pack(array, argument.axes, lead)
    kept = weights.kept
    read = None if kept is None else read_by_kept(call, given, kept)

    def layout(array: Array) -> Array:
        array = call.pack(array.astype(call.dtype), argument.axes, lead)
        if read is not None:
            array = jnp.where(read, array, argument.filler)
        # Repeating a shared number costs nothing, and makes every loss entry depend on its own.
        return array if argument.axes else jnp.broadcast_to(array, call.lead)

    return layout


def _parameter(call: Call, parameter: Parameter, position: int, value: Array) -> _Operand:
    # An axis that only this parameter has, given as a number, has one entry.
    shape = value.shape or tuple(call.sizes.get(axis, 1) for axis in parameter.axes)
    spread = value.shape != shape
    if parameter.learnable and not call.sizes:
        # An elementwise loss reads a parameter as it reads an input: one number per loss entry.
        shape = call.lead

    def layout(array: Array) -> Array:
        return jnp.broadcast_to(array.astype(call.dtype), shape)

    return _Operand(parameter.name, position, value, layout, spread)


def _site(call: Call, part: _Operand, rows: tuple[int | None, ...]) -> Site:
    shape = jax.eval_shape(part.layout, part.array).shape
    own = len(shape) == len(call.lead) + len(rows) and all(
        n in rows for n in range(len(call.definition.loss_axes))
    )
    return Site(part.position, shape, rows, own)


def _vector(laid: _Laid, vector: ArrayLike | Sequence[ArrayLike]) -> Arrays:
    """The vector of a Hessian-vector product, one array per differentiated input."""
    given: Sequence[Any] = (vector,)
    if len(laid.parts) > 1:
        given = vector if isinstance(vector, tuple | list) else ()
    if len(given) != len(laid.parts):
        wanted = ", ".join(f"`{part.name}`" for part in laid.parts)
        raise ValueError(
            f"{laid.call.name}: `vector` must be a tuple of {len(laid.parts)} arrays: {wanted}"
        )
    arrays = tuple(jnp.asarray(value) for value in given)
    for part, array in zip(laid.parts, arrays, strict=True):
        if array.shape != part.array.shape:
            raise ValueError(
                f"{laid.call.name}: `{part.name}` has shape {part.array.shape} and its `vector` "
                f"has shape {array.shape}, but they must be equal"
            )
    pairs = zip(laid.parts, arrays, strict=True)
    return tuple(array.astype(part.array.dtype) for part, array in pairs)
