"""A compiled program to be read: a line per definition, with its axes, then the results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import sympy as sp
from sympy.printing.str import StrPrinter

from losscompiler.ir import along, nodes
from losscompiler.ir.nodes import Axis, Definition
from losscompiler.ir.program import Program

Labels: TypeAlias = Mapping[Axis, str]
Entry: TypeAlias = dict[str, Any]


def text(program: Program, results: Sequence[str] = ()) -> str:
    """The inputs, a line per definition, each after those it reads, and the results by name.

    An axis is called as in the spec; a second one of the same size gets a prime: `batch'`.
    """
    told = data(program, results)
    lines = [f"input {_indexed(i['name'], i['axes'])}: {i['dtype']}" for i in told["inputs"]]
    computed = (*told["definitions"], *told["outputs"])
    lines += [f"{_indexed(d['name'], d['axes'])} = {d['value']}" for d in computed]
    return "\n".join(lines)


def data(program: Program, results: Sequence[str] = ()) -> dict[str, list[Entry]]:
    """The same as plain data, under `inputs`, `definitions` and `outputs`."""
    shown = _Shown(program)
    called = results or [f"result{n}" for n in range(len(program.outputs))]
    return {
        "inputs": [
            {"name": i.name, "axes": _values(_labels(i.free)), "dtype": i.dtype}
            for i in program.inputs
        ],
        "definitions": [
            {"name": name, "axes": _values(_labels(d.free)), "value": shown.definition(d)}
            for d, name in shown.names.items()
            if not isinstance(d, nodes.Input | nodes.Local)
        ],
        "outputs": [
            {
                "name": name,
                "axes": _values(_labels(o.axes)),
                "value": shown.value(o.value, _labels(o.axes)),
            }
            for name, o in zip(called, program.outputs, strict=True)
        ],
    }


def _values(labels: Labels) -> list[str]:
    return list(labels.values())


def _indexed(name: str, axes: Iterable[str]) -> str:
    inside = ", ".join(axes)
    return f"{name}[{inside}]" if inside else name


def _labels(axes: Iterable[Axis]) -> dict[Axis, str]:
    """A name for every axis: that of its size, with primes where it is not the first."""
    found: dict[Axis, str] = {}
    for axis in axes:
        label = axis.extent
        while label in found.values():
            label += "'"
        found[axis] = label
    return found


class _Shown:
    """The names of definitions, and what is printed for them."""

    def __init__(self, program: Program) -> None:
        self.graph = program.graph
        self.names: dict[Definition, str] = {}
        taken = {i.name for i in program.inputs}
        numbers = (f"t{n}" for n in range(10**9))
        for definition in self.graph.topological([o.value for o in program.outputs]):
            if isinstance(definition, nodes.Input):
                self.names[definition] = definition.name
            elif not isinstance(definition, nodes.Positions | nodes.Extent | nodes.Carried):
                self.names[definition] = next(n for n in numbers if n not in taken)

    def definition(self, definition: Definition) -> str:
        """What a definition computes, in terms of its own axes."""
        labels = _labels((*definition.free, *definition.bound))
        return SHOWN[type(definition)](self, definition, labels)

    def value(self, value: sp.Basic, labels: Labels) -> str:
        """An expression whose leaves are printed by name, with their axes."""
        return str(_Printer(lambda leaf: self.leaf(leaf, labels)).doprint(value))

    def leaf(self, leaf: sp.Symbol, labels: Labels) -> str:
        """The name of a definition with the axes through which it is seen."""
        definition, axes = self.graph.definition(leaf), self.graph.leaf_axes(leaf)
        if isinstance(definition, nodes.Extent):
            return f"size({definition.extent})"
        seen = [labels[a] for a in axes]
        if isinstance(definition, nodes.Positions):
            return f"position({seen[0]})"
        if isinstance(definition, nodes.Carried):
            scan = self.names[self.graph.definition(definition.body)]
            return _indexed(f"{scan}.{definition.which}", seen)
        return _indexed(self.names[definition], seen)


class _Printer(StrPrinter):
    """SymPy's printer, with leaves as the graph knows them."""

    def __init__(self, leaf: Callable[[sp.Symbol], str]) -> None:
        super().__init__({"order": "none"})
        self._leaf = leaf

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return self._leaf(expr)


# ---- one line per kind of node --------------------------------------------------------------


def _over(axes: Iterable[Axis], labels: Labels) -> str:
    return ", ".join(labels[a] for a in axes)


def _reduce(s: _Shown, d: Any, labels: Labels) -> str:
    return f"{d.kind} over {_over(d.over, labels)}: {s.value(d.body, labels)}"


