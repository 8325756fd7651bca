"""All that a user asks about one loss: what it is for, what it takes, where its code is."""

from __future__ import annotations

from typing import Any

from losscompiler.analysis.certificate import properties
from losscompiler.analysis.report import analyse
from losscompiler.backends.documentation import describe
from losscompiler.building.facts import facts
from losscompiler.spec.decorator import Loss
from losscompiler.wording import words


def sheet(loss: Loss) -> dict[str, Any]:
    """The facts as data, and the parts of what `show` prints."""
    known = facts(loss, "", {})
    return {
        **{key: known[key] for key in ("summary", "aliases", "inputs", "params")},
        "doc": loss.doc,
        "heading": f"{_call(loss)}\n\n{_indented(loss.doc)}",
        "rows": _rows(loss),
    }


def _call(loss: Loss) -> str:
    """The loss as it is called: `huber(prediction, target, *, delta=1)`."""
    inputs = [f"{n}=None" if role.optional else n for n, role in loss.inputs.items()]
    params = [f"{n}={role.default}" for n, role in loss.params.items()]
    return f"{loss.name}({', '.join([*inputs, *(['*', *params] if params else [])])})"


def _indented(text: str) -> str:
    return (
        "\n".join(f"    {line}" if line else "" for line in text.splitlines()) or "    (no words)"
    )


def _rows(loss: Loss) -> list[tuple[str, str]]:
    found = [
        (name, describe(name, role, str(role.default)).removesuffix("."))
        for name, role in loss.roles.items()
    ]
    found += [("signature", loss.signature)]
    names = loss.names
    found += [("also called", ", ".join(names.aliases))] if names.aliases else []
    found += [("once called", ", ".join(names.former))] if names.former else []
    found += [("deprecated", names.deprecated)] if names.deprecated else []
    found += [("properties", words(properties(analyse(loss))))]
    return [*found, ("spec", f"{loss.path}:{loss.line}")]
