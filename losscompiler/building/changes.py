"""What must be built again: decided by hashes alone, without loading a spec."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from losscompiler.building.manifest import MANIFEST, Manifest, Source, fingerprint
from losscompiler.building.outputs import digest_of
from losscompiler.building.package import module_path
from losscompiler.selection import find_specs, may_hold, relative, selected


@dataclass(frozen=True)
class Changes:
    """The specs (`files`, by the path that is shown for them) and what became of them.

    `hashes` are those of all Python files among the specs, taken before any is loaded, so that a
    file that is saved during a build counts as changed in the next.
    `stale` ones are to be compiled, `current` ones are selected and up to date, `gone` ones were
    built once and have no file any more. `damaged` are outputs that are not as they were written.
    """

    files: Mapping[str, Path]
    hashes: Mapping[str, str | None]
    stale: tuple[str, ...] = ()
    current: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.stale or self.gone or self.damaged)


def spec_key(source: str, imports: Iterable[str], hashes: Mapping[str, str | None]) -> str:
    """The fingerprint of a spec file with everything that it imports from among the specs."""
    return fingerprint((name, hashes.get(name)) for name in (source, *imports))


def find_changes(
    specs: Path,
    out: Path,
    manifest: Manifest,
    targets: Sequence[str],
    patterns: tuple[str, ...],
    compiler: str,
    doubted: Collection[str] = (),
    *,
    everything: bool = False,
) -> Changes:
    """Compares the specs and the output with the manifest; `everything` distrusts it.

    Sources that are `doubted` are up to date, but their code is not known to be right.
    """
    root = specs.parent
    files = {relative(path, root): path for path in find_specs(specs)}
    hashes = {relative(path, root): digest_of(path) for path in specs.rglob("*.py")}
    broken = _damaged(out, manifest, targets)
    stale: list[str] = []
    current: list[str] = []
    for source in files:
        losses = [loss for loss in manifest.losses if loss["path"] == source]
        known = manifest.sources.get(source, Source())
        key = spec_key(source, known.imports, hashes)
        fresh = not everything and all(
            known.built.get(target) == key
            and manifest.compiler.get(target) == compiler
            and module_path(target, source) not in broken
            for target in targets
        )
        if fresh and (not patterns or any(selected(patterns, loss) for loss in losses)):
            (stale if source in doubted else current).append(source)
        elif not fresh and may_hold(patterns, source):
            stale.append(source)
    if patterns:  # nothing is known of the rest
        return Changes(files, hashes, tuple(stale), tuple(current))
    gone = [source for source in manifest.sources if source not in files]
    gone = [source for source in gone if _concerns(source, manifest, targets)]
    return Changes(files, hashes, tuple(stale), tuple(current), tuple(gone), tuple(sorted(broken)))


def candidates(specs: Path, manifest: Manifest, patterns: tuple[str, ...]) -> list[Path]:
    """The spec files that may hold a selected loss; of unchanged ones the manifest tells it."""
    root = specs.parent
    hashes = {relative(path, root): digest_of(path) for path in specs.rglob("*.py")}
    found: list[Path] = []
    for path in find_specs(specs):
        source = relative(path, root)
        known = manifest.sources.get(source, Source())
        if spec_key(source, known.imports, hashes) in known.built.values():
            losses = [loss for loss in manifest.losses if loss["path"] == source]
            wanted = not patterns or any(selected(patterns, loss) for loss in losses)
        else:
            wanted = may_hold(patterns, source)
        if wanted:
            found.append(path)
    return found


def _concerns(gone: str, manifest: Manifest, targets: Sequence[str]) -> bool:
    """Whether a spec that is gone has left something to do for these targets."""
    have = {t for t in manifest.compiler if module_path(t, gone) in manifest.files}
    return not have or not have.isdisjoint(targets)


def _damaged(out: Path, manifest: Manifest, targets: Sequence[str]) -> set[str]:
    """Files of the targets that are missing, edited, or have not been written yet."""
    concerned = {path for path in manifest.files if path.split("/")[0] in (*targets, "__init__.py")}
    damaged = {path for path in concerned if digest_of(out / path) != manifest.files[path]}
    modules = {
        module_path(target, loss["path"])
        for target in targets
        for loss in manifest.losses
        if target in loss["exports"]
    }
    return damaged | {path for path in modules if path not in manifest.files}


def foreign_modules(out: Path, targets: Sequence[str], known: Iterable[str]) -> list[str]:
    """Python files inside the packages of the targets that no build has written."""
    ours = {*known, MANIFEST}
    found = (path for target in targets for path in (out / target).rglob("*.py"))
    return sorted(p for p in (path.relative_to(out).as_posix() for path in found) if p not in ours)
