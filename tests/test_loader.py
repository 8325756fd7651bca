"""Loading spec files: every mistake of an author is a finding with its place and a remedy."""

import sys
import textwrap
from pathlib import Path

import pytest
import sympy as sp

from losscompiler.diagnostics import Diagnostic
from losscompiler.spec.loader import LoadedFile, load_file
from tests.spec_mistakes import MISTAKES

HEAD = "from losscompiler.spec import *\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / "specs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + textwrap.dedent(text).removeprefix("\n"))
    return path


def load(folder: Path, text: str, name: str = "example.py") -> LoadedFile:
    return load_file(write(folder, name, text), folder / "specs")


def only(loaded: LoadedFile) -> Diagnostic:
    (finding,) = loaded.diagnostics
    assert finding.path == "specs/example.py"
    return finding


def underlined(finding: Diagnostic) -> str:
    assert finding.column is not None
    assert finding.end_column is not None
    return finding.frame.splitlines()[0][finding.column - 1 : finding.end_column - 1]


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake(case: str, tmp_path: Path) -> None:
    text, (code, line, part, remedy) = MISTAKES[case]
    finding = only(load(tmp_path, text))
    assert (finding.code, finding.line, finding.severity) == (code, line, "error")
    assert underlined(finding) == part
    assert remedy in finding.help


def test_messages_do_not_name_what_only_we_know(tmp_path: Path) -> None:
    loaded = load(tmp_path, "from .nowhere import f\nfrom . import also_nowhere\nimport absent\n")
    told = " ".join(d.message + d.help for d in loaded.diagnostics)
    assert "specs/nowhere.py" in told
    assert "losscompiler_specs" not in told


def test_columns_count_characters(tmp_path: Path) -> None:
    loaded = load(tmp_path, '@loss\ndef f(p=Prediction()):\n    return {"é→": p}["é→"] + missing\n')
    assert underlined(only(loaded)) == "missing"


def test_numbers_are_exact(tmp_path: Path) -> None:
    text = "@loss\ndef f(p=Prediction(), *, s=Param(0.1)):\n    return 0.3 * p * s\n"
    (loss,) = load(tmp_path, text).losses
    assert loss.params["s"].default == sp.Rational(1, 10)
    assert loss.expression.has(sp.Rational(3, 10))
    assert not loss.expression.atoms(sp.Float)


def test_one_mistake_hides_no_other_loss(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """
        @loss
        def one(p=Prediction()):
            return p**2
        @loss
        def wrong(p=Prediction(typo=True)):
            return p**2
        @loss
        def uses(p=Prediction()):
            return wrong(p) + 1
        @loss
        def two(p=Prediction()):
            return one(p) / 2
        """,
    )
    assert [loss.name for loss in loaded.losses] == ["one", "two"]
    assert [(d.code, d.line) for d in loaded.diagnostics] == [("LC116", 6), ("LC009", 10)]
    assert "`wrong`" in loaded.diagnostics[1].message
    assert "specs/example.py:6" in loaded.diagnostics[1].help


def test_losses_know_their_place(tmp_path: Path) -> None:
    loaded = load(tmp_path, "\n@loss\ndef f(p=Prediction()):\n    return p\n", "sub/deep.py")
    (loss,) = loaded.losses
    assert (loss.path, loss.line) == ("specs/sub/deep.py", 2)


def test_specs_import_each_other_and_own_only_what_they_declare(tmp_path: Path) -> None:
    write(tmp_path, "one.py", "@loss\ndef one(p=Prediction()):\n    return p**2\n")
    write(tmp_path, "_help.py", "def double(x):\n    return 2 * x\n")
    loaded = load(
        tmp_path,
        """
        from ..one import one
        from .._help import double
        @loss
        def two(p=Prediction()):
            return double(one(p))
        """,
        "sub/two.py",
    )
    assert [loss.name for loss in loaded.losses] == ["two"]
    assert not loaded.diagnostics
    names = ["sub/two.py", "one.py", "_help.py"]
    assert loaded.sources == tuple((tmp_path / "specs" / name).resolve() for name in names)


