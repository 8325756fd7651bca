"""What the Keras classes share: from `y_true` and `y_pred` to one loss per sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ._checks import bind
from ._descriptors import Argument, Definition
from ._options import Array, ArrayLike, Options
from ._support import reduce_loss
from ._weights import Problem, pose


class KerasLoss(keras.losses.Loss):
    """A `keras.losses.Loss` over a compiled loss; a subclass holds its parameters."""

    def __init__(self, reduction: str | None, name: str, dtype: Any) -> None:
        """Takes what every Keras loss takes."""
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self._given_dtype = getattr(dtype, "name", dtype)

    @property
    def dtype(self) -> str:
        """Half precision is widened: labels and sums do not fit into it."""
        return "float64" if super().dtype == "float64" else "float32"

    def per_sample(
        self, definition: Definition, y_true: Any, y_pred: Any, **settings: Any
    ) -> Array:
        """The loss of each sample, on which Keras's reduction and `sample_weight` act.

        An elementwise loss is averaged over the last axis, as Keras's own are, and one that has
        core axes of its own (such as a number per class) over these. Ignored entries carry Keras's
        mask, so that a mean is over the others.
        """
        parameters = [settings.pop(parameter.name) for parameter in definition.parameters]
        options = Options(reduction="none", **settings)
        arrays = _arrays(definition, y_true, y_pred, options)
        problem = pose(bind(definition, arrays, parameters, options))
        losses = reduce_loss(problem)
        if problem.keep is not None:
            losses._keras_mask = problem.layout.unpack_loss(problem.keep)
        averaged = _averaged(problem, losses.shape.rank)
        return tf.reduce_mean(losses, averaged) if averaged else losses

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make an equal loss."""
        return {**super().get_config(), "dtype": self._given_dtype}


def config_value(value: Any) -> Any:
    """A parameter as numbers and lists, which JSON can hold."""
    value = value.numpy() if hasattr(value, "numpy") else value
    return value.tolist() if hasattr(value, "tolist") else value


def _averaged(problem: Problem, rank: int) -> list[int]:
    """The axes of the loss that lie inside of a sample, but for those that stand for positions.

    Entries with labels of their own are left to Keras, which can mask them.
    """
    definition, layout = problem.call.definition, problem.layout
    if any(argument.role == "label" for argument in definition.arguments):
        return []
    if not any(argument.axes for argument in definition.arguments):
        return [rank - 1] if rank > 1 else []
    axes = [k for k, name in enumerate(layout.loss_axes, len(layout.lead)) if name[0] != "*"]
    if axes == [rank - 1] and layout.axis is not None:
        return [layout.axis]
    return [k for k in axes if k > 0]  # without batch axes, the first core axis is the samples'


def _arrays(
    definition: Definition, y_true: Any, y_pred: Any, options: Options
) -> list[ArrayLike | None]:
    """The inputs in the spec's order."""
    predictions = [a for a in definition.arguments if a.role == "prediction"]
    truths = [a for a in definition.arguments if a.role != "prediction"]
    given = _named(definition, "y_pred", y_pred, predictions)
    given |= _named(definition, "y_true", y_true, truths) if truths else {}
    leading, first = predictions[0], tf.convert_to_tensor(given[predictions[0].name])
    for argument in truths:
        value = given[argument.name]
        if value is not None:
            given[argument.name] = _align(argument, tf.convert_to_tensor(value), leading, first)
    return [given[argument.name] for argument in definition.arguments]


def _named(
    definition: Definition, source: str, values: Any, arguments: Sequence[Argument]
) -> dict[str, ArrayLike | None]:
    """The parts of `y_true` or `y_pred` by name; optional ones may be left out together."""
    parts = list(values) if isinstance(values, list | tuple) else [values]
    required = [argument for argument in arguments if not argument.optional]
    taken = required if len(parts) == len(required) else arguments
    if len(parts) != len(taken):
        raise ValueError(
            f"{definition.name}(): `{source}` has {len(parts)} parts, but must be a tuple of "
            f"{', '.join(f'`{argument.name}`' for argument in arguments)}"
        )
    found: dict[str, ArrayLike | None] = dict.fromkeys(argument.name for argument in arguments)
    return found | {a.name: part for a, part in zip(taken, parts, strict=True)}


def _align(argument: Argument, x: Array, leading: Argument, first: Array) -> Array:
    """Undoes what Keras does to targets: it casts them to floats, and adds or drops an axis of 1.

    Other differences in shape are left for the checks to refuse.
    """
    if argument.role == "label" and x.dtype.is_floating:
        x = tf.cast(tf.round(x), tf.int64)
    if argument.role == "mask":
        x = tf.cast(x, tf.bool)
    if any(axis.startswith("*") for axis in (*argument.axes, *leading.axes)):
        return x
    batch = first.shape.rank - len(leading.axes)
    extra = x.shape.rank - batch - len(argument.axes)
    if extra == 1 and x.shape[-1] == 1:
        return tf.squeeze(x, -1)
    if extra == -1 and not argument.axes and first.shape[batch - 1] == 1:
        return tf.expand_dims(x, -1)
    return x
