"""LC7xx: what authors claim about their losses."""

from __future__ import annotations

from losscompiler.rules.rule import Rule

CLAIMS = (
    Rule(
        "LC701",
        "refuted-claim",
        "a loss does not have a property that its author claims",
        "The counterexample is certified in exact arithmetic: the claim is wrong as it stands, for "
        "some values that the domains of inputs and parameters allow.",
        "@loss(claims=[convex])\n"
        "def welsch(x=Prediction(), y=Target()): return 1 - exp(-((x - y) ** 2))",
        "@loss(claims=[quasi_convex])\n"
        "def welsch(x=Prediction(), y=Target()): return 1 - exp(-((x - y) ** 2))",
    ),
    Rule(
        "LC702",
        "unproved-claim",
        "a loss is not proved to have a property that its author claims",
        "Neither a proof nor a counterexample was found. The finding names the first step of the "
        "proof that is open; sharper domains often close it.",
        "a claim about a formula that no rule covers",
        "the same with domains that say what the formula needs, such as positive=True",
        severity="warning",
    ),
    Rule(
        "LC703",
        "contradicted-proof",
        "a proof that is kept does not stand when it is checked again",
        "Proofs are checked by code that shares nothing with what found them. A contradiction is a "
        "bug of losscompiler, or the file of proofs was changed: please report it.",
        "proofs.json edited by hand",
        "losscompiler prove --fresh",
    ),
)
