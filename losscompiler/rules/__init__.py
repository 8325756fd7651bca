"""Every code of a finding: its name, a summary, why it is one, and a bad and a good example.

Examples are whole spec files without their import line, or what the finding is about otherwise.
"""

from __future__ import annotations

from losscompiler.rules.claims import CLAIMS
from losscompiler.rules.formulas import FORMULAS
from losscompiler.rules.outside import OUTSIDE
from losscompiler.rules.rule import Rule
from losscompiler.rules.spec_files import SPEC_FILES

__all__ = ["FAMILIES", "RULES", "Rule"]

RULES: dict[str, Rule] = {rule.code: rule for rule in (*SPEC_FILES, *FORMULAS, *OUTSIDE, *CLAIMS)}

FAMILIES = {
    "LC0": "spec files and their imports",
    "LC1": "formulas",
    "LC3": "targets",
    "LC4": "verification",
    "LC5": "the output folder",
    "LC6": "configuration and command line",
    "LC7": "claims about losses",
    "LC9": "losscompiler itself",
}
