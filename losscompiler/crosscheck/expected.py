"""What a call must return: the reductions' one meaning, applied in exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.case import Case
from losscompiler.crosscheck.layout import Array, Layout, layout, vectors
from losscompiler.crosscheck.oracle import Exact, Oracle
from losscompiler.crosscheck.precision import MP
from losscompiler.spec import Loss

QUANTITIES = ("value", "gradient", "hvp", "hessian_diagonal")
_ORDER = {"value": 0, "gradient": 1, "hvp": 2, "hessian_diagonal": 2}
_BY_LABEL = {"ignore_index", "class_weight"}
_NUDGE = 24  # bits: inputs are moved by 2**-24 of themselves to see how results respond


@dataclass(frozen=True)
class Expected:
    """Exact entries as unevaluated sums `high + low` of two doubles, per acceptable choice.

    With `between`, everything from the first choice to the second is acceptable. `scale` is the sum
    of the absolute values of the terms that a reduction adds up. NaN: nothing to compare with.
    """

    choices: tuple[tuple[Array, Array], ...]
    scale: Array
    between: bool = False


class LossOracle:
    """Exact results for calls of one loss; samples that occur again are not computed again."""

    def __init__(self, loss: Loss) -> None:
        """Nothing is computed before it is asked for."""
        self.loss = loss
        self._oracles: dict[frozenset[str], Oracle] = {}
        self._known: dict[Any, Exact] = {}
        self._responses: dict[Any, list[Exact]] = {}

    def oracle(self, absent: frozenset[str]) -> Oracle:
        """The oracle for the formula without some optional inputs."""
        if absent not in self._oracles:
            loss = self.loss
            self._oracles[absent] = Oracle(
                loss.variants[absent] if absent else loss.expression,
                tuple(n for n in loss.differentiated if n not in absent),
                loss.free_indices,
                coupled=any(role.axes for role in loss.roles.values()),
            )
        return self._oracles[absent]

    def expected(self, case: Case) -> dict[str, tuple[Expected, ...]]:
        """Per quantity what the call returns: one `Expected` per differentiated input."""
        return _assemble(layout(self.loss, case), self._entries, absolute=False)

    def response(self, case: Case, quantity: str) -> tuple[Expected, ...]:
        """Per entry of the expectation, sum |x_j d(entry)/dx_j| over all floating inputs."""
        nudged = partial(self._nudged, order=_ORDER[quantity])
        return _assemble(layout(self.loss, case), nudged, absolute=True)[quantity]

    def _entries(
        self, laid: Layout, sample: Mapping[str, Array], wanted: list[tuple[int, ...]]
    ) -> list[Exact]:
        key = _key(laid, sample)
        missing = [at for at in wanted if (key, at) not in self._known]
        if missing:
            oracle = self.oracle(laid.absent)
            found = oracle.entries(entries_of(laid, sample), laid.sizes, missing, _vector(laid))
            self._known.update({(key, at): e for at, e in zip(missing, found, strict=True)})
        return [self._known[key, at] for at in wanted]

    def _nudged(
        self,
        laid: Layout,
        sample: Mapping[str, Array],
        wanted: list[tuple[int, ...]],
        *,
        order: int,
    ) -> list[Exact]:
        key = (_key(laid, sample), tuple(wanted), order)
        if key not in self._responses:
            values = entries_of(laid, sample)
            field = balls.Field(4000)
            before = self._entries(laid, sample, wanted)
            total = [_zero_like(e) for e in before]
            for name, entries in values.items():
                for at, number in entries.items():
                    if not isinstance(number, tuple) or not number[0][1]:
                        continue
                    moved = field.add(number, balls.shifted(number, -_NUDGE))
                    there = {**values, name: {**entries, at: moved}}
                    after = self.oracle(laid.absent).rough(
                        there, laid.sizes, wanted, _vector(laid), order
                    )
                    total = [
                        _accumulated(t, b, a) for t, b, a in zip(total, before, after, strict=True)
                    ]
            self._responses[key] = total
        return self._responses[key]


def _key(laid: Layout, sample: Mapping[str, Array]) -> Any:
    return tuple((n, a.shape, np.ascontiguousarray(a).tobytes()) for n, a in sample.items())


def _vector(laid: Layout) -> list[balls.Ball]:
    found: list[balls.Ball] = []
    given = vectors(laid)
    for name in laid.differentiated:
        canonical = layout(laid.loss, _with(laid.case, name, given[name])).arrays[name]
        rank = len(laid.loss.roles[name].axes)
        core = canonical[(0,) * (canonical.ndim - rank)] if canonical.size else canonical
        found += [balls.from_float(float(x)) for x in np.asarray(core).ravel()]
    return found


def _with(case: Case, name: str, array: Array) -> Case:
    if name in case.arrays:
        return Case(case.kind, {**case.arrays, name: array}, case.parameters, case.options)
    return Case(case.kind, case.arrays, {**case.parameters, name: array}, case.options)


def entries_of(laid: Layout, sample: Mapping[str, Array]) -> dict[str, dict[Any, Any]]:
    """One sample as the oracle takes it: balls, integers for labels, truth values for masks."""
    convert: dict[str, Callable[[Any], Any]] = {"label": int, "mask": bool}
    found: dict[str, dict[Any, Any]] = {}
    for name, array in sample.items():
        read: Callable[[Any], Any] = convert.get(laid.loss.roles[name].kind, _ball)
        found[name] = {at: read(array[at]) for at in np.ndindex(array.shape)}
    return found


def _ball(x: Any) -> balls.Ball:
    return balls.from_float(float(x))


def weights(laid: Layout) -> tuple[Array, Array]:
    """Weight and "counts at all" for every entry of the unreduced loss, canonically shaped."""
    options, shape = laid.case.options, laid.output_shape
    weight = np.broadcast_to(np.asarray(options.get("weight", 1.0), dtype=np.float64), shape)
    mask = np.broadcast_to(np.asarray(options.get("mask", True), dtype=bool), shape)
    weight, kept = weight.astype(object), mask.copy()
    for name, role in laid.loss.inputs.items():
        if role.kind != "label" or name in laid.absent or not options.keys() & _BY_LABEL:
            continue
        labels = _aligned(laid, name)
        if options.get("ignore_index") is not None:
            kept &= labels != options["ignore_index"]
        if options.get("class_weight") is not None:
            table = np.asarray(options["class_weight"], dtype=np.float64)
            inside = np.clip(labels, 0, len(table) - 1)
            weight = weight * np.where(kept, table[inside], 0.0).astype(object)
    flat = (*laid.lead, *laid.core)
    exact = np.frompyfunc(lambda x: MP.mpf(float(x)) if not MP.isnan(x) else MP.zero, 1, 1)
    return np.asarray(exact(weight)).reshape(flat), kept.reshape(flat)


def _aligned(laid: Layout, name: str) -> Array:
    """A label array with its own axes where the unreduced loss has them."""
    own = [a.removeprefix("*") for a in laid.loss.roles[name].axes]
    labels = laid.arrays[name]
    if name in laid.shared:
        labels = np.broadcast_to(labels, (*laid.lead, *labels.shape))
    for position, i in enumerate(laid.loss.free_indices):
        if i.axis not in own:
            labels = np.expand_dims(labels, len(laid.lead) + position)
    canonical = np.broadcast_to(labels, (*laid.lead, *laid.core))
    return canonical.reshape(laid.output_shape)


def cotangents(laid: Layout) -> tuple[Array, Array]:
    """Per loss entry its factor in the reduced loss, and its factor in the unreduced one."""
    weight, kept = weights(laid)
    weight = np.where(kept, weight, MP.zero)
    reduction = laid.case.options.get("reduction", "mean")
    if reduction != "mean":
        return weight, weight
    normalizer = laid.case.options.get("normalizer")
    total = sum(weight.ravel(), MP.zero) if normalizer is None else MP.mpf(float(normalizer))
    if total == 0:
        return np.full(weight.shape, MP.zero, dtype=object), weight
    return np.asarray(weight / total, dtype=object), weight


def _assemble(
    laid: Layout, provider: Callable[..., list[Exact]], *, absolute: bool
) -> dict[str, tuple[Expected, ...]]:
    factors, _ = cotangents(laid)
    value = np.full((*laid.lead, *laid.core), MP.zero, dtype=object)
    sums = {key: _Sums(laid) for key in ("gradient", "hvp", "hessian_diagonal")}
    for at, sample in laid.samples():
        wanted = [e for e in np.ndindex(*laid.core) if factors[(*at, *e)] != 0]
        for entry, exact in zip(wanted, provider(laid, sample, wanted), strict=True):
            factor = factors[(*at, *entry)]
            factor = abs(factor) if absolute else factor
            value[(*at, *entry)] = factor * exact.value
            sums["gradient"].add(at, factor, exact.gradients)
            sums["hvp"].add(at, factor, exact.product)
            sums["hessian_diagonal"].add(at, factor, exact.diagonal)
    if laid.case.options.get("reduction", "mean") == "none":
        result = np.asarray(value, dtype=object).reshape(laid.output_shape)
        sizes = np.vectorize(abs, otypes=[object])(result) if result.size else result
    else:
        result = np.array(sum(value.ravel(), MP.zero), dtype=object)
        sizes = np.array(sum(map(abs, value.ravel()), MP.zero), dtype=object)
    return {
        "value": (Expected((_split(result),), _split(sizes)[0]),),
        "gradient": sums["gradient"].finished(),
        "hvp": sums["hvp"].finished(between=True),
        "hessian_diagonal": sums["hessian_diagonal"].finished(between=True),
    }


class _Sums:
    """Adds up, per differentiated input, what every loss entry contributes."""

    def __init__(self, laid: Layout) -> None:
        self.laid = laid
        self.totals = [self._empty() for _ in range(3)]
        self.scale = self._empty()

    def _empty(self) -> dict[str, Array]:
        arrays = self.laid.arrays
        return {
            n: np.full(arrays[n].shape, MP.zero, dtype=object) for n in self.laid.differentiated
        }

    def add(self, at: tuple[int, ...], factor: Any, choices: tuple[list[Any], ...]) -> None:
        """Adds one loss entry's choices; a missing one is its first."""
        ends = [choices[n] if n < len(choices) else choices[0] for n in range(3)]
        if factor < 0 and len(choices) == 2:  # an interval turns around
            ends = [ends[1], ends[0], ends[1]]
        place = 0
        for name in self.laid.differentiated:
            lead = () if name in self.laid.shared else at
            for inner in np.ndindex(*self.laid.arrays[name].shape[len(lead) :]):
                where = (*lead, *inner)
                for total, end in zip(self.totals, ends, strict=True):
                    total[name][where] += factor * end[place]
                self.scale[name][where] += abs(factor * ends[0][place])
                place += 1

    def finished(self, *, between: bool = False) -> tuple[Expected, ...]:
        """The sums in the shapes of the inputs; sums that cancel to noise are 0."""
        found = []
        for name in self.laid.differentiated:
            scale = self.scale[name]
            choices = []
            for total in self.totals[: 2 if between else 3]:
                clean = np.frompyfunc(_without_noise, 2, 1)(total[name], scale)
                choices.append(_split(self.laid.restore(name, np.asarray(clean, dtype=object))))
            size = _split(self.laid.restore(name, np.asarray(scale, dtype=object)))[0]
            found.append(Expected(tuple(choices), size, between))
        return tuple(found)


