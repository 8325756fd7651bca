"""`losscompiler prove`: which properties losses have, with proofs and counterexamples."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from losscompiler import proofs
from losscompiler.commands import options
from losscompiler.commands.answer import Answer, count, table, tally
from losscompiler.commands.run import over_specs

SHOWN = ("convex", "smoothness", "lipschitz", "influence", "elicits")


@click.command("prove")
@options.selection
@options.specs
@options.out
@options.jobs
@click.option("--recheck", is_flag=True, help="Check the proofs that are kept, and find no new.")
@click.option("--fresh", is_flag=True, help="Prove anew what is proved already.")
@options.findings
@options.output
def command(
    selection: tuple[str, ...],
    specs: Path | None,
    out: Path | None,
    jobs: int | None,
    recheck: bool,
    fresh: bool,
    strict: bool,
    output_format: str,
) -> Answer:
    """Prove or refute properties of losses, and keep the proofs beside the generated code.

    SELECTION names losses, globs over their names, or spec files and folders; all by default.
    --recheck reads the proofs that are kept, and checks them by independent means: every witness in
    ball arithmetic, every obligation and every proved property at many points.
    """
    from losscompiler.commands.tasks import prove_file, recheck_file

    project = options.find_project(specs=specs, out=out, selection=selection, jobs=jobs)
    path = project.config.out / proofs.PROOFS
    kept = {} if fresh else proofs.load(path)
    task = recheck_file if recheck else prove_file
    found = over_specs(
        project,
        partial(task, patterns=project.patterns, kept=kept),
        "Checking" if recheck else "Proving",
    )
    told = [loss for loss in found.losses if "certificate" in loss]
    if not recheck:
        everything = {**kept, **{(c["path"], c["name"]): c for c in _certificates(told)}}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(proofs.dump(everything.values()))
    verb = "Checked" if recheck else "Analysed"
    number = count(len(told), "loss", "losses")
    return Answer(
        result={"losses": _certificates(told)},
        text=table([("loss", *SHOWN), *map(_row, _certificates(told))]) if told else "",
        summary=f"{verb} {number}: {tally(found.diagnostics)}.",
        diagnostics=found.diagnostics,
        findings_are_result=True,
        brief=output_format == "concise",
        strict=strict,
        root=project.root,
    )


def _certificates(losses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [loss["certificate"] for loss in losses]


def _row(certificate: dict[str, Any]) -> tuple[str, ...]:
    return (certificate["name"], *(brief(certificate["properties"].get(p)) for p in SHOWN))


def brief(told: dict[str, Any] | None) -> str:
    """A verdict in a word: what is known, `no` for what is refuted, `?` for what is open."""
    if told is None:
        return ""
    if told["verdict"] != "proved":
        return "no" if told["verdict"] == "refuted" else "?"
    keys = ("class", "constant", "kind", "functional", "modulus", "bound", "degree")
    keys += ("distribution", "holds")
    return str(next((told[key] for key in keys if key in told), "yes"))
