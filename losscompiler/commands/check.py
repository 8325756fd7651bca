"""`losscompiler check`: mistakes and facts, no output files."""

from __future__ import annotations

from pathlib import Path

import click

from losscompiler.commands import options
from losscompiler.commands.answer import Answer, count, table, tally
from losscompiler.commands.run import over_specs
from losscompiler.wording import brief


@click.command("check")
@options.selection
@options.specs
@options.jobs
@options.findings
@options.output
def command(
    selection: tuple[str, ...],
    specs: Path | None,
    jobs: int | None,
    strict: bool,
    output_format: str,
) -> Answer:
    """Report mistakes in specs and facts about losses; write nothing.

    SELECTION names losses, globs over their names, or spec files and folders; all by default.
    """
    from losscompiler.commands.tasks import check_file

    project = options.find_project(specs=specs, selection=selection, jobs=jobs)
    found = over_specs(project, check_file, "Checking")
    rows = [
        (
            loss["name"],
            loss["signature"],
            loss["structure"],
            brief(loss["properties"]),
            f"{loss['path']}:{loss['line']}",
        )
        for loss in found.losses
    ]
    checked = f"{count(len(rows), 'loss', 'losses')} in {count(found.files, 'file')}"
    return Answer(
        result={"losses": list(found.losses)},
        text=table(rows) if rows else "",
        summary=f"Checked {checked}: {tally(found.diagnostics)}.",
        diagnostics=found.diagnostics,
        findings_are_result=True,
        brief=output_format == "concise",
        strict=strict,
        root=project.root,
    )
