"""Every generated JAX loss under every transformation of JAX, against its explicit derivatives."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.catalogue_cases import Case, case, facts, stops_gradients
from tests.representatives import representatives

NAMES = representatives()
TRUE_GRADIENTS = tuple(n for n in NAMES if n not in stops_gradients())
LABELLED = tuple(n for n in NAMES if any(i["role"] == "label" for i in facts()[n]["inputs"]))
WITH_PARAMETERS = tuple(n for n in NAMES if facts()[n]["params"])
MILLION = 10**6

Function = Callable[..., Any]


@pytest.fixture
def _x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def close(found: Any, expected: Any, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    """Two trees of arrays are equal, up to rounding."""
    left, right = jax.tree.leaves(found), jax.tree.leaves(expected)
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        np.testing.assert_allclose(one, other, rtol, atol)


def generated(loss: str, suffix: str = "") -> Function:
    """A generated function."""
    package = importlib.import_module("generated.jax")
    found: Function = getattr(package, f"{loss}{suffix}")
    return found


def placed(example: Case, predictions: Any) -> list[Any]:
    """The inputs with other predictions."""
    arrays: list[Any] = list(example.arrays)
    for position, value in zip(example.positions, predictions, strict=True):
        arrays[position] = value
    return arrays


def mean(example: Case) -> Function:
    """The mean loss by the predictions and then the parameters, both tuples."""

    def of(predictions: Any, parameters: Any) -> Any:
        named = dict(zip(example.params, parameters, strict=True))
        return generated(example.name)(*placed(example, predictions), **named)

    return of


def moving(example: Case) -> tuple[Any, ...]:
    """The predictions."""
    return tuple(jnp.asarray(example.inputs[name]) for name in example.predictions)


def single(parts: tuple[Any, ...]) -> Any:
    """What the generated functions take and give: an array, or a tuple of several."""
    return parts[0] if len(parts) == 1 else parts


def several(given: Any) -> tuple[Any, ...]:
    """The inverse of `single`."""
    return given if isinstance(given, tuple) else (given,)


def without_learnable(example: Case, given: Any) -> tuple[Any, ...]:
    """The parts of a derivative that belong to predictions; learnable parameters follow them."""
    return several(given)[: len(example.predictions)]


def units(example: Case) -> tuple[Any, ...]:
    """Each direction of all predictions together, on a new first axis."""
    shapes = [x.shape for x in moving(example)]
    counts = [int(np.prod(shape)) for shape in shapes]
    every = jnp.eye(sum(counts))
    starts = np.cumsum([0, *counts])
    return tuple(
        every[:, start : start + count].reshape(-1, *shape)
        for start, count, shape in zip(starts, counts, shapes, strict=False)
    )


def rolled(example: Case) -> list[tuple[Any, ...]]:
    """Three sets of predictions, each in the loss's domain."""
    return [tuple(jnp.roll(x, n, 0) for x in moving(example)) for n in range(3)]


def matrix(example: Case, hessian: Any) -> Any:
    """A Hessian by blocks as one matrix."""
    sizes = [x.size for x in moving(example)]
    return jnp.block(
        [[block.reshape(n, m) for m, block in zip(sizes, row, strict=True)]
         for n, row in zip(sizes, hessian, strict=True)]
    )  # fmt: skip


@cache
def explicit(loss: str) -> dict[str, Any]:
    """What the emitted derivatives say, without any transformation but compiling."""
    example = case(loss)
    tangents = tuple(map(jnp.asarray, example.vectors()))

    def derivatives(predictions: Any, directions: Any) -> Any:
        arrays, named = placed(example, predictions), example.params
        extra = tuple(jnp.zeros(()) for _ in example.learnable)
        value, gradient = generated(loss, "_value_and_grad")(*arrays, **named)

        def product(*vector: Any) -> Any:
            found = generated(loss, "_hvp")(*arrays, **named, vector=single((*vector, *extra)))
            return without_learnable(example, found)

        rows = jax.vmap(product)(*units(example))
        diagonal = generated(loss, "_hessian_diagonal")(*arrays, **named)
        others = [
            without_learnable(
                example, generated(loss, "_value_and_grad")(*placed(example, x), **named)[1]
            )
            for x in rolled(example)
        ]
        return {
            "value": value,
            "gradient": without_learnable(example, gradient),
            "product": product(*directions),
            "hessian": jnp.concatenate([r.reshape(r.shape[0], -1) for r in rows], 1),
            "diagonal": without_learnable(example, diagonal),
            "rolled": others,
        }

    found: dict[str, Any] = jax.jit(derivatives)(moving(example), tangents)
    return found


