"""Special functions: values to the last place, derivatives, and how they are recognised."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

from losscompiler.analysis.evaluate import evaluate
from losscompiler.crosscheck.balls import Field, Undecided, from_float, from_int
from losscompiler.crosscheck.functions import FUNCTIONS
from losscompiler.ir import operators as op
from losscompiler.passes.recognise import recognise
from losscompiler.spec import boxcox, expm1, log1p, logit
from losscompiler.spec.special import of_sympy

mp = mpmath.mp
BACKENDS = ("numpy", "torch", "tensorflow", "jax")
LIMIT = 8.0  # conditioned units of the last place
x = sp.Symbol("x", real=True)

NORMAL = (1e-30, 1e-9, 3e-4, 0.1, 0.3, 0.46875, 0.7, 1.0, 1.7, 2.5, 4.0, 5.7, 9.0, 12.0, 26.0)
POSITIVE = (
    1e-30, 1e-9, 0.02, 0.3, 0.9, 1 - 1e-6, 1 + 1e-6, 1.3, 1.4616, 1.4617, 1.8, 2 - 1e-6, 2 + 1e-6,
    2.4, 2.6, 3.7, 6.5, 7.99, 8.01, 9.9, 11.0, 40.0, 1e4, 1e15,
)  # fmt: skip
CASES: dict[str, tuple[Any, tuple[float, ...]]] = {
    "erf": (sp.erf(x), NORMAL + tuple(-a for a in NORMAL)),
    "erfc": (sp.erfc(x), NORMAL[:-2] + tuple(-a for a in NORMAL)),
    "ndtr": (op.ndtr(x), NORMAL + tuple(-a for a in NORMAL[:-1])),
    "log_ndtr": (op.log_ndtr(x), (*NORMAL[:-1], *(-a for a in NORMAL), -1e4, -1e15)),
    "inverse_mills": (op.InverseMills(x), (*NORMAL[:-1], *(-a for a in NORMAL), -1e4, -1e15)),
    "mills_excess": (op.MillsExcess(x), (*NORMAL, *(-a for a in NORMAL), -1e4, -1e15)),
    "lgamma": (op.LogGamma(x), POSITIVE),
    "digamma": (op.Digamma(x), POSITIVE),
    "polygamma1": (op.PolyGamma(1, x), POSITIVE),
    "polygamma2": (op.PolyGamma(2, x), POSITIVE[1:]),
}


def run(backend: str, name: str, *arrays: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A function of a backend's runtime, compiled where the backend compiles."""
    module = importlib.import_module(f"losscompiler.backends.{backend}.runtime._special")
    order = int(name[-1]) if name[-1].isdigit() else None
    function: Callable[..., Any] = getattr(module, name.rstrip("0123456789"))
    whole: Any = function if order is None else lambda *a: function(order, *a)
    if backend == "torch":
        import torch

        return np.asarray(whole(*map(torch.from_numpy, arrays)).numpy())
    if backend == "tensorflow":
        import tensorflow as tf

        return np.asarray(tf.function(whole, jit_compile=True, autograph=False)(*arrays).numpy())
    if backend == "jax":
        import jax

        with jax.enable_x64(True):
            return np.asarray(jax.jit(whole)(*arrays))
    with np.errstate(all="ignore"):
        return np.asarray(whole(*arrays))


@cache
def exact(e: sp.Expr, wrt: sp.Symbol, *point: float) -> tuple[Any, Any]:
    """Value, and what the value changes by if every input changes by its own size."""
    with mp.workdps(60):
        symbols = sorted(e.free_symbols, key=str)
        at = {s: mp.mpf(p) for s, p in zip(symbols, point, strict=True)}
        slopes = (evaluate(sp.diff(e, s), at) * at[s] for s in symbols)
        return evaluate(e, at), sum(map(abs, slopes))


def worst(found: np.ndarray[Any, Any], truth: list[tuple[Any, Any]]) -> float:
    """The largest error, in units of the last place that the inputs' own rounding allows."""
    info, largest = np.finfo(found.dtype), 0.0
    for got, (value, spread) in zip(found.tolist(), truth, strict=True):
        if not info.tiny < abs(value) < info.max:
            continue
        unit = np.spacing(found.dtype.type(abs(float(value))))
        error = abs(mp.mpf(got) - value) / (mp.mpf(float(unit)) + float(info.eps) / 2 * spread)
        largest = max(largest, float(error) if np.isfinite(got) else np.inf)
    return largest


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_values_are_right_to_the_last_places(backend: str, name: str, dtype: str) -> None:
    e, inputs = CASES[name]
    points = np.array(inputs, dtype)
    found = run(backend, name, points)
    assert found.dtype == points.dtype
    assert worst(found, [exact(e, x, p) for p in points.tolist()]) < LIMIT


