"""A loss as text and as data: its formula, or what the compiler made of it."""

from __future__ import annotations

from typing import Any

import sympy as sp

from losscompiler.commands.sheet import sheet
from losscompiler.spec.decorator import Loss

KERNELS = {
    "value": ("value",),
    "gradient": ("vjp",),
    "hessian": ("hvp", "hessian_diagonal"),
    "graph": ("value", "vjp", "jvp", "hvp", "hessian_diagonal"),
}
"""The compiled kernels that each stage shows."""

RESULTS = {
    "vjp": "{}_gradient",
    "hvp": "{}_product",
    "hessian_diagonal": "{}_diagonal",
}
"""What the results of a kernel are called, one per differentiated input."""


def show_stage(loss: Loss, stage: str, form: str) -> dict[str, Any]:
    """The formula in text or LaTeX, or the compiled kernels of a stage, as `text` and as data."""
    if stage == "spec":
        formula = {"text": _formula(loss, form), "expression": sp.sstr(loss.expression)}
        return {**sheet(loss), **formula}
    from losscompiler.ir import show
    from losscompiler.passes import compile_loss

    parts: list[str] = []
    kernels: dict[str, Any] = {}
    compiled = compile_loss(loss).variants[()]  # with all optional inputs present
    for kernel in KERNELS[stage]:
        pattern = RESULTS.get(kernel)
        names = [pattern.format(n) for n in loss.differentiated] if pattern else [loss.name]
        program = compiled.programs[kernel]
        parts.append(f"# {loss.name}: {kernel}\n{show.text(program, names)}")
        kernels[kernel] = show.data(program, names)
    return {"text": "\n\n".join(parts), "kernels": kernels}


def _formula(loss: Loss, form: str) -> str:
    if form == "latex":
        name = loss.name.replace("_", r"\_")
        inputs = ", ".join(sp.latex(sp.Symbol(one)) for one in loss.roles)
        return rf"\operatorname{{{name}}}({inputs}) = {sp.latex(loss.expression)}"
    return f"{loss.name}({', '.join(loss.roles)}) = {sp.sstr(loss.expression)}"