@cache
def transformed(loss: str) -> dict[str, Any]:
    """What the transformations make of the loss alone; compiled together, which is quicker."""
    example = case(loss)
    parameters = tuple(example.params.values())

    def f(predictions: Any) -> Any:
        return mean(example)(predictions, parameters)

    def through(predictions: Any, tangents: Any, stacked: Any) -> Any:
        primal, linear = jax.linearize(f, predictions)
        return {
            "value": f(predictions),
            "grad": jax.grad(f)(predictions),
            "hessian": jax.hessian(f)(predictions),
            "reverse twice": jax.jacrev(jax.jacrev(f))(predictions),
            "jacfwd": jax.jacfwd(f)(predictions),
            "jvp": jax.jvp(f, (predictions,), (tangents,)),
            "linearize": (primal, linear(tangents)),
            "hvp": jax.jvp(jax.grad(f), (predictions,), (tangents,))[1],
            "vmap": jax.vmap(jax.grad(f))(stacked),
        }

    tangents = tuple(map(jnp.asarray, example.vectors()))
    stacked = tuple(jnp.stack(parts) for parts in zip(*rolled(example), strict=True))
    found: dict[str, Any] = jax.jit(through)(moving(example), tangents, stacked)
    return found


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("loss", NAMES)
def test_jit_and_grad(loss: str) -> None:
    wanted, example = explicit(loss), case(loss)
    assert wanted["value"].dtype == jnp.float64
    close(transformed(loss)["value"], wanted["value"])
    close(transformed(loss)["grad"], wanted["gradient"])
    eager = generated(loss)(*example.arrays, **example.params)
    close(eager, wanted["value"])


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("loss", NAMES)
def test_forward_mode(loss: str) -> None:
    found, wanted = transformed(loss), explicit(loss)
    pairs = zip(wanted["gradient"], case(loss).vectors(), strict=True)
    slope = sum(jnp.sum(g * v) for g, v in pairs)
    close(found["jvp"], (wanted["value"], slope))
    close(found["linearize"], (wanted["value"], slope))
    close(found["jacfwd"], wanted["gradient"])


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("loss", NAMES)
def test_hessians(loss: str) -> None:
    found, wanted, example = transformed(loss), explicit(loss), case(loss)
    close(matrix(example, found["hessian"]), wanted["hessian"])
    close(matrix(example, found["reverse twice"]), wanted["hessian"])
    close(found["hvp"], wanted["product"])
    entries = jnp.concatenate([d.ravel() for d in wanted["diagonal"]])
    close(entries, jnp.diagonal(wanted["hessian"]))
    close(wanted["hessian"], wanted["hessian"].T)


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("loss", NAMES)
def test_vmap_of_grad(loss: str) -> None:
    wanted = [jnp.stack(parts) for parts in zip(*explicit(loss)["rolled"], strict=True)]
    close(transformed(loss)["vmap"], wanted)


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("loss", TRUE_GRADIENTS)
def test_derivatives_are_limits_of_differences(loss: str) -> None:
    example, h = case(loss), 1e-6
    parameters = tuple(example.params.values())
    both = jax.jit(jax.value_and_grad(mean(example)))

    def at(step: float) -> Any:
        pairs = zip(moving(example), example.vectors(), strict=True)
        return both(tuple(x + step * v for x, v in pairs), parameters)

    slopes = jax.tree.map(lambda a, b: (a - b) / (2 * h), at(h), at(-h))
    close(slopes, (transformed(loss)["jvp"][1], explicit(loss)["product"]), 1e-5, 1e-7)


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("loss", WITH_PARAMETERS)
def test_traced_parameters(loss: str) -> None:
    example = case(loss)
    parameters = tuple(map(jnp.asarray, example.params.values()))
    f = jax.jit(jax.value_and_grad(mean(example), argnums=(0, 1)))
    value, (gradient, by_parameters) = f(moving(example), parameters)
    close(value, explicit(loss)["value"])
    close(gradient, explicit(loss)["gradient"])
    # A parameter that is not learnable is data: no derivative flows into it.
    for name, slope in zip(example.params, by_parameters, strict=True):
        assert (slope != 0) == (name in example.learnable)


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("loss", LABELLED)
def test_integer_labels(loss: str) -> None:
    example = case(loss)
    at = list(example.inputs).index(example.names("label")[0])
    f = jax.jit(lambda *arrays: generated(loss)(*arrays, **example.params))
    for dtype in (np.uint8, np.int16, np.int32, np.int64):
        arrays = list(example.arrays)
        arrays[at] = arrays[at].astype(dtype)
        close(f(*arrays), explicit(loss)["value"])
    gradient = jax.grad(f, argnums=(example.positions[0], at), allow_int=True)(*example.arrays)
    close(gradient[0], explicit(loss)["gradient"][0])
    assert gradient[1].dtype == jax.dtypes.float0


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("loss", LABELLED)
def test_a_label_out_of_range_is_not_a_number_where_it_is_read(loss: str) -> None:
    example = case(loss)
    at = list(example.inputs).index(example.names("label")[0])
    f = jax.jit(lambda *arrays: generated(loss)(*arrays, reduction="none", **example.params))
    for wrong in (-1, 100):
        arrays = list(example.arrays)
        arrays[at] = arrays[at].copy()
        arrays[at].flat[0] = wrong
        found, right = f(*arrays).ravel(), f(*example.arrays).ravel()
        assert jnp.isnan(found[0])
        close(found[1:], right[1:])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("loss", NAMES)
