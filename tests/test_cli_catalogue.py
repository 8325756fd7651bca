"""`list` and `show`: finding a loss among many, and all about one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from losscompiler.build import BuildRequest, build
from losscompiler.cli import main
from tests.cli import HEAD, Run

ROOT = Path(__file__).parents[1]
NAMED = HEAD.replace("@loss", '@loss(aliases=("pinball",), former=("tilted",))')
SPECS = {
    "regression.py": f'''"""Numbers."""

{NAMED}def quantile(x=Prediction(), y=Target(), *, tau=Param(Rational("0.5"), interval=(0, 1))):
    """Costs of both signs.

    Use it for quantiles.
    """
    return Max(tau * (y - x), (tau - 1) * (y - x))
''',
    "vision/box.py": f'''"""Boxes."""

{HEAD}def pairs(x=Prediction("batch"), y=Target("batch", optional=True)):
    """All pairs | of entries."""
    i, j = index("batch", "i j")
    return Sum((x[i] - x[j]) ** 2, i, j)


@loss(deprecated="use `pairs`")
def singles(x=Prediction("batch")):
    """No pairs."""
    i = index("batch")
    return Sum(x[i] ** 2, i)
''',
}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("catalogue")
    for name, text in SPECS.items():
        (root / "specs" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "specs" / name).write_text(text)
    (root / "pyproject.toml").write_text("[tool.losscompiler]\n")
    out = root / "generated"
    assert build(BuildRequest(root / "specs", out, targets=("numpy",), verify=False)).written
    return root


@pytest.fixture
def run(
    catalogue: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Calls in the project."""
    monkeypatch.chdir(catalogue)
    return Run(capsys)


def names(run: Run) -> list[str]:
    return [loss["name"] for loss in run.answer["result"]["losses"]]


def test_losses_are_listed_by_family(run: Run) -> None:
    assert run("list").status == 0
    assert run.out == (
        "regression (1)\n"
        "  quantile  (),()->()           Costs of both signs.\n"
        "\n"
        "vision/box (2)\n"
        "  pairs     (batch),(batch)->()  All pairs | of entries.\n"
        "  singles   (batch)->()          Deprecated: use `pairs`. No pairs.\n"
    ).replace("()           Costs", "()            Costs")


def test_families_are_counted(run: Run) -> None:
    assert run("list", "--families").out.split() == ["regression", "1", "vision/box", "2"]
    assert run("list", "--json").answer["result"]["families"] == {"regression": 1, "vision/box": 2}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--family", "regression"], ["quantile"]),
        (["--family", "vision"], ["pairs", "singles"]),
        (["--family", "vision/box"], ["pairs", "singles"]),
        (["--structure", "pairwise"], ["pairs"]),
        (["--structure", "reduction", "--family", "vision"], ["singles"]),
        (["--search", "PAIR"], ["pairs", "singles"]),
        (["--search", "pinb"], ["quantile"]),
        (["--search", "tilted"], ["quantile"]),
        (["--search", "both signs"], ["quantile"]),
        (["pinball", "--search", "cost"], ["quantile"]),
    ],
)
def test_losses_are_found(options: list[str], found: list[str], run: Run) -> None:
    assert run("list", *options, "--json").status == 0
    assert names(run) == found


@pytest.mark.parametrize("options", [["--search", "tilted"], ["--structure", "elementwise"]])
def test_losses_are_found_before_anything_is_built(
    options: list[str], run: Run, tmp_path: Path
) -> None:
    shutil.copytree("specs", tmp_path / "specs")
    assert run("list", *options, "--specs", str(tmp_path / "specs"), "--json").status == 0
    assert names(run) == ["quantile"]


@pytest.mark.parametrize(
    ("options", "help_"),
    [
        (["--family", "regresion"], "did you mean `regression`?"),
        (["--family", "box"], "there are regression, vision/box"),
        (["--structure", "pairwize"], "did you mean `pairwise`?"),
        (["--search", "quantlie"], "did you mean `quantile`?"),
        (["pinbal"], "did you mean `pinball`?"),
    ],
)
def test_what_is_not_there_is_told_with_a_suggestion(
    options: list[str], help_: str, run: Run
) -> None:
    assert run("list", *options, "--json").status == 3
    (finding,) = run.answer["diagnostics"]
    assert finding["code"] == "LC606"
    assert help_ in finding["help"]


def test_a_page_in_markdown(run: Run) -> None:
    page = run("list", "--format", "markdown").out
    assert "3 losses in 2 families." in page
    assert "| `quantile` | `pinball` | `(),()->()` | Costs of both signs. |" in page
    assert r"All pairs \| of entries." in page


def test_the_page_of_the_catalogue_is_up_to_date(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["list", "--format", "markdown"]) == 0
    page = (ROOT / "docs/catalogue.md").read_text(encoding="utf-8")
    assert page == capsys.readouterr().out, "losscompiler list --format markdown"


def test_show_tells_all_about_a_loss(run: Run) -> None:
    assert run("show", "pinball").status == 0
    head, rest = run.out.split("x          ", 1)
    assert head == (
        "quantile(x, y, *, tau=1/2)\n\n    Costs of both signs.\n\n    Use it for quantiles.\n\n"
    )
    for line in (
        "tau          Parameter; 0 <= tau <= 1; default 1/2",
        "also called  pinball",
        "once called  tilted",
        "spec         specs/regression.py:6",
    ):
        assert line in run.out.splitlines()
    assert rest.splitlines()[-1].startswith("quantile(x, y, tau) = Max(")
    assert run("show", "pairs").out.startswith("pairs(x, y=None)\n")


def test_show_gives_the_same_as_data(run: Run) -> None:
    assert run("show", "quantile", "--json").status == 0
    (told,) = run.answer["result"]["losses"]
    assert told["doc"].endswith("Use it for quantiles.")
    assert [p["name"] for p in told["params"]] == ["tau"]
    assert told["aliases"] == ["pinball"]
    assert told["expression"].startswith("Max(")
    assert "rows" not in told


def test_show_names_the_generated_files(run: Run) -> None:
    assert "generated   generated/numpy/vision/box.py" in run("show", "singles").out
    assert "deprecated  use `pairs`" in run.out


def test_the_page_of_properties_is_up_to_date(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["list", "--format", "properties"]) == 0
    page = (ROOT / "docs/properties.md").read_text(encoding="utf-8")
    assert page == capsys.readouterr().out, "losscompiler list --format properties"