def test_mistake_in_an_imported_file_is_shown_where_it_is(tmp_path: Path) -> None:
    write(tmp_path, "_help.py", "def double(x):\n    return 2 * y\n")
    write(tmp_path, "_broken.py", "def (:\n")
    text = """
        from ._help import double
        from ._broken import half
        @loss
        def f(p=Prediction()):
            return double(p)
        @loss
        def g(p=Prediction()):
            return half(p)
        """
    places = {(d.code, d.path, d.line) for d in load(tmp_path, text).diagnostics}
    assert places == {
        ("LC002", "specs/_help.py", 3),
        ("LC001", "specs/_broken.py", 2),
        ("LC009", "specs/example.py", 3),
        ("LC009", "specs/example.py", 9),
    }


def test_unrelated_mistakes_of_an_imported_file_are_left_to_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        "one.py",
        """
        @loss
        def good(p=Prediction()):
            return p
        @loss
        def bad(p=Prediction()):
            return q
        """,
    )
    loaded = load(
        tmp_path, "from .one import good\n@loss\ndef f(p=Prediction()):\n    return good(p)\n"
    )
    assert [loss.name for loss in loaded.losses] == ["f"]
    assert not loaded.diagnostics


def test_circular_import(tmp_path: Path) -> None:
    write(
        tmp_path,
        "other.py",
        "from .example import f\n@loss\ndef g(p=Prediction()):\n    return f(p)\n",
    )
    text = "from .other import g\n@loss\ndef f(p=Prediction()):\n    return g(p)\n"
    loaded = load(tmp_path, text)
    assert any("circle" in d.message and "third file" in d.help for d in loaded.diagnostics)


def test_output_is_kept_out_of_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = load(tmp_path, 'print("hello")\n@loss\ndef f(p=Prediction()):\n    return p\n')
    finding = only(loaded)
    assert (finding.code, finding.severity, finding.line) == ("LC006", "warning", 2)
    assert "hello" in finding.help
    assert [loss.name for loss in loaded.losses] == ["f"]
    assert capsys.readouterr().out == ""


def test_file_without_a_loss(tmp_path: Path) -> None:
    finding = only(load(tmp_path, "x = 1\n"))
    assert (finding.code, finding.severity) == ("LC007", "warning")
    assert "start the file's name with _" in finding.help


def test_name_that_no_module_can_have(tmp_path: Path) -> None:
    loaded = load(tmp_path, "@loss\ndef f(p=Prediction()):\n    return p\n", "my-losses.py")
    assert [d.code for d in loaded.diagnostics] == ["LC010"]
    assert not loaded.losses


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = write(tmp_path, "example.py", "")
    path.write_bytes(b"x = '\xff\xfe'\n")
    assert only(load_file(path, tmp_path / "specs")).code == "LC001"
    path.write_bytes(b"x = 1\0")
    assert only(load_file(path, tmp_path / "specs")).code == "LC001"


def test_every_load_is_fresh_and_leaves_nothing(tmp_path: Path) -> None:
    helper = write(tmp_path, "_help.py", "FACTOR = 2\n")
    text = "from ._help import FACTOR\n@loss\ndef f(p=Prediction()):\n    return FACTOR * p\n"
    modules, finders = set(sys.modules), list(sys.meta_path)
    (first,) = load(tmp_path, text).losses
    helper.write_text("FACTOR = 3\n")
    (second,) = load(tmp_path, text).losses
    assert first.expression != second.expression
    assert (set(sys.modules), sys.meta_path) == (modules, finders)
    assert not list(tmp_path.rglob("*.pyc"))


def test_docstrings_futures_and_guards_work_as_in_any_module(tmp_path: Path) -> None:
    path = tmp_path / "specs" / "example.py"
    path.parent.mkdir()
    path.write_text(
        '"""Documentation."""\n'
        "from __future__ import annotations\n"
        "from losscompiler.spec import *\n"
        '"not the docstring"\n'
        "def helper(x: Nonexistent) -> Nonexistent:\n    return x\n"
        'assert __doc__ == "Documentation." and __file__.endswith("example.py")\n'
        'if __name__ == "__main__":\n    raise SystemExit\n'
        "@loss\ndef f(p=Prediction()):\n    return helper(p)\n"
    )
    loaded = load_file(path, tmp_path / "specs")
    assert not loaded.diagnostics
    assert [loss.name for loss in loaded.losses] == ["f"]