def test_a_million_numbers_in_half_precision(loss: str, dtype: Any) -> None:
    example = case(loss)
    few = [np.asarray(x) for x in example.cast(dtype)]
    predictions = sum(few[k].size for k in example.positions)
    copies = MILLION // predictions + 1
    many = [jnp.asarray(np.tile(x, (copies, *(1,) * (x.ndim - 1)))) for x in few]

    @jax.jit
    def losses(*arrays: Any) -> Any:
        total = generated(loss, "_value_and_grad")(*arrays, reduction="sum", **example.params)
        return generated(loss)(*arrays, **example.params), *total

    value, total, gradient = losses(*many)
    numpy = importlib.import_module("generated.numpy")
    exact = [x.astype(np.float64) if x.dtype == dtype else x for x in few]
    wanted = getattr(numpy, loss)(*exact, **example.params)
    derivatives = getattr(numpy, f"{loss}_value_and_grad")
    wanted_total, slopes = derivatives(*exact, reduction="sum", **example.params)
    assert (value.dtype, total.dtype) == (jnp.float32, jnp.float32)
    close(value, wanted, 2e-5, 1e-7)
    close(total, wanted_total * copies, 2e-5, 1e-2)
    count = len(example.predictions)
    for found, slope in zip(several(gradient)[:count], several(slopes)[:count], strict=True):
        assert found.dtype == dtype
        tiled = np.tile(slope, (copies, *(1,) * (slope.ndim - 1)))
        rounding = 2.0 ** (-7 if dtype == jnp.bfloat16 else -10)
        close(np.asarray(found).astype(np.float64), tiled, rounding, rounding * 1e-2)


# ---- devices -------------------------------------------------------------------------------------

DEVICES = """
import jax, json
jax.config.update("jax_enable_x64", True)
import generated.jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tests.catalogue_cases import case
from tests.representatives import representatives

assert jax.device_count() == 2
mesh = Mesh(np.array(jax.devices()), ("data",))
by_rows = NamedSharding(mesh, PartitionSpec("data"))
errors = {}
for loss in representatives():
    whole = all(i["axes"][:1] == ["batch"] for i in case(loss).facts["inputs"])
    example = case(loss, lead=() if whole else (4,))
    vectors = example.vectors()

    def derivatives(arrays, vectors):
        f = lambda suffix: getattr(generated.jax, loss + suffix)
        vector = (*vectors, *(0.0 for _ in example.learnable))
        vector = vector[0] if len(vector) == 1 else vector
        return (
            jax.value_and_grad(f(""), example.positions)(*arrays, **example.params),
            f("_value_and_grad")(*arrays, **example.params),
            f("_hvp")(*arrays, **example.params, vector=vector),
            f("")(*arrays, **example.params, reduction="none"),
        )

    alone = jax.tree.leaves(jax.jit(derivatives)(example.arrays, vectors))
    arrays, directions = jax.device_put((example.arrays, vectors), by_rows)
    assert all(len(x.sharding.device_set) == 2 for x in arrays)
    sharded = jax.tree.leaves(jax.jit(derivatives)(arrays, directions))
    pairs = zip(sharded, alone, strict=True)
    errors[loss] = max(float(np.max(abs(x - y) / (1 + abs(y)))) for x, y in pairs)
print(json.dumps(errors))
"""


@pytest.fixture(scope="module")
def errors_of_two_devices() -> dict[str, float]:
    """The largest difference between sharded and unsharded results, by loss."""
    flags = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", DEVICES],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    errors: dict[str, float] = json.loads(done.stdout)
    return errors


@pytest.mark.parametrize("loss", NAMES)
def test_arrays_sharded_over_two_devices(
    loss: str, errors_of_two_devices: dict[str, float]
) -> None:
    assert errors_of_two_devices[loss] < 1e-12  # and not NaN
