"""Cross-validation of emitted packages: cases, then the backends, then the verdicts.

    spec files --worker--> calls --one process per backend--> results --worker--> reports

Nothing here imports SymPy or a framework. Cases and results pass through pickled files.
"""

from __future__ import annotations

import importlib.util
import pickle
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from losscompiler.crosscheck.processes import (
    TIME_LIMIT,
    backend_of,
    call_backends,
    parts_of,
    requests_of,
)
from losscompiler.diagnostics import Diagnostic
from losscompiler.progress import Counter, Progress, silent
from losscompiler.worker import Outcome, Task, run_files

if TYPE_CHECKING:
    from losscompiler.crosscheck.judge import Report

MODULES = {
    "numpy": "numpy",
    "torch": "torch",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "boosting": "numpy",
}


@dataclass(frozen=True)
class VerifyResult:
    """Reports in the order of losses and backends, and findings about what could not be checked."""

    reports: tuple[Report, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def failures(self) -> dict[str, str]:
        """What is wrong, by name of loss."""
        found: dict[str, str] = {}
        for report in self.reports:
            if not report.ok:
                text = f"{report.backend} {report.dtype}: {report.failures[0]}"
                found.setdefault(report.loss, text)
        return found


def installed_backends() -> list[str]:
    """The backends whose framework can be imported here."""
    return [name for name, module in MODULES.items() if importlib.util.find_spec(module)]


def verify(
    package_root: Path,
    specs_root: Path,
    files: Sequence[Path],
    names: Collection[str] | None,
    backends: Sequence[str],
    jobs: int = 0,
    *,
    timeout: float = 60.0,
    progress: Progress = silent,
) -> VerifyResult:
    """Cross-validates the losses of some spec files in the package `package_root/generated`.

    `names` selects losses; a backend that has no module for a file is passed over. `timeout` limits
    the loading of a spec.
    """
    chosen = None if names is None else frozenset(names)

    def over(paths: Sequence[Path], task: Task, doing: str) -> list[Outcome]:
        return run_files(
            paths,
            specs_root.parent,
            specs_root,
            task,
            jobs,
            timeout,
            work_limit=TIME_LIMIT,
            doing="cross-validating",
            progress=Counter(progress, doing, len(paths)),
        )

    with tempfile.TemporaryDirectory(prefix="losscompiler-") as folder:
        plans = partial(_plan, folder=Path(folder), names=chosen)
        outcomes = over(files, plans, "Choosing calls")
        planned = [o.value for o in outcomes if o.value]
        found = _observe(package_root, specs_root, planned, backends, Path(folder), jobs, progress)
        results = Path(folder) / "results"
        results.write_bytes(pickle.dumps(found.answers))
        exact = partial(_judge, results=results, names=chosen)
        judged = over([p.path for p in planned], exact, "Comparing with exact results")
    reports = tuple(r for o in judged if o.value for r in o.value.reports)
    troubles = [*_troubles(outcomes), *found.diagnostics, *_troubles(judged)]
    troubles += [d for p in planned for d in p.diagnostics]
    troubles += [d for o in judged if o.value for d in o.value.diagnostics]
    troubles += _inaccuracies(reports)
    return VerifyResult(reports, tuple(troubles))


@dataclass(frozen=True)
class _Plan:
    """Where the calls of one spec file's losses are, and which losses cannot be checked."""

    path: Path
    losses: tuple[str, ...]
    calls: Path
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class _Observed:
    answers: dict[str, dict[str, Any]]  # by loss, then backend
    diagnostics: tuple[Diagnostic, ...]


def _troubles(outcomes: Sequence[Outcome]) -> list[Diagnostic]:
    return [o.failure for o in outcomes if o.failure is not None]


def _inaccuracies(reports: Sequence[Report]) -> list[Diagnostic]:
    """One warning per loss whose results are right, but have fewer digits than they could have."""
    found: dict[str, Diagnostic] = {}
    for report in reports:
        if report.ok and report.inaccuracies and report.loss not in found:
            found[report.loss] = Diagnostic(
                "LC405",
                f"`{report.loss}` loses digits in {report.backend} {report.dtype}: "
                f"{report.inaccuracies[0]}",
                severity="warning",
                path=report.path,
                line=report.line,
                help="the code is written; another form of the formula may keep them",
                loss=report.loss,
            )
    return list(found.values())


def _checked(
    path: Path, specs_root: Path, names: frozenset[str] | None
) -> Iterator[tuple[Any, Any]]:
    """Every chosen loss of a file with its oracle."""
    from losscompiler.crosscheck.expected import LossOracle
    from losscompiler.spec.loader import load_file

    for loss in load_file(path, specs_root).losses:
        if names is None or loss.name in names:
            yield loss, LossOracle(loss)


def _plan(
    path: Path,
    root: Path,
    specs_root: Path,
    loaded: Callable[[], None],
    *,
    folder: Path,
    names: frozenset[str] | None,
) -> _Plan:
    """In a worker: chooses the calls of every loss and writes them down."""
    from losscompiler.crosscheck.environment import UnknownNode
    from losscompiler.crosscheck.samples import cases

    calls: dict[str, Any] = {}
    found: list[Diagnostic] = []
    chosen = list(_checked(path, specs_root, names))
    loaded()
    for loss, oracle in chosen:
        try:
            calls[loss.name] = (loss.differentiated, cases(loss, oracle))
        except UnknownNode as unknown:
            found.append(_unchecked(loss, str(unknown)))
    inside = path.resolve().relative_to(specs_root.resolve()).with_suffix("").parts
    file = folder / f"{'.'.join(inside)}.calls"
    file.write_bytes(pickle.dumps(calls))
    return _Plan(path, tuple(calls), file, tuple(found))


def _unchecked(loss: Any, why: str) -> Diagnostic:
    return Diagnostic(
        "LC403",
        f"`{loss.name}` is not cross-validated: {why}",
        severity="warning",
        path=loss.path,
        line=loss.line,
        loss=loss.name,
    )


def _judge(
    path: Path,
    root: Path,
    specs_root: Path,
    loaded: Callable[[], None],
    *,
    results: Path,
    names: frozenset[str] | None,
) -> VerifyResult:
    """In a worker: computes what is exact and compares."""
    from losscompiler.crosscheck.environment import UnknownNode
    from losscompiler.crosscheck.judge import judge
    from losscompiler.crosscheck.samples import cases

    chosen = list(_checked(path, specs_root, names))
    loaded()
    answers = pickle.loads(results.read_bytes())
    reports: list[Report] = []
    found: list[Diagnostic] = []
    for loss, oracle in chosen:
        if loss.name not in answers:
            continue
        try:
            reports += judge(oracle, cases(loss, oracle), answers[loss.name])
        except UnknownNode as unknown:
            found.append(_unchecked(loss, str(unknown)))
    return VerifyResult(tuple(reports), tuple(found))


def _observe(
    package_root: Path,
    specs_root: Path,
    plans: Sequence[_Plan],
    backends: Sequence[str],
    folder: Path,
    jobs: int,
    progress: Progress,
) -> _Observed:
    """Calls the emitted functions of every backend, in processes of their own."""
    calls = {b: list(_calls(package_root, specs_root, plans, b)) for b in backends}
    called = [backend for backend in backends if calls[backend]]
    total = sum(map(len, calls.values()))
    requests = requests_of(folder, package_root, parts_of(calls, jobs))
    del calls
    answers: dict[str, dict[str, Any]] = {}
    found: list[Diagnostic] = []
    step = partial(progress, f"Calling {', '.join(called)}", total=total)
    for part, result in call_backends(requests, jobs, step).items():
        backend = backend_of(part)
        if isinstance(result, Diagnostic):
            found.append(result)
            continue
        for name, observed in result.items():
            answers.setdefault(name, {})[backend] = observed
    in_order = {name: {b: of[b] for b in backends if b in of} for name, of in answers.items()}
    return _Observed(in_order, tuple(found))


def _calls(
    package_root: Path, specs_root: Path, plans: Sequence[_Plan], backend: str
) -> Iterator[dict[str, Any]]:
    """What to call in a backend, one entry per loss."""
    for plan in plans:
        inside = plan.path.resolve().relative_to(specs_root.resolve()).with_suffix("").parts
        if not package_root.joinpath("generated", backend, *inside).with_suffix(".py").exists():
            continue
        for name, (differentiated, cases) in pickle.loads(plan.calls.read_bytes()).items():
            calls = [as_data(case, differentiated) for case in cases]
            yield {
                "module": ".".join(("generated", backend, *inside)),
                "name": name,
                "calls": calls,
            }


def as_data(case: Any, differentiated: Sequence[str]) -> dict[str, Any]:
    """A case as plain data: the process of a backend does not import this package."""
    return {
        "arrays": dict(case.arrays),
        "parameters": dict(case.parameters),
        "options": dict(case.options),
        "dtypes": case.dtypes,
        "vector": dict(case.vector),
        "differentiated": [n for n in differentiated if n in case.vector],
    }
