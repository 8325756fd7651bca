"""`[tool.losscompiler]` of the nearest pyproject.toml: read, checked, with paths resolved."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losscompiler.diagnostics import Diagnostic
from losscompiler.suggest import did_you_mean

TARGETS = ("numpy", "torch", "tensorflow", "jax", "boosting")


@dataclass(frozen=True)
class Config:
    """The settings of a project; `root` is the folder of its pyproject.toml."""

    root: Path
    specs: Path
    out: Path
    targets: tuple[str, ...] = TARGETS
    spec_timeout: float = 60.0
    jobs: int = 0


class ConfigError(Exception):
    """A configuration that cannot be used, with everything that is wrong with it."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """Keeps the findings."""
        super().__init__(diagnostics[0].message)
        self.diagnostics = diagnostics


def _folder(value: Any) -> str:
    return "" if isinstance(value, str) and value else "the path of a folder, in quotes"


def _targets(value: Any) -> str:
    known = ", ".join(f'"{target}"' for target in TARGETS)
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        return f"a list of names, of {known}"
    unknown = [target for target in value if target not in TARGETS]
    return f"names of {known}, and `{unknown[0]}` is none of them" if unknown else ""


def _seconds(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "" if number and value > 0 else "a number of seconds above 0"


def _jobs(value: Any) -> str:
    number = isinstance(value, int) and not isinstance(value, bool)
    return "" if number and value >= 0 else "a whole number: 0 for one job per core"


KEYS: dict[str, Callable[[Any], str]] = {
    "specs": _folder,
    "out": _folder,
    "targets": _targets,
    "spec-timeout": _seconds,
    "jobs": _jobs,
}
"""What each key must be, said if its value is not; nothing if it is."""


def load_config(start: Path) -> Config:
    """The configuration that holds in a folder; the defaults if there is none above it.

    Raises:
        ConfigError: If the section has an unknown key or a value of the wrong kind.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            text, section = _read(file)
            if section is not None:
                return _checked(file, text, section)
    return Config(root=start, specs=start / "specs", out=start / "generated")


def _read(file: Path) -> tuple[str, Any]:
    text = ""
    try:
        text = file.read_text(encoding="utf-8")
        return text, tomllib.loads(text).get("tool", {}).get("losscompiler")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = (int(place[1]), int(place[2])) if place else (None, None)
        said = re.sub(r" \(at .*\)$", "", str(error))
        raise ConfigError(
            (_finding("LC601", f"not valid TOML: {said}", text, line, column),)
        ) from None


def _checked(file: Path, text: str, section: Any) -> Config:
    if not isinstance(section, dict):
        raise ConfigError((_finding("LC603", "[tool.losscompiler] must be a table", text, None),))
    found = [d for key, value in section.items() for d in _check(key, value, text)]
    if found:
        raise ConfigError(tuple(found))
    return Config(
        root=file.parent,
        specs=file.parent / section.get("specs", "specs"),
        out=file.parent / section.get("out", "generated"),
        targets=tuple(t for t in TARGETS if t in section.get("targets", TARGETS)),
        spec_timeout=float(section.get("spec-timeout", 60)),
        jobs=section.get("jobs", 0),
    )


def _check(key: str, value: Any, text: str) -> list[Diagnostic]:
    line = _line_of(key, text)
    if key not in KEYS:
        remedy = did_you_mean(key.replace("_", "-"), KEYS, f"the keys are {', '.join(KEYS)}")
        return [
            _finding("LC602", f"unknown key `{key}` in [tool.losscompiler]", text, line, 1, remedy)
        ]
    wanted = KEYS[key](value)
    if not wanted:
        return []
    return [_finding("LC603", f"`{key}` must be {wanted}", text, line, 1)]


def _line_of(key: str, text: str) -> int | None:
    """The line of a key in our section, however the section and the key are spelt."""
    name = rf"[\"']?{re.escape(key)}[\"']?"
    dotted = re.compile(rf"\s*\[?\s*(tool\.)?losscompiler\.{name}\s*[\]=.]")
    own = re.compile(rf"\s*{name}\s*[=.]")
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if dotted.match(line) or (inside and own.match(line)):
            return number
        if re.match(r"\s*\[", line):
            inside = re.match(r"\s*\[\s*tool\s*\.\s*\"?losscompiler\"?\s*\]", line) is not None
    return None


def _finding(
    code: str,
    message: str,
    text: str,
    line: int | None,
    column: int | None = None,
    help: str = "",
) -> Diagnostic:
    frame = text.splitlines()[line - 1] if line and line <= len(text.splitlines()) else ""
    return Diagnostic(
        code, message, path="pyproject.toml", line=line, column=column, help=help, frame=frame
    )
