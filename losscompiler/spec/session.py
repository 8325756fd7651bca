"""One load of a spec file: the imports it may do, its statements one by one, and what was found."""

from __future__ import annotations
import __future__

import ast
import contextlib
import importlib
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from losscompiler.diagnostics import Diagnostic, SpecError
from losscompiler.selection import relative
from losscompiler.spec.blame import explain, explain_syntax
from losscompiler.spec.broken import Broken, Dependency
from losscompiler.spec.decorator import Loss, Trace, declaring
from losscompiler.spec.source import Place, Source, last_place

SHOWN_OUTPUT = 400


@dataclass
class Session(MetaPathFinder, Loader):
    """One load: an import system for the spec files below a root, and what was found in them."""

    root: Path
    package: str
    losses: dict[Path, list[Loss]] = field(default_factory=dict)
    found: dict[Path, list[Diagnostic]] = field(default_factory=dict)
    files: dict[Path, Source] = field(default_factory=dict)
    running: list[Path] = field(default_factory=list)

    def shown(self, file: Path) -> str:
        """The path of a file in messages: from the folder that holds the specs."""
        return relative(file, self.root.parent)

    def add(self, file: Path, *diagnostics: Diagnostic) -> None:
        """Records findings of one file."""
        self.found.setdefault(file, []).extend(diagnostics)

    @property
    def by_name(self) -> dict[str, Source]:
        """The files by the name that code objects know them by."""
        return {str(path): source for path, source in self.files.items()}

    def run(self, file: Path, module: str) -> None:
        """Imports a file, with what it imports, and leaves no module behind."""
        output = Output(self)
        sys.meta_path.insert(0, self)
        try:
            with contextlib.redirect_stdout(output), declaring(self.declare):
                importlib.import_module(module)
        except Dependency as error:  # the file does not parse: nothing of it was run
            self.add(file, *error.causes)
        finally:
            sys.meta_path.remove(self)
            for name in [n for n in sys.modules if f"{n}.".startswith(f"{self.package}.")]:
                del sys.modules[name]
        self.add(file, *output.diagnostics())

    # ---- Python's import protocol: finder and loader in one ----

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Finds `package.sub.file` as `sub/file.py`; a folder needs no `__init__.py`."""
        if not f"{fullname}.".startswith(f"{self.package}."):
            return None
        base = self.root.joinpath(*fullname.split(".")[1:])
        file = base.with_name(f"{base.name}.py")
        if base != self.root and file.is_file():
            return ModuleSpec(fullname, self, origin=str(file))
        if not base.is_dir():
            return None
        spec = ModuleSpec(fullname, self, origin=str(base / "__init__.py"), is_package=True)
        spec.submodule_search_locations = [str(base)]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Asks for an ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        """Runs a spec file in a module's namespace; a package without code is empty."""
        assert module.__spec__ is not None
        file = Path(module.__spec__.origin or "")
        module.__file__ = str(file)
        if module.__spec__.submodule_search_locations is None or file.is_file():
            self.execute(file, module.__dict__)

    # ---- running one file ----

    def execute(self, file: Path, namespace: dict[str, Any]) -> None:
        """Runs a file's statements; raises `Dependency` if it does not even parse."""
        source = self.files[file] = Source(file, self.shown(file))
        try:
            source.content = file.read_bytes()
            source.tree = ast.parse(source.content, str(file))
        except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as error:
            diagnostic = _unreadable(source, error)
            self.add(file, diagnostic)
            raise Dependency(
                f"{source.shown} is needed here and cannot be loaded", (diagnostic,)
            ) from None
        self.running.append(file)
        try:
            for statement, flags in _statements(source.tree):
                self.execute_statement(source, statement, flags, namespace)
        finally:
            self.running.pop()

    def execute_statement(
        self, source: Source, statement: ast.stmt, flags: int, namespace: dict[str, Any]
    ) -> None:
        """Runs one statement; if it fails, the names it was to define are broken."""
        try:
            part = ast.Module([statement], [])
            exec(compile(part, str(source.path), "exec", flags, dont_inherit=True), namespace)
        except BaseException as error:  # sys.exit() in a spec must not end the compiler
            causes = self.report(error, source, lambda: source.of_node(statement))
            for name in _bound_names(statement):
                namespace.setdefault(name, Broken(name, causes))

    def declare(self, function: Callable[..., Any], trace: Trace) -> Any:
        """What `@loss` makes of a function: a loss, or what stands for one with a mistake."""
        file = self.running[-1]
        try:
            declared = replace(trace(function), path=self.shown(file))
        except BaseException as error:
            source = self.by_name.get(function.__code__.co_filename, self.files[file])
            line, about = function.__code__.co_firstlineno, getattr(error, "about", "")
            causes = self.report(
                error,
                source,
                lambda: source.of_loss(line, about) or source.place(line),
                loss=function.__name__,
            )
            return Broken(function.__name__, causes)
        self.losses.setdefault(file, []).append(declared)
        return declared

    def report(
        self,
        error: BaseException,
        source: Source,
        otherwise: Callable[[], Place],
        loss: str | None = None,
    ) -> tuple[Diagnostic, ...]:
        """Records a mistake in the file that is running; returns what to blame for it."""
        diagnosis = explain(error, self.package, self.root.name)
        place = last_place(error.__traceback__, self.by_name) or otherwise()
        causes = diagnosis.causes if isinstance(diagnosis, Dependency) else ()
        found = located(diagnosis, place, loss=loss)
        self.add(self.running[-1], *causes, found)
        return causes or (found,)


