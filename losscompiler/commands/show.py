"""`losscompiler show`: what a loss is, its formula, or what the compiler made of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from losscompiler.building.manifest import MANIFEST, Manifest, load
from losscompiler.building.package import module_path
from losscompiler.commands import options
from losscompiler.commands.answer import Answer, table
from losscompiler.commands.run import over_specs
from losscompiler.selection import relative

LAYOUT = ("heading", "rows")
"""What `losscompiler.commands.sheet` gives for people."""


@click.command("show")
@click.argument("selection", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--stage",
    type=click.Choice(["spec", "value", "gradient", "hessian", "graph"]),
    help="The formula alone, compiled kernels, or all of them.",
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
def command(selection: tuple[str, ...], stage: str | None, form: str, specs: Path | None) -> Answer:
    """Print what a loss is for, what it takes, and its formula; or what the compiler made of it."""
    from losscompiler.commands.tasks import show_file

    if form == "latex" and stage not in (None, "spec"):
        raise click.UsageError("--format latex shows the formula: use it with --stage spec")
    project = options.find_project(specs=specs, selection=selection)
    task = partial(show_file, patterns=project.patterns, stage=stage or "spec", form=form)
    found = over_specs(project, task, "Reading")
    manifest = load(project.config.out / MANIFEST) or Manifest()
    losses = [
        {**loss, "stage": stage or "spec", "format": form, "files": _files(project, manifest, loss)}
        for loss in found.losses
    ]
    shown = _whole if stage is None and form == "text" else _text
    return Answer(
        result={"losses": [{k: v for k, v in loss.items() if k not in LAYOUT} for loss in losses]},
        text="\n\n".join(map(shown, losses)),
        diagnostics=found.diagnostics,
        root=project.root,
        as_json=form == "json",
    )


def _text(loss: dict[str, Any]) -> str:
    return str(loss["text"])


def _whole(loss: dict[str, Any]) -> str:
    """What the loss is, where its code is, and its formula."""
    code = [("generated" if n == 0 else "", file) for n, file in enumerate(loss["files"])]
    return f"{loss['heading']}\n\n{table([*loss['rows'], *code])}\n\n{loss['text']}"


def _files(project: options.Project, manifest: Manifest, loss: dict[str, Any]) -> list[str]:
    """The modules that hold the code of a loss, from the project's folder."""
    paths = (
        module_path(target, known["path"])
        for known in manifest.losses
        if known["name"] == loss["name"] and known["path"] == loss["path"]
        for target in known["exports"]
    )
    return [relative(project.config.out / path, project.root) for path in paths]
