"""`losscompiler explain`: why a loss has its properties, step by step."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from losscompiler.building import proofs
from losscompiler.commands import options
from losscompiler.commands.answer import Answer
from losscompiler.commands.prove import brief
from losscompiler.commands.run import over_specs

HOW = {
    "assumptions": "from the signs of its parts",
    "arithmetic": "by arithmetic",
    "algebra": "by algebra",
    "coefficients": "its coefficients have one sign",
    "solver": "by z3: nothing contradicts it",
    "lemmas": "by z3, with bounds of exponentials and logarithms",
    "simplification": "by simplification",
}


@click.command("explain")
@click.argument("selection", nargs=-1, required=True, metavar="NAME...")
@click.option("--property", "wanted", metavar="PROPERTY", help="One property alone.")
@options.specs
@options.output
def command(selection: tuple[str, ...], wanted: str | None, specs: Path | None) -> Answer:
    """Print the proofs and counterexamples behind the properties of a loss."""
    from losscompiler.commands.tasks import prove_file

    project = options.find_project(specs=specs, selection=selection)
    kept = proofs.load(project.config.out / proofs.PROOFS)
    task = partial(prove_file, patterns=project.patterns, kept=kept)
    found = over_specs(project, task, "Proving")
    told = [loss["certificate"] for loss in found.losses if "certificate" in loss]
    return Answer(
        result={"losses": told},
        text="\n\n".join(explained(certificate, wanted) for certificate in told),
        diagnostics=found.diagnostics,
        root=project.root,
    )


def explained(certificate: dict[str, Any], wanted: str | None = None) -> str:
    """A certificate for people."""
    lines = [f"{certificate['name']}  ({certificate['path']})"]
    for name, told in certificate["properties"].items():
        if wanted is None or name.partition(":")[0] == wanted:
            lines += ["", *_property(name, told)]
    return "\n".join(lines)


def _property(name: str, told: dict[str, Any]) -> list[str]:
    said = brief(told)
    lines = [f"{name}: {told['verdict']}" + (f", {said}" if said not in ("yes", "no", "?") else "")]
    lines.append(f"  {told['reason']}")
    for kink in told.get("kinks", ()):
        rest = ", ".join(f"{key} {value}" for key, value in kink.items() if key != "where")
        lines.append(f"  at {kink['where']}: {rest}")
    if "fails" in told:
        lines.append(f"  not for {told['fails']}")
    for key in ("given", "defaults"):
        lines += [f"  {name}: {value}" for name, value in told.get(key, {}).items()]
    if told["witness"]:
        lines += [f"  {key}: {value}" for key, value in told["witness"].items()]
    lines += [f"  - {step}" for step in told["proof"]["steps"]]
    for obligation in told["proof"]["obligations"]:
        expression, relation = obligation["claim"]
        lines.append(f"  - {obligation['purpose']}: {expression} {relation} 0")
        where = " and ".join(f"{e} {r} 0" for e, r in obligation["where"])
        how = HOW.get(obligation["how"], obligation["how"])
        lines.append(f"      {f'where {where}, ' if where else ''}{how}")
    return lines
