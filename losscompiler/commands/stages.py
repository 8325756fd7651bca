"""A loss as text: its formula, or what the compiler made of it."""

from __future__ import annotations

from typing import Any

import sympy as sp

from losscompiler.spec.decorator import Loss

STAGES = ("spec", "value", "gradient", "hessian", "graph")
KERNELS = {
    "value": ("value",),
    "gradient": ("vjp",),
    "hessian": ("hvp", "hessian_diagonal"),
    "graph": ("value", "vjp", "jvp", "hvp", "hessian_diagonal"),
}
"""The compiled kernels that each stage shows."""


def show_stage(loss: Loss, stage: str, form: str) -> str:
    """The formula in text or LaTeX, or the compiled kernels of a stage."""
    if stage == "spec":
        return _formula(loss, sp.latex if form == "latex" else sp.sstr)
    from losscompiler.ir.show import text
    from losscompiler.passes import compile_loss

    programs = compile_loss(loss).variants[()].programs  # with all optional inputs present
    shown = (f"{loss.name}: {kernel}\n{text(programs[kernel])}" for kernel in KERNELS[stage])
    return "\n\n".join(shown)


def _formula(loss: Loss, printed: Any) -> str:
    inputs = ", ".join(loss.roles)
    return f"{loss.name}({inputs}) = {printed(loss.expression)}"
