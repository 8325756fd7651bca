"""`losscompiler list`: the losses of a project."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import click

from losscompiler.building.changes import spec_key
from losscompiler.building.manifest import MANIFEST, Source, load
from losscompiler.building.outputs import digest_of
from losscompiler.commands import catalogue, options, traits
from losscompiler.commands.answer import Answer, failure
from losscompiler.commands.run import Found, nothing, over_specs
from losscompiler.diagnostics import fatal
from losscompiler.public import all_names
from losscompiler.selection import find_specs, relative, selected
from losscompiler.suggest import did_you_mean

KEYS = ("name", "aliases", "former", "deprecated", "path", "line", "summary", "signature")
Losses = list[dict[str, Any]]


@click.command("list")
@options.selection
@click.option(
    "--family", metavar="NAME", help="Only losses of specs/NAME.py or of files in specs/NAME/."
)
@click.option("--structure", metavar="NAME", help="Only elementwise, pairwise, ... losses.")
@click.option("--search", metavar="TEXT", help="Only losses with TEXT in a name or the summary.")
@click.option("--families", is_flag=True, help="Count the losses of each family.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "properties"]),
    default="text",
    help="A table for the terminal, or a page; `properties` is one of what is proved.",
)
@options.specs
@options.output
def command(
    selection: tuple[str, ...],
    family: str | None,
    structure: str | None,
    search: str | None,
    families: bool,
    form: str,
    specs: Path | None,
) -> Answer:
    """List the losses of the project, by family."""
    project = options.find_project(specs=specs, selection=selection)
    wants_structure = structure is not None or form == "properties"
    found = _from_manifest(project)
    if found and form == "properties" and any(loss["properties"] is None for loss in found.losses):
        found = None  # the last build analysed nothing
    found = found or _from_specs(project, compiled=wants_structure)
    losses: Losses = [{**loss, "family": _family(project, loss["path"])} for loss in found.losses]
    losses.sort(key=lambda loss: loss["family"])
    if not fatal(found.diagnostics):
        losses = _of(losses, "family", family, _lies_in)
        losses = _of(losses, "structure", structure, str.__eq__)
        losses = _searched(losses, search)
        if not losses:
            raise nothing(project)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    shown: Callable[[Losses], str] = {
        "text": catalogue.counts if families else partial(catalogue.listing, width=width),
        "markdown": catalogue.page,
        "properties": traits.page,
    }[form]
    return Answer(
        result={"losses": losses, "families": dict(Counter(loss["family"] for loss in losses))},
        text=shown(losses) if losses else "",
        diagnostics=found.diagnostics,
        root=project.root,
    )


def _of(losses: Losses, key: str, wanted: str | None, covers: Callable[[str, str], bool]) -> Losses:
    """The losses with something; it is an error if there is nothing of that name."""
    if wanted is None:
        return losses
    kept = [loss for loss in losses if covers(loss[key], wanted)]
    if not kept:
        raise _unknown(key, wanted, {loss[key] for loss in losses})
    return kept


def _unknown(what: str, wanted: str, known: Iterable[str]) -> Exception:
    known = sorted(known)
    there_are = f"there are {', '.join(known)}" if known else ""
    help_ = did_you_mean(wanted, known, there_are)
    return failure("LC606", f"there is no {what} `{wanted}` among these losses", help_)


def _lies_in(family: str, wanted: str) -> bool:
    return family == wanted or family.startswith(f"{wanted.rstrip('/')}/")


def _searched(losses: Losses, text: str | None) -> Losses:
    """The losses with a text in one of their names or in their summary."""
    if text is None:
        return losses
    wanted = text.lower()
    kept = [
        loss
        for loss in losses
        if any(wanted in said.lower() for said in (*all_names(loss), loss["summary"]))
    ]
    if not kept:
        names = (name for loss in losses for name in all_names(loss))
        help_ = did_you_mean(text, names, "`losscompiler list` shows all losses")
        raise failure("LC606", f"no name or summary of a loss holds `{text}`", help_)
    return kept


def _from_specs(project: options.Project, *, compiled: bool) -> Found:
    from losscompiler.commands.tasks import check_file, list_file

    return over_specs(project, check_file if compiled else list_file, "Reading")


def _from_manifest(project: options.Project) -> Found | None:
    """What the last build found, if no spec has changed since: nothing slow is imported then.

    A selection that matches nothing is left to those who can tell why.
    """
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
        {key: loss[key] for key in (*KEYS, "structure", "properties")}
        for loss in manifest.losses
        if loss["path"] in files and selected(project.patterns, loss)
    ]
    return Found(tuple(chosen), (), len(files)) if chosen else None


def _family(project: options.Project, path: str) -> str:
    """Where a loss belongs: `vision/box` for specs/vision/box.py."""
    inside = (project.root / path).relative_to(project.config.specs)
    return inside.with_suffix("").as_posix()
