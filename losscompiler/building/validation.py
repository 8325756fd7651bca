"""Cross-validation: of what is about to be written, and of what stands in the output folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from losscompiler.building.assembly import Assembly, Stage
from losscompiler.building.changes import spec_key
from losscompiler.building.manifest import MANIFEST, Manifest, Source, load
from losscompiler.building.outputs import digest, digest_of
from losscompiler.building.package import Compilation, CompiledFile, hold_back, module_path
from losscompiler.building.request import BuildRequest, BuildResult, LossOutcome, installed
from losscompiler.building.toolchain import Toolchain, Verification
from losscompiler.building.transaction import WORK_FOLDER, staged
from losscompiler.building.verified import Record, load_record, standing
from losscompiler.diagnostics import Diagnostic, fatal, framed, unique
from losscompiler.progress import Progress, silent
from losscompiler.selection import find_specs, relative, selected


def validated(
    request: BuildRequest,
    tools: Toolchain,
    stage: Stage,
    compilation: Compilation,
    assembly: Assembly,
    progress: Progress,
) -> tuple[Compilation, tuple[Any, ...], tuple[str, ...]]:
    """Checks what is new, in a complete package that nobody imports yet; holds back what fails.

    The compilation that is left, the reports, and the sources that were checked.
    """
    targets = [target for target in request.targets if installed(target)]
    sources = _new(stage, compilation, assembly, targets, load_record(request.out))
    if not sources:
        return compilation, (), ()
    paths = [stage.changes.files[source] for source in sources]
    losses = [loss for source in sources for loss in compilation.files[source].losses]
    with staged(request.out, assembly.wanted, assembly.kept) as folder:
        found = _verify(request, tools, folder, paths, losses, targets, progress)
    remedy = "nothing of this file was written; --no-verify writes it unchecked"
    compilation = hold_back(compilation, list(_disagreements(losses, found, remedy)))
    if fatal(found.diagnostics):  # what could not be checked is not known to be right
        compilation = hold_back(compilation, (), sources)
    told = (*compilation.diagnostics, *found.diagnostics)
    return replace(compilation, diagnostics=told), found.reports, tuple(sources)


def _new(
    stage: Stage,
    compilation: Compilation,
    assembly: Assembly,
    targets: Sequence[str],
    record: Record,
) -> list[str]:
    """The sources with new code, or the old with new helpers, or that was never validated here."""
    before = stage.before.files
    changed = {path for path, data in assembly.wanted.items() if digest(data) != before.get(path)}
    modules = {module_path(t, source) for t in targets for source in compilation.files}
    inits = {path for path in changed if path.endswith("__init__.py")}
    helped = {path.split("/")[0] for path in changed - modules - inits}
    return [
        source
        for source, file in compilation.files.items()
        if any(
            t in helped
            or module_path(t, source) in changed
            or record.passed.get(source, {}).get(t)
            not in ((_key(stage, source, file), stage.compiler), standing(stage.before, source, t))
            for t in targets
            if t in file.modules
        )
    ]


def record_of(
    request: BuildRequest, stage: Stage, compilation: Compilation, checked: Sequence[str]
) -> Record:
    """The record after a build in which all that is left of the compilation has passed."""
    known = {*stage.changes.files}.difference(compilation.failed)
    old = load_record(request.out)
    passed = {source: dict(by) for source, by in old.passed.items() if source in known}
    warnings = {source: found for source, found in old.warnings.items() if source in known}
    present = [target for target in request.targets if installed(target)]
    for source, file in compilation.files.items():
        if source in checked:
            others = {*passed.get(source, ())}.difference(present)
            kept = warnings.get(source, ()) if others else ()
            new = (*kept, *_found_by_checking(compilation, source))
            warnings[source] = tuple(dict.fromkeys(new))
        key = (_key(stage, source, file), stage.compiler)
        passed[source] = {**passed.get(source, {}), **dict.fromkeys(present, key)}
    return Record(passed, {source: found for source, found in warnings.items() if found})


def _found_by_checking(compilation: Compilation, source: str) -> Iterator[Diagnostic]:
    """What only cross-validation says about a source; the manifest remembers the rest."""
    compiled = compilation.files[source].diagnostics
    for d in compilation.diagnostics:
        if d.path == source and d.severity != "error" and d not in compiled:
            yield d


def _key(stage: Stage, source: str, file: CompiledFile) -> str:
    return spec_key(source, file.imports, stage.changes.hashes)


def _verify(
    request: BuildRequest,
    tools: Toolchain,
    folder: Path,
    paths: Sequence[Path],
    losses: Sequence[Mapping[str, Any]],
    targets: Sequence[str],
    progress: Progress,
) -> Verification:
    names = [str(loss["name"]) for loss in losses]
    return tools.verify(
        folder,
        request.specs,
        paths,
        names,
        targets,
        request.jobs,
        timeout=request.spec_timeout,
        progress=progress,
    )


def _disagreements(
    losses: Sequence[Mapping[str, Any]], found: Verification, remedy: str
) -> Iterator[Diagnostic]:
    for loss in losses:
        name = loss["name"]
        if name in found.failures:
            yield Diagnostic(
                "LC401",
                f"the generated code of `{name}` disagrees with the spec: {found.failures[name]}",
                path=loss["path"],
                line=loss["line"],
                help=remedy,
                loss=name,
            )


def verify(
    request: BuildRequest, tools: Toolchain | None = None, progress: Progress = silent
) -> BuildResult:
    """Cross-validates what stands in the output folder, whoever wrote it; changes nothing.

    A framework that is not installed is passed over, unless it is required or the only one.
    """
    absent = tuple(target for target in request.targets if not installed(target))
    missing = tuple(target for target in request.require if not installed(target))
    targets = [target for target in request.targets if target not in absent]
    if missing or not targets:
        return BuildResult(missing_framework=missing or absent)
    manifest = load(request.out / MANIFEST)
    if manifest is None:
        return BuildResult(diagnostics=(_never_built(request),))
    files = {relative(p, request.specs.parent): p for p in find_specs(request.specs)}
    losses = [
        loss
        for loss in manifest.losses
        if selected(request.selection, loss)
        and loss["path"] in files
        and any(target in loss["exports"] for target in targets)
    ]
    if not losses:
        return BuildResult(nothing_matched=True, not_installed=absent)
    sources = list(dict.fromkeys(loss["path"] for loss in losses))
    paths = [files[source] for source in sources]
    with tempfile.TemporaryDirectory(prefix="losscompiler-") as folder:
        # A copy is called `generated` whatever the name of the folder, and is left without caches.
        unwanted = shutil.ignore_patterns("__pycache__", WORK_FOLDER)
        shutil.copytree(request.out, Path(folder) / "generated", ignore=unwanted)
        verdict = _verify(
            request, tools or Toolchain(), Path(folder), paths, losses, targets, progress
        )
    remedy = "build again if its spec or the generated code was changed; else please report it"
    found = [
        *_absent(request, losses),
        *_outdated(request, manifest, sources),
        *_disagreements(losses, verdict, remedy),
        *verdict.diagnostics,
    ]
    done = {
        report.loss: [r.backend for r in verdict.reports if r.loss == report.loss]
        for report in verdict.reports
    }
    found += _unchecked(losses, done, found)
    return BuildResult(
        diagnostics=unique(framed(d, request.specs.parent) for d in found),
        losses=tuple(_outcome(loss, verdict, done) for loss in losses),
        not_installed=absent,
        reports=verdict.reports,
    )


def _never_built(request: BuildRequest) -> Diagnostic:
    shown = f"{request.out.name}/{MANIFEST}"
    return Diagnostic(
        "LC504",
        f"{shown} is missing: there is no generated code to verify",
        path=shown,
        help="run `losscompiler build`, which cross-validates what it writes",
    )


def _absent(request: BuildRequest, losses: Sequence[Mapping[str, Any]]) -> Iterator[Diagnostic]:
    """A finding for every target that is required, but has no code."""
    for target in request.require:
        if not any(target in loss["exports"] for loss in losses):
            shown = f"{request.out.name}/{target}"
            help = f"run `losscompiler build --target {target}`"
            yield Diagnostic(
                "LC504", f"{shown} has no code for these losses", path=shown, help=help
            )


def _outdated(
    request: BuildRequest, manifest: Manifest, sources: Sequence[str]
) -> Iterator[Diagnostic]:
    root = request.specs.parent
    hashes = {relative(path, root): digest_of(path) for path in request.specs.rglob("*.py")}
    for source in sources:
        known = manifest.sources.get(source, Source())
        if known.built and spec_key(source, known.imports, hashes) not in known.built.values():
            yield Diagnostic(
                "LC504",
                f"{source} has changed since its code was built",
                severity="warning",
                path=source,
                help="run `losscompiler build`",
            )


def _unchecked(
    losses: Sequence[Mapping[str, Any]],
    done: Mapping[str, Sequence[str]],
    found: Sequence[Diagnostic],
) -> Iterator[Diagnostic]:
    """A finding for every loss that nothing at all was said about."""
    told = {d.loss for d in found}
    files = {d.path for d in found if d.severity == "error" and d.loss is None}
    if None in files:  # such as a framework that crashed
        return
    for loss in losses:
        if loss["name"] not in {*done, *told} and loss["path"] not in files:
            yield Diagnostic(
                "LC504",
                f"there is code for `{loss['name']}`, but {loss['path']} declares no such loss now",
                path=loss["path"],
                help="`losscompiler check` tells whether it has a mistake",
                loss=loss["name"],
            )


def _outcome(
    loss: Mapping[str, Any], verdict: Verification, done: Mapping[str, Sequence[str]]
) -> LossOutcome:
    name = loss["name"]
    status = (
        "failed" if name in verdict.failures else "verified" if name in done else "not verified"
    )
    targets = tuple(dict.fromkeys(done.get(name, ())))
    return LossOutcome(name, loss["path"], status, targets=targets)
