"""Losses that the compiler once got wrong: what random specs found, made small."""

from __future__ import annotations

import importlib
import textwrap
from pathlib import Path

import numpy as np
import pytest

from losscompiler.build import BuildRequest, build
from tests.random_rounds import Workshop
from tests.random_specs import HELPERS

LOSSES = {
    "a power of a negative multiple": """
        def made(x=Prediction(positive=True), *, n=Param(2, interval=(1, 3))):
            return x ** (-2 * n)
        """,
    "a learned parameter per entry of an axis": """
        def made(x=Prediction("class"), *, scale=Param(1, axes="class", learnable=True)):
            k = index("class", "k")
            return Sum(scale[k] * x[k] ** 2, k)
        """,
    "the loss is an input itself": """
        def made(x=Prediction()):
            return x
        """,
    "functions of the size of an axis": """
        def made(x=Prediction("class"), *, c=Param(1.5, positive=True, learnable=True)):
            k = index("class", "k")
            factor = Max(size(k), 2) * where(size(k) > 2, size(k), 2) * sqrt(size(k))
            return factor * where(size(k) > 3, x[0], Max(x[0], size(k))) + log(Sum(exp(c), k))
        """,
    "a bound of constants": """
        def made(x=Prediction(), *, c=Param(1.5, positive=True, learnable=True)):
            return Max(Min(x, 1), x / c)
        """,
    "constants of functions of ours": """
        def made(x=Prediction()):
            return Max(softplus(2), 0) * x**2 + sigmoid(Rational(1, 3)) ** 2
        """,
    "one position of a diagonal": """
        def made(s=Prediction("batch"), m=Mask("batch", "batch")):
            i = index("batch", "i")
            return Sum(softmax(where(m[i, i], s[i], 0), i) * s[1], i)
        """,
    "a diagonal beside the main one": """
        def made(x=Prediction("batch", "batch")):
            i = index("batch", "i")
            return Sum(where(i + 1 < size(i), tanh(x[i + 1, i]) * x[i, i], 0), i)
        """,
    "second derivatives of a maximum over conditions": """
        def made(x=Prediction("class"), s=Prediction()):
            k = index("class", "k")
            return AxisMax(where(k + 1 < size(k), softplus(s), -3), k)
        """,
    "second derivatives beside what is masked": """
        def made(x=Prediction("batch", "feature"), n=Mask("batch")):
            i, j = index("batch", "i j")
            d = index("feature", "d")
            path = Sum(where(j + 1 < size(j), (x[j + 1, d] - x[j, d]) ** 2, 0), j)
            return log(1 + Sum(where(n[i], exp(path), 0), d))
        """,
    "a norm of the same entry over and over": """
        def made(x=Prediction("batch", "feature"), s=Prediction("batch")):
            j, d = index("batch", "j"), index("feature", "d")
            return Norm(Sum(s[j], j), d) + Norm(Norm(x[0, 0], j), d, p=1)
        """,
    "sums over positions and sizes alone": """
        def made(x=Prediction("batch", "feature")):
            j, d = index("batch", "j"), index("feature", "d")
            return (Sum(j, j) + Mean(size(j), j, d)) * x[0, 0] ** 2
        """,
    "branches that are equal": """
        def made(x=Prediction("class")):
            k = index("class", "k")
            zero = Sum(where(k + 1 < size(k), x[k] - x[k], 0), k)
            return zero + Sum(where(k < 1, x[0], x[0]), k) ** 2
        """,
    "conditions that contradict each other": """
        def made(x=Prediction("class"), s=Prediction()):
            j, k = index("class", "j k")
            last = Not(k + 1 < size(k))
            inner = where(And(k + 1 < size(k), j <= k), s, 0)
            return logsumexp(AxisMax(where(last, inner, -3), k), j)
        """,
    "a masked log-sum-exp over an axis it does not vary along": """
        def made(x=Prediction("class")):
            j, k = index("class", "j k")
            return Sum(log(1 + Sum(where(Not(j < 1), exp(x[j]), 0), k)), j)
        """,
    "a label at a constant position": """
        def made(x=Prediction("class"), picks=Label("class", "feature")):
            return x[picks[1]] ** 2
        """,
    "a long log-sum-exp with a long condition": """
        def made(z=Prediction("class", "feature"), f=Prediction("feature")):
            k, d = index("class", "k"), index("feature", "d")
            return log(1 + Sum(where(k < 1, exp(exp(tanh(z[k, d])) * f[d]), 0), d))
        """,
    "inputs with the names of cotangents and tangents": """
        def made(cotangent=Prediction(), x_tangent=Prediction(), x=Prediction(), t=Target()):
            return (cotangent - t) ** 2 + (x_tangent - t) ** 2 * x
        """,
    "a power with a negative base below a bound": """
        def made(x=Prediction("batch", "feature")):
            i, d = index("batch", "i"), index("feature", "d")
            return Max(Min(Prod(x[i, 1], d), 1), 0)
        """,
    "constants that only differentiation brings about": """
        def made(s=Prediction("batch")):
            i = index("batch", "i")
            return Sum(softmax(huber(s[1], s[i], delta=2), i) * s[i], i)
        """,
    "a kink inside the far part of another": """
        def made(x=Prediction(), y=Prediction()):
            a = Piecewise((2, 2 > y), (y, True))
            return Piecewise((a * x, a * x > y), (y, True))
        """,
    "a kink between an entry and itself": """
        def made(x=Prediction("batch", "feature")):
            i, d = index("batch", "i"), index("feature", "d")
            return Norm(huber(x[1, d], x[i, d], delta=2) * x[i, 0] * x[i, d], d)
        """,
    "a kink whose sides depend on a condition": """
        def made(x=Prediction(), t=Target()):
            return Max(x + x * t, where(t > 0, t, x))
        """,
    "a product of two sums over the batch, squared": """
        def made(x=Prediction("batch", "feature"), y=Prediction("batch", "feature")):
            i, n = index("batch", "i n")
            a, b = index("feature", "a b")
            shared = Sum(x[i, a] * y[i, b], i) / (1 + Sum(x[n, a] ** 2, n))
            return Sum(indicator(Ne(a, b)) * shared**2, a, b)
        """,
    "a product whose factors are masked rows of the same input": """
        def made(x=Prediction("batch", "feature")):
            i, j, d = index("batch", "i"), index("batch", "j"), index("feature", "d")

            def row(i):
                return where(Norm(x[i, d], d) > 1, x[i, d], 0)

            return log(1 + exp(Sum(row(i) * row(j), d)))
        """,
    "a norm of a learned order": """
        def made(x=Prediction("feature"), *, p=Param(3, interval=(3, 4))):
            k = index("feature", "k")
            return Norm(2 + x[k] ** 2, k, p=p)
        """,
    "a maximum over an empty axis": """
        def made(x=Prediction("batch"), t=Target("batch")):
            i, j = index("batch", "i j")
            return Sum(where(t[i] > 0, AxisMax(x[j] * x[i], j), 0), i)
        """,
    "a kink whose guard is a sum of negative terms": """
        def made(y=Prediction(), q=Target(positive=True), m=Mask()):
            return where(m, Min(y, 2 - q), y)
        """,
    "a function of a constant times a size": """
        def made(x=Prediction("class")):
            c, k = index("class", "c k")
            return log(Sum(sigmoid(Rational(1, 3)), k)) + x[c] ** 2
        """,
    "a gradient that is the cotangent itself": """
        def made(x=Prediction(), p=Prediction(positive=True)):
            return sin(x) + x + p
        """,
    "a condition on the square root of what may be negative": """
        def made(x=Prediction("batch", "feature"), y=Prediction("batch", "feature")):
            i, j, d = index("batch", "i"), index("batch", "j"), index("feature", "d")
            near = Sum(x[i, d] * y[j, d], d) / (1 + Norm(x[i, d], d))
            return Sum(Max(0, where(near > 0, near, -near / 2) - 1), j)
        """,
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("regressions"))


@pytest.mark.parametrize("name", LOSSES)
def test_what_was_wrong_once(workshop: Workshop, name: str) -> None:
    assert workshop.findings(f"{HELPERS}\n@loss{textwrap.dedent(LOSSES[name])}") == []


STEEP = """
from losscompiler.spec import Param, Prediction, loss


@loss
def steep(x=Prediction(), *, a=Param(1, positive=True), b=Param(1, positive=True)):
    return x**2 / (a**4 * (b + 1) ** 2 * b**3)
"""


def test_high_powers_in_a_divisor_do_not_vanish_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/steep.py").write_text(STEEP)
    request = BuildRequest(
        tmp_path / "specs", tmp_path / "steep_package", targets=("numpy",), verify=False
    )
    assert build(request).diagnostics == ()
    monkeypatch.syspath_prepend(tmp_path)
    steep = importlib.import_module("steep_package.numpy").steep
    x, small = np.float32(1e-15), float(np.float32(1e-7))
    exact = float(x) ** 2 / (small**7 * (1 + small) ** 2)
    assert abs(steep(x, a=small, b=small) / exact - 1) < 1e-6
