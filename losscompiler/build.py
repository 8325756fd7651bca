"""A build, top to bottom: find what changed, compile it, cross-validate it, write it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from losscompiler.assembly import Assembly, Stage, assemble, without_keys
from losscompiler.changes import Changes, find_changes
from losscompiler.config import TARGETS
from losscompiler.diagnostics import Diagnostic, fatal, framed, unique
from losscompiler.manifest import MANIFEST, Manifest, load
from losscompiler.outputs import Plan, digest, digest_of, plan
from losscompiler.package import CompiledFile, module_path
from losscompiler.preview import difference, stale_files
from losscompiler.selection import duplicates, matches
from losscompiler.toolchain import Toolchain
from losscompiler.transaction import Unwritable, commit, interrupted, opened, staged
from losscompiler.worker import Outcome, run_files

Progress = Callable[[Outcome], None]
FRAMEWORKS = {
    "numpy": ("numpy",),
    "torch": ("torch",),
    "tensorflow": ("tensorflow", "keras"),
    "jax": ("jax",),
}


@dataclass(frozen=True)
class BuildRequest:
    """What is asked for; `selection` holds patterns as `losscompiler.selection` normalises them."""

    specs: Path
    out: Path
    selection: tuple[str, ...] = ()
    targets: tuple[str, ...] = TARGETS
    check: bool = False
    diff: bool = False
    jobs: int = 0
    verify: bool = True
    force: bool = False
    spec_timeout: float = 60.0
    strict: bool = False
    require: tuple[str, ...] = ()


@dataclass(frozen=True)
class LossOutcome:
    """What became of a loss: `status` is "built", "unchanged" or "failed"."""

    name: str
    path: str
    status: str
    seconds: float = 0.0
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuildResult:
    """What a build found and did; paths of outputs are relative to the output folder."""

    diagnostics: tuple[Diagnostic, ...] = ()
    losses: tuple[LossOutcome, ...] = ()
    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    diff: str = ""
    nothing_matched: bool = False
    missing_framework: tuple[str, ...] = ()
    reports: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Compilation:
    """The compiled files by source, the sources that failed, and all findings."""

    files: Mapping[str, CompiledFile] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def build(
    request: BuildRequest,
    tools: Toolchain | None = None,
    progress: Progress = lambda outcome: None,
) -> BuildResult:
    """Brings the output up to date with the specs, or tells what that would change.

    Nothing that the output depends on is trusted to be unchanged but what has the same hash.
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


def installed(target: str) -> bool:
    """Whether the framework of a target could be imported; it is not."""
    return all(importlib.util.find_spec(name) for name in FRAMEWORKS.get(target, (target,)))


def _stage(request: BuildRequest, tools: Toolchain, *, everything: bool = False) -> Stage:
    before = load(request.out / MANIFEST) or Manifest()
    compiler = tools.compiler()
    changes = find_changes(
        request.specs,
        request.out,
        before,
        request.targets,
        request.selection,
        compiler,
        everything=everything or request.force,
    )
    return Stage(before, changes, request.targets, compiler)


def _build(
    request: BuildRequest, tools: Toolchain, stage: Stage, progress: Progress
) -> BuildResult:
    compilation = _without_clashes(stage, _compile(request, tools, stage.changes, progress))
    assembly = assemble(stage, compilation.files, compilation.failed, tools.shared)
    reports: tuple[Any, ...] = ()
    if request.verify:
        compilation, reports = _cross_validate(request, tools, stage, compilation, assembly)
        assembly = assemble(stage, compilation.files, compilation.failed, tools.shared)
    made, manifest = _plan(request, stage, assembly)
    writes = dict(sorted(made.writes.items(), key=lambda item: item[0].endswith("__init__.py")))
    if manifest.refused:  # without it, nothing written now would be known as ours
        return replace(
            _result(request, stage, compilation), diagnostics=(*manifest.refused.values(),)
        )
    if writes or made.removes or manifest.writes:
        commit(request.out, {**writes, **manifest.writes}, made.removes, tools.disk)
    found = (*compilation.diagnostics, *made.refused.values())
    return replace(
        _result(request, stage, replace(compilation, diagnostics=found)),
        written=(*sorted(writes), *manifest.writes),
        unchanged=(*made.unchanged, *sorted(assembly.kept), *manifest.unchanged),
        removed=made.removes,
        reports=reports,
    )


