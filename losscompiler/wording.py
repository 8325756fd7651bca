"""What is proved of a loss, in words: from the plain data of the manifest."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

Properties = Mapping[str, Any]
MANY_KINKS = 2
WIDTH = 92  # of lines in a docstring
LONGEST = 48  # characters of a formula in a docstring
NAMELESS = "exp(-loss)"
WORDS = {"proved": "yes", "refuted": "no", "unknown": "open"}


def convexity(told: Properties) -> str:
    """Whether it is convex, in what, and for which parameters."""
    said = WORDS[told["convex"]["verdict"]]
    alone = [n for n, v in told["convex_in"].items() if v["verdict"] == "proved"]
    if said == "yes":
        return said
    parts = [said, f"in {', '.join(f'`{n}`' for n in alone)}" if alone else ""]
    parts += [f"for `{v['holds']}`" for v in told.get("convex_if", {}).values()]
    if told.get("convex_at_defaults", {}).get("verdict") == "proved":
        parts.append("at the defaults")
    return "; ".join(part for part in parts if part)


def likelihood(told: Properties) -> str:
    """The distribution, its parameters, and whether it is that at the defaults alone."""
    found, suffix = _settled(told, "likelihood")
    if found.get("verdict") != "proved":
        return "none" + suffix if found.get("verdict") == "refuted" else ""
    given = [f"{key} `{value}`" for key, value in found["given"].items()]
    if found["distribution"] == NAMELESS:
        return f"density `{NAMELESS}`{suffix}"
    return ", ".join([found["distribution"], *given]) + suffix


def differentiability(told: Properties) -> str:
    """The class of smoothness, and where derivatives jump."""
    found = told["smoothness"]
    if found["verdict"] != "proved":
        return "open"
    name = found["class"] if found.get("exact", True) else f"at least {found['class']}"
    places = [k["where"] for k in found["kinks"]] + list(found.get("undefined", ()))
    quoted = [p if "`" in p else f"`{p}`" for p in dict.fromkeys(places)]
    shown = ", ".join(quoted[:MANY_KINKS])
    more = ", ..." if len(quoted) > MANY_KINKS else ""
    return f"{name}, not at {shown}{more}" if quoted else str(name)


def estimates(told: Properties) -> str:
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


def words(told: Properties) -> str:
    """What is known of a loss in one line."""
    convex, *where = convexity(told).replace("`", "").split("; ")
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
    estimated = estimates(told).replace("`", "")
    names = [n for n in ("elicits", "elicits_at_defaults") if "functional" in told.get(n, {})]
    said += [f"estimates the {estimated}" if names else estimated]
    distribution = likelihood(told).replace("`", "")
    said += [f"likelihood of: {distribution}"] if distribution else []
    return "; ".join(part for part in said if part)


def brief(told: Properties) -> str:
    """What is known of a loss in a few words."""
    if not {"convex", "smoothness"} <= told.keys():
        return ""
    convex, *where = convexity(told).replace("`", "").split("; ")
    said = [{"yes": "convex", "no": "not convex", "open": ""}[convex]]
    said += ["convex at the defaults"] if "at the defaults" in where else []
    if told["smoothness"]["verdict"] == "proved":
        exact = told["smoothness"].get("exact", True)
        said.append(("" if exact else "at least ") + told["smoothness"]["class"])
    far = told.get("influence", {}).get("kind")
    said += [f"{far} influence"] if far else []
    return ", ".join(part for part in said if part)


def lines(told: Properties) -> tuple[str, ...]:
    """At most four sentences for a docstring, each wrapped into lines that fit there."""
    wrapped = (
        textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_long_words=False)
        for line in _sentences(told)
    )
    return tuple(line for sentence in wrapped for line in sentence)


def _sentences(told: Properties) -> Iterator[str]:
    if not {"convex", "smoothness", "lipschitz"} <= told.keys():
        return
    convex, *where = convexity(told).split("; ")
    if convex != "open":
        head = {"yes": "Convex", "no": "Not convex"}[convex]
        yield f"{head}; convex {', '.join(where)}." if where else f"{head}."
    elif where:
        yield f"Convex {', '.join(where)}."
    smooth = differentiability(told)
    if smooth != "open":
        yield f"Smoothness: {_short(smooth.replace('Cinf', 'C-infinity'))}."
    steep = told["lipschitz"].get("constant")
    far = told.get("influence", {}).get("kind")
    bound = "no Lipschitz constant" if steep == "oo" else f"Lipschitz constant `{steep}`"
    bound = bound if len(bound) < LONGEST + 20 else "Lipschitz"
    parts = [f"{far} influence" if far else "", bound if steep is not None else ""]
    if any(parts):
        yield f"Outliers: {', '.join(p for p in parts if p)}."
    meant, distribution = (_short(text) for text in (estimates(told), likelihood(told)))
    shown = {"none": "no likelihood", "": ""}.get(distribution, f"likelihood of {distribution}")
    if meant:
        yield f"Estimates: {'; '.join(part for part in (meant, shown) if part)}."
    elif shown:
        yield f"{shown[0].upper()}{shown[1:]}."


def _short(text: str) -> str:
    """Without formulas that are too long to read; `losscompiler explain` prints them."""
    return re.sub(rf"`[^`]{{{LONGEST},}}`", "...", text)
