"""What a build calls, named rather than imported, so that a build with nothing to do is instant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from losscompiler.building.manifest import compiler_fingerprint
from losscompiler.building.package import Shared
from losscompiler.building.transaction import Disk
from losscompiler.diagnostics import Diagnostic
from losscompiler.progress import Progress


@dataclass(frozen=True)
class Late:
    """A function by the name of its module, which is imported when it is called or unpickled.

    As a task it reaches the worker's foreman as the function itself: this process never imports it.
    """

    module: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *arguments: Any) -> Any:
        """Calls the function."""
        return _function(self.module, self.name, dict(self.options))(*arguments)

    def given(self, **options: Any) -> Late:
        """The function with some of its keyword arguments."""
        return Late(self.module, self.name, {**self.options, **options})

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the call that finds the function."""
        return _function, (self.module, self.name, dict(self.options))


def _function(module: str, name: str, options: dict[str, Any]) -> Callable[..., Any]:
    return partial(getattr(import_module(module), name), **options)


class Verification(Protocol):
    """The outcome of cross-validation; `failures` say what is wrong, by name of loss."""

    @property
    def reports(self) -> tuple[Any, ...]:
        """What was measured."""

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What could not be checked, and why."""

    @property
    def failures(self) -> Mapping[str, str]:
        """What disagrees with the spec."""


class Verify(Protocol):
    """Cross-validates losses in the package `folder/generated`."""

    def __call__(
        self,
        folder: Path,
        specs: Path,
        files: Sequence[Path],
        names: Sequence[str],
        targets: Sequence[str],
        jobs: int,
        *,
        timeout: float,
        progress: Progress,
    ) -> Verification:
        """`files` are spec files, `names` those of losses in them."""


def shared_text(
    target: str,
    modules: Mapping[str, Sequence[str]],
    renamed: Mapping[str, Mapping[str, str]],
) -> dict[str, str]:
    """The files of a target's package beside its modules: helpers, and what exports the losses."""
    from losscompiler.backends import render_init, runtime_files

    def init(prefix: str) -> str:
        inside = {m.removeprefix(prefix): n for m, n in modules.items() if m.startswith(prefix)}
        former = {
            o: n for m, names in renamed.items() if m.startswith(prefix) for o, n in names.items()
        }
        return render_init(target, inside, former, depth=prefix.count("."))

    files = {"__init__.py": init(""), **runtime_files(target)}
    folders = {parent for module in modules for parent in PurePosixPath(*module.split(".")).parents}
    for folder in sorted(folders - {PurePosixPath()}):
        files[f"{folder}/__init__.py"] = init(".".join(folder.parts) + ".")
    return files


def _verify(*arguments: Any, **options: Any) -> Verification:
    from losscompiler.crosscheck.runner import verify

    return verify(*arguments, **options)


@dataclass(frozen=True)
class Toolchain:
    """The stages of a build; tests put others in their place."""

    compile: Late = Late("losscompiler.building.compilation", "compile_file")
    prepare: Late | None = Late("losscompiler.building.warmup", "warm_up")
    shared: Shared = shared_text
    verify: Verify = _verify
    compiler: Callable[[], str] = compiler_fingerprint
    disk: Disk = field(default_factory=Disk)
