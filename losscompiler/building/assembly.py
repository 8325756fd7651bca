"""Puts together what was compiled now with what stands from before: the whole output."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from losscompiler.building.changes import Changes, spec_key
from losscompiler.building.manifest import Manifest, Source
from losscompiler.building.package import (
    PER_TARGET,
    CompiledFile,
    Shared,
    module_path,
    shared_files,
)
from losscompiler.diagnostics import fatal


@dataclass(frozen=True)
class Assembly:
    """The output as it is to be: files to be `wanted`, files to be `kept` as they are.

    The manifest has everything but the hashes of files, which depend on what can be written.
    """

    wanted: dict[str, bytes]
    kept: frozenset[str]
    manifest: Manifest


@dataclass(frozen=True)
class Stage:
    """What assembly starts from: the last manifest, what changed, and for whom."""

    before: Manifest
    changes: Changes
    targets: Sequence[str]
    compiler: str


def assemble(
    stage: Stage, compiled: Mapping[str, CompiledFile], failed: Collection[str], shared: Shared
) -> Assembly:
    """Merges compiled files into the last output; what `failed` stays as it was."""
    before, targets = stage.before, stage.targets
    losses = [
        loss
        for source in sorted({*before.sources, *compiled})
        for loss in _losses(stage, source, compiled.get(source))
    ]
    wanted = {
        module_path(target, source): text
        for source, file in compiled.items()
        for target, text in file.modules.items()
    }
    wanted |= shared_files(losses, targets, shared)
    dropped = {
        module_path(t, source) for t in targets for source in (*compiled, *stage.changes.gone)
    }
    modules = {module_path(t, source) for t in before.compiler for source in before.sources}
    kept = {
        path
        for path in before.files
        if path not in wanted
        and path not in dropped
        and (path in modules or path.split("/")[0] not in (*targets, "__init__.py"))
    }
    return Assembly(
        wanted={path: text.encode() for path, text in wanted.items()},
        kept=frozenset(kept),
        manifest=Manifest(
            compiler={**before.compiler, **dict.fromkeys(targets, stage.compiler)},
            sources=dict(_sources(stage, compiled, failed)),
            losses=tuple(losses),
        ),
    )


def _losses(stage: Stage, source: str, new: CompiledFile | None) -> Iterator[dict[str, Any]]:
    """The facts about the losses of a source, with exports of the targets not built now."""
    old = {loss["name"]: loss for loss in stage.before.losses if loss["path"] == source}
    others = {
        name: {key: _without(loss.get(key, {}), stage.targets) for key in PER_TARGET}
        for name, loss in old.items()
    }
    if new is not None:
        for loss in new.losses:
            kept = others.get(loss["name"], {})
            merged = {key: {**kept.get(key, {}), **loss.get(key, {})} for key in PER_TARGET}
            yield {**loss, **{key: dict(sorted(names.items())) for key, names in merged.items()}}
    elif source in stage.changes.gone:
        for name, loss in old.items():
            if others[name]["exports"]:
                yield {**loss, **others[name]}
    else:
        yield from old.values()


def _without(by_target: Mapping[str, Any], targets: Sequence[str]) -> dict[str, Any]:
    return {target: names for target, names in by_target.items() if target not in targets}


def _sources(
    stage: Stage, compiled: Mapping[str, CompiledFile], failed: Collection[str]
) -> Iterator[tuple[str, Source]]:
    before, targets = stage.before, stage.targets
    for source in sorted({*before.sources, *compiled}):
        old = before.sources.get(source, Source())
        others = {t: key for t, key in old.built.items() if t not in targets}
        if source in compiled:
            file = compiled[source]
            key = spec_key(source, file.imports, stage.changes.hashes)
            built = {} if fatal(file.diagnostics) else dict.fromkeys(targets, key)
            warnings = tuple(d for d in file.diagnostics if d.severity != "error")
            yield source, Source(file.imports, {**others, **built}, warnings)
        elif source in stage.changes.gone:
            if any(module_path(t, source) in before.files for t in others):
                yield source, replace(old, built=others)
        elif source in failed:
            yield source, replace(old, built=others)
        else:  # not built by this compiler, it counts as stale
            same = (t for t in targets if before.compiler.get(t) == stage.compiler)
            current = {t: old.built[t] for t in same if t in old.built}
            yield source, replace(old, built={**others, **current})


def without_keys(manifest: Manifest, refused: Collection[str]) -> Manifest:
    """The manifest in which sources whose modules could not be written count as stale."""
    sources = {
        source: replace(
            known,
            built={t: k for t, k in known.built.items() if module_path(t, source) not in refused},
        )
        for source, known in manifest.sources.items()
    }
    return replace(manifest, sources=sources)
