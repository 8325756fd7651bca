"""The TensorFlow runtime: values, derivatives, weights, masks, shapes and dtypes, in every mode."""

from __future__ import annotations

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, log, nan
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from losscompiler.backends.tensorflow.runtime import _support
from losscompiler.backends.tensorflow.runtime._descriptors import Definition
from losscompiler.backends.tensorflow.runtime._options import Options
from tests import tensorflow_kernels as kernels

RNG = np.random.default_rng(7)
LABELS = np.array([2, 0, 1, 2, 3])


@dataclass(frozen=True, eq=False)
class Case:
    """A loss with inputs; `wrt` are the positions of those that are differentiated."""

    definition: Definition
    plain: Callable[..., Any]
    arrays: tuple[np.ndarray, ...]
    parameters: tuple[float, ...] = ()
    wrt: tuple[int, ...] = (0,)

    @property
    def inputs(self) -> tuple[Any, ...]:
        return (*self.arrays, *self.parameters)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        count = len(self.arrays)
        return _support.evaluate(
            self.definition, inputs[:count], inputs[count:], Options(**options)
        )


CASES = {
    "huber": Case(
        kernels.HUBER, kernels.huber_plain, (RNG.normal(size=(5,)) * 2, RNG.normal(size=5)), (1.2,)
    ),
    "bce": Case(
        kernels.BCE,
        kernels.bce_plain,
        (RNG.normal(size=(4, 3)), RNG.integers(0, 2, (4, 3)).astype(float)),
        (2.5,),
    ),
    "sparse": Case(kernels.SPARSE, kernels.sparse_plain, (RNG.normal(size=(5, 4)), LABELS)),
    "dice": Case(
        kernels.DICE, kernels.dice_plain, (RNG.uniform(size=(2, 3, 2, 2)), np.ones((2, 3, 2, 2)))
    ),
    "info_nce": Case(
        kernels.INFO_NCE,
        kernels.info_nce_plain,
        (RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))),
        (0.7,),
        (0, 1),
    ),
    "center": Case(
        kernels.CENTER,
        kernels.center_plain,
        (RNG.normal(size=(5, 3)), RNG.normal(size=(4, 3)), LABELS),
        (1.5,),
        (0, 1, 3),
    ),
}
MODES: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "eager": lambda f: f,
    "graph": tf.function,
    "xla": lambda f: tf.function(f, jit_compile=True),
}


def tensors(case: Case) -> list[Any]:
    return [tf.constant(x) for x in case.inputs[: len(case.arrays)]] + [
        tf.constant(p, tf.float64) for p in case.parameters
    ]


def gradients(f: Callable[..., Any], wrt: Sequence[int]) -> Callable[..., list[Any]]:
    def derivative(*inputs: Any) -> list[Any]:
        sources = [inputs[k] for k in wrt]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            value = f(*inputs)
        found: list[Any] = tape.gradient(value, sources)
        return found

    return derivative


def hessian_times(
    f: Callable[..., Any], wrt: Sequence[int], vectors: Sequence[Any]
) -> Callable[..., list[Any]]:
    """Nested tapes: the gradient of the gradient along the vectors."""

    def derivative(*inputs: Any) -> list[Any]:
        sources = [inputs[k] for k in wrt]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            first = gradients(f, wrt)(*inputs)
        found: list[Any] = tape.gradient(
            first, sources, vectors, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return found

    return derivative


def vectors(case: Case) -> list[Any]:
    rng = np.random.default_rng(3)
    return [tf.constant(rng.normal(size=np.shape(case.inputs[k]))) for k in case.wrt]


def close(found: Any, expected: Any, rtol: float = 1e-11) -> None:
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol, 1e-13)


def mean(case: Case) -> Callable[..., Any]:
    return lambda *inputs: tf.reduce_mean(case.plain(*inputs))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


