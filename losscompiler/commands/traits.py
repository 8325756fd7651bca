"""Properties of losses in a few words, and as a page of documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from losscompiler.commands.answer import count
from losscompiler.wording import (
    Properties,
    convexity,
    differentiability,
    estimates,
    likelihood,
)

LONGEST = 60
HEAD = (
    "loss", "convex", "differentiable", "outliers", "Lipschitz", "estimates", "likelihood of"
)  # fmt: skip


def page(losses: Sequence[Mapping[str, Any]]) -> str:
    """A page in Markdown: one table per family."""
    told = count(len(losses), "loss", "losses")
    head = (
        f"# Properties of the catalogue\n\nWhat is proved of {told}, for all values that the "
        "domains of inputs and parameters allow.\n`losscompiler explain NAME` tells why.\n\n"
        "* *convex*: in all predictions jointly, else in which of them alone; `no` has an exact "
        "counterexample. Where it depends on parameters: for which it holds, and whether at the "
        "defaults.\n"
        "* *differentiable*: the class of smoothness where the loss has a value, and where "
        "derivatives jump or it has none; `at least` where no jump is certified.\n"
        "* *outliers*: what the pull of a far prediction does: it is `redescending` to 0, "
        "`bounded`, or `unbounded`.\n"
        "* *Lipschitz*: the least constant in the Euclidean distance of all predictions, for axes "
        "of three entries or more; `at most` one that holds; `oo` if there is none.\n"
        "* *estimates*: what the best prediction is of the distribution of the target; after `=`, "
        "the link.\n"
        "* *likelihood of*: the distribution of the target that the loss is minus the "
        "log-likelihood of, up to what no prediction moves; `none`: there is proved to be no such "
        "distribution.\n"
        "* `open`: neither proved nor refuted.\n\n"
        "`losscompiler list --format properties` prints this page.\n"
    )
    return "\n".join([head, *(_section(f, same) for f, same in groupby(losses, _family))])


def _family(loss: Mapping[str, Any]) -> str:
    return str(loss["family"])


def _section(family: str, losses: Iterable[Mapping[str, Any]]) -> str:
    rows = [HEAD, ("---",) * len(HEAD), *(_row(one["name"], one["properties"]) for one in losses)]
    lines = "".join("| " + " | ".join(row) + " |\n" for row in rows)
    return f"## {family}\n\n{lines}"


def _row(name: str, told: Properties) -> tuple[str, ...]:
    return (
        f"`{name}`",
        convexity(told),
        differentiability(told),
        str(told.get("influence", {}).get("kind", "")),
        _constant(told.get("lipschitz", {})),
        estimates(told),
        likelihood(told),
    )


def _constant(told: Properties) -> str:
    """A bound of the slope, and whether it is the least; a long one is only told to be there."""
    if "constant" not in told:
        return ""
    text = f"`{told['constant']}`" if len(told["constant"]) <= LONGEST else "finite"
    return text if told.get("exact", True) or text == "finite" else f"at most {text}"
