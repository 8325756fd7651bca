"""Problems in a user's spec or call, as data: a code, a place, a reason and a remedy.

Library code raises `SpecError` (or collects `Diagnostic`s); only the command line prints and exits.
`losscompiler.rules` explains every code, `losscompiler.rendering` turns findings into text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Diagnostic:
    """One finding: what is wrong, where, and what to do about it.

    `line` and `column` count characters from 1; `end_column` is exclusive. `path` is relative to
    the project root, with forward slashes. `frame` is the source text of the lines in question, so
    that a finding can be shown after the file has changed. `severity` is "error", "warning", or
    "note" for what is as it should be.
    """

    code: str
    message: str
    severity: str = "error"
    path: str | None = None
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    help: str = ""
    loss: str | None = None
    frame: str = ""

    def to_json(self) -> dict[str, Any]:
        """The finding as plain data, with the keys of the fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Diagnostic:
        """The inverse of `to_json`."""
        return cls(**data)


class SpecError(Exception):
    """A mistake in a spec, raised where it is noticed; the loader adds the place.

    `about` names the input of the loss that the mistake is in, or is "return" for its formula:
    the loader then points there, where the traceback alone would point at the decorator.
    """

    def __init__(self, code: str, message: str, *, help: str = "", about: str = "") -> None:
        """Keeps the parts apart, for the loader to make a `Diagnostic` of."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help
        self.about = about

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets the error cross a process boundary: keyword-only parts do not by themselves."""
        return _restore, (type(self), self.code, self.message, self.help, self.about)


def _restore(cls: type[SpecError], code: str, message: str, help: str, about: str) -> SpecError:
    return cls(code, message, help=help, about=about)


def unique(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The findings without repetitions, sorted by place.

    One mistake in a shared helper is found once for every loss that uses it, and once for every
    file that imports it.
    """
    found: dict[Diagnostic, Diagnostic] = {}
    for diagnostic in diagnostics:
        found.setdefault(replace(diagnostic, loss=None), diagnostic)
    return tuple(sorted(found.values(), key=_place))


def _place(diagnostic: Diagnostic) -> tuple[str, int, int, str]:
    return (
        diagnostic.path or "",
        diagnostic.line or 0,
        diagnostic.column or 0,
        diagnostic.code,
    )


def fatal(diagnostics: Iterable[Diagnostic], *, strict: bool = False) -> bool:
    """Whether the findings fail a command: errors do, warnings only where `strict`, notes never."""
    failing = ("error", "warning") if strict else ("error",)
    return any(diagnostic.severity in failing for diagnostic in diagnostics)


def framed(diagnostic: Diagnostic, root: Path) -> Diagnostic:
    """The finding with its source line, read from the file if it has none yet."""
    if diagnostic.frame or not diagnostic.path or not diagnostic.line:
        return diagnostic
    try:
        lines = (root / diagnostic.path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return diagnostic
    return replace(diagnostic, frame="".join(lines[diagnostic.line - 1 : diagnostic.line]))
