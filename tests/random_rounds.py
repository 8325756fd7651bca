"""One in-process round of cross-validation for a random loss: compiled, called, judged."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from losscompiler import spec
from losscompiler.backends import render_module, runtime_files
from losscompiler.crosscheck.balls import Ball
from losscompiler.crosscheck.case import Case
from losscompiler.crosscheck.environment import Position, Values
from losscompiler.crosscheck.expected import Expected, LossOracle
from losscompiler.crosscheck.harness import FRAMEWORKS, Framework, observe
from losscompiler.crosscheck.judge import judge
from losscompiler.crosscheck.layout import layout, vectors
from losscompiler.crosscheck.oracle import Exact, Oracle
from losscompiler.crosscheck.runner import as_data
from losscompiler.crosscheck.sampler import Sampler, axis_sizes
from losscompiler.crosscheck.ties import guards, solved, tied
from losscompiler.passes import compile_loss
from losscompiler.spec import Loss
from losscompiler.spec import expressions as ex


def declared(text: str) -> Loss:
    """The last loss of a spec."""
    namespace: dict[str, Any] = {name: getattr(spec, name) for name in spec.__all__}
    exec(text, namespace)
    made: Loss = namespace["made"]
    return made


class Hull(Oracle):
    """Where a loss over axes has a kink: from the least to the largest of the cells' gradients.

    The compiler takes the point of least norm among the arguments of the node that has the kink;
    it is a subgradient, but where these share inputs not that of least norm.
    """

    def kink(
        self, values: Values, sizes: Mapping[str, int], at: Position, vector: Sequence[Ball]
    ) -> Exact:
        """The ends, entry by entry; exactly one node ties, and no second derivative exists."""
        exact = super().kink(values, sizes, at, vector)
        around, _ = self.cells(values, sizes, at, vector)
        if not self.coupled or not around:
            return exact
        ends = [list(map(pick, zip(*(c.gradient for c in around), strict=True)))
                for pick in (min, max)]  # fmt: skip
        return replace(exact, gradients=tuple(ends))


class Lenient(LossOracle):
    """Asks for no second derivatives where there are none, and for some subgradient at a kink."""

    def oracle(self, absent: frozenset[str]) -> Oracle:
        """The only variant there is."""
        loss = self.loss
        if absent not in self._oracles:
            self._oracles[absent] = Hull(
                loss.expression,
                loss.differentiated,
                loss.free_indices,
                coupled=bool(loss.axis_order),
            )
        return self._oracles[absent]

    def expected(self, case: Case) -> dict[str, tuple[Expected, ...]]:
        """What the call returns."""
        found = super().expected(case)
        if case.kind != "kink":
            return found
        found |= {key: tuple(map(_unknown, found[key])) for key in ("hvp", "hessian_diagonal")}
        if self.loss.axis_order:
            some = (replace(e, choices=e.choices[:2], between=True) for e in found["gradient"])
            found["gradient"] = tuple(some)
        return found


def _unknown(expected: Expected) -> Expected:
    nothing = np.full(expected.scale.shape, np.nan)
    return replace(expected, choices=((nothing, nothing),) * len(expected.choices))


@dataclass
class Workshop:
    """A package of emitted code that grows by a module per loss and backend."""

    root: Path
    backends: tuple[str, ...] = ("numpy", "torch")
    frameworks: dict[str, Framework] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        """Writes what every module imports."""
        self.package = f"random_{abs(hash(str(self.root)))}"
        for backend in self.backends:
            folder = self.root / self.package / backend
            folder.mkdir(parents=True)
            (folder / "__init__.py").write_text("")
            for name, text in runtime_files(backend).items():
                (folder / name).write_text(text)
            self.frameworks[backend] = FRAMEWORKS[backend]()
        sys.path.insert(0, str(self.root))

    def findings(self, text: str) -> list[str]:
        """Compiles the loss of a spec, calls it everywhere, and says what is wrong."""
        loss = declared(text)
        compiled = compile_loss(loss)
        oracle = Lenient(loss)
        calls = list(some_cases(loss, oracle))
        self.count += 1
        answers = {}
        for backend in self.backends:
            code = render_module(backend, [compiled], "Random.", "specs/random.py")
            name = f"made{self.count}"
            (self.root / self.package / backend / f"{name}.py").write_text(code)
            importlib.invalidate_caches()
            module = importlib.import_module(f"{self.package}.{backend}.{name}")
            answers[backend] = [self._answer(backend, module, loss, c) for c in calls]
        reports = judge(oracle, calls, answers)
        return [f"{r.backend} {r.dtype}: {f}" for r in reports for f in r.failures]

    def _answer(self, backend: str, module: Any, loss: Loss, case: Case) -> dict[str, Any]:
        call = as_data(case, loss.differentiated)
        with np.errstate(all="ignore"):
            return {
                dtype: observe(self.frameworks[backend], module, loss.name, call, dtype)
                for dtype in case.dtypes
            }


def some_cases(loss: Loss, oracle: LossOracle) -> Iterator[Case]:
    """An ordinary call, weights, and a few ties: a small part of what shipped losses go through."""
    sizes, forced = axis_sizes(loss)
    sampler = Sampler(loss, oracle, np.random.default_rng(0), sizes, forced)
    for case in _cases(sampler):
        yield replace(case, vector=vectors(layout(loss, case)))


SCALAR_KINKS = (sp.Abs, sp.Max, sp.Min, ex.Piecewise, ex.Norm)


def _meets_a_kink_twice(e: sp.Expr) -> bool:
    """Whether one kink is differentiated at several nodes, each of which may settle it its way."""
    kinked = [n for n in sp.preorder_traversal(e) if isinstance(n, SCALAR_KINKS)]
    shares = e.atoms(ex.Softmax, ex.LogSoftmax) if e.has(ex.Softmax, ex.LogSoftmax) else ()
    return len(kinked) > len(set(kinked)) or any(n.has(*SCALAR_KINKS) for n in shares)


def _cases(s: Sampler) -> Iterator[Case]:
    lead = () if "batch" in s.loss.axis_order else (2,)
    none = {"reduction": "none"}
    arrays = s.arrays(lead, s.interior)
    here = Case("interior", arrays, s.parameters(), none)
    if s.loss.expression.has(*SCALAR_KINKS) and tied(guards(s.oracle, here)):
        return  # `Max(x[0], x[k])` ties wherever k is 0, which no kernel can know
    yield Case("interior", arrays, s.parameters(), none)
    if s.loss.params:
        yield Case("interior", arrays, s.parameters("interior"), none, ("float64",))
    shape = layout(s.loss, Case("options", arrays, s.parameters())).output_shape
    weight = np.resize([0.5, 2.0, 1.25], shape)
    yield Case("options", arrays, s.parameters(), {"weight": weight}, ("float64",))
    if s.axes and _meets_a_kink_twice(s.loss.expression):
        return
    single = {n: np.asarray(a) for n, a in s.arrays((), s.dyadic).items()}
    base = Case("kink", single, s.parameters("dyadic"), none)
    for count, case in enumerate(solved(s.oracle, base)):
        if len(tied(guards(s.oracle, case))) == 1 and count < 3:
            yield case
