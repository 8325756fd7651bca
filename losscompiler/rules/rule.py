"""What one code means."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Rule:
    """An entry of the table of rules; `summary` completes "LC104: ..."."""

    code: str
    name: str
    summary: str
    why: str
    bad: str
    good: str
    severity: str = "error"

    def to_json(self) -> dict[str, str]:
        """The rule as plain data, with the keys of the fields."""
        return asdict(self)
