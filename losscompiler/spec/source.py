"""A spec file as text: its lines, its syntax tree, and places in it."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType

FRAME_LINES = 4


@dataclass(frozen=True)
class Place:
    """A range of a spec file in the units of `Diagnostic`: lines and characters from 1."""

    path: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    frame: str = ""


@dataclass
class Source:
    """A spec file that is being loaded; `shown` is its path in messages."""

    path: Path
    shown: str
    content: bytes = b""
    tree: ast.Module = field(default_factory=lambda: ast.Module([], []))

    @cached_property
    def lines(self) -> list[str]:
        """The text, as Python decodes it; nothing if it cannot."""
        try:
            return importlib.util.decode_source(self.content).split("\n")
        except (SyntaxError, UnicodeDecodeError):
            return []

    def place(
        self,
        line: int,
        end_line: int | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> Place:
        """From what Python reports: lines from 1, columns in UTF-8 bytes from 0."""
        last = end_line or line
        shown = self.lines[line - 1 : min(last, line + FRAME_LINES - 1)]
        return Place(
            path=self.shown,
            line=line,
            column=self._character(line, start),
            end_line=last,
            end_column=self._character(last, end),
            frame="\n".join(shown),
        )

    def _character(self, line: int, offset: int | None) -> int | None:
        if offset is None or not 0 < line <= len(self.lines):
            return None
        return len(self.lines[line - 1].encode()[:offset].decode(errors="ignore")) + 1

    def of_node(self, node: ast.stmt | ast.expr | ast.arg) -> Place:
        """The range of a syntax node."""
        return self.place(node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)

    def of_loss(self, decorator_line: int, about: str) -> Place | None:
        """The part of a loss's declaration that a mistake is about; its name by default."""
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.FunctionDef) or not node.decorator_list:
                continue
            if node.decorator_list[0].lineno == decorator_line:
                return self._of_part(node, about)
        return None

    def _of_part(self, node: ast.FunctionDef, about: str) -> Place:
        arguments = node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            if argument.arg == about:
                return self.of_node(argument)
        returned = [part for part in ast.walk(node) if isinstance(part, ast.Return) and part.value]
        if about == "return" and returned:
            return self.of_node(returned[-1])
        name = node.col_offset + len("def ")
        return self.place(node.lineno, node.lineno, name, name + len(node.name.encode()))

    def of_syntax_error(self, error: SyntaxError) -> Place:
        """Where the parser stopped; its columns are characters from 1 already."""
        line = min(error.lineno or 1, max(1, len(self.lines)))
        end_line = error.end_lineno or line
        frame = "\n".join(self.lines[line - 1 : line])
        column = error.offset if error.offset and error.offset > 0 else None
        end = error.end_offset or 0
        if column and end <= column and end_line == line:
            end = column + 1
        return Place(self.shown, line, column, end_line, end or None, frame)


def last_place(trace: TracebackType | None, sources: dict[str, Source]) -> Place | None:
    """The innermost line of a spec file that a traceback passes through."""
    found: Place | None = None
    while trace is not None:
        code = trace.tb_frame.f_code
        source = sources.get(code.co_filename)
        if source:
            positions = list(code.co_positions())[trace.tb_lasti // 2]
            line, end_line, start, end = positions
            found = source.place(line or trace.tb_lineno, end_line, start, end)
        trace = trace.tb_next
    return found
