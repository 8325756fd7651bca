"""Runs a task over the selected spec files, and keeps what the selection asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from losscompiler.building.changes import candidates
from losscompiler.building.manifest import MANIFEST, Manifest, load
from losscompiler.commands.answer import failure
from losscompiler.commands.options import Project
from losscompiler.commands.progress import shown
from losscompiler.diagnostics import Diagnostic, framed, unique
from losscompiler.progress import Counter
from losscompiler.public import all_names
from losscompiler.selection import duplicates, matches, relative, selected
from losscompiler.suggest import did_you_mean


@dataclass(frozen=True)
class Found:
    """The selected losses, as the task told them, and the findings that concern them."""

    losses: tuple[dict[str, Any], ...]
    diagnostics: tuple[Diagnostic, ...]
    files: int


def over_specs(
    project: Project, task: Callable[..., Any], doing: str, work_limit: float | None = None
) -> Found:
    """Runs the task on every file that may hold a selected loss, each in a process of its own.

    `work_limit` is how many seconds a task may take for one file, loading it aside.

    Raises:
        Failure: If nothing is selected.
    """
    from losscompiler.worker import WORK_LIMIT, run_files

    config, root, patterns = project.config, project.root, project.patterns
    manifest = load(config.out / MANIFEST) or Manifest()
    files = candidates(config.specs, manifest, patterns)
    losses: list[dict[str, Any]] = []
    found: list[Diagnostic] = []
    elsewhere: list[Diagnostic] = []
    with shown() as progress:
        step = Counter(progress, doing, len(files))
        outcomes = run_files(
            files, root, config.specs, task, config.jobs, config.spec_timeout, progress=step,
            work_limit=work_limit or WORK_LIMIT,
        )  # fmt: skip
    declared: list[dict[str, Any]] = []
    for outcome in outcomes:
        path = relative(outcome.path, root)
        value = outcome.value or {"losses": [], "diagnostics": [outcome.failure]}
        chosen = [loss for loss in value["losses"] if selected(patterns, loss)]
        declared += value["losses"]
        losses += chosen
        for diagnostic in value["diagnostics"]:
            about = _concerns(diagnostic, patterns, path, bool(chosen))
            (found if about else elsewhere).append(diagnostic)
    found += [d for d in duplicates(declared) if matches(patterns, d.loss or "", d.path or "")]
    if not losses and not found:  # a file that does not load may well hold what was asked for
        found = [d for d in elsewhere if d.loss is None and d.severity == "error"]
    if not losses and not found:
        names = [name for loss in (*declared, *manifest.losses) for name in all_names(loss)]
        raise nothing(project, names)
    kept = unique(framed(diagnostic, root) for diagnostic in found)
    return Found(tuple(losses), kept, len(files))


def _concerns(diagnostic: Diagnostic, patterns: tuple[str, ...], path: str, chosen: bool) -> bool:
    """Whether a finding of a file is about the selection: about it all, or about a loss in it."""
    if not patterns:
        return True
    if diagnostic.loss is not None and diagnostic.path == path:
        return matches(patterns, diagnostic.loss, path)
    return chosen or matches(patterns, "", path)


def nothing(project: Project, names: Iterable[str] = ()) -> Exception:
    """The failure that says that no loss is selected; `names` are those that could be."""
    if not project.patterns:
        return failure(
            "LC606",
            f"there is no spec in `{project.config.specs.name}`",
            "`losscompiler new NAME` starts one",
        )
    wanted = ", ".join(f"`{pattern}`" for pattern in project.patterns)
    otherwise = "a selection is a name, a glob in quotes, or a path"
    remedy = did_you_mean(project.patterns[0], names, otherwise)
    return failure("LC606", f"no loss matches {wanted}", f"{remedy}; `losscompiler list` shows all")
