"""Running parts over sample axes, against a loop over points."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.ir.sample_axes import Layout, axes_of
from pinnir.numerics.matrix import Array
from pinnir.program import execute
from pinnir.program.execute import Execution, Part
from tests.strategies import SEEDS

Step = Callable[[list[Array]], list[Array]]

LAYOUTS: dict[str, Layout] = {
    "x": ((0,), 2),
    "y": ((1,), 1),
    "z": ((2,), 1),
    "u": ((0,), 3),
    "v": ((1,), 3),
    "w": (3, (2,)),
    "xy": ((0,), (1,)),
    "flat": ((1, 0), 2),
    "xyz": ((2,), (0,), (1,)),
    "lone": (2,),
}


def of_x(given: list[Array]) -> list[Array]:
    return [np.stack([given[0][:, 0], given[0][:, 1], given[0].prod(axis=1)], axis=1)]


def of_y(given: list[Array]) -> list[Array]:
    return [np.cos(given[0] * np.arange(1, 4))]


def of_z(given: list[Array]) -> list[Array]:
    return [np.sin(given[0] + np.arange(3)).T]


def merge(given: list[Array]) -> list[Array]:
    u, v = given
    flat = np.stack([v[:, None, 0] + u[None, :, 1], v[:, None, 2] * u[None, :, 0]], axis=2)
    return [u @ v.T, flat.reshape(-1, 2)]


def merge_all(given: list[Array]) -> list[Array]:
    u, v, w = given
    return [np.einsum("ir,jr,rk->kij", u, v, w)]


PARTS = (
    Part(("x",), ("u",), of_x),
    Part(("y",), ("v",), of_y),
    Part(("z",), ("w",), of_z),
    Part(("u", "v"), ("xy", "flat"), merge),
    Part(("u", "v", "w"), ("xyz",), merge_all),
    Part((), ("lone",), lambda given: [np.array([5.0, 7.0])]),
)


def network(outputs: tuple[str, ...], axes: int = 3, chunk: int = 64) -> Execution:
    """The parts that outputs of so many axes need."""
    inputs = tuple((name, LAYOUTS[name][1]) for name in "xyz"[:axes])
    known = set(range(axes))
    missing = {name for name, layout in LAYOUTS.items() if not known.issuperset(axes_of(layout))}
    parts = [part for part in PARTS if missing.isdisjoint((*part.inputs, *part.outputs))]
    return Execution(tuple(parts), LAYOUTS, inputs, outputs, chunk)


def naive(outputs: tuple[str, ...], point: tuple[Array, ...]) -> Array:
    """The outputs at one sample of each axis, all parts run for it alone."""
    values = {name: row[None] for name, row in zip("xyz", point, strict=False)}
    for part in PARTS:
        if all(name in values for name in part.inputs):
            given = part.run([values[name] for name in part.inputs])
            values |= dict(zip(part.outputs, given, strict=True))
    return np.concatenate([values[name].reshape(-1) for name in outputs])


def tables(sizes: tuple[int, ...], seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, (n, 2 if a == 0 else 1)) for a, n in enumerate(sizes)]


def same(found: Array, expected: Array) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


OUTPUTS = st.lists(
    st.sampled_from(("xy", "flat", "xyz", "u", "v", "w", "x", "lone")), min_size=1, unique=True
).map(tuple)
SIZES = st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 7))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(execute, "_GRID_BLOCK", 30)
    monkeypatch.setattr(execute, "_PAIRS_BLOCK", 3)


@given(outputs=OUTPUTS, sizes=SIZES, seed=SEEDS, chunk=st.integers(1, 8))
def test_grids(outputs, sizes, seed, chunk):
    lines = tables(sizes, seed)
    found = network(outputs, chunk=chunk).on_grid(lines)
    same(found, np.stack([naive(outputs, point) for point in product(*lines)]))


@given(outputs=OUTPUTS, samples=st.integers(1, 10), seed=SEEDS, chunk=st.integers(1, 8))
def test_pairs(outputs, samples, seed, chunk):
    lines = tables((samples,) * 3, seed)
    found = network(outputs, chunk=chunk).on_pairs(lines)
    same(found, np.stack([naive(outputs, point) for point in zip(*lines, strict=True)]))


@given(outputs=OUTPUTS, seed=SEEDS, repeats=st.integers(2, 4))
def test_pairs_of_repeated_samples(outputs, seed, repeats):
    """A grid given point by point: every sample of an axis comes many times."""
    lines = tables((repeats, 3, 2), seed)
    pairs = [np.stack(rows) for rows in zip(*product(*lines), strict=True)]
    same(network(outputs).on_pairs(pairs), network(outputs).on_grid(lines))


@given(samples=st.integers(1, 20), chunk=st.integers(1, 25), seed=SEEDS)
def test_one_axis(samples, chunk, seed):
    (table,) = tables((samples,), seed)
    run = network(("u", "x", "lone"), axes=1, chunk=chunk)
    expected = np.stack([naive(("u", "x", "lone"), (row,)) for row in table])
    same(run.on_grid([table]), expected)
    same(run.on_pairs([table]), expected)


@settings(max_examples=40)
@given(
    outputs=OUTPUTS,
    sizes=SIZES,
    seed=SEEDS,
    fixed=st.tuples(*(st.none() | st.integers(1, 6) for _ in range(3))),
)
def test_fixed_numbers_of_samples_on_grids(outputs, sizes, seed, fixed):
    lines = tables(sizes, seed)
    run = replace(insisting(network(outputs), fixed), fixed=fixed)
    same(run.on_grid(lines), network(outputs).on_grid(lines))


@settings(max_examples=40)
@given(
    outputs=OUTPUTS,
    samples=st.integers(1, 8),
    seed=SEEDS,
    fixed=st.tuples(*(st.none() | st.integers(1, 6) for _ in range(3))),
)
def test_fixed_numbers_of_samples_on_pairs(outputs, samples, seed, fixed):
    lines = tables((samples,) * 3, seed)
    run = replace(insisting(network(outputs), fixed), fixed=fixed)
    same(run.on_pairs(lines), network(outputs).on_pairs(lines))


def insisting(run: Execution, fixed: tuple[int | None, ...]) -> Execution:
    """Parts that check their inputs' numbers of samples, as an ONNX model of fixed shape does."""

    def checked(part: Part) -> Step:
        def step(given: list[Array]) -> list[Array]:
            for name, value in zip(part.inputs, given, strict=True):
                for dim, length in zip(LAYOUTS[name], value.shape, strict=True):
                    if isinstance(dim, tuple):
                        (axis,) = dim
                        assert fixed[axis] in (None, length)
            return part.run(given)

        return step

    return replace(run, parts=tuple(replace(part, run=checked(part)) for part in run.parts))


