"""Losses compiled on the spot: emitted NumPy functions, and formulas written out per entry.

What is written out is an ordinary SymPy expression in one symbol per entry, so that a naive formula
can be evaluated as it stands: in high precision, which is right, and in float64, which shows why
the compiler does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from losscompiler.analysis.evaluate import evaluate
from losscompiler.backends import render_module
from losscompiler.backends.emit import kernel_view
from losscompiler.backends.numpy.operators import SPELLING
from losscompiler.backends.numpy.runtime import _along, _functions
from losscompiler.ir import nodes
from losscompiler.ir.graph import Graph
from losscompiler.ir.nodes import Axis
from losscompiler.ir.operators import LogCosh
from losscompiler.ir.program import Output, Program, transform
from losscompiler.passes import compile_loss
from losscompiler.passes.share import share
from losscompiler.passes.stabilise import stabilise
from losscompiler.spec import Loss
from losscompiler.spec import expressions as ex

Arrays = Mapping[str, Any]
RUNTIME = "losscompiler.backends.numpy.runtime"


def emitted(made: Loss) -> dict[str, Any]:
    """The NumPy module of one loss, executed beside the runtime: its names."""
    text = render_module("numpy", [compile_loss(made)], "Losses of a test.", "a test")
    names: dict[str, Any] = {"__package__": RUNTIME, "__name__": f"{RUNTIME}.{made.name}"}
    exec(text, names)
    return names


def value(made: Loss, arrays: Arrays) -> Any:
    """The unreduced loss in float64."""
    return _call(made, "", arrays, reduction="none")


def gradient(made: Loss, arrays: Arrays) -> Any:
    """The gradient of the loss's sum in float64: one array, or a tuple."""
    return _call(made, "_value_and_grad", arrays, reduction="sum")[1]


def hessian_diagonal(made: Loss, arrays: Arrays) -> Any:
    """The diagonal of the Hessian of the loss's sum in float64."""
    return _call(made, "_hessian_diagonal", arrays, reduction="sum")


def hvp(made: Loss, arrays: Arrays, vector: Any) -> Any:
    """The Hessian of the loss's sum times a vector."""
    return _call(made, "_hvp", arrays, reduction="sum", vector=vector)


def _call(made: Loss, kind: str, arrays: Arrays, **options: Any) -> Any:
    inputs = [
        np.asarray(arrays[name]) if role.kind == "label" else _array(arrays[name])
        for name, role in made.inputs.items()
    ]
    params = {name: arrays[name] for name in made.params if name in arrays}
    return emitted(made)[f"{made.name}{kind}"](*inputs, **params, **options)


def _array(entries: Any) -> Any:
    found = np.asarray(entries)
    return found.astype(np.float64) if found.dtype.kind in "iuf" and found.ndim < 9 else found


# ---- formulas written out ---------------------------------------------------------------------


def written_out(e: sp.Basic, sizes: Mapping[str, int], at: Mapping[sp.Basic, int]) -> sp.Basic:
    """The formula at given indices, its reductions spelled as sums of so many terms."""
    if isinstance(e, ex.Element | ex.MaskElement):
        return entry(e.tensor.name, *(int(i.subs(at)) for i in e.indices))
    if isinstance(e, ex.Index):
        return sp.Integer(at[e])
    if isinstance(e, ex.Size):
        return sp.Integer(sizes[e.axis])
    if isinstance(e, ex.Binder):
        return _binder(e, sizes, at)
    args = [written_out(a, sizes, at) for a in e.args]
    if isinstance(e, ex.Piecewise):
        return ex.Piecewise(*args)
    return e.func(*args) if e.args else e


def entry(name: str, *indices: int) -> sp.Symbol:
    """The symbol of one entry of an input."""
    return sp.Symbol("_".join([name, *map(str, indices)]), real=True)


