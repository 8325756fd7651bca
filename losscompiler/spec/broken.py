"""What stands for a name whose definition has a mistake, so that the rest of a file still loads."""

from __future__ import annotations

from typing import Any

from losscompiler.diagnostics import Diagnostic, SpecError


class Dependency(SpecError):
    """Something was used whose own definition has a mistake; `causes` are the findings there."""

    def __init__(self, message: str, causes: tuple[Diagnostic, ...], remedy: str = "") -> None:
        """Blames the causes: mending them mends this."""
        first = next((c for c in causes if c.path and c.line), None)
        at = f": see {first.path}:{first.line}" if first else ""
        super().__init__("LC009", message, help=remedy or f"mend that first{at}")
        self.causes = causes


class Broken:
    """A name that nothing can be done with: every use raises `Dependency`."""

    def __init__(self, name: str, causes: tuple[Diagnostic, ...]) -> None:
        """Remembers what to blame."""
        self.__dict__.update(name=name, causes=causes)

    def refuse(self, *_: Any, **__: Any) -> Any:
        """Whatever the use, it is the definition that is at fault."""
        raise Dependency(f"this needs `{self.name}`, which has a mistake of its own", self.causes)

    def __getattr__(self, name: str) -> Any:
        """Protocol look-ups (`__array__`, ...) answer no; everything else is a use."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self.refuse()

    __call__ = __getitem__ = __iter__ = __bool__ = __len__ = __float__ = __int__ = refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __pow__ = __rpow__ = refuse
    __truediv__ = __rtruediv__ = __neg__ = __pos__ = __abs__ = refuse
    __lt__ = __le__ = __gt__ = __ge__ = refuse
