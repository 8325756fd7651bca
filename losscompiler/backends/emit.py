"""Prints a program as the statements of a kernel: one per definition, axes aligned on the way.

Array layout: every value has its batch axes first and its formal axes last, in order. Alignment
(`x[..., :, None]`, `x.mT`) is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import sympy as sp

from losscompiler.backends.layout import WIDTH
from losscompiler.backends.names import BASE_NAMES, HEAD_NAMES
from losscompiler.backends.printer import Printer, Text
from losscompiler.backends.spelling import Spelling
from losscompiler.backends.view import KernelView
from losscompiler.ir import nodes
from losscompiler.ir.nodes import Axis, Definition
from losscompiler.passes.program import Output, Program

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass
class Emitter:
    """The kernel being written."""

    program: Program
    spelling: Spelling
    scalars: frozenset[str]  # parameters without axes
    lines: list[str] = field(default_factory=list)
    names: dict[Definition, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    written: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.graph = self.program.graph
        self.taken |= self.spelling.reserved
        for definition in self.program.inputs:
            self.names[definition] = self.fresh(definition.name)
        floats = [d for d in self.program.inputs if d.dtype == "float"]
        self.like = self.names[next((d for d in floats if d.name not in self.scalars), floats[0])]

    def fresh(self, base: str) -> str:
        """A name that nothing else has."""
        name, number = base, 1
        while name in self.taken:
            number += 1
            name = f"{base}{number}" if base not in self.spelling.reserved else f"{base}_"
        self.taken.add(name)
        return name

    def assign(self, code: str, base: str) -> str:
        """Writes a statement, unless the same value already has a name."""
        if code not in self.written:
            self.written[code] = self.fresh(base)
            line = f"{self.written[code]} = {code}"
            assert len(line) + 4 <= WIDTH, line
            self.lines.append(line)
        return self.written[code]

    # ---- values --------------------------------------------------------------------------

    def value(self, e: sp.Basic, axes: Sequence[Axis]) -> str:
        """The printed value, broadcastable to the axes in this order."""
        return self._printer(tuple(axes)).code(e)

    def _printer(self, axes: tuple[Axis, ...]) -> Printer:
        return Printer(
            spelling=self.spelling,
            leaf=lambda s, integer: self.aligned(s, axes, integer),
            assign=lambda code, e: self.assign(code, _base(e)),
            like=self.like,
        )

    def aligned(self, leaf: sp.Symbol, axes: tuple[Axis, ...], integer: bool) -> Text:
        """A leaf, transposed and with new axes inserted so that it broadcasts over `axes`."""
        definition = self.graph.definition(leaf)
        if isinstance(definition, nodes.Extent):
            return Text(self.extent(definition.extent))
        have = list(self.graph.leaf_axes(leaf))
        code = self.name_of(definition)
        while len(set(have)) < len(have):
            code, have = self._diagonal(code, have)
        wanted = [a for a in axes if a in have]
        code = self._permuted(code, have, wanted)
        if not integer and self._is_integer(definition):
            code = self.spelling.cast(code, self.like)
        if self._is_scalar(definition) or wanted == list(axes):
            return Text(code, simple=code.isidentifier())
        subscript = ", ".join(["...", *(":" if a in wanted else "None" for a in axes)])
        return Text(f"{code}[{subscript}]")

    def _diagonal(self, code: str, have: list[Axis]) -> tuple[str, list[Axis]]:
        first, second = next(
            (k, m)
            for k, a in enumerate(have)
            for m, b in enumerate(have)
            if k < m and a == b
        )
        rank = len(have)
        kept = [a for k, a in enumerate(have) if k not in (first, second)]
        taken = self.assign(f"fn.diagonal({code}, {first - rank}, {second - rank})", "diagonal")
        return taken, [*kept, have[first]]

    def _permuted(self, code: str, have: Sequence[Axis], wanted: Sequence[Axis]) -> str:
        if list(have) == list(wanted):
            return code
        if list(have[:-2]) == list(wanted[:-2]):
            return self.spelling.swap_last_two(code)
        letter = dict(zip(have, LETTERS, strict=False))
        order = "".join(letter[a] for a in wanted)
        source = "".join(letter[a] for a in have)
        return self.assign(self.spelling.einsum(f"...{source}->...{order}", code), "turned")

    def _is_integer(self, definition: Definition) -> bool:
        if isinstance(definition, nodes.Positions):
            return True
        if isinstance(definition, nodes.Gather | nodes.Take | nodes.Shift):
            return self._is_integer(self.graph.definition(definition.body))
        return isinstance(definition, nodes.Input) and definition.dtype == "int"

    def _is_scalar(self, definition: Definition) -> bool:
        """Has no batch axes, nor any other."""
        if isinstance(definition, nodes.Input):
            return definition.name in self.scalars
        below = [self.graph.definition(s) for b in definition.bodies for s in self.graph.leaves(b)]
        return not definition.free and all(self._is_scalar(d) for d in below)

    def extent(self, name: str) -> str:
        array, axis = self._axis_of(name)
        return self.assign(f"fn.size({array}, {axis})", f"{name}_size")

    def _axis_of(self, extent: str) -> tuple[str, int]:
        """An argument that has the axis, and its number from the end."""
        for definition in self.program.inputs:
            for k, axis in enumerate(definition.free):
                if axis.extent == extent:
                    return self.names[definition], k - len(definition.free)
        raise AssertionError(f"no argument has the axis {extent}")

    # ---- definitions ---------------------------------------------------------------------

    def name_of(self, definition: Definition) -> str:
        """The variable that holds a definition; writes its statements on first use."""
        if definition not in self.names:
            code = WRITERS[type(definition)](self, definition)
            base = BASE_NAMES.get(type(definition), "")
            if isinstance(definition, nodes.Reduce):
                base = {"sum": "total", "max": "largest"}.get(definition.kind, "product")
            if isinstance(definition, nodes.Map):
                base = _base(definition.body)
            if isinstance(definition, nodes.Take):
                base = f"{self.name_of(self.graph.definition(definition.body))}_{definition.position}"
            if len(code) + len(base) + 12 > WIDTH:
                raise AssertionError(f"statement too long: {code}")
            self.names[definition] = self.assign(code, base)
        return self.names[definition]

    def layout(self, definition: Definition) -> tuple[Axis, ...]:
        """Where the bound axes stand among the free ones: as the widest leaf has them."""
        every = {*definition.free, *definition.bound}
        for body in definition.bodies:
            for leaf in self.graph.leaves(body):
                axes = self.graph.leaf_axes(leaf)
                free = tuple(a for a in axes if a in definition.free)
                if set(axes) == every and len(axes) == len(every) and free == definition.free:
                    return axes
        return (*definition.free, *definition.bound)

    def operand(self, e: sp.Basic, axes: Sequence[Axis]) -> str:
        """A value as an array with exactly these axes, short enough to be an argument."""
        code = self.value(e, axes)
        return code if code.isidentifier() or len(code) < 40 else self.assign(code, _base(e))


def _base(e: sp.Basic) -> str:
    return HEAD_NAMES.get(type(e), "t")


def _numbers(axes: Sequence[Axis], chosen: Sequence[Axis]) -> tuple[int, ...]:
    return tuple(axes.index(a) - len(axes) for a in sorted(chosen, key=list(axes).index))


def _map(emit: Emitter, node: nodes.Map) -> str:
    return emit.value(node.body, node.free)


def _reduce(emit: Emitter, node: nodes.Reduce) -> str:
    axes = emit.layout(node)
    code = emit.spelling.reductions[node.kind]
    return code(emit.operand(node.body, axes), _numbers(axes, node.over))


def _contract(emit: Emitter, node: nodes.Contract) -> str:
    operands = []
    for factor in node.factors:
        axes = emit.graph.axes(factor)
        axes = tuple(a for a in (*node.free, *node.over) if a in axes)
        operands.append((factor, axes))
    product = _matrix_product(emit, node, operands)
    if product is not None:
        return product
    letter = dict(zip((*node.free, *node.over), LETTERS, strict=False))
    sources = ["..." + "".join(letter[a] for a in axes) for _, axes in operands]
    target = "..." + "".join(letter[a] for a in node.free)
    arrays = [_named(emit, factor, axes) for factor, axes in operands]
    return emit.spelling.einsum(f"{','.join(sources)}->{target}", *arrays)


def _named(emit: Emitter, factor: sp.Basic, axes: Sequence[Axis]) -> str:
    code = emit.operand(factor, axes)
    return code if code.isidentifier() else emit.assign(code, _base(factor))


def _matrix_product(
    emit: Emitter, node: nodes.Contract, operands: list[tuple[sp.Basic, tuple[Axis, ...]]]
) -> str | None:
    """`a @ b` where rows come from one factor, columns from the other."""
    if len(operands) != 2 or len(node.over) != 1 or len(node.free) != 2:
        return None
    (inner,) = node.over
    row, column = node.free
    for (a, a_axes), (b, b_axes) in (operands, operands[::-1]):
        if set(a_axes) == {row, inner} and set(b_axes) == {column, inner}:
            return emit.spelling.matmul(
                _named(emit, a, (row, inner)), _named(emit, b, (inner, column))
            )
    return None


def _logsumexp(emit: Emitter, node: nodes.LogSumExp) -> str:
    axes = emit.layout(node)
    body = node.body if node.weight == 1 else node.body + sp.log(node.weight)
    numbers = _numbers(axes, node.over)
    axis = str(numbers[0]) if len(numbers) == 1 else str(numbers)
    where = f", where={emit.operand(node.where, axes)}" if node.where != sp.true else ""
    return f"fn.logsumexp({emit.operand(body, axes)}, {axis}{where})"


def _split(
    emit: Emitter, node: nodes.Gather | nodes.Scatter, along: Axis, free: Sequence[Axis]
) -> tuple[list[Axis], list[Axis], list[Axis]]:
    """Axes of the array that the index shares, those only the index has, and the array's rest."""
    index = emit.graph.axes(node.index)
    shared = [a for a in free if a in index]
    own = [a for a in index if a not in shared]
    trailing = [a for a in free if a not in index and a != along]
    return shared, own, trailing


