"""Prints a program as a kernel: the statements that its results need, then the results."""

from __future__ import annotations

from losscompiler.backends.emitter import Emitter
from losscompiler.backends.layout import WIDTH
from losscompiler.backends.spelling import Spelling
from losscompiler.backends.view import KernelView
from losscompiler.backends.writers import WRITERS
from losscompiler.ir.program import Output, Program

ROOM = WIDTH - len("    return (,)")


def kernel_view(
    name: str,
    summary: str,
    program: Program,
    spelling: Spelling,
    *,
    returns_tuple: bool,
) -> KernelView:
    """The kernel of one program."""
    emit = Emitter(program, spelling, WRITERS)
    results = [_value(emit, output) for output in program.outputs]
    if sum(len(r) + 2 for r in results) > ROOM:
        results = [r if r == "0.0" else emit.assign(r, "result") for r in results]
    code = f"({', '.join(results)}{',' if len(results) == 1 else ''})"
    return KernelView(
        name=name,
        arguments=tuple(emit.names[d] for d in program.inputs),
        summary=summary,
        lines=tuple(emit.lines),
        result=code if returns_tuple else results[0],
        returns_tuple=returns_tuple,
    )


def _value(emit: Emitter, output: Output) -> str:
    return "0.0" if output.value == 0 else emit.value(output.value, output.axes)
