"""The view of one loss: its public functions, kernels and descriptor as finished text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from losscompiler.backends import documentation
from losscompiler.backends.descriptor import descriptor, number
from losscompiler.backends.layout import Group, Part, block, call, row
from losscompiler.backends.view import FunctionView, InputView, KernelView, LossView
from losscompiler.diagnostics import SpecError
from losscompiler.public import class_name, function_names
from losscompiler.spec.decorator import Loss

_ANNOTATIONS = {
    "weight": "ArrayLike | None = None",
    "mask": "ArrayLike | None = None",
    "reduction": 'Reduction = "mean"',
    "normalizer": "Scalar | None = None",
    "ignore_index": "int | None = None",
    "class_weight": "ArrayLike | None = None",
    "axis": "int = -1",
    "batch_axes": "int = 1",
}
_RAISES = (
    "",
    "Raises:",
    "    ValueError: If a shape, dtype, label, option or parameter is not allowed.",
)


_NAMES_IN_USE = frozenset(("Options", "evaluate", "value_and_grad", "hvp", "hessian_diagonal"))


def loss_view(
    loss: Loss,
    kernels: Mapping[tuple[str, ...], Sequence[KernelView]],
    told: tuple[str, ...] = (),
) -> LossView:
    """Everything that the templates need to know about a loss."""
    view = _without_kernels(loss, told)
    if not kernels:
        return view
    return replace(
        view,
        kernels=tuple(kernel_function(view) for views in kernels.values() for view in views),
        descriptor=descriptor(view.constant, loss, kernels),
    )


@lru_cache(maxsize=256)
def _without_kernels(loss: Loss, told: tuple[str, ...]) -> LossView:
    """What is the same in every backend."""
    for name in _NAMES_IN_USE & loss.roles.keys():
        raise SpecError(
            "LC101",
            f"`{name}` of `{loss.name}` hides a function that its generated code calls",
            help=f"call the input something else, such as `{name}_`",
        )
    constant = f"_{loss.name.upper()}"
    inputs = _inputs(loss)
    params = param_views(loss)
    predictions = [view.name for view in inputs if view.role == "prediction"]
    truths = [v.name for v in inputs if v.role in ("target", "label") and not v.optional]
    required = [v for v in inputs if not v.optional]
    is_pair = len(required) == 2 and len(predictions) == 1 and len(truths) == 1
    return LossView(
        name=loss.name,
        class_name=class_name(loss.name),
        constant=constant,
        summary=documentation.split(loss.doc, loss.name)[0],
        functions=tuple(
            replace(f, body=(*deprecation(loss, f.name, 4), *f.body))
            for f in _functions(loss, constant, inputs, params, told)
        ),
        kernels=(),
        descriptor=descriptor(constant, loss, {}),
        class_warning=deprecation(loss, class_name(loss.name), 8),
        class_head=tuple(f"    {line}" if line else "" for line in documentation.head(loss, told)),
        class_tail=tuple(f"    {line}" if line else "" for line in documentation.tail(loss)),
        inputs=inputs,
        params=params,
        options=_options(loss),
        prediction=predictions[0],
        truth=truths[0] if is_pair else "",
        is_pair=is_pair,
        has_settings=bool(params or _options(loss)[4:]),
        has_learnable=any(view.learnable for view in params),
        has_label="ignore_index" in _options(loss),
        has_axis="axis" in _options(loss),
        has_batch_axes="batch_axes" in _options(loss),
    )


def _options(loss: Loss) -> tuple[str, ...]:
    found = ["weight", "mask", "reduction", "normalizer"]
    roles = loss.roles.values()
    axes = {axis for role in roles for axis in role.axes}
    if any(role.kind == "label" for role in roles):
        found += ["ignore_index", "class_weight"]
    if any(axis.startswith("*") for axis in axes):
        found.append("batch_axes")
    elif len(axes) == 1 and all(len(role.axes) <= 1 for role in roles):
        found.append("axis")
    return tuple(found)


def _inputs(loss: Loss) -> tuple[InputView, ...]:
    found: list[InputView] = []
    optional_from = len(loss.inputs)
    for position, role in reversed(list(enumerate(loss.inputs.values()))):
        if not role.optional:
            break
        optional_from = position
    for position, (name, role) in enumerate(loss.inputs.items()):
        annotation = "ArrayLike | None" if role.optional else "ArrayLike"
        # Python wants no default before an input that has none: None is passed explicitly there.
        default = "None" if position >= optional_from else ""
        found.append(_view(loss, name, annotation, default))
    return tuple(found)


def param_views(loss: Loss) -> tuple[InputView, ...]:
    """The parameters of a loss, as class forms declare and document them."""
    return tuple(
        _view(loss, name, "Scalar", number(role.default, role))
        for name, role in loss.params.items()
    )


def _view(loss: Loss, name: str, annotation: str, default: str) -> InputView:
    role = loss.roles[name]
    entry = documentation.argument(name, documentation.describe(name, role, default))
    return InputView(
        name=name,
        role=role.kind,
        axes=role.axes,
        annotation=annotation,
        default=default,
        declaration=f"{name}: {annotation} = {default}" if default else f"{name}: {annotation}",
        documentation=tuple(f"    {line}" for line in entry),
        optional=role.optional,
        learnable=role.learnable,
        is_prediction=role.kind == "prediction",
    )


# ---- functions -----------------------------------------------------------------------------------


def _functions(
    loss: Loss,
    constant: str,
    inputs: Sequence[InputView],
    params: Sequence[InputView],
    told: Sequence[str],
) -> tuple[FunctionView, ...]:
    options = _options(loss)
    parameters = [view.declaration for view in inputs] + ["*"]
    parameters += [view.declaration for view in params]
    parameters += [f"{name}: {_ANNOTATIONS[name]}" for name in options]
    arrays = row(*(view.name for view in inputs))
    numbers = row(*(view.name for view in params))
    settings = call("Options", *(f"{name}={name}" for name in options))
    several = len(loss.differentiated) > 1
    gradient = "Array | tuple[Array, ...]"
    vector = f"vector: {'Sequence[ArrayLike]' if several else 'ArrayLike'}"
    plain: tuple[Part, ...] = (constant, arrays, numbers, settings)
    with_vector: tuple[Part, ...] = (constant, arrays, numbers, "vector", settings)
    names = function_names(loss.name)
    docs = (_value_doc(loss, inputs, params, told), *_derivative_docs(loss))
    return (
        _function(names[0], parameters, "Array", docs[0], call("evaluate", *plain)),
        _function(
            names[1],
            parameters,
            f"tuple[Array, {gradient}]",
            docs[1],
            call("value_and_grad", *plain),
        ),
        _function(names[2], [*parameters, vector], gradient, docs[2], call("hvp", *with_vector)),
        _function(names[3], parameters, gradient, docs[3], call("hessian_diagonal", *plain)),
    )


def _function(
    name: str, parameters: Sequence[str], returns: str, doc: Sequence[str], result: Group
) -> FunctionView:
    head = (f"def {name}(", *(f"    {p}," for p in parameters), f") -> {returns}:")
    return FunctionView(name, head, documentation.quoted(doc), block(result, 4, prefix="return "))


def deprecation(loss: Loss, name: str, indent: int) -> tuple[str, ...]:
    """The line that tells a user of a deprecated loss what to use in its place."""
    if not loss.names.deprecated:
        return ()
    return block(call("warn_deprecated", f'"{name}"', f'"{loss.names.deprecated}"'), indent)


def _value_doc(
    loss: Loss, inputs: Sequence[InputView], params: Sequence[InputView], told: Sequence[str]
) -> tuple[str, ...]:
    entries = [line[4:] for view in (*inputs, *params) for line in view.documentation]
    for name in _options(loss):
        entries += documentation.argument(name, documentation.OPTION_WORDS[name])
    return (
        *documentation.head(loss, told),
        "",
        "Args:",
        *entries,
        "",
        "Returns:",
        "    The reduced loss, or one entry per loss entry.",
        *_RAISES,
        *documentation.tail(loss),
    )


def _derivative_docs(loss: Loss) -> tuple[tuple[str, ...], ...]:
    wanted = ", ".join(f"`{name}`" for name in loss.differentiated)
    several = ", a tuple in this order" if len(loss.differentiated) > 1 else ""
    same = f"The arguments are those of `{loss.name}`"
    shaped = f"{same}; `vector` has the shapes of what is differentiated."
    table = (
        ("Value and gradient", f"{same}.", "The value, and the gradient with respect to"),
        ("Hessian-vector product", shaped, "The Hessian times the vector, with respect to"),
        ("Diagonal of the Hessian", f"{same}.", "The diagonal with respect to"),
    )
    summed = 'An unreduced loss (`reduction="none"`) is differentiated as its sum.'
    return tuple(
        (
            f"{title} of `{loss.name}`.",
            "",
            *documentation.paragraph(f"{text} {summed}"),
            "",
            "Returns:",
            *documentation.paragraph(f"{result} {wanted}{several}.", indent=4),
            *_RAISES,
        )
        for title, text, result in table
    )


def kernel_function(view: KernelView) -> FunctionView:
    """A kernel as a function of the module."""
    signature = call(f"def {view.name}", *(f"{name}: Array" for name in view.arguments))
    returns = "tuple[Result, ...]" if view.returns_tuple else "Result"
    body = tuple(f"    {line}" if line else "" for text in view.lines for line in text.splitlines())
    return FunctionView(
        name=view.name,
        head=block(signature, suffix=f" -> {returns}:"),
        docstring=documentation.quoted((documentation.sentence(view.summary),)),
        body=(*body, f"    return {view.result}"),
    )
