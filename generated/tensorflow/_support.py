"""The entry points of the generated functions: values, reductions and derivatives.

The derivatives that TensorFlow sees are the kernels': the gradient of the loss is `vjp`, and the
gradients of that are `hvp` and `jvp`. Kernels are differentiated from the third order on only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from ._checks import Call, bind, shape_of, tensor_of
from ._descriptors import Definition
from ._options import Array, ArrayLike, Options, Result
from ._weights import Problem, pose


def evaluate(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[ArrayLike],
    options: Options,
) -> Array:
    """The loss, reduced as the options say."""
    return reduce_loss(pose(bind(definition, arrays, parameters, options)))


def value_and_grad(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[ArrayLike],
    options: Options,
) -> tuple[Array, Array | tuple[Array, ...]]:
    """The loss and the gradient of the reduced loss (of the sum if it is not reduced)."""
    call = bind(definition, arrays, parameters, options)
    problem, tape = _watch(call)
    gradients = _pullback(problem, _cotangent(problem), problem.inputs)
    return reduce_loss(problem), _unpose(tape, problem, gradients)


def hvp(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[ArrayLike],
    vector: ArrayLike | Sequence[ArrayLike],
    options: Options,
) -> Array | tuple[Array, ...]:
    """The Hessian of the reduced loss times a vector."""
    call = bind(definition, arrays, parameters, options)
    problem, tape = _watch(call)
    tangents = _tangents(problem, vector)
    cotangent = _cotangent(problem)
    products = call.kernels.hvp(*problem.inputs, cotangent, *tangents)
    return _unpose(tape, problem, _as_inputs(problem, products, cotangent, problem.inputs))


def hessian_diagonal(
    definition: Definition,
    arrays: Sequence[ArrayLike | None],
    parameters: Sequence[ArrayLike],
    options: Options,
) -> Array | tuple[Array, ...]:
    """The diagonal of the Hessian of the reduced loss."""
    call = bind(definition, arrays, parameters, options)
    problem, tape = _watch(call)
    cotangent = _cotangent(problem)
    diagonals = call.kernels.hessian_diagonal(*problem.inputs, cotangent)
    return _unpose(tape, problem, _as_inputs(problem, diagonals, cotangent, problem.inputs))


# ---- values --------------------------------------------------------------------------------------


def reduce_loss(problem: Problem) -> Array:
    """The weighted and reduced loss, differentiable in inputs and weights."""
    loss = _unreduced(problem)
    if problem.keep is not None:
        loss = tf.where(problem.keep, loss, tf.zeros_like(loss))
    if problem.weight is not None:
        loss = problem.weight * loss
    reduced = problem.call.options.reduction != "none"
    total = tf.reduce_sum(loss) if reduced else problem.layout.unpack_loss(loss)
    total = total if problem.scale is None else problem.scale * total
    denominator = _denominator(problem)
    return total if denominator is None else tf.math.divide_no_nan(total, denominator)


def _denominator(problem: Problem) -> Array | None:
    options, dtype = problem.call.options, problem.call.dtype
    name = problem.call.definition.name
    if options.reduction != "mean":
        return None
    if options.normalizer is not None:
        normalizer = tensor_of(name, "normalizer", options.normalizer, "target", dtype)
        if normalizer.shape.rank != 0:
            raise ValueError(
                f"{name}(): `normalizer` has shape {shape_of(normalizer)}, but must be a number"
            )
        return normalizer
    if problem.weight is not None:
        return tf.reduce_sum(problem.weight)
    return tf.cast(tf.reduce_prod(tf.cast(tf.stack(problem.layout.shape), tf.int64)), dtype)


def _cotangent(problem: Problem) -> Array:
    """The derivative of the reduced loss in the unreduced loss."""
    scale = tf.ones([], problem.call.dtype) if problem.scale is None else problem.scale
    weight = scale if problem.weight is None else scale * problem.weight
    denominator = _denominator(problem)
    weight = weight if denominator is None else tf.math.divide_no_nan(weight, denominator)
    return tf.broadcast_to(weight, problem.layout.shape) if problem.weight is None else weight


# ---- derivatives ---------------------------------------------------------------------------------
# What a custom gradient closes over must be its own arguments (positional ones, as `tf.function`
# wants them), or a SavedModel cannot hold it: sizes are read off the cotangent.


def _unreduced(problem: Problem) -> Array:
    shape = problem.layout.shape

    def loss(*inputs: Array) -> Any:
        def backward(cotangent: Array) -> list[Array | None]:
            return _spread(problem, _pullback(problem, cotangent, inputs))

        value = _tensor(problem, problem.call.kernels.value(*inputs))
        return tf.broadcast_to(value, shape) if value.shape != shape else value, backward

    return tf.custom_gradient(loss)(*problem.inputs)


def _pullback(problem: Problem, cotangent: Array, inputs: Sequence[Array]) -> Sequence[Array]:
    """The gradients of sum(cotangent * loss), with their own gradients."""
    kernels = problem.call.kernels

    def gradients(cotangent: Array, *inputs: Array) -> Any:
        def backward(*tangents: Array) -> list[Array | None]:
            value = _tensor(problem, kernels.jvp(*inputs, *tangents))
            products = kernels.hvp(*inputs, cotangent, *tangents)
            in_inputs = _as_inputs(problem, products, cotangent, inputs)
            return [tf.broadcast_to(value, tf.shape(cotangent)), *_spread(problem, in_inputs)]

        return _as_inputs(problem, kernels.vjp(*inputs, cotangent), cotangent, inputs), backward

    found: list[Array] = tf.custom_gradient(gradients)(cotangent, *inputs)
    return found


def _spread(problem: Problem, gradients: Sequence[Array]) -> list[Array | None]:
    """One gradient per input: None for those that are not differentiated."""
    spread: list[Array | None] = [None] * len(problem.inputs)
    for k, gradient in zip(problem.call.differentiated, gradients, strict=True):
        spread[k] = gradient
    return spread


def _as_inputs(
    problem: Problem, results: Sequence[Result], cotangent: Array, inputs: Sequence[Array]
) -> list[Array]:
    """A kernel's derivatives in the shapes of their inputs."""
    layout = problem.layout
    lead = tf.shape(cotangent)[: len(layout.lead)]
    own = (*layout.leads, *[0] * len(problem.call.parameters))
    return [
        _as_input(_tensor(problem, result), inputs[k], lead, is_shared=own[k] < len(layout.lead))
        for k, result in zip(problem.call.differentiated, results, strict=True)
    ]


