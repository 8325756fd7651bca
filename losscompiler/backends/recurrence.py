"""How a recurrence is printed: its step as a function inside the kernel, and the call that runs it.

The step gets the former carries and those items that change from position to position, without the
axis of the recurrence. Items that do not change are variables of the kernel around it.
"""

from __future__ import annotations

from dataclasses import replace

from losscompiler.backends.emitter import Emitter
from losscompiler.backends.layout import WIDTH, Part, block, call, row
from losscompiler.ir import nodes
from losscompiler.ir.nodes import Axis


def carried(emit: Emitter, node: nodes.Carried) -> str:
    """The array of one carry at all positions."""
    graph = emit.graph
    scan, axes = graph.definition(node.body), graph.leaf_axes(node.body)
    assert isinstance(scan, nodes.Scan)
    if scan not in emit.scans:
        emit.scans[scan] = _run(emit, scan)
    actual = dict(zip(scan.free, axes, strict=True))
    own = (scan.along, *graph.leaf_axes(scan.carries[node.which]))
    return emit.permuted(emit.scans[scan][node.which], [actual[a] for a in own], node.free)


def _run(emit: Emitter, scan: nodes.Scan) -> tuple[str, ...]:
    """Writes the step and the call; the names of the results."""
    graph = emit.graph
    names: dict[nodes.Definition, str] = {}
    changing: list[str] = []
    arrays: list[str] = []
    numbers: list[str] = []
    for item, x in zip(scan.items, scan.xs, strict=True):
        axes = graph.leaf_axes(item)
        changes = scan.along in graph.axes(x)
        array = emit.array(x, (scan.along, *axes) if changes else axes)
        names[graph.definition(item)] = array
        if changes:
            local = names[graph.definition(item)] = emit.fresh("current")
            changing.append(local)
            arrays.append(array)
            numbers.append(str(-1 - len(axes)))
    if not arrays:
        definition, axis = emit.axis_of(scan.along.extent)
        positions = f"fn.positions({emit.names[definition]}, {axis})"
        arrays, numbers = [emit.assign(positions, "position")], ["-1"]
    inits: list[Part] = [
        emit.number(init) if init.is_number else emit.array(init, graph.leaf_axes(carry))
        for carry, init in zip(scan.carries, scan.inits, strict=True)
    ]
    shapes = [_sizes(emit, graph.leaf_axes(carry)) for carry in scan.carries]
    step = _step(emit, scan, names, changing)
    results = tuple(emit.fresh("carried") for _ in scan.carries)
    options = ["reverse=True"] if scan.reverse else []
    run = call("fn.scan", step, row(*inits), row(*shapes), row(*arrays), row(*numbers), *options)
    emit.write(block(run, emit.indent, prefix=f"{_tuple(results)} = "))
    return results


def _sizes(emit: Emitter, axes: tuple[Axis, ...]) -> str:
    sizes = [emit.extent(axis.extent) for axis in axes]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _tuple(names: tuple[str, ...] | list[str]) -> str:
    return f"({names[0]},)" if len(names) == 1 else ", ".join(names)


def _unpacked(names: list[str], source: str, indent: int) -> tuple[str, ...]:
    line = f"{' ' * indent}{_tuple(names)} = {source}"
    return (line,) if len(line) <= WIDTH else block(row(*names), indent, suffix=f" = {source}")


def _step(
    emit: Emitter, scan: nodes.Scan, names: dict[nodes.Definition, str], changing: list[str]
) -> str:
    """Writes the function of the step; its name."""
    graph = emit.graph
    for definition in graph.topological(scan.steps):
        if isinstance(definition, nodes.Extent):
            emit.extent(definition.extent)
    name, carries, items = map(emit.fresh, ("step", "carries", "items"))
    former = {graph.definition(c): emit.fresh("former") for c in scan.carries}
    inner = replace(
        emit, lines=[], names={**emit.names, **names, **former}, written=dict(emit.written),
        scans=dict(emit.scans), indent=emit.indent + 4,
    )  # fmt: skip
    inner.write(_unpacked(list(former.values()), carries, inner.indent))
    if changing:
        inner.write(_unpacked(changing, items, inner.indent))
    results = [
        inner.number(value) if value.is_number else inner.operand(value, graph.leaf_axes(carry))
        for carry, value in zip(scan.carries, scan.steps, strict=True)
    ]
    arrays = "tuple[Array, ...]"
    head = f"def {name}({carries}: {arrays}, {items}: {arrays}) -> {arrays}:"
    returned = [line[inner.indent :] for line in block(row(*results), inner.indent, "return ")]
    body = [line for text in (*inner.lines, *returned) for line in text.splitlines()]
    indented = (f"    {line}" if line else "" for line in body)
    emit.lines.append("\n".join(["", head, *indented, "", ""]))
    return name
