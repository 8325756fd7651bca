"""What `build` and `verify` ask for, and how what they did is told."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from losscompiler.build import BuildRequest, BuildResult, LossOutcome
from losscompiler.commands.answer import Answer, count, table, tally
from losscompiler.commands.options import Project
from losscompiler.commands.run import nothing
from losscompiler.diagnostics import Diagnostic


def request_of(project: Project, **choices: Any) -> BuildRequest:
    """The project's configuration and the choices of a call as one request."""
    config = project.config
    return BuildRequest(
        specs=config.specs,
        out=config.out,
        selection=project.patterns,
        targets=config.targets,
        jobs=config.jobs,
        spec_timeout=config.spec_timeout,
        **choices,
    )


def answer_of(
    result: BuildResult,
    project: Project,
    request: BuildRequest,
    seconds: float,
    *,
    brief: bool,
) -> Answer:
    """The outcome of a build as data and as text.

    Raises:
        Failure: If nothing is selected.
    """
    if result.nothing_matched:
        raise nothing(project)
    found = (*result.diagnostics, *map(_missing, result.missing_framework))
    losses = [_loss(loss) for loss in result.losses]
    files = {
        "written": list(result.written),
        "unchanged": list(result.unchanged),
        "removed": list(result.removed),
    }
    text = result.diff or _told(result.losses, seconds_matter=not request.check)
    return Answer(
        result={"losses": losses, **files, "diff": result.diff, "reports": _rows(result.reports)},
        text=text,
        summary=_summary(result, found, seconds, writes=not (request.check or request.diff)),
        diagnostics=found,
        findings_are_result=True,
        brief=brief,
        strict=request.strict,
        root=project.root,
    )


def verification_of(
    result: BuildResult, project: Project, request: BuildRequest, seconds: float, *, brief: bool
) -> Answer:
    """The outcome of cross-validation alone: every measured error.

    Raises:
        Failure: If nothing is selected.
    """
    if result.nothing_matched:
        raise nothing(project)
    found = (*result.diagnostics, *map(_missing, result.missing_framework))
    losses = [_loss(loss) for loss in result.losses]
    return Answer(
        result={
            "losses": losses,
            "not_installed": list(result.not_installed),
            "reports": _rows(result.reports),
        },
        text=_tables(result),
        summary=f"Verified {count(len(losses), 'loss', 'losses')} in {seconds:.1f}s: "
        f"{tally(found)}.",
        diagnostics=found,
        findings_are_result=True,
        brief=brief,
        strict=request.strict,
        root=project.root,
    )


def _missing(framework: str) -> Diagnostic:
    return Diagnostic(
        "LC402",
        f"`{framework}` is required, and is not installed",
        help=f"pip install 'losscompiler[{framework}]'",
    )


def _loss(loss: LossOutcome) -> dict[str, Any]:
    return {**asdict(loss), "seconds": round(loss.seconds, 3), "targets": list(loss.targets)}


def _told(losses: Iterable[LossOutcome], *, seconds_matter: bool) -> str:
    """A line for every loss that something was done for."""
    rows = [
        (
            loss.name,
            " ".join(loss.targets) if loss.status == "built" else loss.status,
            f"{loss.seconds:.2f}s" if seconds_matter and loss.seconds else "",
        )
        for loss in losses
        if loss.status != "unchanged"
    ]
    return table(rows) if rows else ""


def _rows(reports: Sequence[Any]) -> list[dict[str, Any]]:
    if not reports:  # and so nothing slow to import
        return []
    from losscompiler.crosscheck.report import rows

    return rows(reports)


def _tables(result: BuildResult) -> str:
    if not result.reports:
        return ""
    from rich.console import Console

    from losscompiler.crosscheck.report import table

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    text = io.StringIO()
    width = None if sys.stdout.isatty() else 120  # a pipe has no width to wrap at
    console = Console(file=text, force_terminal=colour, width=width, highlight=False)
    console.print(table(result.reports, result.not_installed))
    return text.getvalue()


def _summary(
    result: BuildResult, found: Iterable[Diagnostic], seconds: float, *, writes: bool
) -> str:
    done = count(len(result.losses), "loss", "losses")
    if not writes:
        return f"Compared {done} in {seconds:.1f}s: {tally(found)}."
    written = count(len(result.written), "file", "files")
    changed = f"{written} written, {len(result.unchanged)} unchanged"
    checked = "".join(f"; {told}" for told in _checked(result))
    return (
        f"{done}: {changed}, {len(result.removed)} removed in {seconds:.1f}s{checked}; "
        f"{tally(found)}."
    )


def _checked(result: BuildResult) -> Iterator[str]:
    """Where new code was cross-validated, and where it could not be."""
    backends = dict.fromkeys(report.backend for report in result.reports)
    if backends:
        yield f"cross-validated in {', '.join(backends)}"
        if result.not_installed:
            yield f"not installed: {', '.join(result.not_installed)}"