# ---- values and derivatives ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_value_gradient_and_hessian_are_those_of_the_formula(case: Case, mode: str) -> None:
    inputs, along = tensors(case), vectors(case)
    wrap = MODES[mode]
    close(wrap(case)(*inputs), mean(case)(*inputs))
    close(wrap(gradients(case, case.wrt))(*inputs), gradients(mean(case), case.wrt)(*inputs))
    close(
        wrap(hessian_times(case, case.wrt, along))(*inputs),
        hessian_times(mean(case), case.wrt, along)(*inputs),
        1e-10,
    )


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_the_batch_size_may_be_unknown(case: Case, mode: str) -> None:
    inputs, along = tensors(case), vectors(case)
    shared = {1} if case.definition is kernels.CENTER else set()
    shapes = [
        [None, *x.shape[1:]] if x.shape.rank and k not in shared else x.shape
        for k, x in enumerate(inputs)
    ]
    signature = [tf.TensorSpec(s, x.dtype) for s, x in zip(shapes, inputs, strict=True)]
    compiled = tf.function(
        hessian_times(case, case.wrt, along), signature, jit_compile=mode == "xla"
    )
    close(compiled(*inputs), hessian_times(mean(case), case.wrt, along)(*inputs), 1e-10)


def test_the_functions_agree_with_the_tapes(case: Case) -> None:
    inputs, along = tensors(case), vectors(case)
    arrays, parameters = inputs[: len(case.arrays)], inputs[len(case.arrays) :]
    weight = tf.constant(RNG.uniform(size=case.plain(*inputs).shape))
    options = Options(weight=weight)

    def weighted(*inputs: Any) -> Any:
        return tf.reduce_sum(weight * case.plain(*inputs)) / tf.reduce_sum(weight)

    value, gradient = _support.value_and_grad(case.definition, arrays, parameters, options)
    close(value, weighted(*inputs))
    close(gradient, gradients(weighted, case.wrt)(*inputs))
    vector = along if len(along) > 1 else along[0]
    product = _support.hvp(case.definition, arrays, parameters, vector, options)
    close(product, hessian_times(weighted, case.wrt, along)(*inputs), 1e-10)
    diagonal = _support.hessian_diagonal(case.definition, arrays, parameters, options)
    close(diagonal, plain_diagonal(weighted, case, inputs), 1e-9)


