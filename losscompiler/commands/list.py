"""`losscompiler list`: the losses of a project."""

from __future__ import annotations

from pathlib import Path

import click

from losscompiler.commands import options
from losscompiler.commands.answer import Answer, table
from losscompiler.commands.run import over_specs


@click.command("list")
@options.selection
@click.option("--family", metavar="NAME", help="Only the losses of specs/NAME.py or specs/NAME/.")
@options.specs
@options.output
def command(selection: tuple[str, ...], family: str | None, specs: Path | None) -> Answer:
    """List the losses of the project."""
    from losscompiler.commands.tasks import list_file

    project = options.find_project(specs=specs, selection=selection)
    found = over_specs(project, list_file, "Reading")
    losses = [loss for loss in found.losses if family in (None, _family(project, loss["path"]))]
    rows = [(loss["name"], loss["signature"], f"{loss['path']}:{loss['line']}") for loss in losses]
    return Answer(
        result={"losses": losses},
        text=table(rows) if rows else "",
        diagnostics=found.diagnostics,
        root=project.root,
    )


def _family(project: options.Project, path: str) -> str:
    """The file or top folder that a loss belongs to: `ranking` for specs/ranking.py."""
    inside = (project.root / path).relative_to(project.config.specs)
    return Path(inside.parts[0]).stem
