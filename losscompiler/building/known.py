"""What is known of losses by their content, so that nothing is analysed twice.

A key stands for a formula, its roles and the analysis that looked at them. The properties of a loss
stand beside its key in the manifest, and stay there as long as the key holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from losscompiler import wording
from losscompiler.building.manifest import fingerprint
from losscompiler.building.package import CompiledFile
from losscompiler.building.proofs import analysis_fingerprint, solver_is_there


@dataclass(frozen=True)
class Known:
    """Which properties need no analysis.

    Attributes:
        analyses: Fingerprints of the analysis at hand, and of a stronger one that may have been
            at work elsewhere: its results hold, too.
        told: What is known by its key, as lines of a docstring.
        before: The key under which the properties of a formula stand, whatever analysis it was.
        wanted: Whether to analyse what is not known; else what stands is kept.
    """

    analyses: tuple[str, ...]
    told: Mapping[str, tuple[str, ...]]
    before: Mapping[str, str]
    wanted: bool

    def key(self, content: str) -> tuple[str, bool]:
        """The key of a loss with this content, and whether its properties are known already."""
        keys = [fingerprint([("loss", content), ("analysis", a)]) for a in self.analyses]
        keys += [] if self.wanted or content not in self.before else [self.before[content]]
        found = next((key for key in keys if key in self.told), None)
        return (keys[0], False) if found is None else (found, True)


def known_of(losses: Sequence[Mapping[str, Any]], *, wanted: bool) -> Known:
    """What the losses of a manifest tell."""
    here, best = analysis_fingerprint(), analysis_fingerprint(solver=True)
    analyses = (here,) if solver_is_there() else (here, best)
    lines = {key: in_lines(found) for key, found in told(losses).items()}
    before = {loss["formula"]: loss["analysis"] for loss in losses if loss.get("analysis")}
    return Known(analyses, lines, before, wanted)


def in_lines(properties: Mapping[str, Any]) -> tuple[str, ...]:
    """Properties as lines of a docstring."""
    return wording.lines(properties)


def told(losses: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The properties in a manifest by key."""
    return {loss["analysis"]: loss["properties"] for loss in losses if loss.get("analysis")}


def filled(file: CompiledFile, properties: Mapping[str, Any]) -> CompiledFile:
    """A compiled file whose losses have the properties that are known of them."""
    losses = tuple(
        {**loss, "properties": properties[loss["analysis"]]}
        if loss.get("analysis") and loss["properties"] is None
        else loss
        for loss in file.losses
    )
    return replace(file, losses=losses)
