"""`losscompiler show`: a loss's formula, or what the compiler made of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from losscompiler.commands import options
from losscompiler.commands.answer import Answer
from losscompiler.commands.run import over_specs


@click.command("show")
@click.argument("selection", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--stage",
    type=click.Choice(["spec", "value", "gradient", "hessian", "graph"]),
    default="spec",
    help="What to show: the formula, compiled kernels, or all of them.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "latex", "json"]),
    default="text",
    help="LaTeX is for --stage spec; json is --json.",
)
@options.specs
@options.output
def command(selection: tuple[str, ...], stage: str, form: str, specs: Path | None) -> Answer:
    """Print a loss's formula, or what the compiler made of it."""
    from losscompiler.commands.tasks import show_file

    if form == "latex" and stage != "spec":
        raise click.UsageError("--format latex shows the formula: use it with --stage spec")
    project = options.find_project(specs=specs, selection=selection)
    task = partial(show_file, patterns=project.patterns, stage=stage, form=form)
    found = over_specs(project, task, "Reading")
    losses = [{**loss, "stage": stage, "format": form} for loss in found.losses]
    return Answer(
        result={"losses": losses},
        text="\n\n".join(loss["text"] for loss in losses),
        diagnostics=found.diagnostics,
        root=project.root,
        as_json=form == "json",
    )