def _gather(emit: Emitter, node: nodes.Gather) -> str:
    axes = emit.graph.leaf_axes(node.body)
    shared, own, trailing = _split(emit, node, node.along, axes)
    array = emit.operand(node.body, (*shared, node.along, *trailing))
    index = emit._printer((*shared, *own)).text(node.index, integer=True).code
    counts = f"{len(shared)}, {len(own)}, {len(trailing)}"
    code = f"fn.gather({array}, {index}, {counts})"
    result = (*shared, *own, *trailing)
    if result == node.free:
        return code
    return emit._permuted(emit.assign(code, "picked"), result, node.free)


def _scatter(emit: Emitter, node: nodes.Scatter) -> str:
    shared, own, trailing = _split(emit, node, node.onto, node.free)
    like = emit.operand(node.like, (*shared, node.onto, *trailing))
    body = emit.operand(node.body, (*shared, *own, *trailing))
    index = emit._printer((*shared, *own)).text(node.index, integer=True).code
    counts = f"{len(shared)}, {len(own)}, {len(trailing)}"
    code = f"fn.scatter({body}, {index}, {like}, {counts})"
    result = (*shared, node.onto, *trailing)
    if result == node.free:
        return code
    return emit._permuted(emit.assign(code, "spread"), result, node.free)


