"""Specs with one mistake each, and what is to be said about it."""

# Each case: the spec (its line 1 is the import), the code, the line, the text underlined, and
# words of the remedy.
MISTAKES: dict[str, tuple[str, tuple[str, int, str, str]]] = {
    "unknown symbol": (
        """
        @loss
        def f(p=Prediction(), t=Target()):
            return softpluss(p - t)
        """,
        ("LC002", 4, "softpluss", "did you mean `softplus`?"),
    ),
    "symbol that is not imported": (
        """
        del tanh
        @loss
        def f(p=Prediction()):
            return tanh(p)
        """,
        ("LC002", 5, "tanh", "from losscompiler.spec import tanh"),
    ),
    "unknown import": (
        """
        from losscompiler.spec import Abs, Sofmax
        @loss
        def f(p=Prediction()):
            return Abs(p)
        """,
        ("LC002", 2, "Sofmax", "did you mean `softmax`?"),
    ),
    "import of a spec file that is not there": (
        """
        from .nowhere import dice
        @loss
        def f(p=Prediction()):
            return p
        """,
        ("LC002", 2, "dice", "from the folder of the file"),
    ),
    "axis used where another is declared": (
        """
        @loss
        def f(p=Prediction("class"), t=Target("feature")):
            k = index("class")
            return Sum((p[k] - t[k]) ** 2, k)
        """,
        ("LC108", 5, "t[k]", 'take index("feature")'),
    ),
    "axis that stands for two in one call": (
        """
        def energy(p=Prediction("a"), q=Prediction("a")):
            k = index("a")
            return Sum(p[k] * q[k], k)
        energy = loss(energy)
        @loss
        def f(p=Prediction("b"), q=Prediction("c")):
            return energy(p, q)
        """,
        ("LC108", 8, "energy(p, q)", "give both axes one name"),
    ),
    "negative constant index": (
        """
        @loss
        def f(box=Prediction("coordinate")):
            return box[-1] ** 2
        """,
        ("LC107", 4, "box[-1]", "count from 0"),
    ),
    "constant that is not real": (
        """
        @loss
        def f(p=Prediction()):
            return p * sqrt(-1)
        """,
        ("LC121", 4, "return p * sqrt(-1)", "a division by zero"),
    ),
    "raw Piecewise below a sum": (
        """
        import sympy
        @loss
        def f(p=Prediction("class")):
            k = index("class")
            return Sum(sympy.Piecewise((p[k], p[k] > 0), (0, True)), k)
        """,
        (
            "LC113",
            6,
            "Sum(sympy.Piecewise((p[k], p[k] > 0), (0, True)), k)",
            "import Piecewise (or where) from losscompiler.spec",
        ),
    ),
    "no prediction": (
        """
        @loss
        def f(t=Target()):
            return t**2
        """,
        ("LC103", 3, "f", "declare one input as Prediction()"),
    ),
    "does not parse": (
        """
        @loss
        def f(p=Prediction()):
            return (p
        """,
        ("LC001", 4, "(", "until this is mended"),
    ),
    "raises": (
        """
        @loss
        def f(p=Prediction()):
            raise RuntimeError("not yet")
        """,
        ("LC002", 4, 'raise RuntimeError("not yet")', ""),
    ),
    "calls sys.exit": (
        """
        import sys
        @loss
        def f(p=Prediction()):
            sys.exit(3)
        """,
        ("LC008", 5, "sys.exit(3)", "a spec only declares losses"),
    ),
    "interrupts": (
        """
        raise KeyboardInterrupt
        @loss
        def f(p=Prediction()):
            return p
        """,
        ("LC008", 2, "raise KeyboardInterrupt", "a spec only declares losses"),
    ),
    "reserved name": (
        """
        @loss
        def f(p=Prediction(), weight=Target()):
            return p * weight
        """,
        ("LC101", 3, "weight", "such as `weights`"),
    ),
    "private loss": (
        """
        @loss
        def _hidden(p=Prediction()):
            return p**2
        """,
        ("LC101", 3, "_hidden", "call the loss `hidden`"),
    ),
    "keyword as a name": (
        """
        @loss
        def f(p=Prediction(), *, lambda=Param(1)):
            return p
        """,
        ("LC001", 3, "lambda", "such as `lambda_`"),
    ),
    "condition decided by Python": (
        """
        @loss
        def f(p=Prediction("class")):
            i, j = index("class", "i j")
            return Sum(where(i != j, p[i] * p[j], 0), i, j)
        """,
        ("LC110", 5, "where(i != j, p[i] * p[j], 0)", "use Eq(a, b) and Ne(a, b)"),
    ),
    "condition that holds for all numbers": (
        """
        @loss
        def f(p=Prediction("class"), m=Mask("class")):
            k = index("class")
            nearest = AxisMin(where(m[k], p[k], oo), k)
            return where(nearest < oo, nearest, 0)
        """,
        ("LC110", 6, "where(nearest < oo, nearest, 0)", "such as a mask"),
    ),
    "size of an axis that no input has": (
        """
        @loss
        def f(p=Prediction("class")):
            k = index("class")
            return Sum(p[k], k) / size("classes")
        """,
        ("LC117", 5, 'return Sum(p[k], k) / size("classes")', "the axes of the inputs are: class"),
    ),
    "sign that a domain settles": (
        """
        @loss
        def f(p=Prediction(positive=True)):
            return Piecewise((p, p > 0), (-p, True))
        """,
        ("LC110", 4, "Piecewise((p, p > 0), (-p, True))", "needs no condition"),
    ),
    "if on data": (
        """
        @loss
        def f(p=Prediction()):
            if p > 0:
                return p
            return -p
        """,
        ("LC002", 4, "p > 0", "where(condition, a, b)"),
    ),
    "function of math": (
        """
        import math
        @loss
        def f(p=Prediction()):
            return math.exp(p)
        """,
        ("LC002", 5, "math.exp(p)", "use exp, log, sqrt, ... from losscompiler.spec"),
    ),
    "undeclared input": (
        """
        @loss
        def f(p=Prediction(), t=None):
            return p - t
        """,
        ("LC102", 3, "t", "write t=Prediction(), Target()"),
    ),
    "default outside its domain": (
        """
        @loss
        def f(p=Prediction(), *, scale=Param(-1, positive=True)):
            return p
        """,
        ("LC118", 3, "Param(-1, positive=True)", "change one of them"),
    ),
    "nothing returned": (
        """
        @loss
        def f(p=Prediction()):
            p**2
        """,
        ("LC112", 3, "f", "return the formula"),
    ),
}
