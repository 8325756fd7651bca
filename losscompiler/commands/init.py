"""`losscompiler init`: what a project needs, added to what is there."""

from __future__ import annotations

from pathlib import Path

import click

from losscompiler.commands import options
from losscompiler.commands.answer import Answer, Failure
from losscompiler.commands.kinds import spec_text
from losscompiler.config import ConfigError, load_config

SECTION = """[tool.losscompiler]
specs = "specs"
out = "generated"
targets = ["numpy", "torch", "tensorflow", "jax", "boosting"]
"""
ATTRIBUTES = "generated/** linguist-generated=true\n"


@click.command("init")
@options.output
def command() -> Answer:
    """Start a project in the current folder; changes nothing that is there."""
    here = Path.cwd()
    try:
        config = load_config(here)
    except ConfigError as error:
        raise Failure(*error.diagnostics) from None
    created: list[str] = []
    if config.root != here or not _has_section(here):
        created += _append(here / "pyproject.toml", SECTION, blank_line=True)
        config = load_config(here)
    if not config.specs.is_dir() or not any(config.specs.rglob("*.py")):
        config.specs.mkdir(parents=True, exist_ok=True)
        example = config.specs / "example.py"
        example.write_text(spec_text("regression", "huber"), encoding="utf-8")
        created.append(example.relative_to(here).as_posix())
    created += _append(here / ".gitattributes", ATTRIBUTES, blank_line=False)
    told = "\n".join(f"Created {name}" for name in created) or "Nothing to do"
    return Answer({"created": created}, f"{told}\nNext: losscompiler build")


def _has_section(here: Path) -> bool:
    file = here / "pyproject.toml"
    return file.is_file() and "tool.losscompiler" in file.read_text(encoding="utf-8")


def _append(file: Path, text: str, *, blank_line: bool) -> list[str]:
    """Adds text at the end of a file if it is not in it; returns what was changed."""
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    if text.strip() in before:
        return []
    gap = "" if not before else "\n" * (not before.endswith("\n")) + "\n" * blank_line
    file.write_text(before + gap + text, encoding="utf-8")
    return [file.name]