def plain_diagonal(f: Callable[..., Any], case: Case, inputs: Sequence[Any]) -> list[Any]:
    found = []
    for k in case.wrt:
        with tf.GradientTape() as outer:
            outer.watch(inputs[k])
            (first,) = gradients(f, [k])(*inputs)
        second = outer.jacobian(
            first, inputs[k], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        size = int(np.prod(inputs[k].shape))
        found.append(np.reshape(np.diag(np.reshape(second, (size, size))), inputs[k].shape))
    return found


def test_forward_mode_is_the_jvp(case: Case) -> None:
    inputs, along = tensors(case), vectors(case)
    sources = [inputs[k] for k in case.wrt]
    with tf.autodiff.ForwardAccumulator(sources, along) as forward:
        value = case(*inputs)
    expected = sum(
        tf.reduce_sum(g * v)
        for g, v in zip(gradients(mean(case), case.wrt)(*inputs), along, strict=True)
    )
    close(forward.jvp(value), expected)


def test_forward_over_reverse_is_the_hvp(case: Case) -> None:
    inputs, along = tensors(case), vectors(case)
    with tf.autodiff.ForwardAccumulator([inputs[k] for k in case.wrt], along) as forward:
        first = gradients(case, case.wrt)(*inputs)
    expected = hessian_times(mean(case), case.wrt, along)(*inputs)
    close([forward.jvp(g) for g in first], expected, 1e-10)


def test_vectorized_map_of_the_gradient(case: Case) -> None:
    inputs = tensors(case)
    stacked = [tf.stack([x, x[::-1] if x.shape.rank else x]) for x in inputs]
    mapped = tf.vectorized_map(lambda row: gradients(case, case.wrt)(*row), stacked)
    for n in range(2):
        expected = gradients(mean(case), case.wrt)(*(x[n] for x in stacked))
        close([g[n] for g in mapped], expected)


def test_derivatives_at_kinks_are_the_kernels() -> None:
    case, x = CASES["huber"], tf.constant([1.0, -1.0, 0.0])
    second = hessian_times(case, [0], [tf.ones(3)])(x, tf.zeros(3), 1.0)
    close(second, [tf.fill(3, tf.constant(1 / 3))], 1e-7)


def test_the_weight_is_differentiated() -> None:
    x, w = tf.constant([1.0, 3.0]), tf.constant([1.0, 2.0])

    def loss(w: Any) -> Any:
        return CASES["huber"](x, tf.zeros(2), 10.0, weight=w)

    (found,) = gradients(loss, [0])(w)
    value = (0.5 * 1 + 4.5 * 2) / 3
    close(found, np.array([0.5 - value, 4.5 - value]) / 3, 1e-6)


def test_a_saved_model_keeps_the_gradient(tmp_path: Path) -> None:
    case = CASES["sparse"]

    module = tf.Module()
    module.loss = tf.function(
        lambda logits: case(logits, tf.constant(LABELS)), [tf.TensorSpec([None, 4], tf.float64)]
    )
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
    tf.saved_model.save(module, str(tmp_path), options=options)
    logits = tf.constant(case.arrays[0])
    found = gradients(tf.saved_model.load(str(tmp_path)).loss, [0])(logits)
    close(found, gradients(mean(case), [0])(logits, tf.constant(LABELS)))


# ---- reductions, weights, masks ------------------------------------------------------------------


def test_reductions_have_one_meaning() -> None:
    case, x, y = CASES["huber"], [1.0, 3.0, 0.0], [0.0, 0.0, 0.0]
    loss, w = np.array([0.5, 2.5, 0.0]), np.array([1.0, 2.0, 3.0])
    close(case(x, y, 1.0, weight=w, reduction="none"), w * loss, 1e-6)
    close(case(x, y, 1.0, weight=w, reduction="sum"), (w * loss).sum(), 1e-6)
    close(case(x, y, 1.0, weight=w), (w * loss).sum() / w.sum(), 1e-6)
    close(case(x, y, 1.0, weight=w, normalizer=4), (w * loss).sum() / 4, 1e-6)
    close(case(x, y, 1.0, mask=[True, True, False]), 1.5, 1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_masked_entries_never_contribute(mode: str) -> None:
    x, mask = tf.constant([[1.0, nan], [inf, 2.0]]), tf.constant([[True, False], [False, True]])

    def both(x: Any) -> Any:
        return _support.value_and_grad(kernels.BCE, (x, x), (2.0,), Options(mask=mask))

    value, gradient = MODES[mode](both)(x)
    sigmoid = 1 / (1 + np.exp(-np.array([1.0, 2.0])))
    loss = np.array([1.0, 2.0]) * (-2 * np.log(sigmoid)) + np.array([0, -1]) * -np.log(1 - sigmoid)
    close(value, np.mean(loss), 1e-5)
    entries = 0.5 * (np.array([0.0, -1.0]) * sigmoid - 2 * np.array([1.0, 2.0]) * (1 - sigmoid))
    close(gradient, np.diag(entries), 1e-5)
    tape = gradients(lambda x: CASES["bce"](x, x, 2.0, mask=mask), [0])
    assert np.isfinite(np.asarray(MODES[mode](tape)(x)[0])).all()


def test_a_denominator_of_zero_gives_zero() -> None:
    options = Options(weight=[0.0, 0.0])
    value, gradient = _support.value_and_grad(kernels.HUBER, ([1.0, 2.0], [0, 0]), (1.0,), options)
    close([value, gradient], [0.0, np.zeros(2)])
    empty = np.zeros((0,), np.float32)
    assert CASES["huber"](empty, empty, 1.0).numpy() == 0
    assert CASES["sparse"](np.zeros((0, 3), np.float32), np.zeros(0, np.int32)).numpy() == 0


def test_ignored_labels_and_class_weights() -> None:
    case = CASES["sparse"]
    logits = RNG.normal(size=(4, 3)).astype(np.float32)
    logits[1] = nan
    label, table = np.array([0, -1, 2, 1]), np.array([1.0, 2.0, 4.0])
    kept = [0, 2, 3]
    z = logits[kept].astype(np.float64)
    loss = np.log(np.exp(z).sum(1)) - z[range(3), label[kept]]
    w = table[label[kept]]
    options = Options(ignore_index=-1, class_weight=table)
    value, gradient = _support.value_and_grad(case.definition, (logits, label), (), options)
    close(value, (w * loss).sum() / w.sum(), 1e-5)
    expected = np.zeros((4, 3))
    onehot = np.eye(3)[label[kept]]
    softmax = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    expected[kept] = (w / w.sum())[:, None] * (softmax - onehot)
    np.testing.assert_allclose(gradient, expected, 1e-5, 1e-7)
    assert case(logits, np.full(4, -1), ignore_index=-1).numpy() == 0


def test_labels_out_of_range_raise_eagerly_and_are_nan_when_compiled() -> None:
    case, logits, label = CASES["sparse"], tf.zeros((3, 4)), tf.constant([0, 4, 3])
    with pytest.raises(ValueError, match=r"`label` of shape \(3,\) holds 4, .* between 0 and 3"):
        case(logits, label)
    for mode in ("graph", "xla"):
        none = MODES[mode](lambda z, y: case(z, y, reduction="none"))(logits, label)
        close(none, np.array([log(4), nan, log(4)]), 1e-6)
        assert np.isnan(MODES[mode](case)(logits, label))
        rows = MODES[mode](gradients(lambda z, y: case(z, y, reduction="sum"), [0]))(logits, label)
        assert np.isnan(rows[0]).all(axis=1).tolist() == [False, True, False]


def test_a_masked_label_may_be_anything() -> None:
    value = CASES["sparse"](tf.zeros((2, 4)), [99, 1], mask=[False, True])
    close(value, log(4), 1e-6)


# ---- layouts -------------------------------------------------------------------------------------


def test_the_core_axis_may_lie_anywhere() -> None:
    case = CASES["sparse"]
    logits, label = RNG.normal(size=(2, 4, 3)), RNG.integers(0, 4, (2, 3))
    last = np.moveaxis(logits, 1, -1)
    close(case(logits, label, axis=1), case(last, label))
    _, moved = _support.value_and_grad(case.definition, (logits, label), (), Options(axis=1))
    _, plain = _support.value_and_grad(case.definition, (last, label), (), Options())
    close(moved, np.moveaxis(np.asarray(plain), -1, 1))


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 1, 3)])
def test_a_starred_axis_stands_for_any_number_of_axes(shape: tuple[int, ...]) -> None:
    p, t = RNG.uniform(size=(2, 3, *shape)), np.ones((2, 3, *shape))
    _, gradient = _support.value_and_grad(kernels.DICE, (p, t), (), Options(reduction="none"))
    assert np.shape(gradient) == p.shape
    total = p.reshape(2, 3, -1).sum(-1) + t.reshape(2, 3, -1).sum(-1) + 1
    loss = 1 - (2 * (p * t).reshape(2, 3, -1).sum(-1) + 1) / total
    close(CASES["dice"](p, t, reduction="none"), loss)


