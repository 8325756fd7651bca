"""The calls that a loss is tried on: the same ones on every machine and in every run."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.crosscheck import domains
from losscompiler.crosscheck.case import Case
from losscompiler.crosscheck.expected import LossOracle
from losscompiler.crosscheck.layout import layout, single_axis, starred, vectors
from losscompiler.crosscheck.sampler import POINTS, STAR, Sampler, axis_sizes
from losscompiler.crosscheck.ties import guards, solved, tied
from losscompiler.spec import Loss

_SHARED_WORK = ("options", "masked", "label", "shape", "shared", "empty")
_TRIES = 160  # points of the dyadic grid that are looked at for ties


def cases(loss: Loss, oracle: LossOracle | None = None) -> list[Case]:
    """All calls of a loss, each with the vector for its Hessian-vector product."""
    sampler = Sampler(
        loss,
        oracle or LossOracle(loss),
        np.random.default_rng(zlib.crc32(loss.name.encode())),
        *axis_sizes(loss),
    )
    make = _coupled if sampler.axes else _elementwise
    found = [*make(sampler), *_options(sampler), *_shapes(sampler), *_variants(sampler)]
    return [replace(case, vector=vectors(layout(loss, case))) for case in _in_turns(found)]


def _in_turns(found: Iterable[Case]) -> Iterator[Case]:
    """What says nothing of the formula's own accuracy is called in one precision, then the other.

    Reductions, masks and shapes are the work of the run-time files, which every loss shares.
    """
    seen: dict[str, int] = {}
    for case in found:
        if case.kind in _SHARED_WORK and len(case.dtypes) > 1:
            turn = seen[case.kind] = seen.get(case.kind, -1) + 1
            yield replace(case, dtypes=(case.dtypes[turn % len(case.dtypes)],))
        else:
            yield case


# ---- elementwise losses: many points in one array ---------------------------------------------


def _elementwise(s: Sampler) -> Iterator[Case]:
    none = {"reduction": "none"}
    yield Case("interior", s.arrays((POINTS,), s.interior), s.fewest(), none, ("float64",))
    yield Case("interior", s.arrays((POINTS,), s.interior), s.parameters(), none)
    if s.loss.params:
        drawn = s.parameters("interior")
        yield Case("interior", s.arrays((POINTS,), s.interior), drawn, none)
    for kind in ("default", "dyadic", "dyadic") if s.loss.params else ("default",):
        yield Case("kink", *_tied_points(s, s.parameters(kind)), none)
    mixed = s.of(lambda d: [*domains.edges(d), *domains.grid(d)[:3]])
    yield Case("edge", s.arrays((POINTS,), mixed), s.parameters(), none)
    yield Case("extreme", _far_points(s), s.parameters(), none)
    yield Case("tiny", _near_points(s), s.parameters(), none)


def _tied_points(
    s: Sampler, parameters: dict[str, Any]
) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    """Points of the dyadic grid, those first at which something ties."""
    pool = s.arrays((_TRIES,), s.of(domains.grid))
    chosen: list[int] = []
    others: list[int] = []
    count: dict[Any, int] = {}
    for n in range(_TRIES):
        point = {name: array[n] for name, array in pool.items()}
        ties = tied(guards(s.oracle, Case("", point, parameters)))
        if ties and any(count.get(t, 0) < 5 for t in ties):
            chosen.append(n)
            count.update({t: count.get(t, 0) + 1 for t in ties})
        else:
            others.append(n)
    kept = [*chosen, *others][:POINTS]
    return {name: array[kept] for name, array in pool.items()}, parameters


def _far_points(s: Sampler) -> dict[str, np.ndarray[Any, Any]]:
    """Every extreme prediction against an ordinary rest."""
    found = s.arrays((POINTS,), s.interior)
    for name, role in s.loss.inputs.items():
        if role.kind == "prediction":
            numbers = domains.far(role.domain)
            array = np.resize(numbers, POINTS)
            found[name] = np.asarray(s.generator.permutation(array))
        elif role.kind == "target":
            coarse = [*domains.grid(role.domain), *domains.edges(role.domain)]
            found[name] = np.asarray(s.generator.choice(coarse, POINTS))
    return found


def _near_points(s: Sampler) -> dict[str, np.ndarray[Any, Any]]:
    """Real inputs that almost agree, or are almost 0."""
    found = s.arrays((POINTS,), s.interior)
    reals = [n for n, r in s.loss.inputs.items() if r.kind in ("prediction", "target")]
    base = found[reals[0]]
    for name in reals[1:]:
        domain = s.loss.roles[name].domain
        steps = np.resize([1.0, -1.0, 2.0, -3.0, 64.0, -4096.0], POINTS) * 2.0**-23
        near = domains.single(base * (1 + steps))
        near[::4] = domains.single(1e-12)
        found[name] = np.array(
            [x if domains.has(domain, x) else y for x, y in zip(near, found[name], strict=True)]
        )
    tiny = np.where(np.arange(POINTS) % 4 == 0, domains.single(3e-12), base)
    if all(domains.has(s.loss.roles[reals[0]].domain, x) for x in tiny):
        found[reals[0]] = tiny
    return found


# ---- losses over axes -------------------------------------------------------------------------


def _lead(s: Sampler, n: int) -> tuple[int, ...]:
    return () if "batch" in s.loss.axis_order else (n,)


def _coupled(s: Sampler) -> Iterator[Case]:
    lead = _lead(s, 2)
    none: dict[str, Any] = {"reduction": "none"}
    if starred(s.loss) and not lead:
        none = {**none, "batch_axes": 0}
    yield Case("interior", s.arrays(lead, s.interior), s.fewest(), none, ("float64",))
    yield Case("interior", s.arrays(lead, s.interior), s.parameters(), none)
    if s.loss.params:
        yield Case("interior", s.arrays(lead, s.interior), s.parameters("interior"), none)
    yield from _distributions(s, lead, none)
    yield Case("edge", s.arrays(lead, s.of(_edges_or_grid)), s.parameters(), none)
    for spread in (1e4, 1e2, 1e-3, 1e-6):
        yield Case("extreme", _scaled(s, lead, spread), s.parameters(), none)
    yield Case("equal", _equal(s, lead), s.parameters(), none)
    few = {**none, "batch_axes": 0} if starred(s.loss) else none
    base = Case("kink", s.arrays((), s.dyadic), s.parameters("dyadic"), few)
    yield from solved(s.oracle, base)


def _edges_or_grid(domain: sp.Set) -> list[float]:
    return [*domains.edges(domain), *domains.grid(domain)]


def _distributions(s: Sampler, lead: tuple[int, ...], options: dict[str, Any]) -> Iterator[Case]:
    """Targets that are one-hot or sum to 1 over the classes."""
    names = [
        n
        for n, r in s.loss.inputs.items()
        if r.kind == "target" and "class" in r.axes and domains.ends(r.domain) == (0.0, 1.0)
    ]
    if not names:
        return
    for kind in ("one-hot", "soft"):
        arrays = s.arrays(lead, s.interior)
        for name in names:
            role = s.loss.roles[name]
            star = role.axes[-1].startswith("*")
            back = role.axes[::-1].index("class") + (len(STAR) - 1 if star else 0)
            moved = np.moveaxis(arrays[name], -1 - back, -1)
            if kind == "one-hot" or not domains.has(role.domain, 0.5):
                target = (moved == moved.max(-1, keepdims=True)).astype(np.float64)
            else:
                target = np.round(64 * moved / moved.sum(-1, keepdims=True)) / 64
                target[..., 0] += 1 - target.sum(-1)
            arrays[name] = np.clip(np.moveaxis(target, -1, -1 - back), 0, 1)
        yield Case("interior", arrays, s.parameters(), options)


def _scaled(s: Sampler, lead: tuple[int, ...], spread: float) -> dict[str, np.ndarray[Any, Any]]:
    """Predictions multiplied up or down, as far as their domain allows."""
    found = s.arrays(lead, s.interior)
    for name, role in s.loss.inputs.items():
        if role.kind == "prediction":
            scaled = domains.single(found[name] * spread)
            inside = [domains.has(role.domain, float(x)) for x in scaled.ravel()]
            found[name] = np.where(np.reshape(inside, scaled.shape), scaled, found[name])
    return found


def _equal(s: Sampler, lead: tuple[int, ...]) -> dict[str, np.ndarray[Any, Any]]:
    """All real inputs of one shape alike, the others constant."""
    found = s.arrays(lead, s.dyadic)
    first: dict[tuple[str, ...], np.ndarray[Any, Any]] = {}
    for name, role in s.loss.inputs.items():
        if role.kind in ("prediction", "target"):
            same = first.setdefault(role.axes, found[name])
            if all(domains.has(role.domain, float(x)) for x in same.ravel()):
                found[name] = np.array(same)
    if len(first) == len([r for r in s.loss.inputs.values() if r.kind != "label"]):
        name = next(n for n, r in s.loss.inputs.items() if r.kind == "prediction")
        found[name] = np.full(found[name].shape, found[name].ravel()[0])
    return found


# ---- reductions, weights, masks ----------------------------------------------------------------


def _options(s: Sampler) -> Iterator[Case]:
    lead = (2, 3) if not s.axes else _lead(s, 4)
    common: dict[str, Any] = {}
    if starred(s.loss) and not lead:
        common["batch_axes"] = 0
    arrays, parameters = s.arrays(lead, s.interior), s.parameters()
    plain = Case("options", arrays, parameters, common)
    shape = layout(s.loss, plain).output_shape
    weight = np.resize([0.5, 2.0, 0.0, 1.25, 3.0, 0.75], shape)
    mask = np.resize([True, False, True, True, False], shape)
    given: list[dict[str, Any]] = [{}, {"reduction": "sum"}, {"weight": weight}]
    given += [{"normalizer": 5.25, "weight": weight}, {"weight": weight, "reduction": "none"}]
    if shape:
        given.append({"weight": weight[..., :1], "mask": mask, "reduction": "sum"})
    for options in given:
        yield replace(plain, options={**common, **options})
    for reduction in ("mean", "none"):
        spoiled = replace(plain, options={**common, "mask": mask, "reduction": reduction})
        yield replace(spoiled, kind="masked", arrays=_spoiled(s, spoiled, mask))
    nothing = {**common, "mask": np.zeros(shape, dtype=bool)}
    yield Case("masked", arrays, parameters, nothing)
    yield from _labelled(s, plain)


def _spoiled(s: Sampler, case: Case, mask: np.ndarray[Any, Any]) -> dict[str, Any]:
    """NaN in the predictions and targets of samples of which no loss entry counts."""
    laid = layout(s.loss, case)
    dead = ~mask.reshape((*laid.lead, -1)).any(-1)
    found = {n: np.array(a) for n, a in case.arrays.items()}
    for name, role in s.loss.inputs.items():
        if role.kind in ("prediction", "target") and laid.lead:
            found[name][dead] = np.nan
    return found


def _labelled(s: Sampler, plain: Case) -> Iterator[Case]:
    """`ignore_index` and `class_weight`, where a label belongs to one loss entry."""
    labels = [n for n, r in s.loss.inputs.items() if r.kind == "label"]
    free = {i.axis for i in s.loss.free_indices}
    own = {a.removeprefix("*") for n in labels for a in s.loss.roles[n].axes}
    if len(labels) != 1 or not own <= free:
        return
    name = labels[0]
    size = s.sizes[s.loss.roles[name].label_axis or ""]
    table = np.resize([0.5, 2.0, 1.25], size)
    yield replace(plain, kind="label", options={**plain.options, "class_weight": table})
    ignored = np.array(plain.arrays[name])
    ignored.ravel()[::2] = -100
    options = {**plain.options, "ignore_index": -100, "class_weight": table}
    yield replace(plain, kind="label", arrays={**plain.arrays, name: ignored}, options=options)
    yield replace(plain, kind="label", options={**plain.options, "ignore_index": 1})


# ---- shapes ------------------------------------------------------------------------------------


def _shapes(s: Sampler) -> Iterator[Case]:
    parameters, batch = s.parameters(), "batch" in s.loss.axis_order
    star = {"batch_axes": 0} if starred(s.loss) else {}
    yield Case("shape", s.arrays((), s.interior), parameters, star)
    for lead in ((2,),) if batch else ((1, 3), (2, 1, 2)) if not s.axes else ((2, 2),):
        several = {"batch_axes": len(lead)} if star else {}
        yield Case("shape", s.arrays(lead, s.interior), parameters, several)
    yield Case("empty", s.arrays((0,), s.interior), parameters)
    if not s.axes:
        return
    if star:
        for sizes in ((), (3,)):
            yield Case("shape", s.arrays((2,), s.interior, star=sizes), parameters)
    if single_axis(s.loss):
        moved = {
            n: np.moveaxis(a, -1, 1) if s.loss.roles[n].axes else a
            for n, a in s.arrays((2, 2), s.interior).items()
        }
        yield Case("shape", moved, parameters, {"axis": 1})
    yield from _shared(s, parameters)
    for size in (1, 0):
        smaller = {a: n if a in s.forced else size for a, n in s.sizes.items()}
        if smaller != s.sizes and not (size == 0 and _points_nowhere(s)):
            small = replace(s, sizes=smaller)
            arrays = small.arrays((2,), s.interior, star=(size,))
            yield Case("size-1" if size else "empty", arrays, small.parameters())


def _points_nowhere(s: Sampler) -> bool:
    """Whether some label would point into an axis without entries."""
    return any(role.label_axis not in (None, *s.forced) for role in s.loss.inputs.values())


def _shared(s: Sampler, parameters: dict[str, Any]) -> Iterator[Case]:
    """The last real input with axes, if it is not the first, without batch axes."""
    names = [n for n, r in s.loss.inputs.items() if r.axes and r.kind in ("prediction", "target")]
    if len(names) > 1 and not starred(s.loss):
        arrays = s.arrays((2,), s.interior)
        yield Case("shared", {**arrays, names[-1]: arrays[names[-1]][0]}, parameters)


def _variants(s: Sampler) -> Iterator[Case]:
    """Calls that leave optional inputs out."""
    for absent in s.loss.variants:
        lead = _lead(s, 4) if s.axes else (POINTS,)
        options: dict[str, Any] = {"reduction": "none"}
        if starred(s.loss) and not lead:
            options["batch_axes"] = 0
        for draw in (s.interior, s.of(domains.grid)):
            yield Case("optional", s.arrays(lead, draw, absent=absent), s.parameters(), options)
