"""`losscompiler build`: from specs to checked code."""

from __future__ import annotations

import time
from pathlib import Path

import click

from losscompiler.commands import options
from losscompiler.commands.answer import Answer
from losscompiler.commands.built import answer_of, request_of
from losscompiler.commands.progress import shown


@click.command("build")
@options.selection
@options.specs
@options.out
@options.targets
@click.option("--check", is_flag=True, help="Write nothing; fail if the code is not up to date.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@options.jobs
@click.option("--no-verify", is_flag=True, help="Write code without cross-validating it.")
@click.option("--force", is_flag=True, help="Rebuild everything; overwrite files edited by hand.")
@options.findings
@options.output
def command(
    selection: tuple[str, ...],
    specs: Path | None,
    out: Path | None,
    targets: tuple[str, ...],
    check: bool,
    diff: bool,
    jobs: int | None,
    no_verify: bool,
    force: bool,
    strict: bool,
    output_format: str,
) -> Answer:
    """Compile the specs that changed, cross-validate them and write the code.

    SELECTION names losses, globs over their names, or spec files and folders; all by default.
    """
    from losscompiler.build import build

    started = time.perf_counter()
    project = options.find_project(
        specs=specs, out=out, selection=selection, targets=targets, jobs=jobs
    )
    request = request_of(
        project, check=check, diff=diff, verify=not no_verify, force=force, strict=strict
    )
    with shown() as progress:
        result = build(request, progress=progress)
    seconds = time.perf_counter() - started
    return answer_of(result, project, request, seconds, brief=output_format == "concise")