@pytest.mark.parametrize("mode", MODES)
def test_labels_of_pixels_may_be_ignored(mode: str) -> None:
    logits, label = RNG.normal(size=(2, 3, 4, 5)), RNG.integers(0, 3, (2, 4, 5))
    label[0, 1] = 255
    logits[0, :, 1] = nan
    options = Options(reduction="none", ignore_index=255)

    def both(logits: Any, label: Any) -> Any:
        return _support.value_and_grad(kernels.PIXEL, (logits, label), (), options)

    value, gradient = MODES[mode](both)(tf.constant(logits), tf.constant(label))
    kept = label != 255
    z, y = np.moveaxis(logits, 1, -1)[kept], label[kept]
    softmax = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    loss, by_z = np.zeros(label.shape), np.zeros((*label.shape, 3))
    loss[kept] = -np.log(softmax[range(len(y)), y])
    by_z[kept] = softmax - np.eye(3)[y]
    close([value, gradient], [loss, np.moveaxis(by_z, -1, 1)])


@pytest.mark.parametrize("scale", [2.0, np.array([1.0, 2.0, 3.0])])
@pytest.mark.parametrize("offset", [None, np.ones((4, 3))])
def test_parameters_with_axes_and_optional_inputs(scale: Any, offset: Any) -> None:
    x = RNG.normal(size=(4, 3))
    r = x if offset is None else x - offset
    arguments = (kernels.SCALED, (x, offset), (tf.constant(scale, tf.float64),))
    options = Options(reduction="sum")
    value, (by_x, by_scale) = _support.value_and_grad(*arguments, options)
    summed = (r**2).sum(0) if np.ndim(scale) else (r**2).sum()
    close([value, by_x, by_scale], [(scale * r**2).sum(), 2 * scale * r, summed])
    u, v = RNG.normal(size=(4, 3)), RNG.normal(size=np.shape(scale))
    product = _support.hvp(*arguments, (u, v), options)
    mixed = 2 * r * u
    close(product, [2 * (scale * u + v * r), mixed.sum(0) if np.ndim(scale) else mixed.sum()])
    diagonal = _support.hessian_diagonal(*arguments, options)
    close(diagonal, [np.broadcast_to(2 * scale, (4, 3)), np.zeros(np.shape(scale))])


