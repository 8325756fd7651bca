"""From a formula to programs: each pass takes a variant of a loss and returns it further along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import sympy as sp
from sympy.core.parameters import distribute

from losscompiler.ir import nodes
from losscompiler.ir.program import Output, Program, transform
from losscompiler.ir.replace import replaced
from losscompiler.ir.verify import verify
from losscompiler.passes.compiled import KERNELS, CompiledLoss, Variant, new_variant
from losscompiler.passes.differentiate import vjp
from losscompiler.passes.lower import Lowering
from losscompiler.passes.recognise import recognise
from losscompiler.passes.share import share
from losscompiler.passes.shifts import require_guards
from losscompiler.passes.stabilise import stabilise
from losscompiler.passes.structure import structure_of
from losscompiler.passes.tangent import diagonal, jvp
from losscompiler.spec import Loss

__all__ = ["KERNELS", "CompiledLoss", "compile_loss"]

Pass = Callable[[Variant], Variant]


def guard_shifts(variant: Variant) -> Variant:
    """Refuses formulas that read outside an axis."""
    require_guards(variant.formula)
    return variant


def recognise_operators(variant: Variant) -> Variant:
    """Names the smooth functions hidden in the naive formula."""
    return replace(variant, formula=recognise(variant.formula))


def lower_to_graph(variant: Variant) -> Variant:
    """Indices become axes, entries become leaves."""
    value = Lowering(variant.graph, variant.inputs)(variant.formula)
    return replace(variant, value=value)


def differentiate(variant: Variant) -> Variant:
    """Derives one program per kernel: value, vjp, jvp, hvp and the Hessian's diagonal."""
    graph, space, by = variant.graph, variant.space, variant.differentiated
    cotangent = nodes.Input(_formal(space), _unlike("cotangent", variant))
    tangents = [nodes.Input(d.free, _unlike(f"{d.name}_tangent", variant)) for d in by]
    directions = {d: graph.leaf(t, t.free) for d, t in zip(by, tangents, strict=True)}
    arrays = tuple(variant.inputs.values())

    seed = graph.leaf(cotangent, space)
    gradients = vjp(graph, variant.value, seed, space, by)
    by_axes = [Output(g, d.free) for g, d in zip(gradients, by, strict=True)]
    (along,) = jvp(graph, [variant.value], directions)
    smooth = gradients
    if graph.has_nearest:  # second derivatives are those of one cell
        smooth = vjp(graph, variant.value, seed, space, by, share_ties=False)
    products = jvp(graph, smooth, directions, share_ties=False)
    diagonals = [diagonal(graph, g, d) for g, d in zip(smooth, by, strict=True)]
    programs = {
        "value": Program(graph, arrays, (Output(variant.value, space),)),
        "vjp": Program(graph, (*arrays, cotangent), tuple(by_axes)),
        "jvp": Program(graph, (*arrays, *tangents), (Output(along, space),)),
        "hvp": Program(graph, (*arrays, cotangent, *tangents), _with(by_axes, products)),
        "hessian_diagonal": Program(graph, (*arrays, cotangent), _with(by_axes, diagonals)),
    }
    return replace(variant, programs=programs)


def _unlike(name: str, variant: Variant) -> str:
    """The name of an argument that no input has: one name over the same axes is one input."""
    while name in variant.loss.roles:
        name += "_"
    return name


def _formal(space: tuple[nodes.Axis, ...]) -> tuple[nodes.Axis, ...]:
    return tuple(nodes.Axis(a.extent, f"${k}") for k, a in enumerate(space))


def _with(outputs: list[Output], values: list[sp.Expr]) -> tuple[Output, ...]:
    return tuple(replace(o, value=v) for o, v in zip(outputs, values, strict=True))


def lower_to_stable_arithmetic(variant: Variant) -> Variant:
    """Spells the operators in arithmetic that does not overflow or divide by zero in vain."""
    return _on_programs(
        variant, lambda p: transform(p, lambda e, swaps: stabilise(replaced(e, swaps)))
    )


def share_subexpressions(variant: Variant) -> Variant:
    """Computes what occurs twice once, and what varies over fewer axes before it is broadcast."""
    return _on_programs(variant, share)


def _on_programs(variant: Variant, change: Callable[[Program], Program]) -> Variant:
    return replace(variant, programs={n: change(p) for n, p in variant.programs.items()})


PIPELINE: tuple[Pass, ...] = (
    guard_shifts,
    recognise_operators,
    lower_to_graph,
    differentiate,
    lower_to_stable_arithmetic,
    share_subexpressions,
)


def compile_loss(loss: Loss) -> CompiledLoss:
    """Runs the pipeline on a loss and on its variants without optional inputs.

    Raises:
        SpecError: the formula uses something that cannot be compiled.
    """
    variants: dict[tuple[str, ...], Variant] = {}
    with distribute(False):  # 2 * (p - t) is one subtraction, and 2 * p - 2 * t three operations
        for absent in (frozenset[str](), *loss.variants):
            variant = new_variant(loss, absent)
            for step in PIPELINE:
                variant = step(variant)
                verify(variant.graph, step.__name__, variant.programs)
            variants[tuple(n for n in loss.inputs if n in absent)] = variant
    return CompiledLoss(loss, structure_of(variants[()]), variants)
