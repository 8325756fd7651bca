"""Names and losses on their way out: they work, and warn."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def warn_deprecated(name: str, remedy: str) -> None:
    """Warns the caller of a deprecated function."""
    warnings.warn(f"`{name}` is deprecated: {remedy}", DeprecationWarning, stacklevel=3)


def former_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module in which `names` have others now."""

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        said = f"`{name}` is called `{names[name]}` now"
        warnings.warn(said, DeprecationWarning, stacklevel=2)
        return getattr(sys.modules[module], names[name])

    return find
