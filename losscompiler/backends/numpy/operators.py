"""How NumPy spells the operations of the graph."""

from __future__ import annotations

from losscompiler.backends.operators import ELEMENTARY, EXTREMA, PROVIDED
from losscompiler.backends.spelling import Spelling, call, chained, plain_size, reduction

SPELLING = Spelling(
    functions={
        **{op: call(f"np.{name}") for op, name in ELEMENTARY.items()},
        **{op: chained(f"np.{name}") for op, name in EXTREMA.items()},
        **PROVIDED,
    },
    reductions={
        **{kind: reduction(f"np.{kind}") for kind in ("sum", "prod")},
        "norm": reduction("fn.norm"),
        "max": reduction("np.max", initial="-np.inf"),
        "min": reduction("np.min", initial="np.inf"),
    },
    where=call("np.where"),
    moveaxis=call("np.moveaxis"),
    einsum=lambda subscripts, *arrays: (
        f'np.einsum("{subscripts}", {", ".join(arrays)}, optimize=True)'
        if len(arrays) > 1
        else f'np.einsum("{subscripts}", {arrays[0]})'
    ),
    matmul=lambda a, b: f"{a} @ {b}",
    swap_last_two=lambda x: f"{x}.mT",
    cast=lambda x, like: f"{x}.astype({like}.dtype)",
    size=plain_size,
    full=lambda n, like: f"np.asarray({n}, {like}.dtype)",
    reserved=frozenset({"np", "along", "fn", "special"}),
)
