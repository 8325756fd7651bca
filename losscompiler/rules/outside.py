"""LC3xx to LC9xx: targets, verification, the output folder, configuration, losscompiler itself."""

from __future__ import annotations

from losscompiler.rules.rule import Rule

OUTSIDE = (
    Rule(
        "LC310",
        "not-expressed",
        "a target has no form for a loss",
        "The `boosting` target has objectives: losses of one raw score per sample, or one per "
        "class, against one target or label, with one loss entry per sample. A booster has nothing "
        "else to pass. Losses that need more are left out of its modules, and nothing is wrong "
        "with them: the other targets have them. --json lists each with its reason.",
        "def weighted(x=Prediction(), y=Target(), scale=Target()): return scale * (x - y) ** 2",
        "def weighted(x=Prediction(), y=Target()): return (x - y) ** 2  # scale as sample_weight",
        severity="note",
    ),
    Rule(
        "LC401",
        "disagreement",
        "generated code does not compute what the spec says",
        "Every loss is evaluated in arbitrary precision from its original formula, and compared "
        "with the generated code: value, gradient, Hessian-vector product and Hessian diagonal, at "
        "kinks, extremes and tiny differences too. Code that disagrees is not written. Either the "
        "compiler is wrong (please report it) or the formula has no accurate form it knows.",
        "losscompiler build --no-verify",
        "losscompiler verify NAME",
    ),
    Rule(
        "LC402",
        "missing-framework",
        "a required framework is not installed",
        "Code for a framework that is not installed is written, but cannot be cross-validated. "
        "--require makes sure that it is; the exit status is 4 then.",
        "losscompiler verify --require jax",
        "pip install 'losscompiler[jax]'",
    ),
    Rule(
        "LC403",
        "not-validated",
        "a loss cannot be cross-validated",
        "Its exact value could not be computed, so nothing is known about the accuracy of its "
        "code, which is generated all the same.",
        "a formula whose exact value cannot be bounded at any precision",
        "a formula made of functions of losscompiler.spec",
        severity="warning",
    ),
    Rule(
        "LC404",
        "framework-crash",
        "a framework stopped while generated code was called",
        "The generated code of each framework is called in a process of its own. One that crashes "
        "or never ends says nothing about the code, so it counts as a failure.",
        "a process that is killed for its use of memory",
        "losscompiler verify NAME --target torch",
    ),
    Rule(
        "LC405",
        "digits-lost",
        "generated code is right, but loses digits",
        "Cross-validation found results that agree with the spec less closely than the inputs "
        "allow: terms cancel that another form of the formula would not have, or something "
        "overflows on the way at extreme inputs. The code is written.",
        "sqrt(1 + x**2) - 1",
        "x**2 / (sqrt(1 + x**2) + 1)",
    ),
    Rule(
        "LC501",
        "edited-output",
        "a generated file was edited by hand",
        "Its bytes are not those that were written, so somebody's work would be lost. Generated "
        "code is changed through its spec.",
        "an edit of generated/torch/regression.py",
        "the same change in specs/regression.py, or `losscompiler build --force` to discard it",
    ),
    Rule(
        "LC502",
        "foreign-file",
        "a file that losscompiler has not written is in the way",
        "Only files that an earlier build wrote are replaced or removed.",
        "a module of yours at generated/torch/regression.py",
        "your module in another folder, or another folder for --out",
    ),
    Rule(
        "LC503",
        "output-not-writable",
        "the output folder cannot be written",
        "A build writes all of its files or none. What was there before still is.",
        "losscompiler build --out /",
        "losscompiler build --out generated",
    ),
    Rule(
        "LC504",
        "stale-output",
        "generated code is not what the specs give now",
        "A spec, or losscompiler, has changed since the last build. Generated code is checked in, "
        "so continuous integration runs `losscompiler build --check`.",
        "a changed spec, committed alone",
        "losscompiler build",
    ),
    Rule(
        "LC505",
        "no-space",
        "there is no space left for the output",
        "A build writes all of its files or none. What was there before still is.",
        "a full disk",
        "losscompiler build, after freeing some space",
    ),
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