def _compile(
    request: BuildRequest, tools: Toolchain, changes: Changes, progress: Progress
) -> Compilation:
    """Compiles the stale files, each in a process of its own, and keeps those selected."""
    outcomes = run_files(
        [changes.files[source] for source in changes.stale],
        request.specs.parent,
        request.specs,
        tools.compile.given(targets=request.targets),
        request.jobs,
        request.spec_timeout,
        progress=progress,
    )
    files: dict[str, CompiledFile] = {}
    failed: list[str] = []
    found: list[Diagnostic] = []
    lost: list[Diagnostic] = []
    for source, outcome in zip(changes.stale, outcomes, strict=True):
        file = outcome.value or CompiledFile(diagnostics=_present(outcome.failure))
        names = [str(loss["name"]) for loss in file.losses]
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
    declared = ((loss["name"], loss["path"], loss["line"]) for loss in (*standing, *new))
    return _hold_back(compilation, tuple(duplicates(declared)))


def _hold_back(
    compilation: Compilation, found: Sequence[Diagnostic], sources: Collection[str] = ()
) -> Compilation:
    """The compilation without some files, and those with findings: their last output stays."""
    out = {*sources, *(d.path for d in found if d.path)}
    return Compilation(
        {source: file for source, file in compilation.files.items() if source not in out},
        (*compilation.failed, *sorted(out)),
        (*compilation.diagnostics, *found),
    )


def _cross_validate(
    request: BuildRequest,
    tools: Toolchain,
    stage: Stage,
    compilation: Compilation,
    assembly: Assembly,
) -> tuple[Compilation, tuple[Any, ...]]:
    """Checks what is new, in a complete package that nobody imports yet; holds back what fails."""
    targets = [target for target in request.targets if installed(target)]
    sources = _to_verify(stage, compilation, assembly, targets)
    if not sources:
        return compilation, ()
    paths = [stage.changes.files[source] for source in sources]
    names = [str(loss["name"]) for s in sources for loss in compilation.files[s].losses]
    with staged(request.out, assembly.wanted, assembly.kept) as folder:
        found = tools.verify(folder, request.specs, paths, names, targets, request.jobs)
    wrong = [
        _disagreement(loss, found.failures) for s in sources for loss in compilation.files[s].losses
    ]
    compilation = _hold_back(compilation, [d for d in wrong if d])
    if fatal(found.diagnostics):  # what could not be checked is not known to be right
        compilation = _hold_back(compilation, (), sources)
    told = (*compilation.diagnostics, *found.diagnostics)
    return replace(compilation, diagnostics=told), found.reports


def _to_verify(
    stage: Stage, compilation: Compilation, assembly: Assembly, targets: Sequence[str]
) -> list[str]:
    """The sources that have new code, or the old with new helpers."""
    before = stage.before.files
    changed = {path for path, data in assembly.wanted.items() if digest(data) != before.get(path)}
    modules = {module_path(t, source) for t in targets for source in compilation.files}
    inits = {path for path in changed if path.endswith("__init__.py")}
    helped = {path.split("/")[0] for path in changed - modules - inits}
    return [
        source
        for source, file in compilation.files.items()
        if any(
            t in helped or module_path(t, source) in changed for t in targets if t in file.modules
        )
    ]


def _disagreement(loss: Mapping[str, Any], failures: Mapping[str, str]) -> Diagnostic | None:
    name = loss["name"]
    if name not in failures:
        return None
    return Diagnostic(
        "LC401",
        f"the generated code of `{name}` disagrees with the spec: {failures[name]}",
        path=loss["path"],
        line=loss["line"],
        help="nothing of this file was written; --no-verify writes it unchecked",
        loss=name,
    )


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
    compilation = _without_clashes(stage, _compile(request, tools, stage.changes, progress))
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
    built = {(loss.name, loss.path) for loss in losses}
    failing = {(d.loss, d.path) for d in compilation.diagnostics if d.severity == "error"}
    losses += [
        LossOutcome(name, path, "failed")
        for name, path in sorted((n, p) for n, p in failing if n and p)
        if (name, path) not in built
    ]
    current = {*stage.changes.current}
    losses += [
        LossOutcome(loss["name"], loss["path"], "unchanged", 0.0, (*loss["exports"],))
        for loss in stage.before.losses
        if loss["path"] in current
    ]
    warnings = [w for source in current for w in stage.before.sources[source].warnings]
    found = unique(framed(d, request.specs.parent) for d in (*compilation.diagnostics, *warnings))
    return BuildResult(
        diagnostics=found,
        losses=tuple(sorted(losses, key=lambda loss: (loss.path, loss.name))),
        unchanged=tuple(sorted(stage.before.files)),
        nothing_matched=not (losses or found or stage.changes.gone),
    )
