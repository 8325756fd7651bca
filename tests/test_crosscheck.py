"""Cross-validation as a whole: right functions pass, and every kind of wrong one is caught."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from losscompiler.crosscheck.case import Case
from losscompiler.crosscheck.compare import LIMITS, measure
from losscompiler.crosscheck.expected import Expected, LossOracle
from losscompiler.crosscheck.harness import numpy_framework, observe
from losscompiler.crosscheck.judge import Report, judge
from losscompiler.crosscheck.layout import layout
from losscompiler.crosscheck.report import rows, table
from losscompiler.crosscheck.runner import VerifyResult, as_data, installed_backends, verify
from losscompiler.crosscheck.samples import cases
from losscompiler.crosscheck.ties import guards, tied
from losscompiler.spec import (
    Abs,
    AxisMax,
    Label,
    Loss,
    Mask,
    Max,
    Param,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    log,
    loss,
    where,
)
from losscompiler.spec.loader import load_file

SPEC = '''"""Losses to be checked."""

from losscompiler.spec import Abs, Param, Piecewise, Prediction, Target, loss


@loss
def huber(prediction=Prediction(), target=Target(), *, delta=Param(1, positive=True)):
    """Quadratic near zero."""
    r = prediction - target
    return Piecewise((r**2 / 2, Abs(r) <= delta), (delta * (Abs(r) - delta / 2), True))


@loss
def absolute(prediction=Prediction(), target=Target()):
    """Distance."""
    return Abs(prediction - target)
'''

EMITTED = '''"""Written by hand, to the contract of generated code."""

import numpy as np


def _checked(prediction, target):
    prediction, target = np.asarray(prediction), np.asarray(target)
    if prediction.shape != target.shape:
        raise ValueError("shapes")
    return prediction, target


def _weights(loss, weight, mask, reduction, normalizer):
    w = np.broadcast_to(np.asarray(1.0 if weight is None else weight, loss.dtype), loss.shape)
    m = np.broadcast_to(np.asarray(True if mask is None else mask), loss.shape)
    w = np.where(m, w, 0).astype(loss.dtype)
    if reduction != "mean":
        return w, m
    total = w.sum() if normalizer is None else loss.dtype.type(normalizer)
    return (w / total if total else np.zeros_like(w)), m


def _reduced(loss, weight, mask, reduction, normalizer):
    w, m = _weights(loss, weight, mask, reduction, normalizer)
    loss = np.where(m, w * np.where(m, loss, 0), 0)
    return loss if reduction == "none" else np.asarray(loss.sum(), loss.dtype)


def _huber(r, delta):
    delta = r.dtype.type(delta)
    half = r.dtype.type(0.5)
    small = abs(r) <= delta
    value = np.where(small, half * r * r, delta * (abs(r) - half * delta))
    return value, np.clip(r, -delta, delta), np.where(abs(r) < delta, 1, 0).astype(r.dtype)


def _absolute(r):
    return abs(r), np.sign(r), np.zeros_like(r)


def _call(parts, what, prediction, target, vector=None, weight=None, mask=None, reduction="mean",
          normalizer=None):
    prediction, target = _checked(prediction, target)
    value, slope, curvature = parts(prediction - target)
    w, m = _weights(value, weight, mask, reduction, normalizer)
    if what == "value":
        return _reduced(value, weight, mask, reduction, normalizer)
    if what == "grad":
        gradient = np.where(m, w * np.where(m, slope, 0), 0)
        return _reduced(value, weight, mask, reduction, normalizer), gradient
    diagonal = np.where(m, w * np.where(m, curvature, 0), 0)
    return diagonal if what == "diagonal" else diagonal * vector


def huber(prediction, target, *, delta=1.0, **o):
    return _call(lambda r: _huber(r, delta), "value", prediction, target, **o)


def huber_value_and_grad(prediction, target, *, delta=1.0, **o):
    return _call(lambda r: _huber(r, delta), "grad", prediction, target, **o)


def huber_hvp(prediction, target, *, vector, delta=1.0, **o):
    return _call(lambda r: _huber(r, delta), "hvp", prediction, target, vector=vector, **o)


def huber_hessian_diagonal(prediction, target, *, delta=1.0, **o):
    return _call(lambda r: _huber(r, delta), "diagonal", prediction, target, **o)


def absolute(prediction, target, **o):
    return _call(_absolute, "value", prediction, target, **o)


def absolute_value_and_grad(prediction, target, **o):
    return _call(_absolute, "grad", prediction, target, **o)


def absolute_hvp(prediction, target, *, vector, **o):
    return _call(_absolute, "hvp", prediction, target, vector=vector, **o)


def absolute_hessian_diagonal(prediction, target, **o):
    return _call(_absolute, "diagonal", prediction, target, **o)
'''


def _project(folder: Path, emitted: str = EMITTED) -> tuple[Path, Path]:
    package = folder / "generated" / "numpy"
    package.mkdir(parents=True)
    (folder / "generated" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "regression.py").write_text(emitted)
    specs = folder / "specs"
    specs.mkdir()
    (specs / "regression.py").write_text(SPEC)
    return folder, specs


def _verify(folder: Path, emitted: str, names: list[str] | None = None) -> VerifyResult:
    root, specs = _project(folder, emitted)
    return verify(root, specs, [specs / "regression.py"], names, ["numpy"], 1)


def test_right_functions_pass(tmp_path: Path) -> None:
    result = _verify(tmp_path, EMITTED)
    assert result.diagnostics == ()
    assert [(r.loss, r.dtype) for r in result.reports] == [
        ("huber", "float64"),
        ("huber", "float32"),
        ("absolute", "float64"),
        ("absolute", "float32"),
    ]
    assert result.failures == {}
    for report in result.reports:
        assert set(report.measures) == set(LIMITS)
        assert all(m.conditioned < 4 and m.compared > 100 for m in report.measures.values())


WRONG = {
    "a coefficient of the gradient": ("np.clip(r, -delta, delta)", "np.clip(r, -delta, 1)"),
    "the last digits of the value": ("half * r * r,", "half * r * r * r.dtype.type(1.00001),"),
    "the tie of a kink": ("abs(r), np.sign(r)", "abs(r), np.where(r < 0, -1, 1)"),
    "the Hessian on its edge": ("abs(r) < delta, 1, 0", "abs(r) <= delta, 1, 0"),
    "a NaN at 0": ("abs(r), np.sign(r)", "abs(r), r / abs(r)"),
    "a NaN at 0 in the value": ("return abs(r),", "return r * r / abs(r),"),
    "the mean by count, not by weight": ("total = w.sum() if", "total = w.dtype.type(w.size) if"),
    "masked entries that count": ("w = np.where(m, w, 0)", "w = np.where(True, w, 0)"),
    "masked entries that hold NaN": ("np.where(m, loss, 0), 0)", "loss, 0 * loss)"),
    "a normalizer that is overlooked": ("if normalizer is None else", "if True else"),
    "an overflow": ("half * r * r,", "half * np.exp(2 * np.log(abs(r) + 1e-300)) * 1e300 / 1e300,"),
    "a vector that is overlooked": ("diagonal * vector", "diagonal"),
    "a parameter that is overlooked": ("delta = r.dtype.type(delta)", "delta = r.dtype.type(1)"),
    "the dtype": ("value = np.where(small,", "value = np.float64(1) * np.where(small,"),
    "the shape": (
        "np.asarray(loss.sum(), loss.dtype)",
        "np.asarray([loss.sum()], loss.dtype)",
    ),
    "an exception": ('raise ValueError("shapes")\n', "pass\n    prediction[0]\n"),
    "a value of its own in value_and_grad": (
        "return _reduced(value, weight, mask, reduction, normalizer), gradient",
        "return _reduced(2 * value, weight, mask, reduction, normalizer), gradient",
    ),
}


@dataclass(frozen=True)
class Checked:
    """A loss with its cases; exact results are kept from one mistake to the next."""

    oracle: LossOracle
    cases: list[Case]

    def failures(self, emitted: str) -> tuple[str, ...]:
        module = ModuleType("emitted")
        exec(emitted, module.__dict__)
        name = self.oracle.loss.name
        with np.errstate(all="ignore"):
            answers = [
                {d: observe(numpy_framework(), module, name, as_data(case, ["prediction"]), d)
                 for d in case.dtypes}
                for case in self.cases
            ]  # fmt: skip
        reports = judge(self.oracle, self.cases, {"numpy": answers})
        return tuple(failure for report in reports for failure in report.failures)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checked]:
    _, specs = _project(tmp_path_factory.mktemp("project"))
    oracles = [LossOracle(one) for one in load_file(specs / "regression.py", specs).losses]
    return {oracle.loss.name: Checked(oracle, cases(oracle.loss, oracle)) for oracle in oracles}


@pytest.mark.parametrize("mistake", WRONG)
def test_every_mistake_is_caught(mistake: str, checked: dict[str, Checked]) -> None:
    right, wrong = WRONG[mistake]
    assert right in EMITTED
    name = "absolute" if "abs(r)," in right and "abs(r) <" not in right else "huber"
    assert checked[name].failures(EMITTED) == ()
    assert checked[name].failures(EMITTED.replace(right, wrong)) != ()


def test_failures_say_where_and_how_much(checked: dict[str, Checked]) -> None:
    wrong = EMITTED.replace("abs(r), np.sign(r)", "abs(r), np.where(r < 0, -1.0, 1.0)")
    (told, *_) = [f for f in checked["absolute"].failures(wrong) if "float64" not in f]
    assert "value_and_grad of `prediction` at [" in told
    assert "1.0 instead of 0.0" in told


def test_a_module_that_cannot_be_imported_fails(tmp_path: Path) -> None:
    result = _verify(tmp_path, "import absent_framework\n", ["huber"])
    assert "cannot be imported" in result.failures["huber"]


def test_a_process_that_dies_is_a_finding(tmp_path: Path) -> None:
    result = _verify(tmp_path, "import os\nos._exit(3)\n", ["huber"])
    assert [d.code for d in result.diagnostics] == ["LC404"]
    assert result.reports == ()


def test_a_loss_that_a_backend_lacks_is_passed_over(tmp_path: Path) -> None:
    result = _verify(tmp_path, '"""Empty."""\n', ["huber"])
    assert (result.reports, result.diagnostics) == ((), ())


TORCH = '''"""Written by hand: a gradient of its own, and autograd that sees something else."""

import torch


def absolute(prediction, target, *, weight=None, mask=None, reduction="mean", normalizer=None):
    return AUTOGRAD(prediction, target, weight, mask, reduction, normalizer)


def _value(prediction, target, weight, mask, reduction, normalizer):
    loss = abs(prediction - target)
    w = torch.ones_like(loss) if weight is None else weight.expand(loss.shape)
    m = torch.ones_like(loss, dtype=torch.bool) if mask is None else mask.expand(loss.shape)
    w = torch.where(m, w, torch.zeros_like(w))
    loss = torch.where(m, loss, torch.zeros_like(loss)) * w
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    total = w.sum() if normalizer is None else torch.as_tensor(normalizer, dtype=loss.dtype)
    return loss.sum() / total if total else loss.sum() * 0


def absolute_value_and_grad(prediction, target, **o):
    options = dict(weight=None, mask=None, reduction="mean", normalizer=None) | o
    p = prediction.clone().requires_grad_(True)
    value = _value(p, target, *options.values())
    return value.detach(), torch.autograd.grad(value.sum(), p)[0]


def absolute_hvp(prediction, target, *, vector, **o):
    return torch.zeros_like(prediction)


absolute_hessian_diagonal = lambda prediction, target, **o: torch.zeros_like(prediction)
'''


@pytest.mark.parametrize("honest", [True, False])
def test_automatic_differentiation_is_compared(honest: bool, tmp_path: Path) -> None:
    root, specs = _project(tmp_path)
    folder = root / "generated" / "torch"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    seen = "_value" if honest else "(lambda p, *rest: _value(1.5 * p - 0.5 * p.detach(), *rest))"
    (folder / "regression.py").write_text(TORCH.replace("AUTOGRAD", seen))
    found = verify(root, specs, [specs / "regression.py"], ["absolute"], ["torch"], 1)
    assert found.diagnostics == ()
    assert "autodiff" in found.reports[0].measures
    assert bool(found.failures) is not honest, found.failures
    if not honest:
        assert "automatic gradient of `prediction`" in found.failures["absolute"]


def test_installed_backends_are_those_that_can_be_imported() -> None:
    assert "numpy" in installed_backends()


# ---- samples --------------------------------------------------------------------------------


@loss
def margin(
    a: Any = Prediction(), b: Any = Prediction(), *, m: Any = Param(1, positive=True)
) -> Any:
    return Max(0, m - Abs(a - b))


@loss
def multiclass(s: Any = Prediction("class"), label: Any = Label("class")) -> Any:
    k = index("class", "k")
    return log(Sum(exp(s[k]), k)) - s[label] + AxisMax(s[k], k)


@loss
def boxes(p: Any = Prediction("coordinate"), t: Any = Target("coordinate")) -> Any:
    return Max(p[2], t[2]) - Max(p[0], t[0]) + p[1] + p[3]


@loss
def image(p: Any = Prediction("class", "*spatial"), t: Any = Target("class", "*spatial")) -> Any:
    c, x = index("class", "c"), index("spatial", "x")
    return Sum((p[c, x] - t[c, x]) ** 2, x)


def test_every_kind_of_call_is_made_in_both_precisions() -> None:
    made: dict[str, list[str]] = {}
    for case in cases(margin):
        made.setdefault(case.kind, []).extend(case.dtypes)
    for kind, dtypes in made.items():
        assert set(dtypes) == {"float64", "float32"} or len(dtypes) == 1, kind
    assert made["masked"] in (["float64", "float32", "float64"], ["float32", "float64", "float32"])


def test_cases_are_the_same_in_every_run_and_exact_in_both_dtypes() -> None:
    for once, again in zip(cases(margin), cases(margin), strict=True):
        assert once.kind == again.kind
        for name, array in once.arrays.items():
            np.testing.assert_array_equal(array, again.arrays[name])
            if array.dtype.kind == "f":
                np.testing.assert_array_equal(array, array.astype(np.float32))


def test_inputs_are_arrays_even_if_they_have_no_axes() -> None:
    @loss
    def masked(x: Any = Prediction(), m: Any = Mask(), k: Any = Target(values={0, 1})) -> Any:
        return where(m, x * k, 0)

    assert all(isinstance(a, np.ndarray) for case in cases(masked) for a in case.arrays.values())


@pytest.mark.parametrize("of", [margin, multiclass, boxes])
def test_every_guard_ties_in_some_case(of: Loss) -> None:
    oracle = LossOracle(of)
    every: set[int] = set()
    met: set[int] = set()
    for case in cases(of, oracle):
        laid = layout(of, case)
        for _, sample in laid.samples():
            parameters = dict(case.parameters)
            point = Case("", {n: sample[n] for n in case.arrays}, parameters)
            if not any(np.isnan(a).any() for a in sample.values() if a.dtype.kind == "f"):
                notes = guards(oracle, point)
                every |= {guard for guard, _ in notes}
                met |= {guard for guard, _ in tied(notes)}
    assert every
    assert met == every


def test_axes_with_constant_indices_have_their_size_and_boxes_their_order() -> None:
    found = [c for c in cases(boxes) if c.kind == "interior"]
    assert all(a.shape[-1] == 4 for c in found for a in c.arrays.values())
    assert all((c.arrays["p"][..., 2:] > c.arrays["p"][..., :2]).all() for c in found)


def test_starred_axes_stand_for_any_number_of_array_axes() -> None:
    assert {c.arrays["p"].ndim - c.options.get("batch_axes", 1) for c in cases(image)} == {1, 2, 3}


def test_kinds_of_cases() -> None:
    kinds = {c.kind for c in cases(multiclass)}
    wanted = {"interior", "edge", "extreme", "kink", "options", "masked", "label", "shape"}
    assert wanted | {"equal", "size-1", "empty"} == kinds
    axes = [c.options.get("axis") for c in cases(multiclass)]
    assert 1 in axes


# ---- comparison and report ------------------------------------------------------------------


def _expected(*choices: float, between: bool = False, scale: float = 0.0) -> Expected:
    pairs = tuple((np.array([c]), np.zeros(1)) for c in choices)
    return Expected(pairs, np.array([scale]), between)


def test_errors_are_measured_in_ulp() -> None:
    found = measure(_expected(1.0), np.array([1.0 + 3 * 2**-52]), "float64")
    assert (found.ulp, found.conditioned) == (3.0, 3.0)
    assert measure(_expected(1.0, scale=2.0), np.array([1 + 2**-20]), "float32").conditioned < 3


def test_the_condition_of_the_problem_is_asked_for_only_where_it_matters() -> None:
    def refuse() -> np.ndarray[Any, Any]:
        raise AssertionError("not needed")

    assert measure(_expected(1.0), np.array([1.0 + 2**-52]), "float64", refuse).ulp == 1.0
    hard = measure(_expected(1.0), np.array([1 + 2**-40]), "float64", lambda: np.array([1e4]))
    assert hard.ulp == 2**12
    assert hard.conditioned < 1


def test_what_is_not_finite_counts_only_where_the_exact_result_is() -> None:
    nothing = np.array([np.nan])
    assert measure(_expected(1.0), nothing, "float64").nonfinite == 1
    for lost in (np.nan, np.inf):
        assert measure(_expected(lost), nothing, "float64").nonfinite == 0
    assert measure(_expected(1e300), np.array([np.inf]), "float32").nonfinite == 0


def test_ties_accept_any_of_their_conventions_and_nothing_else() -> None:
    for got, error in ((0.0, False), (0.5, False), (1.0, True)):
        found = measure(_expected(0.0, 0.5), np.array([got]), "float64")
        assert (found.conditioned > LIMITS["gradient"]) is error
        between = measure(_expected(0.0, 0.5, between=True), np.array([got]), "float64")
        assert (between.conditioned > LIMITS["gradient"]) is error


def test_subnormal_results_may_be_flushed_to_0() -> None:
    assert measure(_expected(1e-40), np.array([0.0]), "float32").ulp < 1


def test_reports_are_readable_and_plain_data() -> None:
    bad = measure(_expected(1.0), np.array([2.0]), "float64")
    reports = [
        Report("huber", "numpy", "float64", 3, {"value": bad}, ("value at [0] ...",)),
        Report("huber", "torch", "float64", 3, {}),
    ]
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table(reports, ["jax"]))
    text = capture.get()
    assert "FAIL 1 of 2 (not installed: jax" in text
    assert "numpy float64: value at [0]" in text
    first, second = rows(reports)
    assert first["ok"] is False
    assert first["errors"]["value"]["ulp"] == 2.0**52
    assert second["ok"] is True
