"""How PyTorch spells the operations of the graph."""

from __future__ import annotations

from losscompiler.backends.operators import ELEMENTARY, EXTREMA, PROVIDED
from losscompiler.backends.spelling import (
    Function,
    Spelling,
    call,
    is_number,
    plain_size,
    reduction,
)
from losscompiler.ir import operators as op


def _bounded(name: str, bound: str) -> Function:
    """Maximum and minimum take tensors only; with a number they are a clamp."""

    def spell(first: str, *rest: str) -> str:
        if not rest:
            return first
        other = spell(*rest)
        if is_number(other):
            return f"torch.clamp({first}, {bound}={other})"
        if is_number(first):
            return f"torch.clamp({other}, {bound}={first})"
        return f"torch.{name}({first}, {other})"

    return spell


SPELLING = Spelling(
    functions={
        **{op: call(f"torch.{name}") for op, name in ELEMENTARY.items()},
        op.Maximum: _bounded(EXTREMA[op.Maximum], "min"),
        op.Minimum: _bounded(EXTREMA[op.Minimum], "max"),
        **PROVIDED,
    },
    reductions={
        "sum": reduction("torch.sum", "dim"),
        "prod": reduction("torch.prod", "dim"),
        "norm": reduction("fn.norm"),
        "max": reduction("fn.largest"),
        "min": reduction("torch.amin", "dim"),
    },
    where=call("torch.where"),
    moveaxis=call("torch.movedim"),
    einsum=lambda subscripts, *arrays: f'torch.einsum("{subscripts}", {", ".join(arrays)})',
    matmul=lambda a, b: f"{a} @ {b}",
    swap_last_two=lambda x: f"{x}.mT",
    cast=lambda x, like: f"{x}.to({like}.dtype)",
    size=plain_size,
    full=lambda n, like: f"torch.full((), {n}, dtype={like}.dtype, device={like}.device)",
    reserved=frozenset({"torch", "nn", "along", "fn", "special"}),
)
