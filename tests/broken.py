"""A compiler with one mistake: it prints a kernel of the loss `doubled` with a wrong factor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from losscompiler.building import compilation
from losscompiler.building.known import Known
from losscompiler.building.package import CompiledFile
from losscompiler.building.toolchain import Late, Toolchain


def compile_file(
    path: Path,
    root: Path,
    specs_root: Path,
    loaded: Callable[[], None],
    *,
    targets: Sequence[str],
    known: Known,
) -> CompiledFile:
    file = compilation.compile_file(path, root, specs_root, loaded, targets=targets, known=known)
    wrong = {target: spoilt(text) for target, text in file.modules.items()}
    return replace(file, modules=wrong)


def spoilt(text: str) -> str:
    """The gradient of `2 * x**2`, with 3 in the place of 4."""
    before, kernel, after = text.partition("def _doubled_vjp")
    end = after.find("\ndef ")
    return before + kernel + after[:end].replace("4", "3", 1) + after[end:]


TOOLS = Toolchain(compile=Late("tests.broken", "compile_file"))
