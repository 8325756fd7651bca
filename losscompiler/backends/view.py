"""What templates get: frozen records of finished strings, so that a template only arranges them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KernelView:
    """One private function of pure mathematics, as the printer wrote it.

    `lines` are its statements without indentation, `result` the expression that it returns; a
    tuple is written with its parentheses.
    """

    name: str
    arguments: tuple[str, ...]
    summary: str
    lines: tuple[str, ...]
    result: str
    returns_tuple: bool


@dataclass(frozen=True)
class FunctionView:
    """A function of the module: lines of finished text, indented as they stand in the file."""

    name: str
    head: tuple[str, ...]
    docstring: tuple[str, ...]
    body: tuple[str, ...]


@dataclass(frozen=True)
class InputView:
    """One input or parameter, for the signatures of class forms.

    `annotation` and `default` are as in the generated function (`default` is empty where there is
    none); `declaration` is both joined: `delta: Scalar = 1.0`. `documentation` is its entry in an
    `Args:` section, indented by 8.
    """

    name: str
    role: str
    axes: tuple[str, ...]
    annotation: str
    default: str
    declaration: str
    documentation: tuple[str, ...]
    optional: bool
    learnable: bool
    is_prediction: bool


@dataclass(frozen=True)
class LossView:
    """One loss: its functions, descriptor and what its class form is made of.

    `options` are the names of the keyword-only options of the functions, in order: weight, mask,
    reduction, normalizer, then ignore_index and class_weight (`has_label`), axis (`has_axis`),
    batch_axes (`has_batch_axes`). `class_head` and `class_tail` are what stands in a class
    docstring before and after its `Args:`: lines indented by 4, without the quotes; `class_tail`
    may be empty and starts with an empty line otherwise; `class_warning` are the first lines of the
    constructor of a deprecated loss. `is_pair` says that a loss has one
    prediction and one required target or label and no other required input: `prediction` and
    `truth` then name these two (else the first prediction, and the empty string). `has_settings`
    says that a class form keeps more than its reduction: parameters or options.
    """

    name: str
    class_name: str
    constant: str
    summary: str
    functions: tuple[FunctionView, ...]
    kernels: tuple[FunctionView, ...]
    descriptor: tuple[str, ...]
    class_warning: tuple[str, ...]
    class_head: tuple[str, ...]
    class_tail: tuple[str, ...]
    inputs: tuple[InputView, ...]
    params: tuple[InputView, ...]
    options: tuple[str, ...]
    prediction: str
    truth: str
    is_pair: bool
    has_settings: bool
    has_learnable: bool
    has_label: bool
    has_axis: bool
    has_batch_axes: bool


@dataclass(frozen=True)
class ModuleView:
    """A generated module: its body is rendered first, then the imports that it turns out to use.

    `former` are the lines that keep the former names of losses working.
    """

    header: tuple[str, ...]
    docstring: tuple[str, ...]
    imports: tuple[str, ...]
    exports: tuple[str, ...]
    body: str
    former: tuple[str, ...] = ()