def test_one_axis_of_a_fixed_number():
    run = network(("u",), axes=1)
    (table,) = tables((10,), 0)
    fixed = replace(insisting(run, (4,)), fixed=(4,))
    same(fixed.on_grid([table]), run.on_grid([table]))


def test_parts_of_one_axis_run_once_for_each_sample(monkeypatch):
    seen: list[int] = []

    def counting(given: list[Array]) -> list[Array]:
        seen.append(len(given[0]))
        return of_x(given)

    run = network(("xyz",))
    run = replace(run, parts=(replace(run.parts[0], run=counting), *run.parts[1:]))
    run.on_grid(tables((9, 8, 7), 0))
    assert sum(seen) == 9
    seen.clear()
    lines = tables((9, 8, 7), 0)
    pairs = [np.stack(rows) for rows in zip(*product(*lines), strict=True)]
    run.on_pairs(pairs)
    assert sum(seen) == 9


def test_inputs_of_one_axis_are_cut_by_their_columns():
    layouts: dict[str, Layout] = {"a": ((0,), 1), "b": ((1,), 1), "c": ((0,), 2), "s": ((0,), (1,))}

    def total(given: list[Array]) -> list[Array]:
        a, b, c = given
        return [a + c.sum(axis=1, keepdims=True) + b.T]

    part = Part(("a", "b", "c"), ("s",), total)
    run = Execution((part,), layouts, (("a", 1), ("b", 1), ("c", 2)), ("s",), 8)
    first, second = np.arange(12.0).reshape(4, 3), np.array([[100.0], [200.0]])
    expected = first.sum(axis=1)[:, None] + second.T
    np.testing.assert_array_equal(run.on_grid([first, second]), expected.reshape(-1, 1))


def test_a_large_grid_stands_in_memory_as_its_result_only(monkeypatch):
    monkeypatch.setattr(execute, "_GRID_BLOCK", 2**15)
    run = network(("xyz",))
    lines = tables((64, 64, 64), 0)
    run.on_grid(lines)
    tracemalloc.start()
    try:
        found = run.on_grid(lines)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.nbytes == 8 * 64**3
    assert peak < found.nbytes + 6 * 8 * 2**15
