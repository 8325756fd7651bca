"""What a command found out, how it is printed, and the exit status it means."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from losscompiler.diagnostics import Diagnostic, fatal
from losscompiler.rendering import STYLES, Span, concise, full

SCHEMA = 1
FINDINGS, USAGE, NOTHING, MISSING = 1, 2, 3, 4
STATUS = {"LC402": MISSING, "LC606": NOTHING, "LC6": USAGE, "LC9": USAGE}
"""The exit status of an error by its code or family; that of all others is FINDINGS."""


@dataclass(frozen=True)
class Answer:
    """The outcome of a command.

    `result` is the data for --json, `text` the same for people. `summary` goes to standard error.
    `findings_are_result` says that diagnostics are what was asked for, and belong on standard
    output; `brief` shows each on one line. Paths of diagnostics count from `root`.
    """

    result: Any = None
    text: str = ""
    summary: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    findings_are_result: bool = False
    brief: bool = False
    strict: bool = False
    as_json: bool = False
    root: Path | None = None

    @property
    def status(self) -> int:
        """The exit status: the worst of the findings'."""
        failing = {_status(d) for d in self.diagnostics if fatal([d], strict=self.strict)}
        return next((s for s in (USAGE, FINDINGS, MISSING, NOTHING) if s in failing), 0)


def _status(diagnostic: Diagnostic) -> int:
    return STATUS.get(diagnostic.code, STATUS.get(diagnostic.code[:3], FINDINGS))


class Failure(Exception):
    """A command cannot go on; its answer says why."""

    def __init__(self, *diagnostics: Diagnostic, root: Path | None = None) -> None:
        """Takes the findings that say why."""
        super().__init__(diagnostics[0].message)
        self.answer = Answer(diagnostics=diagnostics, root=root)


def failure(code: str, message: str, help: str = "") -> Failure:
    """A failure without a place in a file."""
    return Failure(Diagnostic(code, message, help=help))


INTERNAL = "LC900"
REPORT_IT = "please report it, with what --traceback shows"


def emit(answer: Answer, command: str, *, as_json: bool, traceback: bool) -> int:
    """Prints an answer; returns its exit status. Our own tracebacks are shown on request only."""
    if not traceback:
        found = tuple(
            replace(d, help=REPORT_IT) if d.code == INTERNAL else d for d in answer.diagnostics
        )
        answer = replace(answer, diagnostics=found)
    if as_json or answer.as_json:
        _emit_json(answer, command)
    else:
        _emit_text(answer)
    return answer.status


def _emit_json(answer: Answer, command: str) -> None:
    import json

    envelope = {
        "schema": SCHEMA,
        "command": command,
        "ok": answer.status == 0,
        "diagnostics": [diagnostic.to_json() for diagnostic in answer.diagnostics],
        "result": answer.result,
    }
    sys.stdout.write(json.dumps(envelope, indent=2, ensure_ascii=False) + "\n")


def _emit_text(answer: Answer) -> None:
    form = concise if answer.brief else full
    for diagnostic in answer.diagnostics:
        if diagnostic.severity == "note":  # counted in the summary, told by --json
            continue
        asked_for = answer.findings_are_result and _status(diagnostic) == FINDINGS
        shown = form(diagnostic, lambda path: from_here(path, answer.root))
        write(sys.stdout if asked_for else sys.stderr, shown)
    if answer.text:
        sys.stdout.write(answer.text.rstrip("\n") + "\n")
    if answer.summary:
        sys.stdout.flush()
        sys.stderr.write(answer.summary.rstrip("\n") + "\n")


def from_here(path: str, root: Path | None) -> str:
    """A path of the project as it is reached from the current folder."""
    if root is None:
        return path
    try:
        return (root / path).relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(root / path)


def write(stream: IO[str], spans: Iterable[Span]) -> None:
    """Writes spans in colour where the stream is a terminal and NO_COLOR does not forbid it."""
    wanted = stream.isatty() or os.environ.get("FORCE_COLOR")
    if not wanted or os.environ.get("NO_COLOR"):
        stream.write("".join(text for text, _ in spans))
        return
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble(*((text, STYLES[style]) for text, style in spans))
    Console(file=stream, soft_wrap=True).print(line, end="", highlight=False)


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: `1 loss`, `2 losses`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def tally(diagnostics: Iterable[Diagnostic]) -> str:
    """`1 error, 2 warnings`, or `no mistakes found`; notes are no mistakes."""
    severities = [diagnostic.severity for diagnostic in diagnostics]
    told = [
        count(severities.count(severity), severity)
        for severity in ("error", "warning", "note")
        if severity in severities
    ]
    if not {"error", "warning"} & {*severities}:
        told.insert(0, "no mistakes found")
    return ", ".join(told)


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows as left-aligned columns, two spaces apart."""
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
