"""Calls emitted functions in a process of their own and writes down what they return.

Run as a script, with the path of a pickled request. It knows frameworks, and nothing of losses or
of this package: what it imports is the emitted package, from disk, as a user would.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Call = dict[str, Any]


@dataclass(frozen=True)
class Framework:
    """How to hand arrays to a framework, take them back, and differentiate a scalar function."""

    give: Callable[[Array], Any]
    take: Callable[[Any], Array]
    gradient: Callable[[Callable[..., Any], list[Any]], list[Any]] | None


def numpy_framework() -> Framework:
    """NumPy: arrays as they are; nothing is differentiated."""
    return Framework(lambda a: a, np.asarray, None)


def torch_framework() -> Framework:
    """PyTorch, with torch.autograd."""
    import torch

    def gradient(function: Callable[..., Any], inputs: list[Any]) -> list[Any]:
        leaves = [x.detach().clone().requires_grad_(True) for x in inputs]
        return list(torch.autograd.grad(function(*leaves), leaves))

    return Framework(
        lambda a: torch.from_numpy(np.array(a)), lambda x: x.detach().cpu().numpy(), gradient
    )


def jax_framework() -> Framework:
    """JAX in 64 bits, with jax.grad."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax

    config: Any = jax.config
    config.update("jax_enable_x64", True)

    def gradient(function: Callable[..., Any], inputs: list[Any]) -> list[Any]:
        return list(jax.grad(function, argnums=tuple(range(len(inputs))))(*inputs))

    return Framework(jax.numpy.asarray, np.asarray, gradient)


def tensorflow_framework() -> Framework:
    """TensorFlow, with a gradient tape."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow as tf

    def gradient(function: Callable[..., Any], inputs: list[Any]) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            result = function(*inputs)
        zero = tf.UnconnectedGradients.ZERO
        found = tape.gradient(result, inputs, unconnected_gradients=zero)
        return [tf.convert_to_tensor(g) for g in found]

    return Framework(tf.convert_to_tensor, lambda x: np.asarray(x), gradient)


FRAMEWORKS: dict[str, Callable[[], Framework]] = {
    "numpy": numpy_framework,
    "torch": torch_framework,
    "jax": jax_framework,
    "tensorflow": tensorflow_framework,
    "boosting": numpy_framework,
}


def cast(array: Array, dtype: str) -> Array:
    """Floats in the dtype under test, everything else as it is."""
    return array.astype(dtype) if array.dtype.kind == "f" else array


def tupled(result: Any) -> tuple[Any, ...]:
    """The gradients of one or several inputs."""
    return tuple(result) if isinstance(result, tuple | list) else (result,)


def observe(framework: Framework, module: Any, name: str, call: Call, dtype: str) -> dict[str, Any]:
    """All quantities of one call; the text of an exception where one is raised."""

    def given(x: Any) -> Any:
        return framework.give(cast(np.asarray(x), dtype)) if isinstance(x, np.ndarray) else x

    arguments = {key: given(x) for group in ("arrays", "parameters", "options")
                 for key, x in call[group].items()}  # fmt: skip
    for key in call["differentiated"]:  # learnable parameters are arrays, even scalar ones
        if key in call["parameters"]:
            arguments[key] = framework.give(np.asarray(arguments[key], dtype=dtype))
    vector = tuple(
        framework.give(np.asarray(call["vector"][n], dtype=dtype)) for n in call["differentiated"]
    )
    one_or_all = vector[0] if len(vector) == 1 else vector

    def emitted(suffix: str, **more: Any) -> Any:
        return getattr(module, name + suffix)(**arguments, **more)

    def value_and_grad() -> list[Any]:
        value, gradient = emitted("_value_and_grad")
        return [value, *tupled(gradient)]

    def automatic() -> list[Any]:
        assert framework.gradient is not None
        names = call["differentiated"]
        total = {"reduction": "sum"} if call["options"].get("reduction") == "none" else {}

        def reduced(*inputs: Any) -> Any:
            replaced = dict(zip(names, inputs, strict=True))
            return getattr(module, name)(**{**arguments, **replaced, **total})

        return framework.gradient(reduced, [arguments[n] for n in names])

    tasks: dict[str, Callable[[], Any]] = {
        "value": lambda: [emitted("")],
        "value_and_grad": value_and_grad,
        "hvp": lambda: tupled(emitted("_hvp", vector=one_or_all)),
        "hessian_diagonal": lambda: tupled(emitted("_hessian_diagonal")),
    }
    if framework.gradient is not None and all(n in arguments for n in call["differentiated"]):
        tasks["autodiff"] = automatic
    found: dict[str, Any] = {}
    for quantity, task in tasks.items():
        try:
            found[quantity] = [framework.take(x) for x in task()]
        except Exception as error:
            found[quantity] = f"{type(error).__name__}: {error}"
    return found


def observe_objective(
    framework: Framework, module: Any, name: str, call: Call, dtype: str
) -> dict[str, Any]:
    """Value, gradient and Hessian diagonal of an objective; nothing where it has no such call.

    Its samples are one axis, so batch axes are flattened; it sums, so that a mean is one of the
    weights; and it computes in double precision whatever it is given.
    """
    options = {k: v for k, v in call["options"].items() if k != "reduction"}
    arrays = dict(call["arrays"])
    if dtype != "float64" or options.keys() - {"weight"} or len(arrays) != 2:
        return {}
    scores = arrays.pop(call["differentiated"][0])
    (truth,) = arrays.values()
    made: Any = objective_of(module, name)(**call["parameters"], hessian="exact")
    core = scores.shape[-1:] if made.task.classes else ()
    lead = scores.shape[: scores.ndim - len(core)]
    reduction = call["options"].get("reduction", "mean")
    weight = np.broadcast_to(np.asarray(options.get("weight", 1.0), np.float64), lead)
    if truth.shape[: len(lead)] != lead:  # one truth for all samples
        return {}
    if not (scores.size and (weight >= 0).all() and weight.sum() > 0):
        return {}
    weight = (weight / weight.sum() if reduction == "mean" else weight).reshape(-1)
    given = truth.reshape(-1, *truth.shape[len(lead) :]), scores.reshape(-1, *core), weight

    def value() -> Any:
        losses = made.loss(*given)
        return losses.reshape(lead) if reduction == "none" else losses.sum()

    def derivative(order: int) -> Any:
        return made(*given)[order].reshape(scores.shape)

    tasks: dict[str, Callable[[], list[Any]]] = {
        "value": lambda: [value()],
        "value_and_grad": lambda: [value(), derivative(0)],
        "hessian_diagonal": lambda: [derivative(1)],
    }
    found: dict[str, Any] = {}
    for quantity, task in tasks.items():
        try:
            found[quantity] = [np.asarray(x) for x in task()]
        except Exception as error:
            found[quantity] = f"{type(error).__name__}: {error}"
    return found


def objective_of(module: Any, name: str) -> Any:
    """The class of a loss's objective."""
    tasks = {c: getattr(c, "task", None) for c in vars(module).values() if isinstance(c, type)}
    return next(c for c, task in tasks.items() if task is not None and task.name == name)


