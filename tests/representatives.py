"""A few losses that stand for the whole catalogue, where a test costs too much for each of them.

They are chosen by what the manifest and the generated code say, never by name: together they have
every feature that any loss has. A feature is a structure, a kind of input or parameter, a shape of
the result, or a helper that the kernels call.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from tests.catalogue_cases import ROOT, facts

KERNELS = r"_(?P<loss>\w+?)(_without_\w+)?_(value|vjp|jvp|hvp|hessian_diagonal)"


@cache
def features() -> dict[str, frozenset[str]]:
    """What each loss of the catalogue has."""
    return {name: frozenset(_features(name, loss)) for name, loss in facts().items()}


@cache
def representatives() -> tuple[str, ...]:
    """Losses that have every feature between them: those that add most first, then small ones."""
    left = set[str]().union(*features().values())
    chosen: list[str] = []
    while left:
        best = max(features(), key=lambda name: (len(features()[name] & left), -_size(name)))
        chosen.append(best)
        left -= features()[best]
    return tuple(name for name in facts() if name in chosen)


def one_per_structure() -> tuple[str, ...]:
    """The first representative of each structure, for what costs seconds."""
    first: dict[str, str] = {}
    for name in representatives():
        first.setdefault(facts()[name]["structure"], name)
    return tuple(first.values())


def _features(name: str, loss: Mapping[str, Any]) -> Iterator[str]:
    inputs, params = loss["inputs"], loss["params"]
    predictions = sum(given["role"] == "prediction" for given in inputs)
    yield f"structure {loss['structure']}"
    yield f"{min(predictions, 3)} predictions"
    yield "entries" if not loss["signature"].endswith("->()") else "one entry per sample"
    for given in inputs:
        yield f"{given['role']} with {min(len(given['axes']), 3)} axes"
        if given["optional"]:
            yield f"optional {given['role']}"
        if any(axis.startswith("*") for axis in given["axes"]):
            yield "starred axis"
        if "batch" in given["axes"]:
            yield "coupled samples"
        if given.get("label_axis") in given["axes"]:
            yield "label into its own axis"
    for given in params:
        yield "learnable parameter" if given["learnable"] else "parameter"
        if given["axes"]:
            yield "parameter with axes"
    for function in _called().get(name, ()):
        yield f"calls {function}"


@cache
def _called() -> dict[str, set[str]]:
    """What the NumPy kernels of each loss call; those of other backends call the same."""
    found: dict[str, set[str]] = {}
    for path in sorted({loss["path"] for loss in facts().values()}):
        inside = PurePosixPath(*PurePosixPath(path).parts[1:])
        module = ast.parse((ROOT / "generated/numpy" / inside).read_text(encoding="utf-8"))
        for node in module.body:
            kernel = re.fullmatch(KERNELS, node.name) if isinstance(node, ast.FunctionDef) else None
            if kernel:
                called = {
                    f"{inner.value.id}.{inner.attr}"
                    for inner in ast.walk(node)
                    if isinstance(inner, ast.Attribute)
                    and isinstance(inner.value, ast.Name)
                    and inner.value.id in ("fn", "np")
                }
                found.setdefault(kernel["loss"], set()).update(called)
    return found


def _size(name: str) -> int:
    """How much there is to compute, roughly: differentiated inputs and axes."""
    return sum(1 + len(given["axes"]) for given in facts()[name]["inputs"])


if __name__ == "__main__":
    print(*representatives())
