"""The modules of objectives: views of what was derived, and their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import sympy as sp

from losscompiler.backends import documentation, formula, render
from losscompiler.backends.boosting import express
from losscompiler.backends.boosting.derive import Derived, derive
from losscompiler.backends.descriptor import parameter
from losscompiler.backends.domains import Bounds, bounds, words
from losscompiler.backends.emit import kernel_view
from losscompiler.backends.layout import WIDTH, Group, Part, block, call, row
from losscompiler.backends.loss_view import deprecation, kernel_function, param_views
from losscompiler.backends.numpy.operators import SPELLING
from losscompiler.backends.view import FunctionView, InputView
from losscompiler.ir.operators import Magnitude, Maximum
from losscompiler.passes.compiled import CompiledLoss
from losscompiler.public import objective_name
from losscompiler.spec.decorator import Loss

SUMMARIES = {
    "value": "The loss.",
    "vjp": "Gradients of sum(cotangent * loss).",
    "hessian_diagonal": "The diagonal of the Hessian of sum(cotangent * loss).",
    "hvp": "The Hessian of sum(cotangent * loss) times the tangents.",
    "upper_bound": "A curvature that bounds that of sum(cotangent * loss) from above.",
}
PREDICTIONS = {
    "identity": "the raw score itself",
    "log": "exp(raw_score)",
    "logit": "sigmoid(raw_score)",
    "softplus": "softplus(raw_score)",
    "softmax": "softmax(raw_score) over the classes",
}


@dataclass(frozen=True)
class ObjectiveView:
    """One objective as its template arranges it."""

    class_name: str
    warning: tuple[str, ...]
    constant: str
    docstring: tuple[str, ...]
    params: tuple[InputView, ...]
    default: str
    kernels: tuple[FunctionView, ...]
    descriptor: tuple[str, ...]


def render_module(compiled: Sequence[CompiledLoss], doc: str, source: str, depth: int) -> str:
    """The text of the module of one spec file."""
    sections = [render.filled("boosting/objective.jinja", objective=_view(one)) for one in compiled]
    losses = [one.loss for one in compiled]
    return render.module_text("boosting", losses, sections, doc, source, depth)


def _view(compiled: CompiledLoss) -> ObjectiveView:
    loss = compiled.loss
    derived = derive(compiled)
    kernels = {
        name: kernel_view(
            f"_{loss.name}_{name}",
            SUMMARIES[name],
            program,
            SPELLING,
            returns_tuple=name != "value",
        )
        for name, program in derived.programs.items()
    }
    return ObjectiveView(
        class_name=objective_name(loss.name),
        warning=deprecation(loss, objective_name(loss.name), 8),
        constant=f"_{loss.name.upper()}",
        docstring=documentation.quoted(_docstring(compiled, derived), 4),
        params=param_views(loss),
        default=derived.default,
        kernels=tuple(kernel_function(view) for view in kernels.values()),
        descriptor=_descriptor(loss, derived),
    )


def _descriptor(loss: Loss, derived: Derived) -> tuple[str, ...]:
    prediction, truth = express.parts(loss)
    parts: list[Part] = [
        f'name="{loss.name}"',
        ("parameters=", row(*(parameter(name, role) for name, role in loss.params.items()))),
        ("truth=", _truth(loss, truth)),
        f'link="{derived.link}"',
        *(f"{name}=_{loss.name}_{name}" for name in derived.programs),
    ]
    if derived.bound.program is None:
        parts.append(f'without_bound="{_advice(derived)}"')
    names = list(loss.inputs)
    allowed = bounds(loss.roles[prediction].domain)
    facts = {
        "classes": bool(loss.roles[prediction].axes),
        "label": loss.roles[truth].kind == "label",
        "truth_first": names.index(truth) < names.index(prediction),
        "flat": derived.flat,
        "averages": derived.averages,
    }
    parts += [f"{name}=True" for name, holds in facts.items() if holds]
    parts += [f"{end}={getattr(allowed, end)!r}" for end in ("low", "high")
              if getattr(allowed, end) != getattr(Bounds(), end)]  # fmt: skip
    parts += [] if derived.convex else ["convex=False"]
    return block(call("Task", *parts), prefix=f"_{loss.name.upper()} = ")


def _truth(loss: Loss, name: str) -> Group:
    role = loss.roles[name]
    found = [f'name="{name}"', "default=0.0"]
    if role.kind == "label":
        return call("Parameter", *found)
    allowed = bounds(role.domain)
    for field in fields(Bounds):
        value = getattr(allowed, field.name)
        if value != field.default:
            found.append(f"{field.name}={value!r}")
    domain = words(name, role.domain)
    return call("Parameter", *found, *([f'domain="{domain}"'] if domain else []))


def _advice(derived: Derived) -> str:
    instead = "exact" if derived.convex and not derived.flat else "clamp"
    return f"{derived.bound.words}; use '{instead}'"


# ---- the docstring -------------------------------------------------------------------------------


def _docstring(compiled: CompiledLoss, derived: Derived) -> tuple[str, ...]:
    loss = compiled.loss
    proved = documentation.properties(compiled.told)
    summary, prose, sections = documentation.split(loss.doc, loss.name)
    shown = tuple(f"    {line}" for line in formula.lines(loss.expression, WIDTH - 8))
    prediction, _ = express.parts(loss)
    domain = words(prediction, loss.roles[prediction].domain)
    told = f"The raw score is `{prediction}`; a prediction is {PREDICTIONS[derived.link]}."
    if domain:
        told += f" The loss asks for {domain}, which raw scores may leave: watch for NaN."
    args = [line[4:] for view in param_views(loss) for line in view.documentation]
    return (
        summary,
        "",
        *shown,
        *(("", *prose) if prose else ()),
        "",
        *documentation.paragraph(told),
        *(("", *proved) if proved else ()),
        "",
        "Args:",
        *args,
        *documentation.argument("hessian", _curvatures(derived, loss)),
        *(("", *sections) if sections else ()),
    )


def _curvatures(derived: Derived, loss: Loss) -> str:
    clamp = "1, for the loss has no curvature" if derived.flat else "that, but at least 1e-16"
    if derived.bound.program is None:
        bound = f"is refused: {derived.bound.words}."
    elif derived.bound.formula is None:
        bound = f"gives the {derived.bound.words}."
    else:
        bound = f"gives {_shown(derived, loss)}, the {derived.bound.words}."
    return (
        'The curvature that trees are grown with. `"exact"` gives the second derivative, '
        f'`"clamp"` {clamp}, `"upper_bound"` {bound}'
    )


def _shown(derived: Derived, loss: Loss) -> str:
    """The formula of a bound in the names of the spec."""
    assert derived.bound.program is not None
    graph = derived.bound.program.graph
    found = derived.bound.formula
    assert found is not None
    names = {
        leaf: sp.Symbol(getattr(graph.definition(leaf), "name", str(leaf)), real=True)
        for leaf in found.free_symbols
    }
    found = found.replace(Maximum, sp.Max).replace(Magnitude, sp.Abs)
    return f"`{formula.text(found.xreplace(names))}`"
