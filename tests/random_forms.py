"""A hypothesis strategy of random ONNX models whose inputs have any shape."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from pinnir.numerics.matrix import Array
from tests.random_graphs import OPSETS, SEEDS, RandomModel, _model, _outputs, operators
from tests.random_ops import GENERATORS
from tests.random_ops.builder import Builder, Value, info


@st.composite
def formed_graphs(draw: st.DrawFn, max_nodes: int = 8) -> RandomModel:
    """A random model of states, lines, points in batches or images; most mix their samples."""
    dtype, opset = draw(st.sampled_from([(d, o) for d in ("float32", "float64") for o in OPSETS]))
    build = Builder(draw, dtype, opset, np.random.default_rng(draw(SEEDS)))
    inputs = {f"x{number}": _input(build, f"x{number}") for number in range(1 + build.maybe())}
    for _ in range(draw(st.integers(1, max_nodes))):
        kind = build.pick(operators(dtype, opset))
        GENERATORS[kind](build, kind)
    return RandomModel(_model(build, _outputs(build)), inputs)


def _input(build: Builder, name: str) -> Array:
    """An input of no to four dimensions; all but the last may be open, and a single one."""
    shape = [1 + build.draw_below(3) for _ in range(build.draw_below(5))]
    if build.maybe():
        shape[:-1] = [1] * len(shape[:-1])
    last = 0 if len(shape) == 1 and build.maybe() else len(shape) - 1
    said = [
        f"n{i}" if (i < last or len(shape) == 1) and build.maybe() else size
        for i, size in enumerate(shape)
    ]
    build.inputs.append(info(name, build.dtype, said))
    build.pool.append(Value(name, tuple(shape), build.dtype, 2.0, grid=3))
    if len(shape) != 2:  # some operators want a matrix, and there is always one to choose
        rows = (-1, shape[-1] if len(shape) > 1 or (shape and said[-1] == shape[-1]) else 1)
        matrix = build.node("Reshape", [name, build.ints(*rows).name])
        sizes = np.zeros(shape).reshape(rows).shape
        build.pool.append(Value(matrix, sizes, build.dtype, 2.0, grid=3))
    return np.asarray(build.rng.integers(-16, 17, tuple(shape)) / 8)
