"""What commands do with a spec file in its own process; only plain data comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from losscompiler.diagnostics import Diagnostic
from losscompiler.selection import selected

Loaded = Callable[[], None]


def check_file(path: Path, root: Path, specs_root: Path, loaded: Loaded) -> dict[str, Any]:
    """Loads and compiles every loss of a file; returns facts and findings."""
    from losscompiler.analysis.certificate import properties
    from losscompiler.analysis.claimed import findings
    from losscompiler.analysis.report import analyse
    from losscompiler.building.facts import facts
    from losscompiler.passes import compile_loss
    from losscompiler.spec.loader import load_file, mistake_in

    file = load_file(path, specs_root)
    loaded()
    found: list[Diagnostic] = list(file.diagnostics)
    told = []
    for loss in file.losses:
        try:
            verdicts = analyse(loss)
            found += findings(loss, verdicts, loss.path)
            told.append(facts(loss, compile_loss(loss).structure, properties(verdicts)))
        except Exception as error:
            found.append(mistake_in(loss, error, root))
    return {"losses": told, "diagnostics": found}


def list_file(path: Path, root: Path, specs_root: Path, loaded: Loaded) -> dict[str, Any]:
    """Loads a file; returns names, places and signatures of its losses."""
    from losscompiler.building.facts import identity
    from losscompiler.spec.loader import load_file

    file = load_file(path, specs_root)
    loaded()
    return {
        "losses": [identity(loss) for loss in file.losses],
        "diagnostics": list(file.diagnostics),
    }


def show_file(
    path: Path,
    root: Path,
    specs_root: Path,
    loaded: Loaded,
    *,
    patterns: tuple[str, ...],
    stage: str,
    form: str,
) -> dict[str, Any]:
    """Prints the selected losses of a file as of a stage of the compiler."""
    from losscompiler.building.facts import identity
    from losscompiler.commands.stages import show_stage
    from losscompiler.spec.loader import load_file, mistake_in

    file = load_file(path, specs_root)
    loaded()
    found: list[Diagnostic] = list(file.diagnostics)
    told = []
    for loss in file.losses:
        if not selected(patterns, identity(loss)):
            continue
        try:
            told.append({**identity(loss), **show_stage(loss, stage, form)})
        except Exception as error:
            found.append(mistake_in(loss, error, root))
    return {"losses": told, "diagnostics": found}


Kept = Mapping[tuple[str, str], Mapping[str, Any]]


def prove_file(
    path: Path,
    root: Path,
    specs_root: Path,
    loaded: Loaded,
    *,
    patterns: tuple[str, ...],
    kept: Kept,
) -> dict[str, Any]:
    """Analyses the selected losses of a file, as far as their proofs are not kept already."""
    from losscompiler.analysis.certificate import certificate, digest
    from losscompiler.analysis.claimed import findings
    from losscompiler.analysis.report import analyse
    from losscompiler.building.facts import identity
    from losscompiler.spec.loader import load_file, mistake_in

    file = load_file(path, specs_root)
    loaded()
    found: list[Diagnostic] = list(file.diagnostics)
    told = []
    for loss in file.losses:
        known = identity(loss)
        if not selected(patterns, known):
            told.append(known)
            continue
        try:
            proof = kept.get((loss.path, loss.name))
            if proof is None or proof["formula"] != digest(loss) or loss.claims:
                verdicts = analyse(loss)
                proof = certificate(loss, verdicts)
                found += findings(loss, verdicts, loss.path)
            told.append({**known, "certificate": proof})
        except Exception as error:
            found.append(mistake_in(loss, error, root))
    return {"losses": told, "diagnostics": found}


def recheck_file(
    path: Path,
    root: Path,
    specs_root: Path,
    loaded: Loaded,
    *,
    patterns: tuple[str, ...],
    kept: Kept,
    segments: int,
) -> dict[str, Any]:
    """Checks the kept proofs of the selected losses by means that share nothing with the prover."""
    from losscompiler.analysis.certificate import digest
    from losscompiler.building.facts import identity
    from losscompiler.crosscheck.proofs.certificates import recheck
    from losscompiler.spec.loader import load_file, mistake_in

    file = load_file(path, specs_root)
    loaded()
    found: list[Diagnostic] = list(file.diagnostics)
    told: list[dict[str, Any]] = []
    for loss in file.losses:
        known, proof = identity(loss), kept.get((loss.path, loss.name))
        if proof is None or not selected(patterns, known):
            told.append(known)
            continue
        try:
            checked = recheck(loss, proof, segments)
            if proof["formula"] != digest(loss):
                checked.contradictions.append("the certificate is about another formula")
            for text in checked.contradictions:
                message = f"`{loss.name}`: {text}"
                found.append(Diagnostic("LC703", message, path=loss.path, line=loss.line,
                                        loss=loss.name))  # fmt: skip
            told.append({**known, "certificate": proof, "rechecked": checked.to_json()})
        except Exception as error:
            found.append(mistake_in(loss, error, root))
    return {"losses": told, "diagnostics": found}