def exported(backend: str, module: Any, name: str) -> bool:
    """Whether a module has a loss: not one that its backend cannot express."""
    if backend != "boosting":
        return hasattr(module, name)
    return any(getattr(getattr(c, "task", None), "name", "") == name for c in vars(module).values())


def end_with_parent() -> None:
    """Waits for the end of standard input, which only the end of our parent can bring."""
    while os.read(0, 1):
        pass
    os._exit(1)


def main(path: str) -> None:
    """Answers a request: {"backend", "root", "losses": [{"module", "name", "calls"}]}.

    A byte goes into the file `.progress` for every loss that is done.
    """
    threading.Thread(target=end_with_parent, daemon=True).start()
    request = pickle.loads(Path(path).read_bytes())
    sys.path.insert(0, request["root"])  # the parent of `generated`; its folders shadow frameworks
    framework = FRAMEWORKS[request["backend"]]()
    answers: dict[str, Any] = {}
    progress = Path(path).with_suffix(".progress")
    for number, loss in enumerate(request["losses"]):
        progress.write_bytes(b"." * number)
        try:
            module = importlib.import_module(loss["module"])
        except Exception as error:
            answers[loss["name"]] = f"{type(error).__name__}: {error}"
            continue
        if not exported(request["backend"], module, loss["name"]):
            continue
        ask = observe_objective if request["backend"] == "boosting" else observe
        with np.errstate(all="ignore"):
            answers[loss["name"]] = [
                {dtype: ask(framework, module, loss["name"], call, dtype)
                 for dtype in call["dtypes"]}
                for call in loss["calls"]
            ]  # fmt: skip
    progress.write_bytes(b"." * len(request["losses"]))
    Path(path).with_suffix(".answer").write_bytes(pickle.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1])
