"""Docstrings of the generated functions: the author's words, the formula, every argument."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from losscompiler.backends import formula
from losscompiler.backends.domains import words
from losscompiler.backends.layout import WIDTH
from losscompiler.spec.decorator import Loss
from losscompiler.spec.roles import Role

_ROLES = {
    "prediction": "Prediction",
    "target": "Target",
    "mask": "Mask of booleans",
    "label": "Label, an integer",
    "param": "Parameter",
}

OPTION_WORDS = {
    "weight": "Weight of each loss entry; broadcasts to the unreduced loss. None: 1.",
    "mask": "False where a loss entry does not count, whatever the inputs hold there; broadcasts "
    "to the unreduced loss. None: all count.",
    "reduction": '"none" gives the weighted loss entries, "sum" their sum, "mean" their sum '
    "divided by the sum of the weights.",
    "normalizer": 'Divides the sum in place of the sum of the weights if `reduction` is "mean".',
    "ignore_index": "Label of the loss entries that do not count. None: all count.",
    "class_weight": "Factor of the weight for each label. None: 1.",
    "axis": "Position of the core axis in the arrays.",
    "batch_axes": "Number of leading axes that are batch axes; all axes after the named core axes "
    "belong to the starred one.",
    "vector": "What the Hessian is multiplied by: shaped like the differentiated input, or a tuple "
    "of such arrays if there are several.",
}


def split(doc: str, name: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """An author's docstring as its summary, its prose, and its sections (`References:` ...)."""
    paragraphs = doc.replace('"""', "'''").strip().split("\n\n", 1)
    first = " ".join(paragraphs[0].split())
    rest = paragraphs[1] if len(paragraphs) > 1 else ""
    summary = sentence(first)
    if not first or len(summary) > WIDTH - 8:
        summary, rest = f"The {name} loss.", "\n\n".join(part for part in (first, rest) if part)
    found = [fitted.rstrip() for line in rest.splitlines() for fitted in _fit(line)]
    starts = [n for n, line in enumerate(found) if re.fullmatch(r"[A-Z][A-Za-z ]*:", line)]
    cut = starts[0] if starts else len(found)
    return summary, _trim(found[:cut]), _trim(found[cut:])


def sentence(words_: str) -> str:
    """Text that starts with a capital and ends with a full stop."""
    start = words_.split(" ", 1)[0]
    if start.isascii() and start.isalpha() and start.islower():
        words_ = words_[0].upper() + words_[1:]
    return words_ if words_.endswith((".", "!", "?")) else words_ + "."


def _fit(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(
        line, WIDTH - 4, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [""]


def _trim(found: list[str]) -> tuple[str, ...]:
    return tuple("\n".join(found).strip("\n").splitlines())


def quoted(lines: Sequence[str], indent: int = 4) -> tuple[str, ...]:
    """Lines as a docstring; a single line keeps its quotes beside it."""
    quotes = 'r"""' if any("\\" in line for line in lines) else '"""'
    space = " " * indent
    last = lines[-1]
    if len(lines) == 1 and not last.endswith('"') and len(space + quotes + last) + 3 <= WIDTH:
        return (f'{space}{quotes}{last}"""',)
    body = [space + line if line else "" for line in lines[1:]]
    return (space + quotes + lines[0], *body, f'{space}"""')


def argument(name: str, description: str) -> tuple[str, ...]:
    """One entry of an `Args:` section, indented by 4."""
    return paragraph(f"{name}: {description}", indent=4, hanging=4)


def paragraph(text: str, indent: int = 0, hanging: int = 0) -> tuple[str, ...]:
    """Text filled to the width of a docstring that is itself indented by 4."""
    return tuple(
        textwrap.wrap(
            text,
            WIDTH - 4,
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + hanging),
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def describe(name: str, role: Role, default: str) -> str:
    """Role, axes, domain and default of an input, in words."""
    what = _ROLES[role.kind]
    if role.learnable:
        what = "Learnable parameter"
    if role.axes:
        joined = ", ".join(role.axes)
        what += f", a number or an array ({joined})" if role.kind == "param" else f" ({joined})"
    if role.label_axis is not None:
        what += f" that points into axis {role.label_axis}"
    domain = "" if role.kind in ("mask", "label") else words(name, role.domain)
    parts = [what, domain, f"default {default}" if role.kind == "param" else ""]
    found = "; ".join(part for part in parts if part)
    return f"{found}; may be left out." if role.optional else f"{found}."


def head(loss: Loss, told: Sequence[str] = ()) -> tuple[str, ...]:
    """Summary, formula, signature, the author's prose, and what is proved of the loss."""
    summary, prose, _ = split(loss.doc, loss.name)
    shown = tuple(f"    {line}" for line in formula.lines(loss.expression, WIDTH - 8))
    shapes = paragraph(
        f"Shapes: `{loss.signature}` after the batch axes, as NumPy writes generalised ufuncs."
    )
    parts = [shown, _other_names(loss), shapes, prose, properties(told)]
    return (summary, *(line for part in parts if part for line in ("", *part)))


def _other_names(loss: Loss) -> tuple[str, ...]:
    """What else a loss is called, and what to use in its place."""
    aliases = ", ".join(f"`{alias}`" for alias in loss.names.aliases)
    also = f"Also called {aliases}." if aliases else ""
    instead = f"Deprecated: {sentence(loss.names.deprecated)}" if loss.names.deprecated else ""
    return paragraph(" ".join(part for part in (also, instead) if part))


def properties(told: Sequence[str]) -> tuple[str, ...]:
    """The section of what is proved of a loss; nothing if nothing is known."""
    return ("Properties:", *(f"    {line}" for line in told)) if told else ()


def tail(loss: Loss) -> tuple[str, ...]:
    """The author's sections, such as `References:`."""
    sections = split(loss.doc, loss.name)[2]
    return ("", *sections) if sections else ()
