"""Mistakes that a spec's author is told of, in place of code that means something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from losscompiler.build import BuildResult, build
from losscompiler.diagnostics import Diagnostic
from tests.contract_specs import write

HEAD = '"""Mistakes."""\nfrom losscompiler.spec import *\n'
PLAIN = "prediction=Prediction(), target=Target()"
RESERVED = (
    *("weight", "mask", "reduction", "normalizer", "ignore_index", "class_weight"),
    *("axis", "batch_axes", "vector"),
)
MISTAKES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    **{
        f"reserves_{name}": (f"x=Prediction(), {name}=Target()", f"return x * {name}", (name,))
        for name in RESERVED
    },
    "reserves_for_parameters": (
        "x=Prediction(), *, reduction=Param(1)",
        "return x * reduction",
        ("reduction",),
    ),
    "python_unequal": (
        'x=Prediction("batch")',
        'i, j = index("batch", "i j")\n    return Sum(where(i != j, x[i] * x[j], 0), i, j)',
        ("Ne", "Eq"),
    ),
    "python_equal": (
        'x=Prediction("batch")',
        'i, j = index("batch", "i j")\n    return Sum(indicator(i == j) * x[i] * x[j], i, j)',
        ("Ne", "Eq"),
    ),
    "unguarded_forward": (
        'x=Prediction("time")',
        't = index("time", "t")\n    return Sum((x[t + 1] - x[t]) ** 2, t)',
        ("time",),
    ),
    "unguarded_back": (
        'x=Prediction("time")',
        't = index("time", "t")\n    return x[t - 1] * x[t]',
        ("time",),
    ),
    "guarded_the_wrong_way": (
        'x=Prediction("time")',
        't = index("time", "t")\n    return where(t >= 1, x[t + 1], 0)',
        ("time",),
    ),
    "guarded_by_too_little": (
        'x=Prediction("time")',
        't = index("time", "t")\n    return where(t >= 1, x[t - 2], 0)',
        ("time",),
    ),
    "negative_index": ('x=Prediction("time")', "return x[-1]", ("time",)),
    "wrong_axis": (
        'x=Prediction("row", "column")',
        'i, j = index("row"), index("column")\n    return x[j, i]',
        ("row", "column"),
    ),
    "label_of_another_axis": (
        'x=Prediction("row"), y=Target("column"), label=Label("column")',
        'return x[label] * Sum(y[index("column")], index("column"))',
        ("row", "column"),
    ),
    "no_prediction": ("x=Target()", "return x", ("Prediction()",)),
    "positional_parameter": ("x=Prediction(), scale=Param(1)", "return scale * x", ("scale",)),
    "outside_its_domain": (
        "x=Prediction(), *, scale=Param(0, positive=True)",
        "return scale * x",
        ("scale", "0"),
    ),
    "star_first": ('x=Prediction("*spatial", "class")', "return x[0, 0]", ("spatial",)),
    "condition": (PLAIN, "return prediction > target", ("indicator",)),
    "nothing": (PLAIN, "prediction - target", ("return",)),
    "without_index": ('x=Prediction("class")', "return x**2", ("class",)),
}


def text(name: str, signature: str, body: str) -> str:
    return f'\n\n@loss\ndef {name}({signature}):\n    """Wrong."""\n    {body}\n'


def built(root: Path, specs: dict[str, str]) -> BuildResult:
    return build(write(root, specs))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Diagnostic]]:
    """The findings by loss, of one file with all mistakes and a good loss last."""
    good = text("good", PLAIN, "return (prediction - target) ** 2")
    wrong = "".join(text(name, *case[:2]) for name, case in MISTAKES.items())
    result = built(tmp_path_factory.mktemp("mistakes"), {"mistakes.py": HEAD + wrong + good})
    assert {loss.name for loss in result.losses if loss.status == "built"} == {"good"}
    starts = {(HEAD + wrong).index(f"def {name}("): name for name in MISTAKES}
    lines = {(HEAD + wrong).count("\n", 0, at) + 1: name for at, name in starts.items()}
    by_loss: dict[str, list[Diagnostic]] = {name: [] for name in MISTAKES}
    for one in result.diagnostics:
        by_loss[lines[max(line for line in lines if line <= (one.line or 0))]].append(one)
    return by_loss


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(found: dict[str, list[Diagnostic]], name: str) -> None:
    (one,) = found[name]
    assert one.severity == "error"
    assert one.code not in ("LC900", "LC003")
    assert one.path == "specs/mistakes.py"
    assert one.line is not None
    said = f"{one.message} {one.help} {one.frame}"
    assert all(word in said for word in MISTAKES[name][2]), said


def test_names_are_unique_over_all_files(tmp_path: Path) -> None:
    one = HEAD + text("same", PLAIN, "return prediction - target")
    result = built(tmp_path, {"a.py": one, "deep/b.py": one, "c.py": one.replace("same", "other")})
    assert {d.code for d in result.diagnostics} == {"LC005"}
    assert "other" in {loss.name for loss in result.losses if loss.status == "built"}
    assert len({loss.path for loss in result.losses if loss.status == "built"}) == 2


def test_names_that_generated_code_uses_itself(tmp_path: Path) -> None:
    names = ("evaluate", "tuple", "Options", "math")
    losses = "".join(text(name, PLAIN, "return prediction - target") for name in (*names, "fine"))
    result = built(tmp_path, {"a.py": HEAD + losses})
    assert {(d.code, d.loss) for d in result.diagnostics} == {("LC101", name) for name in names}
    exported = {loss.name: loss.targets for loss in result.losses}
    assert exported.pop("fine") == ("numpy", "torch", "tensorflow", "jax", "boosting")
    assert set(exported.values()) == {("boosting",)}  # which has classes alone


def test_the_constant_condition_is_the_author_s_choice_nowhere(tmp_path: Path) -> None:
    body = "return Piecewise((prediction - target, True))"
    result = built(tmp_path, {"a.py": HEAD + text("last", PLAIN, body)})
    assert result.diagnostics == ()  # the last branch of a Piecewise is the one exception
    for condition in ("True", "False"):
        body = f"return where({condition}, prediction, target)"
        result = built(tmp_path, {"a.py": HEAD + text("last", PLAIN, body)})
        assert [d.severity for d in result.diagnostics] == ["error"], condition
