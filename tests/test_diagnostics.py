"""Findings: every code is explained, every example is true, and the text looks as it should."""

import pickle
import re
from pathlib import Path

import pytest

import losscompiler
from losscompiler.commands.tasks import check_file
from losscompiler.diagnostics import Diagnostic, SpecError, fatal, unique
from losscompiler.rendering import concise, full, plain
from losscompiler.rules import FAMILIES, RULES, Rule
from losscompiler.selection import duplicates

PACKAGE = Path(losscompiler.__file__).parent
WITHOUT_SPEC = {"LC003", "LC004", "LC010"}  # need a process of their own, or are no text of a spec
EXAMPLES = [rule for rule in RULES.values() if rule.code < "LC3" and rule.code not in WITHOUT_SPEC]


def used_codes() -> set[str]:
    files = [p for p in PACKAGE.rglob("*.py") if p.parent.name != "rules"]
    return {code for p in files for code in re.findall(r'"(LC\d{3})"', p.read_text())}


def test_every_code_is_explained_and_every_explanation_is_used() -> None:
    assert used_codes() == set(RULES)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_rules_are_complete(rule: Rule) -> None:
    assert rule.code[:3] in FAMILIES
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert all((rule.summary, rule.why, rule.bad, rule.good))
    assert not rule.summary.endswith(".")
    assert rule.why.endswith(".")


def test_names_of_rules_are_unique() -> None:
    assert len({rule.name for rule in RULES.values()}) == len(RULES)


def codes_of(text: str, folder: Path) -> set[str]:
    specs = folder / "specs"
    specs.mkdir()
    (specs / "example.py").write_text(f"from losscompiler.spec import *\n\n\n{text}\n")
    told = check_file(specs / "example.py", folder, specs, lambda: None)
    clashes = duplicates(told["losses"])
    return {d.code for d in (*told["diagnostics"], *clashes)}


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.code)
def test_bad_example_has_the_mistake(rule: Rule, tmp_path: Path) -> None:
    assert rule.code in codes_of(rule.bad, tmp_path)


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.code)
def test_good_example_has_none(rule: Rule, tmp_path: Path) -> None:
    assert codes_of(rule.good, tmp_path) == set()


FINDING = Diagnostic(
    "LC002",
    "unknown symbol `sofmax`",
    path="specs/x.py",
    line=12,
    column=10,
    end_line=12,
    end_column=16,
    help="did you mean `softmax`?",
    frame="\treturn  sofmax(logits, k)",
)


def test_full_format_underlines_the_fault() -> None:
    assert plain(full(FINDING)) == (
        "LC002 unknown symbol `sofmax`\n"
        "  --> specs/x.py:12:10\n"
        "   |\n"
        "12 | \treturn  sofmax(logits, k)\n"
        "   | \t        ^^^^^^\n"
        "   |\n"
        "   = help: did you mean `softmax`?\n"
        "\n"
    )


def test_concise_format_is_one_line() -> None:
    assert plain(concise(FINDING)) == "specs/x.py:12:10: LC002 unknown symbol `sofmax`\n"


def test_a_finding_without_a_place_is_shown_without_one() -> None:
    warning = Diagnostic("LC606", "no loss matches `hubber`", severity="warning")
    assert plain(concise(warning)) == "LC606 [warning] no loss matches `hubber`\n"
    assert plain(full(warning)) == "LC606 [warning] no loss matches `hubber`\n\n"


def test_findings_survive_json_and_pickle() -> None:
    assert Diagnostic.from_json(FINDING.to_json()) == FINDING
    error = pickle.loads(pickle.dumps(SpecError("LC101", "no", help="yes", about="x")))
    assert (error.code, error.message, error.help, error.about) == ("LC101", "no", "yes", "x")


def test_one_mistake_is_reported_once_and_in_order_of_place() -> None:
    first = Diagnostic("LC002", "a", path="specs/a.py", line=1, loss="one")
    again = Diagnostic("LC002", "a", path="specs/a.py", line=1, loss="two")
    assert unique([FINDING, again, first]) == (again, FINDING)


def test_warnings_fail_only_if_strict() -> None:
    warning = Diagnostic("LC006", "prints", severity="warning")
    assert fatal([FINDING])
    assert not fatal([warning])
    assert fatal([warning], strict=True)
