"""Which files and losses a command is about."""

from pathlib import Path

import pytest

from losscompiler.building.changes import candidates, spec_key
from losscompiler.building.manifest import Manifest, Source
from losscompiler.building.outputs import digest_of
from losscompiler.selection import duplicates, find_specs, matches, may_hold, normalise


def write(folder: Path, name: str) -> Path:
    path = folder / "specs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_specs_are_found_in_order_without_helpers(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "sub/c.py", "_help.py", "_sub/d.py", ".hidden.py", "__init__.py"):
        write(tmp_path, name)
    root = tmp_path / "specs"
    assert [p.relative_to(root).as_posix() for p in find_specs(root)] == [
        "a.py",
        "b.py",
        "sub/c.py",
    ]


def test_names_taken_twice_name_both_places() -> None:
    declared = [("f", "specs/a.py", 3), ("f", "specs/b.py", 7), ("f_hvp", "specs/c.py", 1)]
    second, derived = duplicates(
        {"name": name, "path": path, "line": line} for name, path, line in declared
    )
    assert (second.code, second.path, second.line) == ("LC005", "specs/b.py", 7)
    assert "specs/a.py:3" in second.message
    assert "rename" in second.help
    assert (derived.path, derived.loss) == ("specs/c.py", "f_hvp")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("huber", True),
        ("hub*", True),
        ("hube", False),
        ("specs/robust.py", True),
        ("specs/r*.py", True),
        ("specs", True),
        (".", True),
        ("specs/other.py", False),
        ("other", False),
    ],
)
def test_selection_by_name_glob_and_path(pattern: str, expected: bool, tmp_path: Path) -> None:
    write(tmp_path, "robust.py")
    patterns = normalise([pattern], tmp_path, tmp_path)
    assert matches(patterns, "huber", "specs/robust.py") is expected
    by_name = "/" not in patterns[0]
    assert may_hold(patterns, "specs/robust.py") is (expected or by_name)


def test_paths_are_taken_from_the_current_folder(tmp_path: Path) -> None:
    file = write(tmp_path, "robust.py")
    assert normalise(["robust.py"], tmp_path, tmp_path / "specs") == ("specs/robust.py",)
    assert normalise([str(file)], tmp_path, tmp_path / "specs") == ("specs/robust.py",)
    assert normalise(["none.py"], tmp_path / "specs", tmp_path) == (f"{tmp_path}/none.py",)
    assert normalise(["huber"], tmp_path, tmp_path / "specs") == ("huber",)


@pytest.mark.parametrize(
    ("patterns", "known"),
    [
        (("huber",), ["robust.py"]),
        (("old_name",), ["robust.py"]),
        (("squared",), ["plain.py"]),
        (("h*", "squared"), ["plain.py", "robust.py"]),
        (("absent",), []),
        (("specs/plain.py",), ["plain.py"]),
        ((), ["plain.py", "robust.py"]),
    ],
)
def test_names_of_unchanged_files_are_those_of_the_manifest(
    tmp_path: Path, patterns: tuple[str, ...], known: list[str]
) -> None:
    names = {"plain.py": ("squared", ()), "robust.py": ("huber", ("old_name",))}
    sources, losses = {}, []
    helper = write(tmp_path, "_help.py")
    hashes = {"specs/_help.py": digest_of(helper)}
    for file, (name, former) in names.items():
        path = f"specs/{file}"
        hashes[path] = digest_of(write(tmp_path, file))
        key = spec_key(path, ["specs/_help.py"], hashes)
        sources[path] = Source(("specs/_help.py",), {"numpy": key})
        losses.append({"name": name, "former": former, "path": path})
    manifest = Manifest(sources=sources, losses=tuple(losses))

    def found() -> list[str]:
        return [path.name for path in candidates(tmp_path / "specs", manifest, patterns)]

    assert found() == known
    write(tmp_path, "new.py")  # of which nothing is known
    new = [] if patterns == ("specs/plain.py",) else ["new.py"]
    assert found() == sorted(known + new)
    helper.write_text("changed = True")  # by whatever all names may have changed
    everything = ["new.py", "plain.py", "robust.py"]
    assert found() == (["plain.py"] if patterns == ("specs/plain.py",) else everything)