def _without_noise(x: Any, scale: Any) -> Any:
    return MP.zero if abs(x) < MP.ldexp(scale, -90) else x


def _split(numbers: Array) -> tuple[Array, Array]:
    """Numbers as sums of two doubles."""
    high, low = np.zeros(numbers.shape), np.zeros(numbers.shape)
    for at, x in np.ndenumerate(numbers):
        high[at] = float(x)
        if np.isfinite(high[at]):
            low[at] = float(x - MP.mpf(float(high[at])))
    return high, low


def _zero_like(e: Exact) -> Exact:
    zeros = [MP.zero] * len(e.gradients[0])
    return Exact(MP.zero, (zeros,), (zeros, zeros), (zeros, zeros), e.kink)


def _accumulated(total: Exact, before: Exact, after: Exact) -> Exact:
    """Adds the response to one nudge; at a kink only that of the value has a meaning."""

    def grown(t: Any, b: Any, a: Any) -> Any:
        change = abs(MP.ldexp(a - b, _NUDGE))
        return t + change if MP.isfinite(change) else t

    def all_grown(t: list[Any], b: list[Any], a: list[Any]) -> list[Any]:
        if before.kink or after.kink:
            return t
        return [grown(*each) for each in zip(t, b, a, strict=True)]

    gradient = all_grown(total.gradients[0], before.gradients[0], after.gradients[0])
    diagonal = all_grown(total.diagonal[0], before.diagonal[0], after.diagonal[0])
    product = all_grown(total.product[0], before.product[0], after.product[0])
    value = grown(total.value, before.value, after.value)
    return Exact(value, (gradient,), (diagonal, diagonal), (product, product), before.kink)
