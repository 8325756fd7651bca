"""Certificates, checked by means that share nothing with what wrote them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from losscompiler.crosscheck.proofs import obligations, pointwise, witnesses
from losscompiler.crosscheck.proofs.attack import attack, narrowed
from losscompiler.crosscheck.proofs.composed import Steps
from losscompiler.crosscheck.proofs.vectors import NoValueError
from losscompiler.spec.decorator import Loss

SEGMENTS = 20_000
CURVED = ("convex", "convex_in", "convex_if", "convex_at_defaults")


@dataclass
class Rechecked:
    """What came of checking a certificate: what does not stand, how much was tried, what was not.

    `trials` are points and segments at which a proved property was tried, `alarms` those where
    floats contradict it, `examined` those that were looked at exactly.
    """

    contradictions: list[str] = field(default_factory=list)
    obligations: int = 0
    steps: int = 0
    witnesses: int = 0
    attacked: int = 0
    trials: int = 0
    alarms: int = 0
    examined: int = 0
    untried: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))


def recheck(loss: Loss, certificate: Mapping[str, Any], segments: int = SEGMENTS) -> Rechecked:
    """Checks obligations, witnesses and whatever proved properties promise about values."""
    found = Rechecked()
    properties = certificate["properties"]
    for check in (_obligations, _arguments, _witnesses, _points):
        found.contradictions += check(loss, properties, found)
    _attack(loss, {n: p for n, p in properties.items() if not _follows(n, properties)}, segments,
            found)  # fmt: skip
    return found


Check = Callable[[Loss, Mapping[str, Any], Rechecked], Iterator[str]]


def _obligations(loss: Loss, properties: Mapping[str, Any], found: Rechecked) -> Iterator[str]:
    seen: set[str] = set()
    for name, told in properties.items():
        for obligation in told["proof"]["obligations"]:
            key = str((obligation["claim"], obligation["where"]))
            if key in seen:
                continue
            seen.add(key)
            found.obligations += 1
            checked = obligations.check(obligation)
            if not checked.holds:
                yield f"{name}: {obligation['purpose']}: {obligation['claim']} {checked.how}"


def _arguments(loss: Loss, properties: Mapping[str, Any], found: Rechecked) -> Iterator[str]:
    """Whether what is proved to be convex follows from what was proved, by rules of our own."""
    for name, told in properties.items():
        kind = name.partition(":")[0]
        if told["verdict"] != "proved" or kind not in CURVED or _follows(name, properties):
            continue
        wrt = told.get("wrt") or [n for n, r in loss.inputs.items() if r.kind == "prediction"]
        found.steps += len(told["proof"].get("arguments", ()))
        try:
            for fault in Steps(narrowed(loss, told), wrt, told["proof"]).faults():
                yield f"{name}: {fault}"
        except NoValueError as error:
            found.untried.append(f"{name}: {error}")
        except (KeyError, TypeError, ValueError) as error:
            yield f"{name}: the steps cannot be read: {error!r}"


def _witnesses(loss: Loss, properties: Mapping[str, Any], found: Rechecked) -> Iterator[str]:
    for name, told in properties.items():
        if told["verdict"] == "refuted":
            found.witnesses += 1
            wrong = witnesses.fault(loss, name, told)
            if wrong:
                yield f"{name}: {wrong}"


def _points(loss: Loss, properties: Mapping[str, Any], found: Rechecked) -> Iterator[str]:
    for name, told in properties.items():
        for fault in pointwise.faults(loss, name, told):
            yield f"{name}: {fault}"


def _follows(name: str, properties: Mapping[str, Any]) -> bool:
    """What a loss that is convex jointly has as well: trying that once is enough."""
    kind = name.partition(":")[0]
    return (
        kind in ("convex_in", "quasi_convex")
        and properties.get("convex", {}).get("verdict") == "proved"
    )


def _attack(loss: Loss, properties: Mapping[str, Any], segments: int, found: Rechecked) -> None:
    for name, tried in attack(loss, properties, segments).items():
        if tried.untried:
            found.untried.append(f"{name}: {tried.untried}")
            continue
        found.attacked += 1
        found.trials += tried.trials
        found.alarms += tried.alarms
        found.examined += tried.examined
        if tried.broken:
            found.contradictions.append(f"{name}: {tried.broken}")
