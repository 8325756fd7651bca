"""Ties the kernels together, so that JAX differentiates a loss through them, to second order.

Three functions carry a rule: `total`, the weighted sum of a loss; `gradient`, the derivative of
`total`; and `entries`, the unreduced loss. A rule is a sum of products of a tangent with an array
that does not depend on tangents and comes from another of the three. That form matters: reverse
mode keeps the rules of functions of primal values alone, and inlines those that see a tangent.
(`lax.scan` inlines both when its body is transposed: a second derivative through a scan is then
that of the gradient kernel's code, which differs from the Hessian kernel at kinks at most.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from ._descriptors import Kernels
from ._options import Array, Result

Arrays = tuple[Array, ...]


@dataclass(frozen=True)
class Site:
    """A differentiated input: its canonical shape, and its position among a kernel's arguments.

    `rows` are the positions of its core axes in the loss axes. If `own`, a loss entry depends on
    no entries of the input but those at its own batch index and row.
    """

    position: int
    shape: tuple[int, ...]
    rows: tuple[int | None, ...]
    own: bool

    @property
    def lead(self) -> int:
        """The number of batch axes."""
        return len(self.shape) - len(self.rows)


@dataclass(frozen=True)
class Problem:
    """What is known of a call before its values are; `shape` is that of the unreduced loss."""

    kernels: Kernels
    sites: tuple[Site, ...]
    lead: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: Any

    def arguments(self, moving: Arrays, fixed: Arrays) -> list[Array]:
        """The kernels' arguments: `moving` are the differentiated ones, `fixed` the others."""
        arguments = list(fixed)
        for site, array in zip(self.sites, moving, strict=True):
            arguments.insert(site.position, array)
        return arguments

    def settle(self, results: Sequence[Result]) -> Arrays:
        """A kernel's results, one per differentiated input, in the inputs' shapes."""
        return tuple(
            self._settle(site, jnp.asarray(result, self.dtype))
            for site, result in zip(self.sites, results, strict=True)
        )

    def _settle(self, site: Site, result: Array) -> Array:
        core = site.shape[site.lead :]
        if site.lead == len(self.lead):
            return jnp.broadcast_to(result, site.shape)
        if result.ndim <= len(core):  # every sample holds an equal share
            return jnp.broadcast_to(result, core) * prod(self.lead)
        every = jnp.broadcast_to(result, (*self.lead, *core))
        return jnp.sum(every, axis=tuple(range(len(self.lead))))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def entries(problem: Problem, moving: Arrays, fixed: Arrays) -> Array:
    """The unreduced loss."""
    value = problem.kernels.value(*problem.arguments(moving, fixed))
    return jnp.broadcast_to(jnp.asarray(value, problem.dtype), problem.shape)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def total(
    problem: Problem, moving: Arrays, fixed: Arrays, kept: Array | None, cotangent: Array
) -> Array:
    """The sum of `cotangent * entries` over the entries that are kept."""
    return jnp.sum(keep(kept, cotangent * entries(problem, moving, fixed)))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def gradient(problem: Problem, moving: Arrays, fixed: Arrays, cotangent: Array) -> Arrays:
    """The derivative of `sum(cotangent * entries)` in the differentiated inputs."""
    kernel = problem.kernels.vjp
    return problem.settle(kernel(*problem.arguments(moving, fixed), cotangent))


def hessian_product(
    problem: Problem, moving: Arrays, fixed: Arrays, cotangent: Array, tangents: Arrays
) -> Arrays:
    """The Hessian of `sum(cotangent * entries)` times `tangents`."""
    kernel = problem.kernels.hvp
    return problem.settle(kernel(*problem.arguments(moving, fixed), cotangent, *tangents))


def curvatures(problem: Problem, moving: Arrays, fixed: Arrays, cotangent: Array) -> Arrays:
    """The diagonal of the Hessian of `sum(cotangent * entries)`."""
    kernel = problem.kernels.hessian_diagonal
    return problem.settle(kernel(*problem.arguments(moving, fixed), cotangent))


