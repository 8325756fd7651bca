"""`losscompiler list`: the losses of a project."""

from __future__ import annotations

from pathlib import Path

import click

from losscompiler.changes import spec_key
from losscompiler.commands import options
from losscompiler.commands.answer import Answer, table
from losscompiler.commands.run import Found, nothing, over_specs
from losscompiler.diagnostics import fatal
from losscompiler.manifest import MANIFEST, Source, load
from losscompiler.outputs import digest_of
from losscompiler.selection import find_specs, relative, selected

KEYS = ("name", "aliases", "former", "deprecated", "path", "line", "summary", "signature")


@click.command("list")
@options.selection
@click.option("--family", metavar="NAME", help="Only the losses of specs/NAME.py or specs/NAME/.")
@options.specs
@options.output
def command(selection: tuple[str, ...], family: str | None, specs: Path | None) -> Answer:
    """List the losses of the project."""
    project = options.find_project(specs=specs, selection=selection)
    found = _from_manifest(project) or _from_specs(project)
    losses = [loss for loss in found.losses if family in (None, _family(project, loss["path"]))]
    if not losses and not fatal(found.diagnostics):
        raise nothing(project)
    rows = [(loss["name"], loss["signature"], f"{loss['path']}:{loss['line']}") for loss in losses]
    return Answer(
        result={"losses": losses},
        text=table(rows) if rows else "",
        diagnostics=found.diagnostics,
        root=project.root,
    )


def _from_specs(project: options.Project) -> Found:
    from losscompiler.commands.tasks import list_file

    return over_specs(project, list_file, "Reading")


def _from_manifest(project: options.Project) -> Found | None:
    """What the last build found, if no spec has changed since: nothing slow is imported then."""
    config, root = project.config, project.root
    manifest = load(config.out / MANIFEST)
    if manifest is None:
        return None
    hashes = {relative(path, root): digest_of(path) for path in config.specs.rglob("*.py")}
    files = [relative(path, root) for path in find_specs(config.specs)]
    for file in files:
        source = manifest.sources.get(file, Source())
        if spec_key(file, source.imports, hashes) not in source.built.values():
            return None
    chosen = [
        {key: loss[key] for key in KEYS}
        for loss in manifest.losses
        if loss["path"] in files and selected(project.patterns, loss)
    ]
    return Found(tuple(chosen), (), len(files))


def _family(project: options.Project, path: str) -> str:
    """The file or top folder that a loss belongs to: `ranking` for specs/ranking.py."""
    inside = (project.root / path).relative_to(project.config.specs)
    return Path(inside.parts[0]).stem
