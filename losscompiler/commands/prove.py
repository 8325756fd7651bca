"""`losscompiler prove`: which properties losses have, with proofs and counterexamples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from losscompiler.building import proofs
from losscompiler.commands import options
from losscompiler.commands.answer import Answer, count, failure, table, tally
from losscompiler.commands.run import over_specs

LIMIT, SECONDS = 300.0, 1e-3
"""Seconds for a file of specs, and more for each segment: far above what any takes."""
SHOWN = ("convex", "smoothness", "lipschitz", "influence", "elicits")
TELLING = (
    "class", "constant", "kind", "functional", "modulus", "bound", "degree",
    "distribution", "holds",
)  # fmt: skip
"""What a verdict may tell beside that it is proved."""


@click.command("prove")
@options.selection
@options.specs
@options.out
@options.jobs
@click.option("--recheck", is_flag=True, help="Check the proofs that are kept, and find no new.")
@click.option(
    "--segments",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    help="How often --recheck tries each property that is proved.",
)
@click.option("--fresh", is_flag=True, help="Prove anew what is proved already.")
@options.findings
@options.output
def command(
    selection: tuple[str, ...],
    specs: Path | None,
    out: Path | None,
    jobs: int | None,
    recheck: bool,
    segments: int,
    fresh: bool,
    strict: bool,
    output_format: str,
) -> Answer:
    """Prove or refute properties of losses, and keep the proofs beside the generated code.

    SELECTION names losses, globs over their names, or spec files and folders; all by default.
    --recheck reads the proofs that are kept, and checks them by independent means: every witness in
    ball arithmetic, every obligation at many points, every proved property on random segments.
    """
    from losscompiler.commands.tasks import prove_file, recheck_file

    project = options.find_project(specs=specs, out=out, selection=selection, jobs=jobs)
    path = project.config.out / proofs.PROOFS
    kept = {} if fresh else proofs.load(path)
    task: Callable[..., Any] = prove_file
    if recheck and not kept:
        raise failure("LC606", "there are no proofs to check, or another version found them",
                      "`losscompiler prove` finds and keeps them")  # fmt: skip
    if recheck:
        task = partial(recheck_file, segments=segments)
    found = over_specs(
        project,
        partial(task, patterns=project.patterns, kept=kept),
        "Checking" if recheck else "Proving",
        work_limit=LIMIT + segments * SECONDS,
    )
    told = [loss for loss in found.losses if "certificate" in loss]
    if not recheck:
        everything = {**kept, **{(c["path"], c["name"]): c for c in _certificates(told)}}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(proofs.dump(everything.values()))
    number = count(len(told), "loss", "losses")
    summary = f"Analysed {number}: {tally(found.diagnostics)}."
    if recheck:
        summary = f"Checked {number}: {_tried(told)}; {tally(found.diagnostics)}."
    return Answer(
        result={
            "losses": [
                {**c, "rechecked": loss.get("rechecked")}
                for c, loss in zip(_certificates(told), told, strict=True)
            ]
        },
        text=table([("loss", *SHOWN), *map(_row, _certificates(told))]) if told else "",
        summary=summary,
        diagnostics=found.diagnostics,
        findings_are_result=True,
        brief=output_format == "concise",
        strict=strict,
        root=project.root,
    )


def _tried(losses: list[dict[str, Any]]) -> str:
    """How much was checked."""
    sums = Counter[str]()
    for loss in losses:
        sums.update({k: n for k, n in loss["rechecked"].items() if isinstance(n, int)})
    return (
        f"{sums['steps']:,} steps, {sums['obligations']:,} obligations, "
        f"{sums['witnesses']:,} witnesses, "
        f"{sums['attacked']:,} properties on {sums['trials']:,} segments "
        f"({sums['alarms']:,} alarms in floats, {sums['examined']:,} of them examined exactly)"
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
    return str(next((told[key] for key in TELLING if key in told), "yes"))
