"""The kernel being written: its variables, its statements, and how values are aligned.

Array layout: every value has its batch axes first and its formal axes last, in order. Alignment
(`x[..., :, None]`, `x.mT`) is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sympy as sp

from losscompiler.backends.layout import WIDTH
from losscompiler.backends.names import BASE_NAMES, HEAD_NAMES
from losscompiler.backends.printer import Printer, Text, number
from losscompiler.backends.spelling import Spelling
from losscompiler.ir import along, nodes
from losscompiler.ir.nodes import Axis, Definition
from losscompiler.ir.program import Program

Writers: TypeAlias = "Mapping[type[Definition], Callable[[Emitter, Any], str]]"


@dataclass
class Emitter:
    """The kernel being written; `writers` print one definition each, by its type.

    `scans` are the names of the results of recurrences; `indent` is that of the statements;
    `numbers` tells for each base the last number that a name of it got.
    """

    program: Program
    spelling: Spelling
    writers: Writers
    lines: list[str] = field(default_factory=list)
    names: dict[Definition, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    written: dict[str, str] = field(default_factory=dict)
    scans: dict[Definition, tuple[str, ...]] = field(default_factory=dict)
    indent: int = 4
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Names the arguments."""
        self.graph = self.program.graph
        self.taken |= self.spelling.reserved
        for definition in self.program.inputs:
            if definition not in self.names:
                self.names[definition] = self.fresh(definition.name)
        floats = [d for d in self.program.inputs if d.dtype == "float"]
        self.like = self.names[
            next((d for d in floats if d.name not in self.graph.scalars), floats[0])
        ]

    def fresh(self, base: str) -> str:
        """A name that nothing else has."""
        number = self.numbers.get(base, 1)
        name = base if number == 1 else f"{base}{number}"
        while name in self.taken:
            number += 1
            name = f"{base}{number}" if base not in self.spelling.reserved else f"{base}_"
        self.numbers[base] = number
        self.taken.add(name)
        return name

    def assign(self, code: str, base: str) -> str:
        """Writes a statement, unless the same value already has a name."""
        if code not in self.written:
            self.written[code] = self.fresh(base)
            line = f"{self.written[code]} = {code}"
            assert len(line) + self.indent <= WIDTH, line
            self.lines.append(line)
        return self.written[code]

    def write(self, lines: Sequence[str]) -> None:
        """Writes a statement of several lines, which are indented already."""
        self.lines.append("\n".join(line[self.indent :] for line in lines))

    # ---- values --------------------------------------------------------------------------

    def value(self, e: sp.Basic, axes: Sequence[Axis]) -> str:
        """The printed value, broadcastable to the axes in this order."""
        return self.printer(tuple(axes)).code(e)

    def whole(self, leaf: sp.Symbol, axes: Sequence[Axis]) -> str:
        """A leaf of which entries are picked: labels stay integers."""
        return self.printer(tuple(axes)).text(leaf, integer=True).code

    def printer(self, axes: tuple[Axis, ...]) -> Printer:
        """Prints values over these axes."""
        return Printer(
            spelling=self.spelling,
            leaf=lambda s, integer: self.aligned(s, axes, integer),
            assign=lambda code, e: self.assign(code, base_name(e)),
            like=self.like,
            is_size=self._is_size,
            holds_integers=lambda e: all(
                self._is_integer(self.graph.definition(s)) for s in self.graph.leaves(e)
            ),
        )

    def aligned(self, leaf: sp.Symbol, axes: tuple[Axis, ...], integer: bool) -> Text:
        """A leaf, transposed and with new axes inserted so that it broadcasts over `axes`."""
        definition = self.graph.definition(leaf)
        if isinstance(definition, nodes.Extent):
            return Text(self.extent(definition.extent), simple=True)
        have = list(self.graph.leaf_axes(leaf))
        code = self.name_of(definition)
        while len(set(have)) < len(have):
            code, have = self._diagonal(code, have)
        wanted = [a for a in axes if a in have]
        code = self.permuted(code, have, wanted)
        if not integer and self._is_integer(definition):
            code = self.spelling.cast(code, self.like)
        if self.graph.is_scalar(leaf) or wanted == list(axes):
            return Text(code, simple=all(map(str.isidentifier, code.split("."))))
        subscript = ", ".join(["...", *(":" if a in wanted else "None" for a in axes)])
        return Text(f"{code}[{subscript}]")

    def _diagonal(self, code: str, have: list[Axis]) -> tuple[str, list[Axis]]:
        first, second = next(
            (k, m) for k, a in enumerate(have) for m, b in enumerate(have) if k < m and a == b
        )
        rank = len(have)
        kept = [a for k, a in enumerate(have) if k not in (first, second)]
        taken = self.assign(f"fn.diagonal({code}, {first - rank}, {second - rank})", "diagonal")
        return taken, [*kept, have[first]]

    def permuted(self, code: str, have: Sequence[Axis], wanted: Sequence[Axis]) -> str:
        """An array with its axes in another order."""
        if list(have) == list(wanted):
            return code
        if list(have[:-2]) == list(wanted[:-2]):
            return self.spelling.swap_last_two(code)
        rank = len(have)
        moved = [(have.index(a), k) for k, a in enumerate(wanted) if have[k] != a]
        now, then = (tuple(k - rank for k in places) for places in zip(*moved, strict=True))
        return self.assign(self.spelling.moveaxis(code, now, then), "turned")

    def _is_integer(self, definition: Definition) -> bool:
        if isinstance(definition, nodes.Positions | along.Order):
            return True
        if isinstance(definition, nodes.Gather | nodes.Take | nodes.Shift):
            return self._is_integer(self.graph.definition(definition.body))
        if isinstance(definition, nodes.Input | nodes.Local):
            return definition.dtype == "int"
        return False

    def _is_size(self, e: sp.Basic) -> bool:
        """Is computed from the sizes of axes alone, and so is a Python number."""
        definitions = [self.graph.definition(s) for s in self.graph.leaves(e)]
        return bool(definitions) and all(isinstance(d, nodes.Extent) for d in definitions)

    def extent(self, name: str) -> str:
        """The size of an axis."""
        definition, axis = self.axis_of(name)
        array = self.names[definition]
        like = self.like if self._is_integer(definition) else array
        return self.assign(self.spelling.size(array, axis, like), f"{name}_size")

    def axis_of(self, extent: str) -> tuple[Definition, int]:
        """An argument that has the axis, and its number from the end."""
        for definition in self.program.inputs:
            for k, axis in enumerate(definition.free):
                if axis.extent == extent:
                    return definition, k - len(definition.free)
        raise AssertionError(f"no argument has the axis {extent}")

    # ---- definitions ---------------------------------------------------------------------

    def name_of(self, definition: Definition) -> str:
        """The variable that holds a definition; writes its statements on first use."""
        if definition not in self.names:
            code = self.writers[type(definition)](self, definition)
            base = BASE_NAMES.get(type(definition), "")
            if isinstance(definition, nodes.Reduce):
                base = {"sum": "total", "max": "largest", "norm": "length"}.get(
                    definition.kind, "product"
                )
            if isinstance(definition, along.Order) and definition.inverse:
                base = "rank"
            if isinstance(definition, nodes.Map):
                base = base_name(definition.body)
            if isinstance(definition, nodes.Take):
                whole = self.name_of(self.graph.definition(definition.body))
                base = f"{whole}_{definition.position}"
            if len(code) + len(base) + 8 + self.indent > WIDTH:
                raise AssertionError(f"statement too long: {code}")
            self.names[definition] = code if code.isidentifier() else self.assign(code, base)
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

    def operands(
        self, *values: tuple[sp.Basic, Sequence[Axis]], room: int = WIDTH // 2
    ) -> list[str]:
        """Several arguments of one call: the longest get names until they fit a line together."""
        printed = [self.operand(e, axes) for e, axes in values]
        while sum(map(len, printed)) > room:
            longest = max(range(len(printed)), key=lambda k: len(printed[k]))
            if printed[longest].isidentifier():
                break
            printed[longest] = self.assign(printed[longest], base_name(values[longest][0]))
        return printed

    def operand(self, e: sp.Basic, axes: Sequence[Axis]) -> str:
        """A value as an array with exactly these axes, short enough to be an argument."""
        code = self.value(e, axes)
        return code if code.isidentifier() or len(code) < 40 else self.assign(code, base_name(e))

    def array(self, e: sp.Basic, axes: Sequence[Axis]) -> str:
        """The name of a value as an array with exactly these axes; labels stay integers."""
        whole = isinstance(e, sp.Symbol) and bool(e.is_integer)
        code = self.whole(e, axes) if whole else self.operand(e, axes)
        return code if code.isidentifier() else self.assign(code, base_name(e))

    def number(self, e: sp.Expr) -> str:
        """A constant as an array without axes."""
        return self.spelling.full(number(e, decimal=True).code, self.like)


def base_name(e: sp.Basic) -> str:
    """What a variable that holds a value is called."""
    return HEAD_NAMES.get(type(e), "t")
