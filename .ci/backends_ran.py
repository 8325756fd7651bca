"""Fails unless tests of every backend passed and none was skipped: a green run may not be empty."""

import re
import sys
from collections import Counter
from xml.etree import ElementTree


def main(report: str, backends: list[str]) -> int:
    """Reads a JUnit report; a test belongs to the backends that its parameters or file name."""
    passed: Counter[str] = Counter()
    skipped: list[str] = []
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("name", "")
        named = f"{case.get('classname')} {name.partition('[')[2]}"
        words = re.split(r"[^a-z]+", named)
        outcomes = {child.tag for child in case}
        if "skipped" in outcomes:
            skipped.append(f"{case.get('classname')}::{name}")
        elif not outcomes & {"failure", "error"}:
            passed.update(backend for backend in backends if backend in words)
    missing = [backend for backend in backends if not passed[backend]]
    print(", ".join(f"{backend}: {passed[backend]} tests" for backend in backends))
    for test in skipped:
        print(f"skipped: {test}", file=sys.stderr)
    for backend in missing:
        print(f"no test of {backend} passed", file=sys.stderr)
    return 1 if skipped or missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