def test_masks_reach_the_rows_of_a_coupled_loss() -> None:
    q, k = (x.copy() for x in CASES["info_nce"].arrays)
    q[2] = nan
    mask = [True, True, False, True]
    options = Options(mask=mask)
    value, gradient = _support.value_and_grad(kernels.INFO_NCE, (q, k), (0.7,), options)
    rows = CASES["info_nce"].plain(*CASES["info_nce"].arrays, 0.7).numpy()
    close(value, rows[mask].mean())
    assert np.isfinite(gradient[1]).all()
    assert (gradient[0].numpy()[2] == 0).all()


def test_one_tensor_may_be_given_twice() -> None:
    x = tf.constant(CASES["info_nce"].arrays[0])
    _, (by_query, by_key) = _support.value_and_grad(kernels.INFO_NCE, (x, x), (0.7,), Options())
    close([by_query, by_key], gradients(mean(CASES["info_nce"]), [0, 1])(x, x + 0, 0.7))


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            (np.ones(3), np.ones((3, 1)), 1.0),
            {},
            r"`prediction` .*\(3,\) and `target` .*\(3, 1\)",
        ),
        ((np.ones(3), np.ones(1), 1.0), {}, r"`prediction` .* \(3,\) and `target` .* \(1,\)"),
        ((np.ones(3), np.ones(3), 0.0), {}, "`delta` is 0.0, but must satisfy delta > 0"),
        ((np.ones(3), np.ones(3), nan), {}, "`delta` is nan"),
        ((np.ones(3), np.ones(3), [1.0]), {}, "`delta` has shape .* a single number"),
        ((np.ones(3), np.ones(3), 1.0), {"reduction": "avg"}, "`reduction` is 'avg'"),
        ((np.ones(3), np.ones(3), 1.0), {"weight": np.ones(2)}, r"`weight` has shape \(2,\)"),
        ((np.ones(3), np.ones(3), 1.0), {"weight": np.ones((2, 3))}, "does not broadcast"),
        ((np.ones(3), np.ones(3), 1.0), {"mask": np.ones(3)}, "`mask` .* booleans"),
        ((["a"], [1.0], 1.0), {}, "`prediction` .* real numbers"),
        ((None, np.ones(3), 1.0), {}, "`prediction` is None"),
    ],
)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_mistakes_are_named(
    arguments: Any, options: dict[str, Any], message: str, mode: str
) -> None:
    with pytest.raises(ValueError, match=message):
        MODES[mode](lambda: CASES["huber"](*arguments, **options))()


