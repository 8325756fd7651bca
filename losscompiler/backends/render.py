"""From traced losses and printed kernels to the text of generated modules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import jinja2

from losscompiler.backends import documentation, imports
from losscompiler.backends.imports import runtime_files
from losscompiler.backends.layout import Group, block, call
from losscompiler.backends.loss_view import loss_view
from losscompiler.backends.view import KernelView, LossView, ModuleView
from losscompiler.diagnostics import SpecError
from losscompiler.public import class_name, function_names, objective_name
from losscompiler.spec.decorator import Loss
from losscompiler.spec.names import NO_OTHERS

__all__ = [
    "class_name",
    "former_names",
    "public_names",
    "render_init",
    "render_module",
    "runtime_files",
]

_HERE = Path(__file__).parent
_FORMAT = 1


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the text is Python, not HTML
    )


def _classes(backend: str, loss: LossView) -> str:
    """The class forms of a loss; empty for a backend that has none."""
    if not (_HERE / backend / "classes.jinja").exists():
        return ""
    text = _environment().get_template(f"{backend}/classes.jinja").render(loss=loss)
    return f"\n\n{text.strip()}\n" if text.strip() else ""


def _own_names(backend: str, loss: Loss) -> tuple[str, ...]:
    """The names of what a backend's module defines for a loss."""
    if backend == "boosting":
        return (objective_name(loss.name),)
    classes = re.findall(r"^class (\w+)", _classes(backend, loss_view(loss, {})), re.MULTILINE)
    return (*function_names(loss.name), *classes)


@cache
def _other_names(backend: str, loss: Loss, others: tuple[str, ...]) -> Mapping[str, str]:
    """What would be defined if the loss were called otherwise, with what is defined in its place.

    A class form is the same for `dice` and `dice_loss`, and then not another name.
    """
    own = _own_names(backend, loss)
    found: dict[str, str] = {}
    for name in others:
        called = replace(loss, name=name, names=NO_OTHERS)
        found.update(zip(_own_names(backend, called), own, strict=True))
    return {other: name for other, name in found.items() if other not in own}


@cache
def public_names(backend: str, loss: Loss) -> tuple[str, ...]:
    """The names that a backend's module exports for a loss, those of its aliases included."""
    return (*_own_names(backend, loss), *_other_names(backend, loss, loss.names.aliases))


def former_names(backend: str, loss: Loss) -> Mapping[str, str]:
    """The names that a backend's module had for a loss, and what each is called now."""
    return _other_names(backend, loss, loss.names.former)


def _free_names(backend: str, loss: Loss) -> tuple[str, ...]:
    """The names that a module exports for a loss, if none of them hides what the module uses."""
    found = public_names(backend, loss)
    for name in (*found, *former_names(backend, loss)):
        if name in imports.taken(backend):
            raise SpecError(
                "LC101",
                f"the generated {_TITLES.get(backend, backend)} code of `{loss.name}` would define "
                f"`{name}`, which it uses itself",
                help="call the loss something else",
            )
    return found


def render_module(
    backend: str,
    losses: Sequence[tuple[Loss, Mapping[tuple[str, ...], Sequence[KernelView]], tuple[str, ...]]],
    doc: str,
    source: str,
    depth: int = 0,
) -> str:
    """The text of a generated module.

    Args:
        backend: Folder name of the backend.
        losses: Each loss with its kernels (value, vjp, jvp, hvp, hessian_diagonal), keyed by the
            optional inputs that are left out, and lines about its properties.
        doc: Docstring of the spec file.
        source: Path of the spec file from the project's root.
        depth: Number of subpackages that the module lies in.
    """
    views = [loss_view(*one) for one in losses]
    sections = [
        filled("templates/loss.py.jinja", loss=view, classes=_classes(backend, view))
        for view in views
    ]
    return module_text(backend, [loss for loss, *_ in losses], sections, doc, source, depth)


def filled(template: str, **views: object) -> str:
    """A template with its views."""
    return _environment().get_template(template).render(views)


