"""What a call must not be: every mistake is a ValueError that names the inputs and their shapes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tests.backends import Backend

LOGITS, LABELS = np.zeros((4, 3)), np.zeros(4, int)
FORMS = ("{}", "{}_value_and_grad", "{}_hessian_diagonal")


def refused(
    backend: Backend, name: str, *inputs: Any, words: tuple[str, ...], **options: Any
) -> None:
    """Every function of a loss raises, also while the framework traces it."""
    pattern = re.compile(".*".join(map(re.escape, words)), re.DOTALL)
    for form in FORMS:
        with pytest.raises(ValueError, match=pattern):
            backend.call(form.format(name), *inputs, **options)
    vector = np.zeros_like(inputs[0], dtype=float)
    with pytest.raises(ValueError, match=pattern):
        backend.call(f"{name}_hvp", *inputs, vector=vector, **options)
    if backend.compiled is not None and backend.name != "torch":  # whose errors dynamo wraps
        named = {key: backend.given(value) for key, value in options.items()}
        compiled = backend.compiled(lambda *x: backend.function(name)(*x, **named))
        with pytest.raises(ValueError, match=pattern):
            compiled(*map(backend.given, inputs))


# ---- shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [((4,), (4, 1)), ((4, 1), (4,)), ((4,), (3,)), ((4,), (1,)), ((2, 3), (3, 2)), ((0,), (1,))],
    ids=str,
)
def test_shapes_match_exactly(
    backend: Backend, first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    words = ("`prediction`", str(first), "`target`", str(second))
    refused(backend, "squared_error", np.zeros(first), np.zeros(second), words=words)


@pytest.mark.parametrize("shape", [(4, 1), (3,), (1,), (4, 3), (1, 4)], ids=str)
def test_labels_have_the_batch_axes_of_the_logits(backend: Backend, shape: tuple[int, ...]) -> None:
    words = ("`logits`", str(LOGITS.shape), "`label`", str(shape))
    labels = np.zeros(shape, int)
    refused(backend, "sparse_softmax_cross_entropy", LOGITS, labels, words=words)


def test_core_axes_of_one_name_have_one_size(backend: Backend) -> None:
    wrong = np.zeros((4, 2))
    words: tuple[str, ...] = ("`logits`", "(4, 3)", "`target`", "(4, 2)", "class")
    refused(backend, "softmax_cross_entropy", LOGITS, wrong, words=words)
    images = np.zeros((2, 3, 4, 5)), np.zeros((2, 3, 5, 4))
    words = ("`probability`", "(2, 3, 4, 5)", "`target`", "(2, 3, 5, 4)", "spatial")
    refused(backend, "dice", *images, words=words)
    flat = np.zeros((2, 3, 20))
    words = ("`probability`", "(2, 3, 4, 5)", "`target`", "(2, 3, 20)")
    refused(backend, "dice", images[0], flat, words=words)


@pytest.mark.parametrize(
    ("name", "inputs", "named"),
    [
        ("softmax_cross_entropy", [(), ()], "logits"),
        ("info_nce", [(3,), (3,)], "query"),
        ("dice", [(3,), (3,)], "probability"),
        ("cox_partial_likelihood", [(), (), ()], "log_risk"),
    ],
)
def test_too_few_axes(backend: Backend, name: str, inputs: list[Any], named: str) -> None:
    kinds = (float, float, bool)
    arrays = [np.zeros(shape, kind) for shape, kind in zip(inputs, kinds, strict=False)]
    with pytest.raises(ValueError, match=f"`{named}`"):
        backend.call(name, *arrays)


def test_an_input_that_is_missing(backend: Backend) -> None:
    with pytest.raises(ValueError, match="`target`"):
        backend.call("squared_error", np.zeros(4), None)


@pytest.mark.parametrize("shape", [(3,), (5,), (4, 1), (2, 4), (4, 4, 1)], ids=str)
@pytest.mark.parametrize("option", ["weight", "mask"])
def test_weights_that_do_not_broadcast(
    backend: Backend, option: str, shape: tuple[int, ...]
) -> None:
    ones = np.ones(shape, bool if option == "mask" else float)
    words = (f"`{option}`", str(shape), "(4,)")
    refused(backend, "squared_error", np.zeros(4), np.zeros(4), words=words, **{option: ones})


def test_weights_are_of_loss_entries_not_of_inputs(backend: Backend) -> None:
    words = ("`weight`", "(4, 3)", "(4,)")
    ones = np.ones((4, 3))
    refused(backend, "sparse_softmax_cross_entropy", LOGITS, LABELS, words=words, weight=ones)


@pytest.mark.parametrize("shape", [(4,), (4, 1), ()], ids=str)
def test_the_vector_has_the_shape_of_the_input(backend: Backend, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"vector"):
        backend.call("softmax_cross_entropy_hvp", LOGITS, LOGITS, vector=np.zeros(shape))


def test_the_vector_has_a_part_for_each_input(backend: Backend) -> None:
    query = np.ones((2, 3))
    for vector in ((query,), (query, query, query)):
        with pytest.raises(ValueError, match=r"vector"):
            backend.call("info_nce_hvp", query, query, vector=vector)


# ---- dtypes, options, parameters -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [float, np.float32, bool])
def test_labels_are_integers(backend: Backend, dtype: type) -> None:
    words = ("`label`", "integers")
    labels: np.ndarray = LABELS.astype(dtype)
    refused(backend, "sparse_softmax_cross_entropy", LOGITS, labels, words=words)


@pytest.mark.parametrize("dtype", [float, int])
def test_masks_are_booleans(backend: Backend, dtype: type) -> None:
    mask: np.ndarray = np.ones(4, dtype)
    refused(backend, "squared_error", np.ones(4), np.ones(4), words=("`mask`", "bool"), mask=mask)
    risk = np.zeros(4)
    words = ("`event`", "bool")
    refused(backend, "cox_partial_likelihood", risk, risk, mask, words=words)


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("dtype", [complex, bool])
def test_predictions_and_targets_are_real(backend: Backend, position: int, dtype: type) -> None:
    if (position, dtype) == (1, bool):  # a target may be
        return
    inputs = [np.ones(4), np.ones(4)]
    inputs[position] = inputs[position].astype(dtype)
    with pytest.raises(ValueError, match=("`prediction`", "`target`")[position]):
        backend.call("squared_error", *inputs)


@pytest.mark.parametrize("reduction", ["average", "", "MEAN", "batchmean", None])
def test_unknown_reductions(backend: Backend, reduction: Any) -> None:
    words = ("`reduction`", repr(reduction), "none", "sum", "mean")
    refused(backend, "squared_error", np.ones(4), np.ones(4), words=words, reduction=reduction)


@pytest.mark.parametrize(
    ("name", "parameter", "value", "domain"),
    [
        ("huber", "delta", 0.0, "delta > 0"),
        ("huber", "delta", -1, "delta > 0"),
        ("huber", "delta", float("nan"), "delta > 0"),
        ("huber", "delta", float("inf"), "delta > 0"),
        ("quantile", "tau", 0.0, "0 < tau < 1"),
        ("quantile", "tau", 1, "0 < tau < 1"),
        ("linex", "a", 0.0, "a"),
        ("margin_ranking", "margin", -0.5, "margin >= 0"),
        ("binary_focal", "alpha", 1.5, "0 <= alpha <= 1"),
    ],
)
def test_parameters_outside_their_domains(
    backend: Backend, name: str, parameter: str, value: float, domain: str
) -> None:
    inputs = [np.ones(4)] * (3 if name == "margin_ranking" else 2)
    named: dict[str, Any] = {parameter: value}
    words = (f"`{parameter}`", str(value), domain)
    if name != "margin_ranking":
        refused(backend, name, *inputs, words=words, **named)
    with pytest.raises(ValueError, match=re.escape(domain)):
        backend.call(name, *inputs, **named)


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("quantile", "tau", 1e-9),
        ("linex", "a", -1),
        ("margin_ranking", "margin", 0),
        ("binary_focal", "alpha", 1),
        ("binary_focal", "alpha", 0),
    ],
)
def test_ends_of_domains_that_belong_to_them(
    backend: Backend, name: str, parameter: str, value: float
) -> None:
    inputs = [np.ones(4)] * (3 if name == "margin_ranking" else 2)
    named: dict[str, Any] = {parameter: value}
    assert np.isfinite(backend.call(name, *inputs, **named))


def test_parameters_as_numbers_of_the_framework(backend: Backend) -> None:
    p, t = np.array([3.0]), np.array([0.0])
    for delta in (2, 2.0, np.float32(2), np.asarray(2.0)):
        assert backend.call("huber", p, t, delta=delta) == 4.0
    with pytest.raises(ValueError, match="`delta`"):
        backend.call("huber", p, t, delta=np.array([2.0]))


def test_axes_are_integers(backend: Backend) -> None:
    for wrong in (1.0, "class", True, None):
        with pytest.raises(ValueError, match="`axis`"):
            backend.call("sparse_softmax_cross_entropy", LOGITS, LABELS, axis=wrong)


def test_options_of_losses_that_have_them() -> None:
    from inspect import signature

    from generated import numpy

    def options(name: str) -> tuple[str, ...]:
        parameters = signature(getattr(numpy, name)).parameters.values()
        return tuple(p.name for p in parameters if p.kind == p.KEYWORD_ONLY)

    plain = ("weight", "mask", "reduction", "normalizer")
    labelled = (*plain, "ignore_index", "class_weight")
    assert options("squared_error") == plain
    assert options("huber") == ("delta", *plain)
    assert options("softmax_cross_entropy") == ("label_smoothing", *plain, "axis")
    assert options("sparse_softmax_cross_entropy") == ("label_smoothing", *labelled, "axis")
    assert options("dice") == ("smooth", *plain, "batch_axes")
    assert options("info_nce") == ("temperature", *plain)
    assert options("nt_xent") == ("temperature", *labelled)
    assert options("huber_hvp") == ("delta", *plain, "vector")


def test_every_backend_has_the_same_functions(backend: Backend) -> None:
    from inspect import signature

    ours, numpy = backend.module(), __import__("generated.numpy", fromlist=["numpy"])
    for name in numpy.__all__:
        mine, theirs = signature(getattr(ours, name)), signature(getattr(numpy, name))
        assert [(p.name, p.kind, p.default) for p in mine.parameters.values()] == [
            (p.name, p.kind, p.default) for p in theirs.parameters.values()
        ], name