def _as_input(result: Array, x: Array, lead: Array, is_shared: bool) -> Array:
    """Broadcasts a derivative to its input, and sums the batch axes that the input lacks."""
    if is_shared and result.shape.rank > x.shape.rank:
        full = tf.broadcast_to(result, tf.concat([lead, tf.shape(x)], 0))
        result = tf.reduce_sum(full, list(range(lead.shape[0])))
    elif is_shared:  # every sample has the same share, as after `scatter`
        result *= tf.cast(tf.reduce_prod(lead), result.dtype)
    same = result.shape == x.shape and x.shape.is_fully_defined()
    return result if same else tf.broadcast_to(result, tf.shape(x))


def _tensor(problem: Problem, result: Result) -> Array:
    return tf.convert_to_tensor(result, problem.call.dtype)


# ---- the caller's layout -------------------------------------------------------------------------


def _watch(call: Call) -> tuple[Problem, tf.GradientTape]:
    """Poses a call under a tape, which knows the way back to the caller's layout and dtypes."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(call.sources)
        return pose(call), tape


def _unpose(
    tape: tf.GradientTape, problem: Problem, derivatives: Sequence[Array]
) -> Array | tuple[Array, ...]:
    """Derivatives by the kernels' inputs as derivatives by the caller's."""
    targets = [problem.inputs[k] for k in problem.call.differentiated]
    found = tape.gradient(targets, problem.call.sources, output_gradients=list(derivatives))
    return found[0] if len(found) == 1 else tuple(found)


def _tangents(problem: Problem, vector: ArrayLike | Sequence[ArrayLike]) -> list[Array]:
    """The vector in the kernels' layout: 0 where an input is not read."""
    call = problem.call
    vectors = [vector] if len(call.sources) == 1 else list(vector)
    if len(vectors) != len(call.sources):
        raise ValueError(
            f"{call.definition.name}(): `vector` has {len(vectors)} parts, but the loss is "
            f"differentiated by {len(call.sources)} inputs"
        )
    tangents = []
    for k, source, part in zip(call.differentiated, call.sources, vectors, strict=True):
        tangent = tensor_of(call.definition.name, "vector", part, "target", call.dtype)
        if not tangent.shape.is_compatible_with(source.shape):
            raise ValueError(
                f"{call.definition.name}(): `vector` has shape {shape_of(tangent)}, but must have "
                f"the shape {shape_of(source)} of the input"
            )
        if k < len(call.arguments):
            tangent = problem.layout.pack(tangent, call.arguments[k].axes)
            kept = problem.read[k]
            tangent = tangent if kept is None else tf.where(kept, tangent, tf.zeros_like(tangent))
        tangents.append(tangent)
    return tangents