def _take(emit: Emitter, node: nodes.Take) -> str:
    axes = emit.graph.leaf_axes(node.body)
    leaf = emit.value(node.body, axes)
    subscript = ", ".join(
        ["...", *(str(node.position) if a == node.along else ":" for a in axes)]
    )
    result = tuple(a for a in axes if a != node.along)
    return emit._permuted(f"{leaf}[{subscript}]", result, node.free)


def _place(emit: Emitter, node: nodes.Place) -> str:
    rest = tuple(a for a in node.free if a != node.along)
    like = emit.operand(node.like, node.free)
    parts = [_named(emit, p, rest) for p in node.parts]
    axis = node.free.index(node.along) - len(node.free)
    listed = f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    return f"fn.place({listed}, {node.positions}, {like}, {axis})"


def _shift(emit: Emitter, node: nodes.Shift) -> str:
    axes = emit.graph.leaf_axes(node.body)
    axis = axes.index(node.along) - len(axes)
    code = f"fn.shift({emit.value(node.body, axes)}, {node.offset}, {axis})"
    return emit._permuted(code, axes, node.free)


def _positions(emit: Emitter, node: nodes.Positions) -> str:
    array, axis = emit._axis_of(node.free[0].extent)
    return f"fn.positions({array}, {axis})"


WRITERS = {
    nodes.Map: _map,
    nodes.Reduce: _reduce,
    nodes.Contract: _contract,
    nodes.LogSumExp: _logsumexp,
    nodes.Gather: _gather,
    nodes.Scatter: _scatter,
    nodes.Take: _take,
    nodes.Place: _place,
    nodes.Shift: _shift,
    nodes.Positions: _positions,
}


def kernel_view(
    name: str,
    summary: str,
    program: Program,
    spelling: Spelling,
    scalars: frozenset[str],
    *,
    returns_tuple: bool,
) -> KernelView:
    """The kernel of one program."""
    emit = Emitter(program, spelling, scalars)
    results = [_result(emit, output) for output in program.outputs]
    code = f"({', '.join(results)}{',' if len(results) == 1 else ''})"
    return KernelView(
        name=name,
        arguments=tuple(emit.names[d] for d in program.inputs),
        summary=summary,
        lines=tuple(emit.lines),
        result=code if returns_tuple else results[0],
        returns_tuple=returns_tuple,
    )


def _result(emit: Emitter, output: Output) -> str:
    if output.value == 0:
        return "0.0"
    code = emit.value(output.value, output.axes)
    return code if len(code) < WIDTH // 2 else emit.assign(code, "result")
