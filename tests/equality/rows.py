"""A `Row` says which library function equals which of our losses, and on what inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

Maker = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

REDUCTIONS = ("none", "sum", "mean")
# Keras clips by 1e-7 and computes in float32 by default; the others are compared in float64.
DTYPES = {
    "formula": "float64",
    "torch": "float64",
    "optax": "float64",
    "sklearn": "float64",
    "keras": "float32",
}


@dataclass(frozen=True)
class Row:
    """One loss of ours and the library function that it equals.

    `theirs(x, reduction)` gets a namespace of the inputs and options as arrays of the library; for
    scikit-learn it returns a value and the gradients (None where it has none), for the others a
    differentiable value. `library="formula"` is for a function of a library that is not installed:
    `theirs` is then what its source computes, in torch. `options` are ours, by keyword; callables
    make arrays for the batch shape, as in `inputs`.

    Three texts are for readers: `function` is the qualified name of theirs, `adapter` says how its
    arguments map onto ours ("" if they are the same), and `unlike` where it is wrong or unusual,
    with the number that shows it ("" if nowhere).
    """

    loss: str
    library: str
    theirs: Callable[[SimpleNamespace, str], Any]
    inputs: Mapping[str, Maker]
    options: Mapping[str, Any] = field(default_factory=dict)
    wrt: tuple[str, ...] = ()
    reductions: tuple[str, ...] = REDUCTIONS
    batches: tuple[tuple[int, ...], ...] = ((6,), (3, 4))
    note: str = ""
    function: str = ""
    adapter: str = ""
    unlike: str = ""

    @property
    def name(self) -> str:
        """The name of the test case."""
        parts = (self.loss, self.library, *self.options, self.note)
        return "-".join(part for part in parts if part)

    @property
    def differentiated(self) -> tuple[str, ...]:
        """The inputs whose gradients are compared: the first one unless said otherwise."""
        return self.wrt or (next(iter(self.inputs)),)


# ---- inputs -----------------------------------------------------------------------------------


def real(*core: int) -> Maker:
    """Normal numbers over the batch shape and further axes."""
    return lambda rng, batch: rng.normal(size=(*batch, *core))


def between(low: float, high: float, *core: int) -> Maker:
    """Uniform numbers."""
    return lambda rng, batch: rng.uniform(low, high, size=(*batch, *core))


def one_of(*values: float) -> Maker:
    """Numbers out of a list."""
    return lambda rng, batch: rng.choice(np.array(values, dtype=float), size=batch)


def label(size: int) -> Maker:
    """Integer labels."""
    return lambda rng, batch: rng.integers(0, size, size=batch)


def simplex(size: int) -> Maker:
    """Distributions with positive probabilities."""
    return lambda rng, batch: rng.dirichlet(np.full(size, 2.0), size=batch)


def labels_of(*values: int) -> Maker:
    """Integer labels out of a list."""
    return lambda rng, batch: rng.choice(values, size=batch)


def flags(*core: int) -> Maker:
    """Truth values, the first of which is true."""

    def make(rng: np.random.Generator, batch: tuple[int, ...]) -> np.ndarray:
        made = rng.random((*batch, *core)) < 0.6
        made[(0,) * made.ndim] = True
        return made

    return make


def constant(array: Any) -> Maker:
    """The same array for every batch shape."""
    return lambda rng, batch: np.asarray(array)


def draw(row: Row, batch: tuple[int, ...]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The inputs and options of one case, as NumPy arrays in the precision of the library."""
    rng = np.random.default_rng(sum(map(ord, row.name)))
    dtype = DTYPES[row.library]

    def cast(value: Any) -> Any:
        made = np.asarray(value(rng, batch)) if callable(value) else value
        return made.astype(dtype) if getattr(made, "dtype", None) == np.float64 else made

    return (
        {name: cast(maker) for name, maker in row.inputs.items()},
        {name: cast(value) for name, value in row.options.items()},
    )


# ---- reductions and inputs that several libraries share ---------------------------------------

REAL_PAIR = {"prediction": real(), "target": real()}
LOGIT = {"logits": real(), "target": between(0, 1)}
BINARY = {"logits": real(), "target": one_of(0, 1)}
SIGNED = {"prediction": real(), "target": one_of(-1, 1)}
DENSE = {"logits": real(5), "target": simplex(5)}
SPARSE = {"logits": real(5), "label": label(5)}
DISTRIBUTIONS = {"prediction": simplex(4), "target": simplex(4)}
TRIPLET = {"anchor": real(3), "positive": real(3), "negative": real(3)}
VIEWS = {"embeddings": real(3), "positive": constant([3, 4, 5, 0, 1, 2])}
WEIGHT = between(0.2, 2)
ANY_BATCH: tuple[tuple[int, ...], ...] = ((), (6,), (3, 4))


def pixels(classes: int, *space: int) -> Maker:
    """Distributions over the classes, on axis 1, at every position."""
    return lambda rng, batch: np.moveaxis(rng.dirichlet(np.ones(classes), (*batch, *space)), -1, 1)


SEGMENTED = {"probability": pixels(3, 4, 5), "target": pixels(3, 4, 5)}


def plain(value: Any, reduction: str) -> Any:
    """The reduction of an unreduced, unweighted loss."""
    return value if reduction == "none" else value.sum() if reduction == "sum" else value.mean()


def formula(
    loss: str,
    unreduced: Callable[[SimpleNamespace], Any],
    inputs: Mapping[str, Maker],
    options: Mapping[str, Any] | None = None,
    **texts: Any,
) -> Row:
    """A row for a formula of inputs and options, in torch, without its reduction."""
    return Row(loss, "formula", lambda x, r: plain(unreduced(x), r), inputs, options or {}, **texts)


def masked(value: Any, mask: Any, reduction: str) -> Any:
    """The reduction over the entries that a mask leaves."""
    total = plain(value * mask, "none" if reduction == "none" else "sum")
    return total / mask.sum() if reduction == "mean" else total
