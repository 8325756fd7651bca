"""Printed kernels called at sample points: how the compiler checks what it derived about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.backends.domains import Bounds, bounds
from losscompiler.backends.emit import kernel_view
from losscompiler.backends.imports import kernel_helpers
from losscompiler.backends.loss_view import kernel_function
from losscompiler.backends.numpy.operators import SPELLING
from losscompiler.ir.program import Program, transform
from losscompiler.passes.share import share
from losscompiler.passes.stabilise import stabilise

Array = np.ndarray[Any, Any]
Kernel = Callable[..., Any]
POINTS = 4000
CLASSES = 4
SETTINGS = 4


def finished(program: Program) -> Program:
    """A new program, as stable and as short as those of the pipeline."""
    return share(transform(program, lambda e, swaps: stabilise(e.xreplace(swaps))))


def callable_kernel(program: Program, *, returns_tuple: bool = True) -> Kernel:
    """The function that a program is printed as for NumPy."""
    view = kernel_view("kernel", "A trial.", program, SPELLING, returns_tuple=returns_tuple)
    function = kernel_function(view)
    names: dict[str, Any] = {"np": np, "Array": Any, "Result": Any}
    for name, file in kernel_helpers().items():
        names[name] = import_module(f"losscompiler.backends.numpy.runtime.{file}")
    exec("\n".join((*function.head, *function.docstring, *function.body)), names)
    found: Kernel = names["kernel"]
    return found


def sample(domain: sp.Set, size: int, rng: np.random.Generator) -> Array:
    """Numbers of a domain, of all sizes."""
    allowed = bounds(domain)
    if allowed.values:
        values: Array = np.asarray(allowed.values, np.float64)
        chosen: Array = np.take(values, rng.integers(0, values.size, size))
        return chosen
    found = _spread(allowed, size, rng)
    for low, high in allowed.gaps:
        found = np.where((found >= low) & (found <= high), high + np.abs(found - high) + 0.1, found)
    return np.asarray(np.round(found)) if allowed.integer else found


def _spread(allowed: Bounds, size: int, rng: np.random.Generator) -> Array:
    far = 10.0 ** rng.uniform(-3, 2, size)
    if math.isinf(allowed.low) and math.isinf(allowed.high):
        return np.asarray(far * rng.choice([-1.0, 1.0], size))
    if math.isinf(allowed.high):
        return allowed.low + far
    if math.isinf(allowed.low):
        return allowed.high - far
    inside = rng.uniform(0.001, 0.999, size)
    ends = rng.integers(0, 8, size)
    inside = np.where((ends == 0) & (not allowed.low_open), 0.0, inside)
    inside = np.where((ends == 1) & (not allowed.high_open), 1.0, inside)
    return allowed.low + (allowed.high - allowed.low) * inside


def points(
    domains: Mapping[str, sp.Set], prediction: str, truth: str
) -> tuple[dict[str, Array], Array]:
    """Sample points of an elementwise loss, and second predictions to compare the first with."""
    rng = np.random.default_rng(7)
    found = {name: sample(domain, POINTS, rng) for name, domain in domains.items()}
    raw, second = found[prediction], sample(domains[prediction], POINTS, rng)
    near = 10.0 ** rng.uniform(-4, 1.5, (2, POINTS)) * rng.choice([-1.0, 1.0], (2, POINTS))
    if domains[prediction] == sp.S.Reals:  # most things happen near the target, some at 0
        raw = np.where(rng.random(POINTS) < 0.6, found[truth] + near[0], raw)
        second = np.where(rng.random(POINTS) < 0.6, raw + near[1], second)
    return {**found, prediction: raw}, second


def class_points(
    domains: Mapping[str, sp.Set], prediction: str, truth: str, label: bool
) -> Iterator[dict[str, Array]]:
    """Sample points of a loss over classes: many scores for a few settings of the parameters."""
    rng = np.random.default_rng(7)
    shape = (POINTS // 8, CLASSES)
    for _ in range(SETTINGS):
        found = {name: np.asarray(sample(domain, 1, rng)[0]) for name, domain in domains.items()}
        scores = sample(domains[prediction], shape[0] * CLASSES, rng).reshape(shape)
        found[prediction] = np.clip(scores, -30, 30)
        found[truth] = (
            rng.integers(0, CLASSES, shape[0])
            if label
            else np.reshape(sample(domains[truth], shape[0] * CLASSES, rng), shape)
        )
        yield found


def run(kernel: Kernel, names: Sequence[str], point: Mapping[str, Array], *more: Any) -> Array:
    """A kernel's first result at sample points."""
    with np.errstate(all="ignore"):
        result = kernel(*(point[name] for name in names), *more)
    first = result[0] if isinstance(result, tuple) else result
    shape = next(iter(point.values())).shape
    return np.asarray(np.broadcast_to(np.asarray(first, np.float64), shape))
