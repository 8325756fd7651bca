"""`losscompiler new`: a spec file from a template."""

from __future__ import annotations

import keyword
from pathlib import Path

import click

from losscompiler.commands import options
from losscompiler.commands.answer import Answer, failure
from losscompiler.commands.kinds import KINDS, spec_text
from losscompiler.selection import relative


@click.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), default="regression", show_default=True)
@options.specs
@options.output
def command(name: str, kind: str, specs: Path | None) -> Answer:
    """Start a spec file, NAME.py, with a loss NAME to be changed; never overwrites."""
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise failure(
            "LC605", f"`{name}` cannot be the name of a loss", "use letters, digits and underscores"
        )
    project = options.find_project(specs=specs)
    file = project.config.specs / f"{name}.py"
    shown = relative(file, project.root)
    try:
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(spec_text(kind, name))
    except FileExistsError:
        raise failure("LC605", f"{shown} is already there", "choose another name") from None
    return Answer({"created": [shown]}, f"Created {shown}: edit it, then `losscompiler check`")
