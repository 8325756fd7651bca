"""How a loss couples the entries of its inputs."""

from __future__ import annotations

from losscompiler.spec import Loss
from losscompiler.spec.expressions import Binder, Element, Index, split_shift


def structure_of(loss: Loss) -> str:
    """`elementwise`, `pairwise` (two indices over one axis) or `reduction`."""
    if not loss.axis_order:
        return "elementwise"
    binders = loss.expression.atoms(Binder) if loss.expression.has(Binder) else set()
    bound = {i for binder in binders for i in binder.indices}
    if not bound and not any(r.label_axis for r in loss.roles.values()):
        return "elementwise" if loss.free_indices else "reduction"
    read: dict[tuple[str, int], set[Index]] = {}
    for element in loss.expression.atoms(Element):
        for position, place in enumerate(element.indices):
            index, _ = split_shift(place)
            if index is not None:
                read.setdefault((element.tensor.name, position), set()).add(index)
    free = set(loss.free_indices)
    coupled = any(
        indices & free and (indices - free) & bound for indices in read.values()
    )
    return "pairwise" if coupled else "reduction"
