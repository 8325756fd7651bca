"""Compares what backends returned with what is exact, and says what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from losscompiler.crosscheck.case import Case
from losscompiler.crosscheck.compare import (
    AUTODIFF_LIMIT,
    LIMITS,
    SLACK,
    WRONG,
    Measure,
    against,
    measure,
)
from losscompiler.crosscheck.expected import Expected, LossOracle
from losscompiler.crosscheck.layout import layout

Answers = Sequence[Mapping[str, Mapping[str, Any]]]  # per case, per dtype, per quantity
Truth = dict[str, tuple[Expected, ...]]


@dataclass(frozen=True)
class Report:
    """The verdict on one loss in one backend and dtype.

    `measures` are the errors by quantity. `failures` are wrong results; `inaccuracies` are right
    ones with fewer digits than the formula allows, or that overflow on the way at extreme inputs.
    """

    loss: str
    backend: str
    dtype: str
    cases: int
    measures: dict[str, Measure]
    failures: tuple[str, ...] = ()
    inaccuracies: tuple[str, ...] = ()
    path: str = ""
    line: int | None = None

    @property
    def ok(self) -> bool:
        """Whether everything agreed."""
        return not self.failures


_Told = tuple[float, str, int]  # how bad the worst one is, what to say of it, how many there are


@dataclass
class _Verdict:
    """Collects errors, and of every kind of failure the worst and how many there were."""

    sizes: Mapping[str, float]
    elementwise: bool
    dtype: str
    measures: dict[str, Measure] = field(default_factory=dict)
    failures: dict[str, _Told] = field(default_factory=dict)
    inaccuracies: dict[str, _Told] = field(default_factory=dict)
    cases: int = 0

    def size(self, quantity: str, expected: Expected) -> float:
        """The size of a result's terms: that of ordinary results, or of this call's if larger."""
        exact = np.abs(expected.choices[0][0])
        largest = float(np.max(exact, initial=0.0, where=np.isfinite(exact)))
        return max(self.sizes.get(quantity, 1.0), largest)

    def slack(self, quantity: str, expected: Expected) -> np.ndarray[Any, Any]:
        """What is forgiven: elementwise losses only have to know a 0 up to rounding."""
        exact = expected.choices[0][0]
        forgiven = SLACK[quantity] * self.size(quantity, expected)
        return np.where((exact == 0) | (not self.elementwise), forgiven, 0.0)

    def fail(self, title: str, text: str, severity: float = math.inf) -> None:
        """Something is wrong."""
        _tell(self.failures, title, text, severity)

    def take(
        self, quantity: str, title: str, found: Measure, limit: float, where: str, *, far: bool
    ) -> None:
        """Judges one array; `far` are inputs on the way to overflow."""
        self.measures[quantity] = self.measures.get(quantity, Measure()).joined(found)
        text = f"{where}: {found.got!r} instead of {found.expected!r}"
        if found.nonfinite:
            _tell(self.inaccuracies if far else self.failures, title, text, math.inf)
        elif found.conditioned > limit:
            # Far out, single precision has no digits left for terms that cancel.
            wrong = found.relative > WRONG[self.dtype] and not (far and self.dtype == "float32")
            text += f" ({found.conditioned:.3g} conditioned ULP off)"
            where_to = self.failures if wrong else self.inaccuracies
            _tell(where_to, title, text, found.conditioned)


def _tell(told: dict[str, _Told], title: str, text: str, severity: float) -> None:
    worst, before, count = told.get(title, (-1.0, "", 0))
    if severity > worst:
        worst, before = severity, text
    told[title] = (worst, before, count + 1)


def _sentences(told: Mapping[str, _Told]) -> tuple[str, ...]:
    return tuple(
        f"{title} {text}" + (f"; in {count} calls" if count > 1 else "")
        for title, (_, text, count) in told.items()
    )


def judge(
    oracle: LossOracle, cases: Sequence[Case], answers: Mapping[str, Answers | str]
) -> list[Report]:
    """One report per backend and dtype; the exact results are computed once for all of them."""
    truths: dict[int, Truth] = {}
    responses: dict[tuple[int, str], tuple[Expected, ...]] = {}

    def truth(n: int) -> Truth:
        if n not in truths:
            truths[n] = oracle.expected(cases[n])
        return truths[n]

    def response(n: int, quantity: str) -> tuple[Expected, ...]:
        if (n, quantity) not in responses:
            responses[n, quantity] = oracle.response(cases[n], quantity)
        return responses[n, quantity]

    sizes = _sizes(cases, truth)
    reports = []
    for backend, calls in answers.items():
        dtypes = list(dict.fromkeys(d for case in cases for d in case.dtypes))
        for dtype in sorted(dtypes, reverse=True):
            if not isinstance(calls, str) and not any(call.get(dtype) for call in calls):
                continue  # it does not compute in it
            verdict = _Verdict(sizes, not oracle.loss.axis_order, dtype)
            if isinstance(calls, str):
                verdict.fail("the module", f"cannot be imported: {calls}")
            else:
                for n, case in enumerate(cases):
                    if calls[n].get(dtype):
                        found = calls[n][dtype]
                        _check(oracle, case, found, dtype, verdict, truth(n), partial(response, n))
            reports.append(_report(oracle, backend, dtype, verdict))
    return reports


def _sizes(cases: Sequence[Case], truth: Callable[[int], Truth]) -> dict[str, float]:
    """The size of ordinary results of each quantity: the largest at interior points."""
    found: dict[str, float] = {}
    for n, case in enumerate(cases):
        if case.kind == "interior":
            for quantity, arrays in truth(n).items():
                for expected in arrays:
                    exact = np.abs(expected.choices[0][0])
                    largest = float(np.max(exact, initial=1.0, where=np.isfinite(exact)))
                    found[quantity] = max(found.get(quantity, 1.0), largest)
    return found


def _report(oracle: LossOracle, backend: str, dtype: str, verdict: _Verdict) -> Report:
    return Report(
        oracle.loss.name,
        backend,
        dtype,
        verdict.cases,
        verdict.measures,
        _sentences(verdict.failures),
        _sentences(verdict.inaccuracies),
        oracle.loss.path,
        oracle.loss.line,
    )


def _check(
    oracle: LossOracle,
    case: Case,
    found: Mapping[str, Any],
    dtype: str,
    verdict: _Verdict,
    truth: Truth,
    response: Any,
) -> None:
    verdict.cases += 1
    names = layout(oracle.loss, case).differentiated
    checks: list[tuple[str, str, slice]] = [
        ("value", "value", slice(0, 1)),
        ("value", "value_and_grad", slice(0, 1)),
        ("gradient", "value_and_grad", slice(1, None)),
        ("hvp", "hvp", slice(None)),
        ("hessian_diagonal", "hessian_diagonal", slice(None)),
    ]
    told: set[str] = set()
    for quantity, source, part in checks:
        if source not in found:
            continue
        results = found[source]
        if isinstance(results, str):
            if source not in told and _some_number(truth[quantity]):
                verdict.fail(source, f"raises in {_call(case)}: {results}")
            told.add(source)
            continue
        arrays = results[part]
        if len(arrays) != len(truth[quantity]):
            verdict.fail(source, f"returns {len(arrays)} arrays in {_call(case)}")
            continue
        for k, (got, expected) in enumerate(zip(arrays, truth[quantity], strict=True)):
            of = "" if quantity == "value" else f" of `{names[k]}`"
            _one(verdict, quantity, f"{source}{of}", case, got, expected, dtype,
                 lambda q=quantity, k=k: response(q)[k].choices[0][0])  # fmt: skip
    _autodiff(case, found, dtype, verdict, truth, names)


def _one(
    verdict: _Verdict,
    quantity: str,
    title: str,
    case: Case,
    got: np.ndarray[Any, Any],
    expected: Expected,
    dtype: str,
    response: Any,
) -> None:
    shape = expected.choices[0][0].shape
    if got.shape != shape or got.dtype != np.dtype(dtype):
        returned = f"{got.dtype}{list(got.shape)} instead of {dtype}{list(shape)}"
        verdict.fail(title, f"is {returned} in {_call(case)}")
        return
    slack, size = verdict.slack(quantity, expected), verdict.size(quantity, expected)
    result = measure(expected, got.astype(np.float64), dtype, response, slack, size)
    where = f"at {list(result.at)} in {_call(case, result.at)}"
    far = case.kind == "extreme"
    verdict.take(quantity, title, result, LIMITS[quantity], where, far=far)


def _autodiff(
    case: Case,
    found: Mapping[str, Any],
    dtype: str,
    verdict: _Verdict,
    truth: Truth,
    names: Sequence[str],
) -> None:
    """The framework's own derivative of the emitted function against the emitted gradient."""
    automatic, emitted = found.get("autodiff"), found["value_and_grad"]
    if automatic is None or isinstance(emitted, str):
        return
    if isinstance(automatic, str):
        if _some_number(truth["gradient"]):
            verdict.fail("autodiff", f"raises in {_call(case)}: {automatic}")
        return
    for name, own, other, expected in zip(
        names, emitted[1:], automatic, truth["gradient"], strict=True
    ):
        title = f"automatic gradient of `{name}`"
        if other.shape != own.shape:
            verdict.fail(title, f"has shape {list(other.shape)} in {_call(case)}")
            continue
        known = np.where(np.isfinite(expected.choices[0][0]), own.astype(np.float64), np.nan)
        slack, size = verdict.slack("gradient", expected), verdict.size("gradient", expected)
        result = against(known, other.astype(np.float64), dtype, expected.scale, slack, size)
        where = f"at {list(result.at)} in {_call(case, result.at)}"
        far = case.kind == "extreme"
        verdict.take("autodiff", title, result, AUTODIFF_LIMIT, where, far=far)


def _some_number(expected: tuple[Expected, ...]) -> bool:
    return any(np.isfinite(e.choices[0][0]).any() for e in expected)


def _call(case: Case, at: tuple[int, ...] = ()) -> str:
    """The call in words, with the inputs at one place where they are small or of one shape."""
    given = []
    for name, array in case.arrays.items():
        if at and array.ndim and array.shape[: len(at)] and len(at) <= array.ndim:
            inside = all(i < n for i, n in zip(at, array.shape, strict=False))
            part = array[at] if inside else array
        else:
            part = array
        part = np.asarray(part)
        shown = part.tolist() if part.size <= 8 else f"array{list(part.shape)}"
        given.append(f"{name}={shown}")
    given += [f"{k}={v!r}" for k, v in case.parameters.items()]
    given += [
        f"{k}={v.tolist() if v.size <= 8 else list(v.shape)}" if isinstance(v, np.ndarray)
        else f"{k}={v!r}"
        for k, v in case.options.items()
    ]  # fmt: skip
    return f"{case.kind} case ({', '.join(given)})"
