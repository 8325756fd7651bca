"""The configuration: defaults, the nearest section, and what is said about a wrong one."""

from pathlib import Path

import pytest

from losscompiler.config import Config, ConfigError, load_config
from losscompiler.diagnostics import Diagnostic


def write(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text)


def mistake(folder: Path, text: str) -> Diagnostic:
    write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_config(folder)
    (finding,) = caught.value.diagnostics
    return finding


def test_defaults_without_a_file(tmp_path: Path) -> None:
    config = load_config(tmp_path)
    assert config == Config(tmp_path, tmp_path / "specs", tmp_path / "generated")
    assert config.targets == ("numpy", "torch", "tensorflow", "jax", "boosting")
    assert (config.spec_timeout, config.jobs) == (60.0, 0)


def test_every_key_and_paths_from_the_folder_of_the_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        '[project]\nname = "x"\n[tool.losscompiler]\nspecs = "a/losses"\nout = "b"\n'
        'targets = ["jax", "numpy"]\nspec-timeout = 2.5\njobs = 3\n',
    )
    below = tmp_path / "a" / "losses"
    below.mkdir(parents=True)
    assert load_config(below) == Config(
        tmp_path, tmp_path / "a/losses", tmp_path / "b", ("numpy", "jax"), 2.5, 3
    )


def test_a_pyproject_without_the_section_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, '[tool.losscompiler]\nout = "emitted"\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    write(inner, '[project]\nname = "inner"\n')
    assert load_config(inner).out == tmp_path / "emitted"


def test_unknown_key_has_its_line_and_a_suggestion(tmp_path: Path) -> None:
    finding = mistake(
        tmp_path, '[project]\ntarget = 1\n\n[tool.losscompiler]\ntarget = ["numpy"]\n'
    )
    assert (finding.code, finding.line) == ("LC602", 5)
    assert finding.message == "unknown key `target` in [tool.losscompiler]"
    assert finding.help == "did you mean `targets`?"
    assert finding.frame == 'target = ["numpy"]'


@pytest.mark.parametrize(
    "text",
    [
        "[tool]\nlosscompiler.outt = 1\n",
        "[tool.losscompiler.outt]\nx = 1\n",
        "tool.losscompiler.outt = 1\n",
    ],
)
def test_other_spellings_of_the_section(tmp_path: Path, text: str) -> None:
    finding = mistake(tmp_path, text)
    assert (finding.code, finding.help) == ("LC602", "did you mean `out`?")
    assert finding.line == text[: text.index("outt")].count("\n") + 1


def test_underscores_are_suggested_as_hyphens(tmp_path: Path) -> None:
    finding = mistake(tmp_path, "[tool.losscompiler]\nspec_timeout = 5\n")
    assert finding.help == "did you mean `spec-timeout`?"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("specs = 3", "the path of a folder"),
        ('targets = "numpy"', "a list of names"),
        ('targets = ["numpi"]', "`numpi` is none of them"),
        ("spec-timeout = 0", "seconds above 0"),
        ("jobs = true", "a whole number"),
        ("jobs = -1", "a whole number"),
    ],
)
def test_values_of_the_wrong_kind(tmp_path: Path, line: str, words: str) -> None:
    finding = mistake(tmp_path, f"[tool.losscompiler]\n{line}\n")
    assert (finding.code, finding.line) == ("LC603", 2)
    assert words in finding.message


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "[tool.losscompiler]\njobs = -1\nspeks = 'x'\n")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    assert [d.code for d in caught.value.diagnostics] == ["LC603", "LC602"]


def test_broken_toml_has_a_place(tmp_path: Path) -> None:
    finding = mistake(tmp_path, '[tool.losscompiler]\nout = "x\n')
    assert (finding.code, finding.line) == ("LC601", 2)