def test_labels_are_integers_and_class_weights_fit() -> None:
    case, logits = CASES["sparse"], np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"`label` .* float64, but must hold integers"):
        case(logits, np.zeros(2))
    with pytest.raises(ValueError, match=r"`class_weight` has shape \(2,\)"):
        case(logits, np.zeros(2, int), class_weight=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"`axis` is 2, but `logits` has shape \(2, 3\)"):
        case(logits, np.zeros(2, int), axis=2)


@pytest.mark.parametrize("sizes", [(4, 1), (1, 4)])
def test_sizes_that_are_unknown_while_tracing_never_broadcast(sizes: tuple[int, int]) -> None:
    signature = [tf.TensorSpec([None])] * 2
    x, y = map(tf.ones, sizes)
    both = tf.function(lambda x, y: CASES["huber"](x, y, 1.0), signature)
    with pytest.raises(tf.errors.InvalidArgumentError, match="their batch axes differ"):
        both(x, y)
    compiled = tf.function(lambda x, y: CASES["huber"](x, y, 1.0), signature, jit_compile=True)
    # XLA drops assertions. It fails where the result has too many entries, else the result is NaN.
    if sizes[0] == 1:
        with pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
            compiled(x, y)
    else:
        assert np.isnan(compiled(x, y))


# ---- dtypes and what callers pass ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_dtypes_of_values_and_gradients(dtype: Any) -> None:
    x = tf.cast(tf.fill([4000], 300.0), dtype)
    y = tf.zeros([4000])
    options = Options(reduction="sum")
    value, gradient = _support.value_and_grad(kernels.HUBER, (x, y), (2.0,), options)
    assert isinstance(gradient, tf.Tensor)
    assert value.dtype == (tf.float64 if dtype == tf.float64 else tf.float32)
    assert gradient.dtype == dtype
    close(value, 4000 * 2 * (float(x[0]) - 1), 1e-6)  # beyond the range of float16
    close(tf.cast(gradient, tf.float64), np.full(4000, 2.0))


def test_python_numbers_lists_arrays_and_variables_mix() -> None:
    case = CASES["huber"]
    x = tf.Variable([0.1, 0.2], dtype=tf.float64)
    found = gradients(case, [0])(x, [0.0, 0.1], np.float32(1.0))
    close(found, [np.array([0.05, 0.05])], 1e-15)  # a list beside float64 keeps its digits
    close(case([1, 2], np.array([0, 0]), 1), 1.0)
    variable = tf.Variable(1.5)
    with tf.GradientTape() as tape:
        value = CASES["center"](tf.ones((2, 3)), tf.zeros((4, 3)), [0, 1], variable)
    close([value, tape.gradient(value, variable)], [4.5, 3.0], 1e-6)


def test_keras_own_losses_agree() -> None:
    x, y = RNG.normal(size=(6,)).astype(np.float32), RNG.normal(size=(6,)).astype(np.float32)
    close(CASES["huber"](x, y, 0.7), keras.losses.Huber(0.7)(y, x), 1e-6)
    logits, label = RNG.normal(size=(6, 4)).astype(np.float32), RNG.integers(0, 4, 6)
    own = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(label, logits)
    close(CASES["sparse"](logits, label), own, 1e-6)
