"""Answers: proved, refuted with a witness, or unknown with the first open obligation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PROVED, REFUTED, UNKNOWN = "proved", "refuted", "unknown"


@dataclass(frozen=True)
class Verdict:
    """One answer about one property; `details` are what the property is about, as plain data."""

    verdict: str
    reason: str
    witness: Mapping[str, Any] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    proof: tuple[Any, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data, as it stands in the manifest."""
        return {
            "verdict": self.verdict,
            **self.details,
            "reason": self.reason,
            "witness": None if self.witness is None else dict(self.witness),
        }


def proved(reason: str, proof: tuple[Any, ...] = (), **details: Any) -> Verdict:
    """A derivation that a sceptic can run again."""
    return Verdict(PROVED, reason, None, details, proof)


def refuted(reason: str, witness: Mapping[str, Any], **details: Any) -> Verdict:
    """A counterexample."""
    return Verdict(REFUTED, reason, witness, details)


def unknown(reason: str, **details: Any) -> Verdict:
    """The first obligation that is open."""
    return Verdict(UNKNOWN, reason, None, details)