def _contract(s: _Shown, d: Any, labels: Labels) -> str:
    factors = " @ ".join(f"({s.value(f, labels)})" for f in d.factors)
    return f"sum over {_over(d.over, labels)}: {factors}"


def _logsumexp(s: _Shown, d: Any, labels: Labels) -> str:
    weight = "" if d.weight == 1 else f", weights {s.value(d.weight, labels)}"
    where = "" if d.where == sp.true else f", where {s.value(d.where, labels)}"
    return f"logsumexp over {_over(d.over, labels)}: {s.value(d.body, labels)}{weight}{where}"


def _gather(s: _Shown, d: Any, labels: Labels) -> str:
    return f"{s.value(d.body, labels)} at {labels[d.along]} = {s.value(d.index, labels)}"


def _take(s: _Shown, d: Any, labels: Labels) -> str:
    return f"{s.value(d.body, labels)} at {labels[d.along]} = {d.position}"


def _scatter(s: _Shown, d: Any, labels: Labels) -> str:
    over = f"sum over {_over(d.over, labels)}: " if d.over else ""
    at = f"at {labels[d.onto]} = {s.value(d.index, labels)}, else 0"
    return f"{over}{s.value(d.body, labels)} {at}"


def _place(s: _Shown, d: Any, labels: Labels) -> str:
    parts = "; ".join(
        f"{s.value(part, labels)} at {labels[d.along]} = {position}"
        for position, part in zip(d.positions, d.parts, strict=True)
    )
    return f"{parts}; else 0"


def _shift(s: _Shown, d: Any, labels: Labels) -> str:
    return f"{s.value(d.body, labels)} at {labels[d.along]} {d.offset:+d}, 0 outside"


def _unit(s: _Shown, d: Any, labels: Labels) -> str:
    return f"{s.value(d.body, labels)} / {s.value(d.length, labels)} along {_over(d.over, labels)}"


def _order(s: _Shown, d: Any, labels: Labels) -> str:
    kind = "rank" if d.inverse else "order"
    return f"{kind} along {labels[d.along]}: {s.value(d.body, labels)}"


def _tie_mean(s: _Shown, d: Any, labels: Labels) -> str:
    body, keys = s.value(d.body, labels), s.value(d.keys, labels)
    return f"mean over ties along {labels[d.along]} of {keys}: {body}"


def _cumulate(s: _Shown, d: Any, labels: Labels) -> str:
    back = " from the end" if d.reverse else ""
    scale = ""
    if (d.log_in, d.log_out) != (0, 0):
        scale = f", times exp({s.value(d.log_in, labels)} before - {s.value(d.log_out, labels)})"
    return f"cumulated sum along {labels[d.along]}{back}: {s.value(d.body, labels)}{scale}"


def _log_cumulate(s: _Shown, d: Any, labels: Labels) -> str:
    back = " from the end" if d.reverse else ""
    return f"cumulated logsumexp along {labels[d.along]}{back}: {s.value(d.body, labels)}"


def _correlate(s: _Shown, d: Any, labels: Labels) -> str:
    taps = ", ".join(s.value(tap, labels) for tap in d.taps)
    return f"({taps}) along {labels[d.along]} {d.first:+d}...: {s.value(d.body, labels)}"


def _scan(s: _Shown, d: Any, labels: Labels) -> str:
    within = {**labels, **_labels(d.inner)}
    carries = "; ".join(
        f"{s.leaf(c, labels)} from {s.value(init, labels)} to {s.value(step, labels)}"
        for c, init, step in zip(d.carries, d.inits, d.steps, strict=True)
    )
    items = (
        f"{s.leaf(i, within)} of {s.value(x, {**within, d.along: labels[d.along]})}"
        for i, x in zip(d.items, d.xs, strict=True)
    )
    backwards = ", backwards" if d.reverse else ""
    return "; ".join((f"scan over {labels[d.along]}{backwards}: {carries}", *items))


def _map(s: _Shown, d: Any, labels: Labels) -> str:
    return s.value(d.body, labels)


SHOWN: dict[type[Definition], Callable[[_Shown, Any, Labels], str]] = {
    nodes.Reduce: _reduce,
    nodes.Contract: _contract,
    nodes.LogSumExp: _logsumexp,
    nodes.Gather: _gather,
    nodes.Take: _take,
    nodes.Scatter: _scatter,
    nodes.Place: _place,
    nodes.Shift: _shift,
    nodes.Unit: _unit,
    along.Order: _order,
    along.TieMean: _tie_mean,
    along.Correlate: _correlate,
    along.Cumulate: _cumulate,
    along.LogCumulate: _log_cumulate,
    nodes.Scan: _scan,
    nodes.Map: _map,
}
