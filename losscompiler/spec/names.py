"""The names that a loss has besides the function's: aliases, former names, and a way out."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

from losscompiler.diagnostics import SpecError
from losscompiler.public import function_names


@dataclass(frozen=True)
class Names:
    """What `@loss(...)` says.

    Under each of the `aliases` generated code offers everything that it offers under the loss's
    own name. A `former` name works too, and warns wherever it is used. `deprecated` says what to
    use in place of the loss, which warns when it is called.
    """

    aliases: tuple[str, ...] = ()
    former: tuple[str, ...] = ()
    deprecated: str = ""


NO_OTHERS = Names()


def check_names(name: str, names: Names) -> None:
    """Raises a diagnostic if nobody could import one of the names of a loss."""
    for option, given in (("aliases", names.aliases), ("former", names.former)):
        if not isinstance(given, tuple) or not all(isinstance(one, str) for one in given):
            shown = f'("{given}",)' if isinstance(given, str) else '("name",)'
            raise SpecError(
                "LC101",
                f"`{option}` of `{name}` is {given!r}, not a tuple of names",
                help=f"write {option}={shown}",
            )
    text = names.deprecated
    if not (isinstance(text, str) and re.fullmatch(r'[^"\\\n]{0,80}', text)):
        raise SpecError(
            "LC101",
            f"`deprecated` of `{name}` is {text!r}, not a line of at most 80 "
            "characters without double quotes",
            help='write what to use in its place: deprecated="use `huber`"',
        )
    given = (name, *names.aliases, *names.former)
    for one in given:
        _check(name, one)
    taken: set[str] = set()
    for public in (function for one in given for function in function_names(one)):
        if public in taken:
            raise SpecError(
                "LC005",
                f"`{name}` has the name `{public}` twice",
                help="take the alias or former name out",
            )
        taken.add(public)


def _check(loss: str, name: str) -> None:
    what = "the loss" if name == loss else f"an alias of `{loss}`"
    if not name.isidentifier() or keyword.iskeyword(name):
        raise SpecError(
            "LC101",
            f"`{name}` cannot be {what}: it is not a name in Python",
            help="use letters, digits and underscores, and no keyword",
        )
    if name.startswith("_"):
        public = name.strip("_")
        raise SpecError(
            "LC101",
            f"`{name}` starts with an underscore, as only names do that generated modules keep to "
            "themselves",
            help=f"call {what} {f'`{public}`' if public else 'something else'}; a helper of "
            "other losses needs no @loss",
            about=name,
        )
