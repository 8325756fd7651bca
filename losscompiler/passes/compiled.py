"""What compilation knows about a loss: the graph of each variant, and one program per kernel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import mpmath
import sympy as sp

from losscompiler.ir import nodes
from losscompiler.ir.graph import Graph
from losscompiler.ir.nodes import Axis
from losscompiler.ir.program import Program
from losscompiler.passes.lower import DTYPES, axis_of
from losscompiler.spec import Loss
from losscompiler.spec.roles import Role

KERNELS = ("value", "vjp", "jvp", "hvp", "hessian_diagonal")


@dataclass
class Variant:
    """One formula on its way through the pipeline: with all optional inputs, or without some."""

    loss: Loss
    absent: frozenset[str]
    formula: sp.Expr
    graph: Graph
    inputs: dict[str, nodes.Input]
    value: sp.Expr = sp.S.Zero
    programs: dict[str, Program] = field(default_factory=dict)

    @property
    def space(self) -> tuple[Axis, ...]:
        """The core axes of the unreduced loss."""
        return tuple(axis_of(i) for i in self.loss.free_indices)

    @property
    def differentiated(self) -> tuple[nodes.Input, ...]:
        """The inputs of this variant that derivatives are taken by."""
        return tuple(self.inputs[n] for n in self.loss.differentiated if n in self.inputs)


@dataclass(frozen=True)
class CompiledLoss:
    """A loss with its kernels' programs, by the names of omitted optional inputs.

    `told` are lines that tell what is proved of it.
    """

    loss: Loss
    structure: str
    variants: dict[tuple[str, ...], Variant]
    told: tuple[str, ...] = ()


def new_variant(loss: Loss, absent: frozenset[str]) -> Variant:
    """The start of compilation: the formula, and the inputs that the kernels take."""
    present = {n: r for n, r in loss.roles.items() if n not in absent}
    arrays = [n for n in present if n in loss.inputs]
    params = [n for n in present if n in loss.params]
    graph = Graph(
        scalars=frozenset(n for n in params if not present[n].axes),
        order={axis: k for k, axis in enumerate(loss.axis_order)},
        domains={n: _interval(present[n]) for n in present if present[n].kind not in DTYPES},
    )
    return Variant(
        loss=loss,
        absent=absent,
        formula=loss.variants[absent] if absent else loss.expression,
        graph=graph,
        inputs={n: input_definition(n, present[n]) for n in (*arrays, *params)},
    )


def input_definition(name: str, role: Role) -> nodes.Input:
    """The kernel argument of an input or parameter."""
    formal = tuple(Axis(a.removeprefix("*"), f"${k}") for k, a in enumerate(role.axes))
    return nodes.Input(formal, name, DTYPES.get(role.kind, "float"))


def _interval(role: Role) -> tuple[Any, Any]:
    return _number(role.domain.inf), _number(role.domain.sup)


def _number(end: sp.Expr) -> Any:
    if end.is_infinite:
        return mpmath.inf if end == sp.oo else -mpmath.inf
    return mpmath.mpf(sp.N(end, 30))
