"""The command line: output, exit statuses, and what every verb says about a wrong call."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from losscompiler.cli import COMMANDS, main
from losscompiler.commands.answer import Answer, emit
from losscompiler.commands.kinds import KINDS
from losscompiler.diagnostics import Diagnostic
from losscompiler.rules import RULES
from losscompiler.spec.loader import load_file

GOOD = """from losscompiler.spec import Prediction, Target, loss


@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2


@loss
def half_squared(prediction=Prediction(), target=Target()):
    return squared(prediction, target) / 2
"""
BROKEN = """from losscompiler.spec import Prediction, Target, loss


@loss
def absolute(prediction=Prediction(), target=Target()):
    return Absolute(prediction - target)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "squares.py").write_text(GOOD)
    return tmp_path


class Run:
    """A call of the command line: its exit status and its two streams."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> "Run":
        self.status = main(arguments)
        self.out, self.err = self.capsys.readouterr()
        return self

    @property
    def envelope(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        assert set(found) == {"schema", "command", "ok", "diagnostics", "result"}
        assert found["schema"] == 1
        assert found["ok"] == (self.status == 0)
        return found

    @property
    def codes(self) -> list[str]:
        return [finding["code"] for finding in self.envelope["diagnostics"]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


def test_help_lists_every_verb_in_an_instant_without_slow_imports() -> None:
    code = (
        "import sys, losscompiler.cli as c; c.main(['--help']);"
        "slow = {'sympy', 'numpy', 'rich', 'mpmath', 'jinja2'} & set(sys.modules);"
        "sys.exit(f'imported {slow}' if slow else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert done.returncode == 0, done.stderr
    assert all(re.search(rf"^  {verb} ", done.stdout, re.MULTILINE) for verb in COMMANDS)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_has_help_and_json(verb: str, run: Run) -> None:
    assert run(verb, "--help").status == 0
    assert "--json" in run.out


def test_no_arguments_show_help(run: Run) -> None:
    assert run().status == 0
    assert "Usage: losscompiler" in run.out


# ---- wrong calls: exit status 2, one line, no traceback -----------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chekc"], "did you mean `check`?"),
        (["check", "--strickt"], "--strict"),
        (["build", "--target", "jaxx"], "did you mean `jax`?"),
        (["check", "--specs", "nowhere"], "losscompiler init"),
        (["show"], "Usage: losscompiler show"),
        (["show", "squared", "--stage", "value", "--format", "latex"], "--stage spec"),
        (["rule", "LC9999"], "rule --all"),
        (["rule"], "one code, or --all"),
        (["new", "not-a-name"], "letters, digits"),
        (["new", "squares"], "another name"),
        (["verify", "--require", "cafe"], "the targets are"),
    ],
)
def test_wrong_call(arguments: list[str], words: str, project: Path, run: Run) -> None:
    assert run(*arguments).status == 2
    assert words in run.err
    assert run.out == ""
    assert "Traceback" not in run.err
    assert run(*arguments, "--json").status == 2
    assert run.codes in (["LC605"], ["LC604"])
    assert run.envelope["command"] == arguments[0]


def test_wrong_configuration(project: Path, run: Run) -> None:
    (project / "pyproject.toml").write_text("[tool.losscompiler]\ntarget = ['numpy']\n")
    assert run("check").status == 2
    assert " --> pyproject.toml:2:1" in run.err
    assert "did you mean `targets`?" in run.err


# ---- check --------------------------------------------------------------------------------------


def test_check_tells_facts(project: Path, run: Run) -> None:
    assert run("check", "--json").status == 0
    squared, half = run.envelope["result"]["losses"]
    assert (squared["name"], squared["path"], squared["line"]) == (
        "squared",
        "specs/squares.py",
        4,
    )
    assert squared["signature"] == "(),()->()"
    assert squared["structure"] == "elementwise"
    assert [given["name"] for given in squared["inputs"]] == ["prediction", "target"]
    assert squared["params"] == []
    assert isinstance(squared["properties"], dict)
    assert half["name"] == "half_squared"


def test_check_shows_findings_on_standard_output(project: Path, run: Run) -> None:
    (project / "specs" / "absolute.py").write_text(BROKEN)
    assert run("check").status == 1
    assert run.out.startswith(
        "LC002 unknown symbol `Absolute`\n"
        " --> specs/absolute.py:6:12\n"
        "  |\n"
        "6 |     return Absolute(prediction - target)\n"
        "  |            ^^^^^^^^\n"
        "  |\n"
        "  = help: "
    )
    assert "squared" in run.out
    assert "Checked 2 losses in 2 files: 1 error." in run.err
    assert run("check", "--output-format", "concise").out.startswith(
        "specs/absolute.py:6:12: LC002 unknown symbol `Absolute`\n"
    )


def test_check_keeps_good_losses_beside_broken_ones(project: Path, run: Run) -> None:
    (project / "specs" / "absolute.py").write_text(BROKEN)
    assert run("check", "--json").status == 1
    assert [loss["name"] for loss in run.envelope["result"]["losses"]] == [
        "squared",
        "half_squared",
    ]
    assert run.codes == ["LC002"]


@pytest.mark.parametrize(
    ("selection", "names", "status"),
    [
        (["squared"], ["squared"], 0),
        (["*squared"], ["squared", "half_squared"], 0),
        (["specs/squares.py"], ["squared", "half_squared"], 0),
        (["specs"], ["squared", "half_squared"], 1),
        (["absolute"], [], 1),
        (["specs/absolute.py"], [], 1),
    ],
)
def test_selection(
    selection: list[str], names: list[str], status: int, project: Path, run: Run
) -> None:
    (project / "specs" / "absolute.py").write_text(BROKEN)
    assert run("check", *selection, "--json").status == status
    assert [loss["name"] for loss in run.envelope["result"]["losses"]] == names


@pytest.mark.parametrize("verb", ["check", "list", "show"])
def test_nothing_matches(verb: str, project: Path, run: Run) -> None:
    assert run(verb, "hubber").status == 3
    assert "no loss matches `hubber`" in run.err
    assert run(verb, "hubber", "--json").codes == ["LC606"]


def test_no_spec_at_all(project: Path, run: Run) -> None:
    (project / "specs" / "squares.py").unlink()
    assert run("check").status == 3
    assert "losscompiler new NAME" in run.err


def test_warnings_fail_only_if_strict(project: Path, run: Run) -> None:
    path = project / "specs" / "squares.py"
    path.write_text(GOOD + '\n\nprint("loading")\n')
    assert run("check", "--json").status == 0
    assert run.codes == ["LC006"]  # and nothing else on standard output than the envelope
    assert run("check", "--strict").status == 1
    assert "loading" in run.out


def test_names_taken_twice_across_files(project: Path, run: Run) -> None:
    (project / "specs" / "again.py").write_text(GOOD.replace("half_squared", "quarter"))
    assert run("check", "--json").status == 1
    (finding,) = run.envelope["diagnostics"]
    assert (finding["code"], finding["path"], finding["line"]) == ("LC005", "specs/squares.py", 4)
    assert "specs/again.py:4" in finding["message"]
    assert "rename" in finding["help"]
    assert finding["frame"] == "@loss"


def test_endless_spec(project: Path, run: Run) -> None:
    (project / "pyproject.toml").write_text("[tool.losscompiler]\nspec-timeout = 2\n")
    (project / "specs" / "endless.py").write_text("while True:\n    pass\n")
    assert run("check", "--json").status == 1
    assert run.codes == ["LC003"]
    assert len(run.envelope["result"]["losses"]) == 2


def test_crashing_spec(project: Path, run: Run) -> None:
    (project / "specs" / "crash.py").write_text("import os\n\nos._exit(7)\n")
    assert run("check", "--json").status == 1
    assert run.codes == ["LC004"]
    assert "7" in run.envelope["diagnostics"][0]["message"]


def test_formula_that_cannot_be_compiled(project: Path, run: Run) -> None:
    (project / "specs" / "zeta.py").write_text(RULES["LC130"].bad.replace("@loss", IMPORTS))
    assert run("check", "zeta.py", "specs/zeta.py", "--json").status == 1
    (finding,) = run.envelope["diagnostics"]
    assert (finding["code"], finding["loss"]) == ("LC130", "special")
    assert finding["frame"] == "    return sympy.zeta(prediction)"


IMPORTS = "from losscompiler.spec import *\n\n\n@loss"


def test_paths_are_shown_from_the_current_folder(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "specs" / "absolute.py").write_text(BROKEN)
    (project / "pyproject.toml").write_text("[tool.losscompiler]\n")
    monkeypatch.chdir(project / "specs")
    assert run("check", "absolute.py", "--output-format", "concise").status == 1
    assert run.out.startswith("absolute.py:6:12: LC002")


# ---- show, list, init, new, rule ----------------------------------------------------------------


def test_show_formula(project: Path, run: Run) -> None:
    assert run("show", "squared", "--stage", "spec").status == 0
    assert run.out == "squared(prediction, target) = (prediction - target)**2\n"
    assert run("show", "squared", "--format", "latex").status == 0
    assert r"\left(prediction - target\right)^{2}" in run.out
    assert run("show", "*", "--json").status == 0
    assert [loss["name"] for loss in run.envelope["result"]["losses"]] == [
        "squared",
        "half_squared",
    ]
    assert run("show", "squared", "--format", "json").envelope["command"] == "show"


def test_init_starts_a_project_and_changes_nothing(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "mine"')
    assert run("init", "--json").status == 0
    created = ["pyproject.toml", "specs/example.py", ".gitattributes"]
    assert run.envelope["result"]["created"] == created
    text = (tmp_path / "pyproject.toml").read_text()
    assert text.startswith('[project]\nname = "mine"\n\n[tool.losscompiler]\n')
    assert run("check").status == 0
    assert "huber" in run.out
    (tmp_path / "specs" / "example.py").write_text(GOOD)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert run("init").status == 0
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("kind", KINDS)
def test_new_writes_a_good_spec_of_every_kind(kind: str, project: Path, run: Run) -> None:
    assert run("new", "mine", "--kind", kind).status == 0
    assert "Created specs/mine.py" in run.out
    loaded = load_file(project / "specs" / "mine.py", project / "specs")
    assert not loaded.diagnostics
    assert [loss.name for loss in loaded.losses] == ["mine"]


def test_new_does_not_overwrite(project: Path, run: Run) -> None:
    assert run("new", "squares").status == 2
    assert (project / "specs" / "squares.py").read_text() == GOOD


@pytest.mark.parametrize("code", RULES)
def test_rule(code: str, run: Run) -> None:
    assert run("rule", code.lower()).status == 0
    assert run.out.startswith(f"{code} {RULES[code].name}")
    assert RULES[code].bad.splitlines()[0] in run.out


def test_all_rules(run: Run) -> None:
    assert run("rule", "--all").status == 0
    assert all(code in run.out for code in RULES)
    assert run("rule", "--all", "--json").status == 0
    assert len(run.envelope["result"]["rules"]) == len(RULES)


# ---- exit statuses and colours ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        ([], 0),
        (["LC101"], 1),
        (["LC401"], 1),
        (["LC501"], 1),
        (["LC402"], 4),
        (["LC606"], 3),
        (["LC604"], 2),
        (["LC900"], 2),
        (["LC402", "LC101"], 1),
        (["LC101", "LC900"], 2),
    ],
)
def test_exit_status_is_the_worst_finding(codes: list[str], status: int) -> None:
    assert Answer(diagnostics=tuple(Diagnostic(code, "x") for code in codes)).status == status


def test_our_own_traceback_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(diagnostics=(Diagnostic("LC900", "x", help="please\nTraceback: deep"),))
    assert emit(answer, "check", as_json=False, traceback=False) == 2
    assert "deep" not in capsys.readouterr().err
    assert emit(answer, "check", as_json=False, traceback=True) == 2
    assert "deep" in capsys.readouterr().err


def test_colour_follows_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Answer(diagnostics=(Diagnostic("LC101", "[brackets] stay"),))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    emit(answer, "check", as_json=False, traceback=False)
    coloured = capsys.readouterr().err
    assert "\x1b[1;31mLC101\x1b[0m" in coloured
    assert "[brackets] stay" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    emit(answer, "check", as_json=False, traceback=False)
    assert capsys.readouterr().err == "LC101 [brackets] stay\n\n"