def keep(kept: Array | None, loss: Array) -> Array:
    """The loss, 0 where it is not kept."""
    return loss if kept is None else jnp.where(kept, loss, 0)


# ---- rules ---------------------------------------------------------------------------------------
# With symbolic zeros, nothing is computed for inputs that are not differentiated: an infinite loss
# must not meet the zero tangent of a constant weight, as 0 * inf is NaN.


@partial(total.defjvp, symbolic_zeros=True)
def _total_jvp(problem: Problem, primals: Any, tangents: Any) -> tuple[Array, Array]:
    moving, fixed, kept, cotangent = primals
    moved, _, _, weighted = tangents
    tangent = jnp.zeros((), problem.dtype)
    if _varies(moved):
        parts = zip(gradient(problem, moving, fixed, cotangent), moved, strict=True)
        tangent += sum(jnp.sum(part * t) for part, t in parts if _varies((t,)))
    if _varies((weighted,)):
        tangent += jnp.sum(keep(kept, entries(problem, moving, fixed) * weighted))
    return total(problem, *primals), tangent


@partial(gradient.defjvp, symbolic_zeros=True)
def _gradient_jvp(problem: Problem, primals: Any, tangents: Any) -> tuple[Arrays, Arrays]:
    moving, fixed, cotangent = primals
    moved, _, weighted = tangents
    tangent = tuple(jnp.zeros_like(x) for x in moving)
    if _varies(moved):
        product = hessian_product(problem, moving, fixed, cotangent, _dense(moving, moved))
        tangent = _add(tangent, product)
    if _varies((weighted,)):
        tangent = _add(tangent, gradient(problem, moving, fixed, weighted))
    return gradient(problem, *primals), tangent


@partial(entries.defjvp, symbolic_zeros=True)
def _entries_jvp(problem: Problem, primals: Any, tangents: Any) -> tuple[Array, Array]:
    moving, fixed = primals
    moved, _ = tangents
    tangent = jnp.zeros(problem.shape, problem.dtype)
    owned = [site.own and _varies((t,)) for site, t in zip(problem.sites, moved, strict=True)]
    if any(owned):
        slopes = gradient(problem, moving, fixed, jnp.ones(problem.shape, problem.dtype))
        for site, own, slope, t in zip(problem.sites, owned, slopes, moved, strict=True):
            tangent += _contract(site, slope * t) if own else 0
    # The Jacobian in the other inputs is dense, too large to be an array: this part alone takes
    # its second derivative from the code of the jvp kernel. `total` does not.
    coupled = tuple(None if own else t for own, t in zip(owned, moved, strict=True))
    if _varies(coupled):
        kernel = problem.kernels.jvp
        tangent += kernel(*problem.arguments(moving, fixed), *_dense(moving, coupled))
    return entries(problem, *primals), tangent


def _contract(site: Site, products: Array) -> Array:
    """Sums the entries of an input for each loss entry that they belong to."""
    core = range(site.lead, len(site.shape))
    unread = [axis for axis, row in zip(core, site.rows, strict=True) if row is None]
    rows = [row for row in site.rows if row is not None]
    order = sorted(range(len(rows)), key=rows.__getitem__)
    summed = jnp.sum(products, axis=tuple(unread))
    return jnp.transpose(summed, (*range(site.lead), *(site.lead + k for k in order)))


def _varies(tangents: Sequence[Any]) -> bool:
    return not all(t is None or isinstance(t, SymbolicZero) for t in tangents)


def _dense(primals: Arrays, tangents: Sequence[Any]) -> Arrays:
    pairs = zip(primals, tangents, strict=True)
    return tuple(t if _varies((t,)) else jnp.zeros_like(x) for x, t in pairs)


def _add(left: Arrays, right: Arrays) -> Arrays:
    return tuple(a + b for a, b in zip(left, right, strict=True))
