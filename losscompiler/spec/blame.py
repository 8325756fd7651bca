"""What an exception in a spec means to its author: a code, a sentence and a remedy."""

from __future__ import annotations

import keyword
import re
import sys
from types import TracebackType

from losscompiler.diagnostics import SpecError
from losscompiler.suggest import did_you_mean

VOCABULARY = "symbols of formulas come from losscompiler.spec, and every other name is yours"
NOT_NUMBERS = (
    "inputs are symbols, not numbers: use exp, log, sqrt, ... from losscompiler.spec, "
    "not those of math, numpy or a framework"
)
HINTS: tuple[tuple[str, str], ...] = (
    (
        r"cannot determine truth value",
        "a formula is read once, for all data: write where(condition, a, b) or Piecewise for if; "
        "And, Or, Not for and, or, not; Max, Min, Sum for max, min, sum",
    ),
    (r"[Cc]an(no|')t convert expression to (float|int)", NOT_NUMBERS),
    (r"has no callable|loop of ufunc|Cannot interpret|must be Tensor|not a valid JAX", NOT_NUMBERS),
    (r"loss\(\) missing", "write @loss, without parentheses"),
    (
        r"unsupported operand|bad operand",
        "conditions and masks are not numbers: indicator(condition) is 1 where it holds",
    ),
    (r"'Role' object", "this is a declaration; use the function's own input of that name"),
)


def explain(error: BaseException, package: str, folder: str) -> SpecError:
    """The diagnosis of any exception raised while a spec was loading.

    Spec files of `folder` are imported as modules of `package`, a name that no message shows.
    """
    if isinstance(error, SpecError):
        return error
    if isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
        return SpecError(
            "LC008",
            f"the spec stops the program: {type(error).__name__}({_arguments(error)})",
            help="a spec only declares losses; remove the call, or raise an error that says why",
        )
    if isinstance(error, NameError) and type(error) is NameError and error.name:
        return _unknown_symbol(error.name, error.__traceback__)
    if isinstance(error, ImportError):
        return _failed_import(error, package, folder)
    said = str(error).replace(f"{package}.", "")
    message = f"{type(error).__name__}: {said}" if said else type(error).__name__
    remedy = next((remedy for pattern, remedy in HINTS if re.search(pattern, said)), "")
    return SpecError("LC002", message, help=remedy)


def _arguments(error: BaseException) -> str:
    return ", ".join(repr(argument) for argument in error.args)


def _unknown_symbol(name: str, trace: TracebackType | None) -> SpecError:
    from losscompiler.spec import __all__ as vocabulary

    message = f"unknown symbol `{name}`"
    if name in vocabulary:
        return SpecError("LC002", message, help=f"import it: from losscompiler.spec import {name}")
    known = set(vocabulary)
    while trace is not None:
        frame = trace.tb_frame
        if trace.tb_next is None:
            known |= {n for n in (*frame.f_locals, *frame.f_globals) if not n.startswith("__")}
        trace = trace.tb_next
    return SpecError("LC002", message, help=did_you_mean(name, known, VOCABULARY))


def _failed_import(error: ImportError, package: str, folder: str) -> SpecError:
    said = str(error)
    missing = re.search(r"cannot import name '(\w+)' from (partially)?", said)
    module = error.name or ""
    if missing and missing[2]:
        return SpecError(
            "LC002",
            f"`{missing[1]}` cannot be imported: spec files import each other in a circle",
            help="move what both need to a third file, such as _common.py",
        )
    owner = _spoken(module, package, folder)
    if missing:
        names = [n for n in vars(sys.modules.get(module, sys)) if not n.startswith("__")]
        names = names if module in sys.modules else []
        if module == "losscompiler.spec":
            from losscompiler.spec import __all__ as names
        return SpecError(
            "LC002",
            f"unknown symbol `{missing[1]}`: {owner} has no such name",
            help=did_you_mean(missing[1], names, VOCABULARY),
        )
    if module.startswith(f"{package}."):
        return SpecError(
            "LC002",
            f"there is no spec file {owner}",
            help="a relative import counts from the folder of the file it stands in",
        )
    return SpecError(
        "LC002",
        f"{type(error).__name__}: {said}".replace(f"{package}.", ""),
        help="a spec needs losscompiler.spec alone; anything else must be installed",
    )


def _spoken(module: str, package: str, folder: str) -> str:
    """A module's name as its author knows it: a spec file by its path."""
    if module == package:
        return f"`{folder}`"
    if module.startswith(f"{package}."):
        return f"`{folder}/" + module.removeprefix(f"{package}.").replace(".", "/") + ".py`"
    return f"`{module}`"


def explain_syntax(error: SyntaxError | ValueError, line: str) -> SpecError:
    """The diagnosis of a file that does not parse; `line` is the source line in question."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    start = (error.offset or 1) - 1 if isinstance(error, SyntaxError) else 0
    word = re.match(r"([A-Za-z_]\w*)\s*(=(?!=)|,|:|\)|\()", line[start:])
    if word and keyword.iskeyword(word[1]) and re.match(r"\s*(def\b|\w+\s*=|.*\bdef\b)", line):
        return SpecError(
            "LC001",
            f"`{word[1]}` is a keyword of Python and cannot be a name",
            help=f"call it something else, such as `{word[1]}_`",
        )
    return SpecError(
        "LC001",
        f"this is not valid Python: {message}",
        help="nothing of the file can be read until this is mended",
    )
