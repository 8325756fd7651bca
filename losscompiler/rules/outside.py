"""LC3xx to LC9xx: targets, verification, the output folder, configuration, losscompiler itself."""

from __future__ import annotations

from losscompiler.rules.rule import Rule

OUTSIDE = (
    Rule(
        "LC601",
        "config-syntax",
        "pyproject.toml cannot be read",
        "The configuration stands in [tool.losscompiler] of the nearest pyproject.toml, which "
        "must be valid TOML.",
        """[tool.losscompiler
out = "generated\"""",
        """[tool.losscompiler]
out = "generated\"""",
    ),
    Rule(
        "LC602",
        "unknown-key",
        "an unknown key in [tool.losscompiler]",
        "A misspelt key would otherwise be ignored without a word.",
        """[tool.losscompiler]
target = ["numpy"]""",
        """[tool.losscompiler]
targets = ["numpy"]""",
    ),
    Rule(
        "LC603",
        "bad-value",
        "a key of [tool.losscompiler] has a value of the wrong kind",
        "specs and out are folders, relative to pyproject.toml; targets a list of names; "
        "spec-timeout a number of seconds above 0; jobs a whole number, 0 for one per core.",
        """[tool.losscompiler]
jobs = "all\"""",
        """[tool.losscompiler]
jobs = 0""",
    ),
    Rule(
        "LC604",
        "no-specs-folder",
        "the folder of specs does not exist",
        "Specs are read from the folder that --specs or [tool.losscompiler] names, `specs` beside "
        "pyproject.toml by default.",
        "losscompiler build --specs losses",
        "losscompiler init",
    ),
    Rule(
        "LC605",
        "usage",
        "a command was called in a way it does not know",
        "An unknown command or option, a missing argument, or a file that would be overwritten.",
        "losscompiler build --tagret torch",
        "losscompiler build --target torch",
    ),
    Rule(
        "LC606",
        "nothing-selected",
        "no loss matches the selection",
        "A selection is the name of a loss, a glob over names, or the path of a spec file or "
        "folder. That nothing matches is reported, with exit status 3, because it is "
        "most often a misspelt name.",
        "losscompiler check hubber",
        "losscompiler check 'hub*'",
    ),
    Rule(
        "LC900",
        "internal-error",
        "losscompiler itself failed",
        "A mistake of ours, whatever the spec says. Please report it, with the traceback that "
        "--traceback shows and, if you can, the spec.",
        "losscompiler build",
        "losscompiler build --traceback",
    ),
)
