"""How TensorFlow spells the operations of the graph."""

from __future__ import annotations

import sympy as sp

from losscompiler.backends.operators import ELEMENTARY, EXTREMA, PROVIDED
from losscompiler.backends.spelling import Spelling, call, chained, is_number, reduction

OWN_NAMES = {
    sp.asin: "asin",
    sp.acos: "acos",
    sp.atan: "atan",
    sp.atan2: "atan2",
}


def _where(condition: str, chosen: str, other: str) -> str:
    """A number takes the dtype of the array before it, not of the one behind it."""
    if is_number(chosen) or chosen == 'float("-inf")':
        return f"tf.where(~({condition}), {other}, {chosen})"
    return f"tf.where({condition}, {chosen}, {other})"


def _size(x: str, axis: int, like: str) -> str:
    """A size that is not known is a tensor, and needs a dtype."""
    return f"fn.size({x}, {axis})" if like == x else f"fn.size({x}, {axis}, {like})"


SPELLING = Spelling(
    functions={
        **{op: call(f"tf.math.{OWN_NAMES.get(op, name)}") for op, name in ELEMENTARY.items()},
        **{op: chained(f"tf.{name}") for op, name in EXTREMA.items()},
        **PROVIDED,
    },
    reductions={
        **{kind: reduction(f"tf.reduce_{kind}") for kind in ("sum", "prod", "max", "min")},
        "norm": reduction("fn.norm"),
    },
    where=_where,
    einsum=lambda subscripts, *arrays: f'tf.einsum("{subscripts}", {", ".join(arrays)})',
    moveaxis=call("tf.experimental.numpy.moveaxis"),
    matmul=lambda a, b: f"tf.matmul({a}, {b})",
    swap_last_two=lambda x: f"tf.linalg.matrix_transpose({x})",
    cast=lambda x, like: f"tf.cast({x}, {like}.dtype)",
    size=_size,
    # A Python number that tf.cast gets is rounded to single precision first.
    full=lambda n, like: f"tf.convert_to_tensor({n}, {like}.dtype)",
    reserved=frozenset({"tf", "keras", "along", "fn", "special"}),
)
