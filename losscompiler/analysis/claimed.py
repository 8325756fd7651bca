"""Whether a loss has the properties that its author claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from losscompiler.analysis.verdict import PROVED, REFUTED, UNKNOWN, Verdict
from losscompiler.diagnostics import Diagnostic
from losscompiler.spec.claims import Claimed
from losscompiler.spec.decorator import Loss

ORDERS = {"discontinuous": -1, "Cinf": float("inf")}


def judged(claim: Claimed, found: Mapping[str, Verdict]) -> tuple[str, str]:
    """The verdict about a claim, and why."""
    if claim.name == "smooth":
        verdict = found["smoothness"]
        if verdict.verdict != PROVED:
            return UNKNOWN, verdict.reason
        name = str(verdict.details["class"])
        order = ORDERS[name] if name in ORDERS else int(name[1:])
        if order >= int(claim.amount):
            return PROVED, f"it is {name}"
        known = verdict.details.get("exact", True)
        return (REFUTED, f"it is {name}") if known else (UNKNOWN, f"it is at least {name}")
    verdict = found.get(claim.name, Verdict(UNKNOWN, "it is no question about this loss"))
    told = f"{verdict.reason}; {dict(verdict.witness)}" if verdict.witness else verdict.reason
    return verdict.verdict, told


def findings(loss: Loss, found: Mapping[str, Verdict], path: str) -> Iterator[Diagnostic]:
    """An error for each claim that is refuted, a warning for each that is not proved."""
    for claim in loss.claims:
        verdict, reason = judged(claim, found)
        if verdict == REFUTED:
            yield Diagnostic(
                "LC701",
                f"`{loss.name}` is not {claim.text}: {reason}",
                path=path,
                line=loss.line,
                loss=loss.name,
                help="take the claim back, or mend the formula or the domains",
            )
        elif verdict == UNKNOWN:
            yield Diagnostic(
                "LC702",
                f"`{loss.name}` is not proved to be {claim.text}: {reason}",
                severity="warning",
                path=path,
                line=loss.line,
                loss=loss.name,
                help="sharper domains of inputs and parameters often help",
            )
