"""What comes out: programs printed for a framework, and the modules around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from losscompiler.backends import render
from losscompiler.backends.boosting import express, objective
from losscompiler.backends.emit import kernel_view
from losscompiler.backends.jax.operators import SPELLING as JAX
from losscompiler.backends.numpy.operators import SPELLING as NUMPY
from losscompiler.backends.render import (
    class_name,
    former_names,
    public_names,
    render_init,
    runtime_files,
)
from losscompiler.backends.spelling import Spelling
from losscompiler.backends.tensorflow.operators import SPELLING as TENSORFLOW
from losscompiler.backends.torch.operators import SPELLING as TORCH
from losscompiler.backends.view import KernelView
from losscompiler.passes import KERNELS, CompiledLoss
from losscompiler.passes.compiled import Variant
from losscompiler.spec.decorator import Loss

__all__ = [
    "BACKENDS",
    "class_name",
    "former_names",
    "kernel_views",
    "obstacle",
    "public_names",
    "render_init",
    "render_module",
    "runtime_files",
]

BACKENDS: Mapping[str, Spelling] = {
    "numpy": NUMPY,
    "torch": TORCH,
    "tensorflow": TENSORFLOW,
    "jax": JAX,
    "boosting": NUMPY,
}
OBJECTIVES = "boosting"
"""The backend whose modules hold objectives of boosters, not functions of arrays."""
SUMMARIES = {
    "value": "The unreduced loss.",
    "vjp": "Gradients of sum(cotangent * loss).",
    "jvp": "The directional derivative of the unreduced loss along the tangents.",
    "hvp": "The Hessian of sum(cotangent * loss) times the tangents.",
    "hessian_diagonal": "The diagonal of the Hessian of sum(cotangent * loss).",
}
TUPLES = ("vjp", "hvp", "hessian_diagonal")


def kernel_views(backend: str, compiled: CompiledLoss) -> dict[tuple[str, ...], list[KernelView]]:
    """The printed kernels of a loss, by the names of omitted optional inputs."""
    return {
        absent: _variant_views(backend, compiled, variant)
        for absent, variant in compiled.variants.items()
    }


def _variant_views(backend: str, compiled: CompiledLoss, variant: Variant) -> list[KernelView]:
    loss = compiled.loss
    without = "".join(f"_without_{n}" for n in loss.inputs if n in variant.absent)
    return [
        kernel_view(
            f"_{loss.name}{without}_{kernel}",
            SUMMARIES[kernel],
            variant.programs[kernel],
            BACKENDS[backend],
            returns_tuple=kernel in TUPLES,
        )
        for kernel in KERNELS
    ]


def render_module(
    backend: str, compiled: Sequence[CompiledLoss], doc: str, source: str, depth: int = 0
) -> str:
    """The text of the generated module of one spec file."""
    if backend == OBJECTIVES:
        return objective.render_module(compiled, doc, source, depth)
    losses = [(c.loss, kernel_views(backend, c), c.told) for c in compiled]
    return render.render_module(backend, losses, doc, source, depth)


def obstacle(backend: str, loss: Loss) -> str:
    """Why a backend has no form for a loss; empty if it has one."""
    return express.obstacle(loss) if backend == OBJECTIVES else ""
