"""What is known of losses by their content, so that nothing is analysed twice.

A key stands for a formula, its roles and the analysis that looked at them. The properties of a loss
stand beside its key in the manifest, and stay there as long as the key holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from losscompiler.building.manifest import fingerprint
from losscompiler.building.package import CompiledFile
from losscompiler.building.proofs import analysis_fingerprint, solver_is_there


@dataclass(frozen=True)
class Known:
    """Which properties need no analysis.

    Attributes:
        analyses: Fingerprints of the analysis at hand, and of a stronger one that may have been
            at work elsewhere: its results hold, too.
        keys: The keys of what is known.
        wanted: Whether to analyse what is not known; else it stays unknown.
    """

    analyses: tuple[str, ...]
    keys: frozenset[str]
    wanted: bool

    def key(self, content: str) -> tuple[str, bool]:
        """The key of a loss with this content, and whether its properties are known already."""
        keys = [fingerprint([("loss", content), ("analysis", a)]) for a in self.analyses]
        found = next((key for key in keys if key in self.keys), None)
        return (keys[0], False) if found is None else (found, True)


def known_of(losses: Iterable[Mapping[str, Any]], *, wanted: bool) -> Known:
    """What the losses of a manifest tell."""
    here, best = analysis_fingerprint(), analysis_fingerprint(solver=True)
    analyses = (here,) if solver_is_there() else (here, best)
    return Known(analyses, frozenset(told(losses)), wanted)


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
