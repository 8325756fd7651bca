"""How JAX spells the operations of the graph."""

from __future__ import annotations

from losscompiler.backends.operators import ELEMENTARY, EXTREMA, PROVIDED
from losscompiler.backends.spelling import Spelling, call, chained, plain_size, reduction

SPELLING = Spelling(
    functions={
        **{op: call(f"jnp.{name}") for op, name in ELEMENTARY.items()},
        **{op: chained(f"jnp.{name}") for op, name in EXTREMA.items()},
        **PROVIDED,
    },
    reductions={
        **{kind: reduction(f"jnp.{kind}") for kind in ("sum", "prod")},
        "norm": reduction("fn.norm"),
        "max": reduction("jnp.max", initial="-jnp.inf"),
        "min": reduction("jnp.min", initial="jnp.inf"),
    },
    where=call("jnp.where"),
    moveaxis=call("jnp.moveaxis"),
    einsum=lambda subscripts, *arrays: f'jnp.einsum("{subscripts}", {", ".join(arrays)})',
    matmul=lambda a, b: f"{a} @ {b}",
    swap_last_two=lambda x: f"{x}.mT",
    cast=lambda x, like: f"{x}.astype({like}.dtype)",
    size=plain_size,
    full=lambda n, like: f"jnp.asarray({n}, {like}.dtype)",
    reserved=frozenset({"jax", "jnp", "lax", "along", "fn", "special"}),
)
