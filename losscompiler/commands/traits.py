"""Properties of losses in a few words, and as a page of documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from losscompiler.commands.answer import count

Properties = Mapping[str, Any]
HEAD = (
    "loss", "convex", "differentiable", "outliers", "Lipschitz", "estimates", "likelihood of"
)  # fmt: skip
MANY_KINKS = 2
NAMELESS = "exp(-loss)"
WORDS = {"proved": "yes", "refuted": "no", "unknown": "open"}


def page(losses: Sequence[Mapping[str, Any]]) -> str:
    """A page in Markdown: one table per family."""
    told = count(len(losses), "loss", "losses")
    head = (
        f"# Properties of the catalogue\n\nWhat is proved of {told}, for all values that the "
        "domains of inputs and parameters allow.\n`losscompiler explain NAME` tells why.\n\n"
        "* *convex*: in all predictions jointly, else in which of them alone; `no` has an exact "
        "counterexample. Where it depends on parameters: for which it holds, and whether at the "
        "defaults.\n"
        "* *differentiable*: the class of smoothness, and where derivatives jump.\n"
        "* *outliers*: what the pull of a far prediction does: it is `redescending` to 0, "
        "`bounded`, or `unbounded`.\n"
        "* *Lipschitz*: the least constant; `oo` if there is none.\n"
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
        _convex(told),
        _class(told),
        str(told.get("influence", {}).get("kind", "")),
        _code(told.get("lipschitz", {}).get("constant")),
        _estimates(told),
        _likelihood(told),
    )


def _convex(told: Properties) -> str:
    said = WORDS[told["convex"]["verdict"]]
    alone = [n for n, v in told["convex_in"].items() if v["verdict"] == "proved"]
    if said == "yes":
        return said
    parts = [said, f"in {', '.join(f'`{n}`' for n in alone)}" if alone else ""]
    parts += [f"for `{v['holds']}`" for v in told.get("convex_if", {}).values()]
    if told.get("convex_at_defaults", {}).get("verdict") == "proved":
        parts.append("at the defaults")
    return "; ".join(part for part in parts if part)


def _likelihood(told: Properties) -> str:
    """The distribution, its parameters, and whether it is that at the defaults alone."""
    found, suffix = _settled(told, "likelihood")
    if found.get("verdict") != "proved":
        return "none" + suffix if found.get("verdict") == "refuted" else ""
    given = [f"{key} `{value}`" for key, value in found["given"].items()]
    if found["distribution"] == NAMELESS:
        return f"density `{NAMELESS}`{suffix}"
    return ", ".join([found["distribution"], *given]) + suffix


def _class(told: Properties) -> str:
    found = told["smoothness"]
    if found["verdict"] != "proved":
        return "open"
    name = found["class"] if found.get("exact", True) else f"at least {found['class']}"
    places = [k["where"] for k in found["kinks"]] + list(found.get("undefined", ()))
    quoted = [p if "`" in p else f"`{p}`" for p in dict.fromkeys(places)]
    shown = ", ".join(quoted[:MANY_KINKS])
    more = ", ..." if len(quoted) > MANY_KINKS else ""
    return f"{name}, not at {shown}{more}" if quoted else str(name)


def _estimates(told: Properties) -> str:
    """The functional and its link, and whether the score is proper or calibrated."""
    parts = []
    found, suffix = _settled(told, "elicits")
    if "functional" in found:
        link = found.get("link")
        parts.append(f"{found['functional']}" + (f" = `{link}`" if link else "") + suffix)
    for name in ("proper", "calibrated"):
        found, suffix = _settled(told, name)
        if found.get("verdict") in ("proved", "refuted"):
            word = f"strictly {name}" if found.get("strictly") else name
            parts.append((word if found["verdict"] == "proved" else f"not {name}") + suffix)
    return ", ".join(parts)


def _settled(told: Properties, name: str) -> tuple[Mapping[str, Any], str]:
    """What is proved for all parameters, else for the defaults, else what is known at all."""
    whole, usual = told.get(name, {}), told.get(f"{name}_at_defaults", {})
    better = whole.get("verdict") != "proved" and usual.get("verdict") == "proved"
    return (usual, " at the defaults") if better else (whole, "")


def _code(text: str | None) -> str:
    return "" if text is None else f"`{text}`"


def words(told: Properties) -> str:
    """What is known of a loss in one line."""
    convex, *where = _convex(told).replace("`", "").split("; ")
    said = [{"yes": "convex", "no": "not convex", "open": ""}[convex]]
    said += [f"convex {part}" for part in where]
    if told["smoothness"]["verdict"] == "proved":
        exact = told["smoothness"].get("exact", True)
        said.append(("" if exact else "at least ") + told["smoothness"]["class"])
    if "constant" in told["lipschitz"]:
        constant = told["lipschitz"]["constant"]
        said.append("not Lipschitz" if constant == "oo" else f"Lipschitz constant {constant}")
    if "kind" in told.get("influence", {}):
        said.append(f"{told['influence']['kind']} influence")
    estimated = _estimates(told).replace("`", "")
    names = [n for n in ("elicits", "elicits_at_defaults") if "functional" in told.get(n, {})]
    said += [f"estimates the {estimated}" if names else estimated]
    likelihood = _likelihood(told).replace("`", "")
    said += [f"likelihood of: {likelihood}"] if likelihood else []
    return "; ".join(part for part in said if part)
