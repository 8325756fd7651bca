"""LC0xx: a spec file does not load, or does what a spec should not."""

from __future__ import annotations

from losscompiler.rules.rule import Rule

SPEC_FILES = (
    Rule(
        "LC001",
        "syntax-error",
        "a spec file cannot be read as Python",
        "A spec is a Python module. Nothing of a file that does not parse can be used, nor of the "
        "files that import it. A keyword of Python cannot name an input.",
        """@loss
def huber(prediction=Prediction(), *, lambda=Param(1)):
    return prediction""",
        """@loss
def huber(prediction=Prediction(), *, scale=Param(1)):
    return scale * prediction**2""",
    ),
    Rule(
        "LC002",
        "spec-raises",
        "a spec uses an unknown symbol or raises an exception",
        "The function below @loss is called once, with symbols for its inputs. An exception in it, "
        "or in the module around it, is shown at the line of the spec where it came from. Other "
        "losses of the file are still read. `if`, `and`, `max` and functions of math or numpy "
        "need numbers, which a formula does not have yet: use where, And, Max, exp, ... instead.",
        """@loss
def absolute(prediction=Prediction(), target=Target()):
    r = prediction - target
    return r if r > 0 else -r""",
        """@loss
def absolute(prediction=Prediction(), target=Target()):
    return Abs(prediction - target)""",
    ),
    Rule(
        "LC003",
        "spec-timeout",
        "a spec file did not load within the time limit",
        "Loading runs in a process of its own, which is stopped after `spec-timeout` seconds: a "
        "spec that hangs must not hang the build. Formulas are written, not computed: a long loop "
        "or a call of simplify() in a spec is rarely needed.",
        """while True:
    pass""",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2""",
    ),
    Rule(
        "LC004",
        "spec-crash",
        "loading a spec file crashed Python",
        "The process that loads the file ended without an exception: by os._exit(), by a crash in "
        "an extension module, or because the system stopped it (out of memory).",
        """import os

os._exit(1)""",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2""",
    ),
    Rule(
        "LC005",
        "duplicate-loss",
        "two losses have one name",
        "Every loss of every spec file is exported from one package per backend, so its name, its "
        "aliases and former names, and the names of the functions and classes made for each "
        "(`_value_and_grad`, `_hvp`, `_hessian_diagonal`, `...Loss`), must be unique over all "
        "files. The first in the order of paths and lines is kept.",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2


@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2 / 2""",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2


@loss
def half_squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2 / 2""",
    ),
    Rule(
        "LC006",
        "spec-prints",
        "a spec prints to standard output",
        "Standard output belongs to the result of a command, which another program may read. What "
        "a spec prints is kept out of it and shown with the finding.",
        """print("loading")


@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2""",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2""",
        severity="warning",
    ),
    Rule(
        "LC007",
        "no-loss",
        "a spec file declares no loss",
        "A file without a function below @loss yields no code. Files whose name starts with an "
        "underscore may hold helpers alone.",
        """def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2""",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2""",
        severity="warning",
    ),
    Rule(
        "LC008",
        "spec-exits",
        "a spec stops the program",
        "sys.exit(), exit() and KeyboardInterrupt end a program; a spec only declares losses.",
        """import sys

sys.exit("not today")""",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2""",
    ),
    Rule(
        "LC009",
        "broken-dependency",
        "a spec uses something that has a mistake of its own",
        "A loss, a helper or an imported file that has a mistake cannot be used by others. The "
        "first mistake is shown too; mending it mends this.",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - targett) ** 2


@loss
def half_squared(prediction=Prediction(), target=Target()):
    return squared(prediction, target) / 2""",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2


@loss
def half_squared(prediction=Prediction(), target=Target()):
    return squared(prediction, target) / 2""",
    ),
    Rule(
        "LC010",
        "bad-file-name",
        "the name of a spec file or folder cannot be a module's",
        "specs/robust.py becomes generated/torch/robust.py, which is imported by that name: it "
        "must be a Python identifier and no keyword.",
        "specs/my-losses.py",
        "specs/my_losses.py",
    ),
)
