"""A build, top to bottom: find what changed, compile it, cross-validate it, write it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from losscompiler.building.assembly import Assembly, Stage, assemble, without_keys
from losscompiler.building.changes import find_changes
from losscompiler.building.known import filled, known_of, told
from losscompiler.building.manifest import MANIFEST, Manifest, load
from losscompiler.building.outputs import Plan, digest_of, plan
from losscompiler.building.package import Compilation, CompiledFile, hold_back
from losscompiler.building.preview import difference, stale_files
from losscompiler.building.request import (
    FRAMEWORKS,
    BuildRequest,
    BuildResult,
    LossOutcome,
    installed,
)
from losscompiler.building.toolchain import Toolchain
from losscompiler.building.transaction import Unwritable, commit, interrupted, opened
from losscompiler.building.validation import record_of, validated, verify
from losscompiler.building.verified import load_record, save_record, unverified
from losscompiler.diagnostics import Diagnostic, fatal, framed, unique
from losscompiler.progress import Counter, Progress, silent
from losscompiler.public import all_names
from losscompiler.selection import duplicates, matches
from losscompiler.worker import run_files

__all__ = [
    "FRAMEWORKS",
    "BuildRequest",
    "BuildResult",
    "LossOutcome",
    "build",
    "installed",
    "verify",
]


def build(
    request: BuildRequest,
    tools: Toolchain | None = None,
    progress: Progress = silent,
) -> BuildResult:
    """Brings the output up to date with the specs, or tells what that would change.

    Nothing that the output depends on is trusted to be unchanged but what has the same hash, and
    no code to be right but what was cross-validated on this machine.
    """
    tools = tools or Toolchain()
    missing = tuple(target for target in request.require if not installed(target))
    if missing:
        return BuildResult(missing_framework=missing)
    try:
        if request.check or request.diff:
            return _preview(request, tools, progress)
        stage = _stage(request, tools)
        if not (stage.changes.any or interrupted(request.out)):
            return _result(request, stage, Compilation())
        with opened(request.out, tools.disk):
            return _build(request, tools, _stage(request, tools), progress)
    except Unwritable as problem:
        return BuildResult(diagnostics=(problem.diagnostic,))


def _stage(request: BuildRequest, tools: Toolchain, *, everything: bool = False) -> Stage:
    before = load(request.out / MANIFEST) or Manifest()
    compiler = tools.compiler()
    doubted: frozenset[str] = frozenset()
    if request.verify:
        present = [target for target in request.targets if installed(target)]
        doubted = unverified(before, load_record(request.out), present)
    changes = find_changes(
        request.specs,
        request.out,
        before,
        request.targets,
        request.selection,
        compiler,
        doubted,
        everything=everything or request.force,
    )
    return Stage(before, changes, request.targets, compiler)


def _build(
    request: BuildRequest, tools: Toolchain, stage: Stage, progress: Progress
) -> BuildResult:
    compilation = _without_clashes(stage, _compile(request, tools, stage, progress))
    assembly = assemble(stage, compilation.files, compilation.failed, tools.shared)
    reports: tuple[Any, ...] = ()
    checked: tuple[str, ...] = ()
    if request.verify:
        compilation, reports, checked = validated(
            request, tools, stage, compilation, assembly, progress
        )
        assembly = assemble(stage, compilation.files, compilation.failed, tools.shared)
    made, manifest = _plan(request, stage, assembly)
    writes = dict(sorted(made.writes.items(), key=lambda item: item[0].endswith("__init__.py")))
    if manifest.refused:  # without it, nothing written now would be known as ours
        return replace(
            _result(request, stage, compilation), diagnostics=(*manifest.refused.values(),)
        )
    if writes or made.removes or manifest.writes:
        commit(request.out, {**writes, **manifest.writes}, made.removes, tools.disk)
    if request.verify:
        save_record(request.out, record_of(request, stage, compilation, checked))
    found = (*compilation.diagnostics, *made.refused.values())
    return replace(
        _result(request, stage, replace(compilation, diagnostics=found)),
        written=(*sorted(writes), *manifest.writes),
        unchanged=(*made.unchanged, *sorted(assembly.kept), *manifest.unchanged),
        removed=made.removes,
        not_installed=tuple(target for target in request.targets if not installed(target)),
        reports=reports,
    )


def _compile(
    request: BuildRequest, tools: Toolchain, stage: Stage, progress: Progress
) -> Compilation:
    """Compiles the stale files, each in a process of its own, and keeps those selected.

    A build that verifies also analyses the losses of which it knows nothing yet.
    """
    analyses = request.verify and not (request.check or request.diff)
    changes, before = stage.changes, stage.before.losses
    outcomes = run_files(
        [changes.files[source] for source in changes.stale],
        request.specs.parent,
        request.specs,
        tools.compile.given(targets=request.targets, known=known_of(before, wanted=analyses)),
        request.jobs,
        request.spec_timeout,
        prepare=tools.prepare and tools.prepare.given(targets=request.targets),
        progress=Counter(progress, "Compiling", len(changes.stale)),
    )
    properties = told(before)
    files: dict[str, CompiledFile] = {}
    failed: list[str] = []
    found: list[Diagnostic] = []
    lost: list[Diagnostic] = []
    for source, outcome in zip(changes.stale, outcomes, strict=True):
        file = outcome.value or CompiledFile(diagnostics=_present(outcome.failure))
        file = filled(file, properties)
        names = [name for loss in file.losses for name in all_names(loss)]
        names += [found.loss for found in file.diagnostics if found.loss]
        if not any(matches(request.selection, name, source) for name in ("", *names)):
            lost += [d for d in file.diagnostics if not names and d.severity == "error"]
            continue
        found += file.diagnostics
        if file.losses or not fatal(file.diagnostics):
            files[source] = file
        else:
            failed.append(source)
    if not (files or failed or changes.current):  # what was asked for may be in what failed to load
        found = lost
    return Compilation(files, tuple(failed), tuple(found))


def _present(failure: Diagnostic | None) -> tuple[Diagnostic, ...]:
    return () if failure is None else (failure,)


def _without_clashes(stage: Stage, compilation: Compilation) -> Compilation:
    """Holds back files that declare a name which another file has, or has had until now."""
    replaced = {*compilation.files, *stage.changes.gone}
    standing = [loss for loss in stage.before.losses if loss["path"] not in replaced]
    new = [loss for file in compilation.files.values() for loss in file.losses]
    return hold_back(compilation, tuple(duplicates((*standing, *new))))


def _plan(request: BuildRequest, stage: Stage, assembly: Assembly) -> tuple[Plan, Plan]:
    """What to do to the files, and to the manifest, which records it."""
    out, before = request.out, stage.before
    files = plan(out, assembly.wanted, assembly.kept, before.files, force=request.force)
    manifest = without_keys(assembly.manifest, files.refused)
    manifest = replace(manifest, files=files.recorded)
    mine = {MANIFEST: digest_of(out / MANIFEST) or ""} if before != Manifest() else {}
    return files, plan(out, {MANIFEST: manifest.dump()}, (), mine, force=request.force)


def _preview(request: BuildRequest, tools: Toolchain, progress: Progress) -> BuildResult:
    """Compiles everything selected, whatever the manifest says, and compares; writes nothing."""
    stage = _stage(request, tools, everything=True)
    compilation = _without_clashes(stage, _compile(request, tools, stage, progress))
    assembly = assemble(stage, compilation.files, compilation.failed, tools.shared)
    made, manifest = _plan(replace(request, force=True), stage, assembly)
    differences = {**made.writes, **dict.fromkeys(made.removes), **manifest.writes}
    found = list(compilation.diagnostics)
    if request.check:
        known = None if request.selection else {*made.recorded, *made.removes}
        found += stale_files(request.out, differences, stage.before.files, request.targets, known)
    return replace(
        _result(request, stage, replace(compilation, diagnostics=tuple(found))),
        unchanged=(*made.unchanged, *sorted(assembly.kept), *manifest.unchanged),
        diff=difference(request.out, differences) if request.diff else "",
    )


def _result(request: BuildRequest, stage: Stage, compilation: Compilation) -> BuildResult:
    """What is told of the losses: those compiled now, those that failed, and those up to date."""
    losses = [
        LossOutcome(
            loss["name"], source, "built", file.seconds.get(loss["name"], 0.0), (*loss["exports"],)
        )
        for source, file in compilation.files.items()
        for loss in file.losses
    ]
    known = {(loss.name, loss.path) for loss in losses}
    failing = {(d.loss, d.path) for d in compilation.diagnostics if d.severity == "error"}
    held = {(loss["name"], loss["path"]) for file in compilation.held for loss in file.losses}
    losses += [
        LossOutcome(name, path, "failed" if (name, path) in failing else "held back")
        for name, path in sorted((n, p) for n, p in failing | held if n and p)
        if (name, path) not in known
    ]
    current = {*stage.changes.current}
    losses += [
        LossOutcome(loss["name"], loss["path"], "unchanged", 0.0, (*loss["exports"],))
        for loss in stage.before.losses
        if loss["path"] in current
    ]
    warnings = [w for source in current for w in stage.before.sources[source].warnings]
    if request.verify and not (request.check or request.diff):
        warnings += _recalled(request, stage, compilation)
    found = unique(framed(d, request.specs.parent) for d in (*compilation.diagnostics, *warnings))
    return BuildResult(
        diagnostics=found,
        losses=tuple(sorted(losses, key=lambda loss: (loss.path, loss.name))),
        unchanged=tuple(sorted(stage.before.files)),
        nothing_matched=not (losses or found or stage.changes.gone),
    )


def _recalled(
    request: BuildRequest, stage: Stage, compilation: Compilation
) -> Iterator[Diagnostic]:
    """What cross-validation said of code that has not changed since."""
    facts = [*stage.before.losses]
    facts += [loss for file in compilation.files.values() for loss in file.losses]
    lines = {(loss["path"], loss["name"]): loss["line"] for loss in facts}
    sources = {*stage.changes.current, *compilation.files}
    return load_record(request.out).recalled(sorted(sources), lines)