RATES = (0.0, 1e-12, -1e-12, 1e-9, -1e-9, 1e-3, -0.3, 0.5, -1.0, 2.0, 7.5, -20.0)
UPPER = (0.0, 1e-20, 1e-5, 0.2, -0.7, 1.0, 3.0, -4.0, 8.0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("backend", BACKENDS)
def test_powers_are_smooth_where_the_exponent_is_0(backend: str, order: int, dtype: str) -> None:
    rate = sp.Symbol("r", real=True)
    upper, rates = (g.ravel().astype(dtype) for g in np.meshgrid(UPPER, RATES))
    found = run(backend, f"exp_moment{order}", upper, rates)
    e = op.ExpMoment(order, x, rate)
    pairs = zip(rates.tolist(), upper.tolist(), strict=True)
    assert worst(found, [exact(e, x, *pair) for pair in pairs]) < LIMIT


@pytest.mark.parametrize("backend", BACKENDS)
def test_ends_of_the_domain(backend: str) -> None:
    ends = np.array([0.0, -1.0, np.inf])
    assert run(backend, "log_ndtr", np.array([-np.inf, np.inf])).tolist() == [-np.inf, 0]
    assert run(backend, "ndtr", np.array([-np.inf, np.inf])).tolist() == [0, 1]
    assert run(backend, "inverse_mills", np.array([-np.inf, np.inf])).tolist() == [np.inf, 0]
    np.testing.assert_array_equal(run(backend, "lgamma", ends)[[0, 2]], [np.inf, np.inf])
    np.testing.assert_array_equal(run(backend, "polygamma1", ends), [np.inf, np.nan, 0])


@pytest.mark.parametrize("e", [case[0] for case in CASES.values()], ids=list(CASES))
def test_derivatives_stay_in_the_vocabulary(e: sp.Expr) -> None:
    """First and second derivatives, against numerical ones in 50 digits."""
    with mp.workdps(50):
        for point in (0.3, 1.7, 6.0):
            at = mp.mpf(point)
            for order in (1, 2):
                expected = mp.diff(lambda v: evaluate(e, {x: v}), at, order)
                found = evaluate(sp.diff(e, x, order), {x: at})
                assert abs(found - expected) < 1e-18 * (1 + abs(expected))


ORACLE = (sp.erf, sp.erfc, sp.loggamma, sp.digamma, op.ndtr, op.log_ndtr, op.ExpMoment)


@pytest.mark.parametrize("head", ORACLE)
def test_the_oracle_has_them_from_elsewhere(head: Any) -> None:
    """Balls against the compiler's evaluation, which shares nothing with them."""
    named = of_sympy(head(x)) if head is not op.ExpMoment else None
    for point in (0.25, 1.5, 7.0, 30.0):
        args = [from_int(0), from_float(point), from_float(-0.5)]
        ball = FUNCTIONS[head](Field(1000), *(args if head is op.ExpMoment else args[1:2]))
        e = op.ExpMoment(0, x, -sp.S.Half) if head is op.ExpMoment else (named or head(x))
        with mp.workdps(50):
            expected = evaluate(e, {x: mp.mpf(point)})
            assert abs(mp.mpf(ball[0]) - expected) <= 1e-40 * abs(expected)
    if head is op.log_ndtr:
        with pytest.raises(Undecided):
            FUNCTIONS[head](Field(20), (from_float(0.1)[0], 3))


def test_naive_compositions_are_recognised() -> None:
    root = sp.sqrt(2)
    assert recognise(sp.log((1 + sp.erf(x / root)) / 2)) == op.log_ndtr(x)
    assert recognise(sp.log(1 + sp.erf(x))) == sp.log(2) + op.log_ndtr(root * x)
    assert recognise(sp.log(sp.erfc(x))) == sp.log(2) + op.log_ndtr(-root * x)
    assert recognise(sp.log(sp.erfc(-x / root) / 2)) == op.log_ndtr(x)
    assert recognise(sp.log(1 - op.ndtr(x))) == op.log_ndtr(-x)
    assert recognise(1 - sp.erf(x)) == sp.erfc(x)
    assert recognise(sp.log(sp.gamma(x))) == sp.loggamma(x)


def test_a_naive_box_cox_power_is_recognised() -> None:
    a, u = sp.Symbol("a", real=True), sp.Symbol("u", positive=True)
    power = op.ExpMoment(0, sp.log(u), a)
    assert recognise((u**a - 1) / a) == power
    assert recognise((1 - u**a) / a) == -power
    assert recognise((sp.exp(a * x) - 1) / a) == op.ExpMoment(0, x, a)
    halved = op.ExpMoment(0, sp.log(u), a / 2)
    assert recognise((u ** (a / 2) - 1) / a) == halved / 2
    assert recognise((x**a - 1) / a) == (x**a - 1) / a  # of a negative number it is a power, too


def test_short_names_are_formulas() -> None:
    p = sp.Symbol("p", positive=True)
    assert log1p(p) == sp.log(1 + p)
    assert expm1(p) == sp.exp(p) - 1
    assert logit(p) == sp.log(p) - sp.log(1 - p)
    assert boxcox(p, x) == op.ExpMoment(0, sp.log(p), x)