def module_text(
    backend: str,
    losses: Sequence[Loss],
    sections: Sequence[str],
    doc: str,
    source: str,
    depth: int = 0,
) -> str:
    """The text of a module: a section for each loss, and the imports that they turn out to need."""
    named = [s + _aliases(backend, loss, s) for s, loss in zip(sections, losses, strict=True)]
    body = "".join(named).strip("\n")
    old = {o: new for loss in losses for o, new in former_names(backend, loss).items()}
    former = _former(old)
    public = [name for loss in losses for name in _free_names(backend, loss)]
    module = ModuleView(
        header=_header(source),
        docstring=_docstring(doc, source),
        imports=imports.import_lines(backend, "\n".join((body, *former)), depth),
        exports=imports.exports(public),
        body=f"\n\n{body}" if body else "",
        former=former,
    )
    return _module_text(module)


def _aliases(backend: str, loss: Loss, section: str) -> str:
    """The assignments that give a loss its other names, as far from its section as is usual."""
    other = _other_names(backend, loss, loss.names.aliases)
    after_body = section.rstrip().rpartition("\n")[2].startswith(" ")
    gap = "\n\n" if other and after_body else ""
    return gap + "".join(f"{alias} = {name}\n" for alias, name in other.items())


def _former(names: Mapping[str, str]) -> tuple[str, ...]:
    """What keeps names working that are no longer: known to type checkers, found with a warning."""
    if not names:
        return ()
    table = Group("{", tuple(f'"{old}": "{new}"' for old, new in names.items()), "}")
    return (
        "if TYPE_CHECKING:",
        *(f"    {old} = {new}" for old, new in names.items()),
        "else:",
        *block(call("former_names", "__name__", table), 4, prefix="__getattr__ = "),
    )


def render_init(
    backend: str,
    modules: Mapping[str, Sequence[str]],
    former: Mapping[str, str] | None = None,
    depth: int = 0,
) -> str:
    """The text of a package that re-exports the names of its modules (`regression`, `a.b`).

    `former` maps names that its losses had before to those they have now.
    """
    ordered = _import_order(modules)
    lines = [] if ordered == sorted(ordered) else ["# isort: off"]
    for module in ordered:
        lines += imports.import_from(f".{module}", list(modules[module]))
    kept = _former(former or {})
    view = ModuleView(
        header=_header("specs"),
        docstring=documentation.quoted((f"All losses for {_TITLES.get(backend, backend)}.",), 0),
        imports=(*_standard(kept, depth), *lines),
        exports=imports.exports([name for names in modules.values() for name in names]),
        body="",
        former=kept,
    )
    return _module_text(view)


def _standard(former: Sequence[str], depth: int) -> tuple[str, ...]:
    """The imports that former names need in a package."""
    if not former:
        return ()
    return (
        "from typing import TYPE_CHECKING",
        "",
        f"from {'.' * (depth + 1)}_deprecation import former_names",
    )


def _import_order(modules: Mapping[str, Sequence[str]]) -> list[str]:
    """The modules that export anything, each after those that are called like a loss in it.

    To import a module binds its name in the package, where the loss of that name is to stay.
    """
    ordered: dict[str, None] = {}
    begun: set[str] = set()

    def visit(module: str) -> None:
        if module not in begun:
            begun.add(module)
            for other in sorted(modules):
                if other.split(".")[0] in modules[module]:
                    visit(other)
            ordered[module] = None

    for module in sorted(modules):
        visit(module)
    return [module for module in ordered if modules[module]]


_TITLES = {
    "numpy": "NumPy",
    "torch": "PyTorch",
    "tensorflow": "TensorFlow",
    "jax": "JAX",
    "boosting": "gradient boosting",
}


def _module_text(view: ModuleView) -> str:
    text = _environment().get_template("templates/module.py.jinja").render(module=view)
    return text.rstrip("\n") + "\n"


def _header(source: str) -> tuple[str, ...]:
    return (
        f"# Generated by losscompiler from {source} - do not edit;",
        "# change the spec and run `losscompiler build`.",
        f"# format {_FORMAT}",
    )


def _docstring(doc: str, source: str) -> tuple[str, ...]:
    summary, prose, sections = documentation.split(doc or f"Losses of {source}.", "module")
    lines = [summary]
    for part in (prose, sections):
        lines += ["", *part] if part else []
    return documentation.quoted(lines, 0)
