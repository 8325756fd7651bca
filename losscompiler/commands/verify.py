"""`losscompiler verify`: does the generated code compute what the specs say?"""

from __future__ import annotations

import time
from pathlib import Path

import click

from losscompiler.build import verify
from losscompiler.commands import options
from losscompiler.commands.answer import Answer
from losscompiler.commands.built import request_of, verification_of
from losscompiler.commands.progress import shown


@click.command("verify")
@options.selection
@options.specs
@options.out
@options.targets
@click.option(
    "--require",
    "require",
    metavar="NAME",
    multiple=True,
    help="A framework that must be installed, or several with commas.",
)
@options.jobs
@options.findings
@options.output
def command(
    selection: tuple[str, ...],
    specs: Path | None,
    out: Path | None,
    targets: tuple[str, ...],
    require: tuple[str, ...],
    jobs: int | None,
    strict: bool,
    output_format: str,
) -> Answer:
    """Cross-validate the generated code against arbitrary precision.

    SELECTION names losses, globs over their names, or spec files and folders; all by default.
    Frameworks that are not installed are left out, unless --require names them.
    """
    started = time.perf_counter()
    needed = options.known_targets(require)
    project = options.find_project(
        specs=specs, out=out, selection=selection, targets=targets, jobs=jobs
    )
    request = request_of(project, require=needed, strict=strict)
    with shown() as progress:
        result = verify(request, progress=progress)
    seconds = time.perf_counter() - started
    return verification_of(result, project, request, seconds, brief=output_format == "concise")
