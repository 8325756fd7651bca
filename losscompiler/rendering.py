"""Findings as text: the full format with a source frame, and one line each.

Text is made of (text, style) spans; only the command line turns styles into colours.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator

from losscompiler.diagnostics import Diagnostic

Span = tuple[str, str]
Where = Callable[[str], str]
STYLES = {
    "error": "bold red",
    "warning": "bold yellow",
    "note": "bold blue",
    "gutter": "blue",
    "help": "bold cyan",
    "plain": "",
}


def plain(spans: Iterable[Span]) -> str:
    """The text without its styles."""
    return "".join(text for text, _ in spans)


def _same(path: str) -> str:
    return path


def place(diagnostic: Diagnostic, where: Where = _same) -> str:
    """`path:line:column`, as far as they are known."""
    known = [where(diagnostic.path)] if diagnostic.path else []
    if diagnostic.path and diagnostic.line:
        known.append(str(diagnostic.line))
        known += [str(diagnostic.column)] if diagnostic.column else []
    return ":".join(known)


def concise(diagnostic: Diagnostic, where: Where = _same) -> Iterator[Span]:
    """`path:line:column: CODE message`, which editors and terminals make a link of."""
    at = place(diagnostic, where)
    yield f"{at}: " if at else "", "plain"
    yield from _headline(diagnostic)


def _headline(diagnostic: Diagnostic) -> Iterator[Span]:
    yield diagnostic.code, diagnostic.severity
    if diagnostic.severity != "error":
        yield f" [{diagnostic.severity}]", "plain"
    yield f" {diagnostic.message}\n", "plain"


def full(diagnostic: Diagnostic, where: Where = _same) -> Iterator[Span]:
    """The message, its place, the source with the fault underlined, and the remedy."""
    yield from _headline(diagnostic)
    margin = " " * len(str((diagnostic.line or 0) + diagnostic.frame.count("\n")))
    at = place(diagnostic, where)
    if at:
        yield f"{margin}--> ", "gutter"
        yield f"{at}\n", "plain"
    if diagnostic.frame and diagnostic.line:
        yield from _source(diagnostic, margin)
    if diagnostic.help:
        first, *rest = diagnostic.help.splitlines()
        yield f"{margin} = ", "gutter"
        yield "help: ", "help"
        yield f"{first}\n", "plain"
        for line in rest:
            yield f"{margin}         {line}\n", "plain"
    yield "\n", "plain"


def _source(diagnostic: Diagnostic, margin: str) -> Iterator[Span]:
    yield f"{margin} |\n", "gutter"
    first = diagnostic.line or 1
    for offset, text in enumerate(diagnostic.frame.splitlines()):
        yield f"{first + offset:>{len(margin)}} | ", "gutter"
        yield f"{text}\n", "plain"
        if offset == 0 and diagnostic.column:
            yield f"{margin} | ", "gutter"
            yield f"{_underline(diagnostic, text)}\n", diagnostic.severity
    yield f"{margin} |\n", "gutter"


def _underline(diagnostic: Diagnostic, text: str) -> str:
    start = (diagnostic.column or 1) - 1
    one_line = diagnostic.end_line in (None, diagnostic.line)
    end = diagnostic.end_column - 1 if one_line and diagnostic.end_column else len(text.rstrip())
    lead = "".join("\t" if char == "\t" else " " * _width(char) for char in text[:start])
    return lead + "^" * max(1, sum(_width(char) for char in text[start:end]))


def _width(char: str) -> int:
    """The number of terminal columns: Chinese, Japanese and Korean characters take two."""
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