def _binder(e: Any, sizes: Mapping[str, int], at: Mapping[sp.Basic, int]) -> sp.Basic:
    ranges = (range(sizes[i.axis]) for i in e.indices)
    places = [{**at, **dict(zip(e.indices, p, strict=True))} for p in itertools.product(*ranges)]
    terms = [written_out(e.body, sizes, place) for place in places]
    if isinstance(e, ex.Sum):
        return sp.Add(*terms)
    if isinstance(e, ex.Norm):
        return sp.Add(*(abs(t) ** e.p for t in terms)) ** (1 / e.p)
    assert isinstance(e, ex.LogSumExp), e
    weight, where = e.args[2:] if len(e.args) > 2 else (sp.S.One, sp.true)
    weights = [written_out(weight, sizes, place) for place in places]
    holds = [written_out(where, sizes, place) for place in places]
    shares = [w * sp.exp(t) for w, t in zip(weights, terms, strict=True)]
    kept = [s if h == sp.true else ex.Piecewise((s, h), (0, True))
            for s, h in zip(shares, holds, strict=True)]  # fmt: skip
    return sp.log(sp.Add(*kept))


def entries(arrays: Arrays) -> dict[sp.Symbol, Any]:
    """The value of each entry's symbol."""
    return {
        entry(name, *place): np.asarray(array)[place].item()
        for name, array in arrays.items()
        for place in np.ndindex(np.shape(array))
    }


def exactly(e: sp.Basic, arrays: Arrays, digits: int = 60) -> Any:
    """A written-out formula in high precision."""
    numbers = {s: v if isinstance(v, bool) else mpmath.mpf(v) for s, v in entries(arrays).items()}
    with mpmath.workdps(digits):
        return evaluate(e, numbers)


def slope(e: sp.Basic, arrays: Arrays, by: sp.Symbol, digits: int = 900) -> Any:
    """The derivative of a written-out formula by an entry: a difference in high precision."""
    point = {s: v if isinstance(v, bool) else mpmath.mpf(v) for s, v in entries(arrays).items()}
    with mpmath.workdps(digits):
        step = mpmath.mpf(10) ** (-digits // 3)
        above, below = (evaluate(e, {**point, by: point[by] + s}) for s in (step, -step))
        return (above - below) / (2 * step)


def naively(e: sp.Basic, arrays: Arrays) -> float:
    """A written-out formula as it stands, in float64 array arithmetic."""
    point = entries(arrays)
    plain = e.replace(ex.sigmoid, lambda x: 1 / (1 + sp.exp(-x)))
    plain = plain.replace(ex.Piecewise, lambda *pairs: sp.Piecewise(*pairs))
    assert not plain.has(LogCosh)
    function = sp.lambdify(list(point), plain, "numpy", cse=False)
    with np.errstate(all="ignore"):
        return float(function(*(np.asarray([v]) for v in point.values()))[0])


# ---- values of a graph ------------------------------------------------------------------------


def computed(graph: Graph, value: sp.Basic, axes: Sequence[Axis], arrays: Arrays) -> Any:
    """A value of a graph as a NumPy array over the axes, by the printed kernel."""
    known = [d for d in graph.topological([value]) if isinstance(d, nodes.Input)]
    inputs = tuple(dict.fromkeys([*known, *graph_inputs(graph, arrays)]))
    program = Program(graph, inputs, (Output(value, tuple(axes)),))
    program = share(transform(program, lambda e, swaps: stabilise(e.xreplace(swaps))))
    view = kernel_view("kernel", "", program, SPELLING, returns_tuple=False)
    names: dict[str, Any] = {"np": np, "along": _along, "fn": _functions}
    names |= {a: np.asarray(arrays[d.name]) for a, d in zip(view.arguments, inputs, strict=True)}
    with np.errstate(all="ignore"):
        exec("\n".join([*view.lines, f"result = {view.result}"]), names)
    sizes = {
        axis.extent: size
        for d in inputs
        for axis, size in zip(d.free, np.shape(arrays[d.name]), strict=True)
    }
    return np.broadcast_to(names["result"], [sizes[a.extent] for a in axes])


def graph_inputs(graph: Graph, arrays: Arrays) -> list[nodes.Input]:
    """The inputs of a graph that are given, whether a value reads them or not."""
    return [d for d, _ in graph._leaves if isinstance(d, nodes.Input) and d.name in arrays]