def located(diagnosis: SpecError, place: Place, loss: str | None = None) -> Diagnostic:
    """A mistake with its place."""
    return Diagnostic(
        diagnosis.code,
        diagnosis.message,
        path=place.path,
        line=place.line,
        column=place.column,
        end_line=place.end_line,
        end_column=place.end_column,
        help=diagnosis.help,
        loss=loss,
        frame=place.frame,
    )


def _unreadable(source: Source, error: BaseException) -> Diagnostic:
    if isinstance(error, SyntaxError):
        place = source.of_syntax_error(error)
        return located(explain_syntax(error, place.frame), place)
    if isinstance(error, ValueError):
        return located(explain_syntax(error, ""), source.place(1))
    said = error.strerror if isinstance(error, OSError) else f"too deeply nested ({error})"
    return located(SpecError("LC001", f"the file cannot be read: {said}"), source.place(1))


def _statements(tree: ast.Module) -> Iterator[tuple[ast.stmt, int]]:
    """The statements with the compiler flags of the `__future__` imports before them."""
    flags = 0
    for position, statement in enumerate(tree.body):
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                flags |= getattr(__future__, alias.name).compiler_flag
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if is_text and position > 0:
            continue  # alone in a module, a text would become its docstring
        for part in _imports(statement) if isinstance(statement, ast.ImportFrom) else [statement]:
            yield part, flags


def _imports(statement: ast.ImportFrom) -> Iterator[ast.stmt]:
    """One statement per imported name, at its place, so that a wrong name spoils no other."""
    for alias in statement.names:
        part = ast.ImportFrom(statement.module, [alias], statement.level)
        yield ast.copy_location(part, alias)


def _bound_names(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement was to define."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias) and node.name != "*":
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


class Output(io.StringIO):
    """Takes what a spec prints, and remembers where it first did."""

    def __init__(self, session: Session) -> None:
        """Needs the session to tell the spec's own lines from others."""
        super().__init__()
        self.session = session
        self.place: Place | None = None

    def write(self, text: str) -> int:
        """Keeps the text."""
        frame: FrameType | None = sys._getframe(1)
        sources = self.session.by_name
        while self.place is None and frame is not None:
            if frame.f_code.co_filename in sources:
                self.place = sources[frame.f_code.co_filename].place(frame.f_lineno)
            frame = frame.f_back
        return super().write(text)

    def diagnostics(self) -> Iterator[Diagnostic]:
        """One warning if anything was printed."""
        text = self.getvalue().strip("\n")
        if not text or not self.place:
            return
        shown = text if len(text) <= SHOWN_OUTPUT else text[:SHOWN_OUTPUT] + "..."
        diagnosis = SpecError(
            "LC006", "the spec prints to standard output", help=f"it printed:\n{shown}"
        )
        yield replace(located(diagnosis, self.place), severity="warning")
