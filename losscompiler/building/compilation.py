"""From one spec file to the text of its modules: the part of a build that runs in a worker."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from losscompiler.analysis.certificate import digest, properties
from losscompiler.analysis.report import analyse
from losscompiler.backends import former_names, obstacle, public_names, render_module
from losscompiler.building.facts import facts
from losscompiler.building.known import Known, in_lines
from losscompiler.building.package import CompiledFile
from losscompiler.diagnostics import Diagnostic, SpecError
from losscompiler.passes import CompiledLoss, compile_loss
from losscompiler.selection import relative
from losscompiler.spec.decorator import Loss
from losscompiler.spec.loader import load_file, mistake_in


def compile_file(
    path: Path,
    root: Path,
    specs_root: Path,
    loaded: Callable[[], None],
    *,
    targets: Sequence[str],
    known: Known,
) -> CompiledFile:
    """Loads a spec file, compiles each of its losses, and renders one module per target.

    Properties that are `known` are left to the caller, who has them by their key. What is proved
    of a loss is told in its docstrings.
    """
    file = load_file(path, specs_root)
    loaded()
    found = list(file.diagnostics)
    compiled: list[CompiledLoss] = []
    seconds: dict[str, float] = {}
    for loss in file.losses:
        started = time.perf_counter()
        try:
            compiled.append(compile_loss(loss))
        except Exception as error:
            found.append(mistake_in(loss, error, root))
        seconds[loss.name] = time.perf_counter() - started
    known_of = {one.loss.name: _properties(one.loss, known) for one in compiled}
    compiled = [replace(one, told=_told(*known_of[one.loss.name], known)) for one in compiled]
    shown = relative(path, root)
    modules: dict[str, str] = {}
    exports: dict[str, dict[str, list[str]]] = {one.loss.name: {} for one in compiled}
    renamed: dict[str, dict[str, dict[str, str]]] = {one.loss.name: {} for one in compiled}
    doc = ast.get_docstring(ast.parse(path.read_bytes())) if compiled else None
    for target in targets if compiled else ():
        module, expressed, warnings = _module(target, compiled, doc or "", shown, root)
        found += warnings
        for one in expressed:
            exports[one.loss.name][target] = list(public_names(target, one.loss))
            renamed[one.loss.name][target] = dict(former_names(target, one.loss))
        if expressed:
            modules[target] = module
    return CompiledFile(
        tuple(relative(p, root) for p in file.sources if p.resolve() != path.resolve()),
        tuple(
            {
                **facts(one.loss, one.structure, *known_of[one.loss.name]),
                "exports": exports[one.loss.name],
                "renamed": renamed[one.loss.name],
            }
            for one in compiled
        ),
        modules,
        tuple(found),
        seconds,
    )


def _properties(loss: Loss, known: Known) -> tuple[dict[str, Any] | None, str | None]:
    """The properties of a loss as far as they are to be found here, and their key."""
    key, have = known.key(digest(loss))
    if have:
        return None, key
    return (properties(analyse(loss)), key) if known.wanted else (None, None)


def _told(found: dict[str, Any] | None, key: str | None, known: Known) -> tuple[str, ...]:
    """What is proved of a loss, in lines; nothing if nothing is known."""
    if found is not None:
        return in_lines(found)
    return () if key is None else known.told[key]


def _module(
    target: str, compiled: Sequence[CompiledLoss], doc: str, shown: str, root: Path
) -> tuple[str, Sequence[CompiledLoss], list[Diagnostic]]:
    """The text of a module, without the losses that the target cannot express."""
    found = [_left_out(target, one.loss, shown) for one in compiled if obstacle(target, one.loss)]
    compiled = [one for one in compiled if not obstacle(target, one.loss)]

    def render(losses: Sequence[CompiledLoss]) -> str:
        return render_module(target, losses, doc, shown, depth=shown.count("/") - 1)

    def expressible(one: CompiledLoss) -> bool:
        try:
            return bool(render([one]))
        except Exception as error:
            severity = "warning" if isinstance(error, SpecError) else "error"
            found.append(replace(mistake_in(one.loss, error, root), severity=severity))
            return False

    try:
        return (render(compiled) if compiled else ""), compiled, found
    except Exception:  # found again, and told, when each loss is rendered alone
        expressed = [one for one in compiled if expressible(one)]
    return (render(expressed) if expressed else ""), expressed, found


def _left_out(target: str, loss: Loss, shown: str) -> Diagnostic:
    """The note that a target has no form for a loss."""
    return Diagnostic(
        "LC310",
        f"there is no {target} code of `{loss.name}`: {obstacle(target, loss)}",
        severity="note",
        path=shown,
        line=loss.line,
        loss=loss.name,
    )
