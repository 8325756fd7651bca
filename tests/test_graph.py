"""The graph over named axes: sharing, matrix products, indexing and its adjoints, diagonals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

from losscompiler.ir import nodes
from losscompiler.ir.graph import Graph
from losscompiler.ir.nodes import Axis
from losscompiler.ir.operators import Magnitude
from losscompiler.passes import compile_loss
from losscompiler.passes.differentiate import vjp
from losscompiler.passes.tangent import jvp
from losscompiler.selection import find_specs
from losscompiler.spec import Loss
from losscompiler.spec.expressions import Piecewise
from losscompiler.spec.loader import load_file
from tests.compiled import computed

SPECS = Path(__file__).resolve().parents[1] / "specs"
SIZES = {"batch": 3, "feature": 2, "class": 4}
i, j, k = Axis("batch", "i"), Axis("batch", "j"), Axis("batch", "k")
d, c = Axis("feature", "d"), Axis("class", "c")


@dataclass
class World:
    """A graph, and random arrays for the inputs that a test declares."""

    graph: Graph = field(
        default_factory=lambda: Graph(order={"batch": 0, "feature": 1, "class": 2})
    )
    arrays: dict[str, Any] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def input(self, name: str, *axes: Axis, dtype: str = "float") -> sp.Symbol:
        """The leaf of an array input."""
        formal = tuple(Axis(a.extent, f"${n}") for n, a in enumerate(axes))
        shape = tuple(SIZES[a.extent] for a in axes)
        drawn = self.rng.normal(size=shape)
        if name not in self.arrays:
            self.arrays[name] = drawn if dtype == "float" else self.rng.integers(0, 4, shape)
        facts = {"integer": True} if dtype == "int" else None
        return self.graph.leaf(nodes.Input(formal, name, dtype), axes, facts)

    def of(self, value: sp.Basic, *axes: Axis) -> Any:
        """The value as an array."""
        return computed(self.graph, value, axes, self.arrays)

    def kinds(self, value: sp.Basic) -> list[type[nodes.Definition]]:
        """What the value is computed from, inputs aside."""
        found = self.graph.topological([value])
        return [type(n) for n in found if not isinstance(n, nodes.Input)]


@pytest.fixture
def world() -> World:
    return World()


# ---- renaming, sharing, matrix products --------------------------------------------------------


def test_one_input_through_two_axes_is_one_definition(world: World) -> None:
    graph = world.graph
    x_i = world.input("x", i, d)
    x_j = graph.rename(x_i, {i: j})
    assert x_j != x_i
    assert graph.definition(x_j) == graph.definition(x_i)
    assert graph.leaf_axes(x_j) == (j, d)
    assert graph.rename(x_j, {j: i}) is x_i


def test_equal_reductions_over_renamed_axes_are_one(world: World) -> None:
    graph = world.graph
    x = world.input("x", i, d)
    rows = graph.sum(sp.exp(x), [d])
    elsewhere = graph.sum(sp.exp(graph.rename(x, {i: j, d: Axis("feature", "e")})), [
        Axis("feature", "e")
    ])  # fmt: skip
    assert graph.definition(rows) == graph.definition(elsewhere)
    assert graph.rename(rows, {i: j}) == elsewhere


def test_a_sum_of_products_is_a_matrix_product(world: World) -> None:
    graph = world.graph
    q, key = world.input("q", i, d), world.input("key", j, d)
    value = graph.sum(q * key, [d])
    assert world.kinds(value) == [nodes.Contract]
    np.testing.assert_allclose(
        world.of(value, i, j), world.arrays["q"] @ world.arrays["key"].T, rtol=1e-15
    )


def test_a_squared_distance_is_matrix_products(world: World) -> None:
    graph = world.graph
    x = world.input("x", i, d)
    value = graph.sum((x - graph.rename(x, {i: j})) ** 2, [d])
    assert set(world.kinds(value)) == {nodes.Contract, nodes.Reduce}
    a = world.arrays["x"]
    expected = np.sum((a[:, None] - a[None]) ** 2, axis=-1)
    np.testing.assert_allclose(world.of(value, i, j), expected, atol=1e-14)


def test_a_sum_over_an_axis_that_is_not_there_counts_it(world: World) -> None:
    graph = world.graph
    x = world.input("x", i, d)
    value = graph.sum(x, [j])
    np.testing.assert_allclose(world.of(value, i, d), 3 * world.arrays["x"], rtol=1e-16)
    product = graph.reduce("prod", x, [j])
    np.testing.assert_allclose(world.of(product, i, d), world.arrays["x"] ** 3, rtol=1e-14)
    total = graph.logsumexp(x, [j])
    np.testing.assert_allclose(world.of(total, i, d), world.arrays["x"] + np.log(3), rtol=1e-15)


def test_what_does_not_vary_is_pulled_out_of_a_sum(world: World) -> None:
    graph = world.graph
    a, x = world.input("a", i), world.input("x", i, d)
    value = graph.sum(a * sp.exp(x), [d])
    assert value == a * graph.sum(sp.exp(x), [d])


# ---- nothing of the catalogue is larger than it must be ----------------------------------------


def catalogue() -> dict[str, Loss]:
    files = find_specs(SPECS)
    return {made.name: made for f in files for made in load_file(f, SPECS).losses}


LOSSES = catalogue()


PAIRWISE = ("info_nce", "nt_xent", "supervised_contrastive", "clip", "siglip", "n_pairs", "circle")


@pytest.mark.parametrize("name", PAIRWISE)
def test_no_array_of_pairs_of_vectors_is_built(name: str) -> None:
    for variant in compile_loss(LOSSES[name]).variants.values():
        graph = variant.graph
        for kernel, program in variant.programs.items():
            values = [o.value for o in program.outputs]
            definitions = graph.topological(values)
            bodies = [b for n in definitions for b in n.bodies]
            for array in [n.free for n in definitions] + list(map(graph.axes, values + bodies)):
                extents = [a.extent for a in array]
                assert extents.count("batch") <= 2, (kernel, array)
                assert len(extents) <= 2, (kernel, array)


@pytest.mark.parametrize("name", ["info_nce", "nt_xent"])
def test_similarities_are_matrix_products(name: str) -> None:
    (variant,) = compile_loss(LOSSES[name]).variants.values()
    for program in variant.programs.values():
        definitions = variant.graph.topological([o.value for o in program.outputs])
        assert any(isinstance(n, nodes.Contract) for n in definitions)


# ---- indexing, and its adjoints ------------------------------------------------------------------


def operations(world: World) -> dict[str, tuple[sp.Expr, tuple[Axis, ...], Callable[..., Any]]]:
    """Linear maps of x over (batch, class): the value, its axes, and what it is in NumPy."""
    graph = world.graph
    x = world.input("x", i, c)
    label = world.input("label", i, dtype="int")
    labels = world.arrays["label"] = np.array([2, 0, 2])
    rows = np.arange(3)
    here = graph.positions(c)
    last = graph.extent("class") - 1

    def shifted(a: Any, offset: int) -> Any:
        out = np.zeros_like(a)
        for t in range(4):
            if 0 <= t + offset < 4:
                out[:, t] = a[:, t + offset]
        return out

    return {
        "gather": (graph.gather(x, c, label), (i,), lambda a: a[rows, labels]),
        "take": (graph.at(x, c, 1), (i,), lambda a: a[:, 1]),
        "two_takes": (graph.at(x, c, 1) - graph.at(x, c, 3), (i,), lambda a: a[:, 1] - a[:, 3]),
        "next": (graph.shift(x, c, 1), (i, c), lambda a: shifted(a, 1)),
        "before_last": (graph.shift(x, c, -2), (i, c), lambda a: shifted(a, -2)),
        "guarded_difference": (
            Piecewise((graph.shift(x, c, 1) - x, here < last), (sp.S.Zero, True)),
            (i, c),
            lambda a: np.concatenate([np.diff(a, axis=1), np.zeros((3, 1))], axis=1),
        ),
        "scatter": (
            graph.scatter(graph.at(x, c, 0), label, c, [i], world.input("bins", c)),
            (c,),
            lambda a: np.array([a[1, 0], 0, a[0, 0] + a[2, 0], 0]),
        ),
        "place": (
            graph.place(c, (0, 3), (graph.at(x, c, 2), 2 * graph.at(x, c, 1)), x),
            (i, c),
            lambda a: np.stack([a[:, 2], 0 * a[:, 0], 0 * a[:, 0], 2 * a[:, 1]], axis=1),
        ),
        "positions_move_with_a_shift": (
            graph.shift(x * here, c, 1),
            (i, c),
            lambda a: shifted(a * np.arange(4), 1),
        ),
    }  # fmt: skip


OPERATIONS = sorted(operations(World()))


@pytest.mark.parametrize("name", OPERATIONS)
def test_indexing(world: World, name: str) -> None:
    value, axes, expected = operations(world)[name]
    np.testing.assert_allclose(world.of(value, *axes), expected(world.arrays["x"]), atol=1e-15)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_adjoint_is_the_transpose(world: World, name: str) -> None:
    graph = world.graph
    value, axes, function = operations(world)[name]
    formal = tuple(Axis(a.extent, f"${n}") for n, a in enumerate(axes))
    cotangent = world.input("cotangent", *axes)
    x = nodes.Input((Axis("batch", "$0"), Axis("class", "$1")), "x")
    (adjoint,) = vjp(graph, value, cotangent, axes, [x])
    matrix = np.array([np.ravel(function(np.reshape(e, (3, 4)))) for e in np.eye(12)]).T
    expected = np.reshape(matrix.T @ np.ravel(world.arrays["cotangent"]), (3, 4))
    np.testing.assert_allclose(world.of(adjoint, *x.free), expected, atol=1e-15)
    assert graph.axes(adjoint) == x.free or set(graph.axes(adjoint)) <= set(x.free)
    assert len(formal) == len(axes)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_tangent_is_the_map_itself(world: World, name: str) -> None:
    graph = world.graph
    value, axes, function = operations(world)[name]
    x = nodes.Input((Axis("batch", "$0"), Axis("class", "$1")), "x")
    direction = world.input("direction", *x.free)
    (tangent,) = jvp(graph, [value], {x: direction})
    expected = function(world.arrays["direction"])
    np.testing.assert_allclose(world.of(tangent, *axes), expected, atol=1e-15)


def test_one_column_of_a_matrix_product_is_gathered_before_it_is_built(world: World) -> None:
    graph = world.graph
    a, b = world.input("a", i, d), world.input("b", c, d)
    label = world.input("label", i, dtype="int")
    value = graph.gather(graph.sum(a * b, [d]), c, label)
    for node in graph.topological([value]):
        assert {"batch", "class"} != {axis.extent for axis in node.free}
    expected = np.sum(world.arrays["a"] * world.arrays["b"][world.arrays["label"]], axis=1)
    np.testing.assert_allclose(world.of(value, i), expected, rtol=1e-14)


# ---- diagonals -----------------------------------------------------------------------------------


def matrices(world: World) -> dict[str, sp.Expr]:
    """Values over (i, j), each with another definition outermost."""
    graph = world.graph
    a, b, m = world.input("a", i, d), world.input("b", j, d), world.input("m", i, j)
    label = world.input("label", i, dtype="int")
    world.arrays["label"] = np.array([2, 0, 2])
    labels = world.input("labels", i, c, dtype="int")
    world.arrays["labels"] = np.array([[0, 1, 0, 2], [2, 1, 1, 1], [0, 0, 1, 0]])
    turned = graph.rename(m, {i: j, j: i})
    third = world.input("cube", i, j, c)
    return {
        "input": m,
        "contract": graph.sum(a * b, [d]),
        "reduce": graph.sum(Magnitude(a - b), [d]),
        "max": graph.reduce("max", a * sp.exp(b), [d]),
        "logsumexp": graph.logsumexp(a + b, [d], weight=sp.exp(a)),
        "nested": sp.log(1 + graph.sum(a * sp.exp(graph.sum(a * b, [d])), [d]) ** 2),
        "of_two": m * turned + graph.sum(a * b, [d]),
        "take": graph.at(third, c, 2),
        "gather": graph.gather(third, c, label),
        "scatter": graph.scatter(a * graph.rename(a, {i: k}), graph.rename(label, {i: k}), j, [
            k, d
        ], m),
        "scatter_row_of_labels": graph.scatter(world.input("u", i, c), labels, j, [c], m),
        "scatter_by_row": graph.scatter(world.input("w", i), label, j, [], m),
        "place": graph.place(j, (0, 2), (graph.sum(a, [d]), world.input("w", i)), m),
        "place_along_row": graph.place(i, (1,), (graph.sum(b, [d]),), m),
        "next_column": graph.shift(m, j, 1),
        "next_row": graph.shift(m, i, 1),
        "both_moved": graph.shift(graph.shift(m, i, 1), j, -1),
    }  # fmt: skip


MATRICES = sorted(matrices(World()))


@pytest.mark.parametrize("name", MATRICES)
def test_the_diagonal_is_two_axes_made_one(world: World, name: str) -> None:
    value = matrices(world)[name]
    expected = np.diagonal(world.of(value, i, j))
    for mapping in ({j: i}, {i: j}):
        renamed = world.graph.rename(value, mapping)
        (kept,) = mapping.values()
        assert world.graph.axes(renamed) == (kept,)
        np.testing.assert_allclose(world.of(renamed, kept), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ["contract", "reduce", "logsumexp", "max", "nested"])
def test_no_matrix_is_built_for_its_diagonal(world: World, name: str) -> None:
    renamed = world.graph.rename(matrices(world)[name], {j: i})
    for node in world.graph.topological([renamed]):
        for body in (*node.bodies, renamed):
            assert [a.extent for a in world.graph.axes(body)].count("batch") <= 1


@pytest.mark.parametrize("name", MATRICES)
def test_the_adjoint_of_a_diagonal_is_a_diagonal_matrix(world: World, name: str) -> None:
    graph = world.graph
    value = matrices(world)[name]
    m = nodes.Input((Axis("batch", "$0"), Axis("batch", "$1")), "m")
    cotangent, direction = world.input("cotangent", i), world.input("direction", *m.free)
    renamed = graph.rename(value, {j: i})
    (adjoint,) = vjp(graph, renamed, cotangent, (i,), [m])
    (tangent,) = jvp(graph, [renamed], {m: direction})
    inner = np.sum(world.arrays["cotangent"] * world.of(tangent, i))
    found = np.sum(world.of(adjoint, *m.free) * world.arrays["direction"])
    np.testing.assert_allclose(found, inner, rtol=1e-12, atol=1e-14)
