"""Certificates, checked by means that share nothing with what wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from losscompiler.crosscheck import attack, obligations
from losscompiler.spec.decorator import Loss


def contradictions(loss: Loss, certificate: Mapping[str, Any]) -> Iterator[str]:
    """What does not stand: obligations that fail, witnesses that show nothing, broken claims."""
    seen: set[str] = set()
    for name, told in certificate["properties"].items():
        for obligation in told["proof"]["obligations"]:
            key = str((obligation["claim"], obligation["where"]))
            if key in seen:
                continue
            seen.add(key)
            checked = obligations.check(obligation)
            if not checked.holds:
                yield f"{name}: {obligation['purpose']}: {obligation['claim']} {checked.how}"
    yield from attack.check(loss, certificate["properties"])
