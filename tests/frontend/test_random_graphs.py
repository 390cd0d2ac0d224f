"""Random graphs of all operators mean what ONNX Runtime computes.

Each model is compared twice. Its twin in double precision shows what the operators mean: evaluate
works in float64 too, so they differ by the rounding of a few sums only, measured by the largest
value in the graph. The model itself, in its own type, shows that no kernel of single precision
means something else; the graphs are built so that float32 loses less than the tolerance.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, seed, settings

from pinnir.frontend.protos import operator_name
from pinnir.frontend.reader import IMPORTERS, import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Constant, Graph, Input, Level, Node, Primitive
from pinnir.ir.rules import check_rules
from pinnir.numerics.matrix import Array
from pinnir.passes.tidying.drop_identity import DropIdentity
from pinnir.passes.tidying.fold_constants import FoldConstants
from pinnir.passes.tidying.fuse_activations import FuseActivations
from pinnir.passes.tidying.fuse_affine import FuseAffine
from pinnir.program.host_parts import to_onnx
from tests.helpers import context
from tests.random_graphs import OPSETS, RandomModel, double_twin, onnx_graphs, operators
from tests.random_ops import GENERATORS

TYPES = ("float32", "float64")
ROUNDING = 1e-5  # of a run in single precision
SAME = 1e-9  # of a run in double precision
PASSES = (FoldConstants(), DropIdentity(), FuseAffine(), FuseActivations())


def run(proto: bytes, inputs: dict[str, Array], dtype: type) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    # Optimisations round the constants of double models to float32, and they are not the subject.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # A Slice of operator set 10 along an axis of open size is given a wrong shape, and ONNX Runtime
    # gives up where it reuses a buffer of that shape.
    options.enable_mem_reuse = False
    session = onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: value.astype(dtype) for name, value in inputs.items()})


def values_of(graph: Graph, inputs: dict[str, Array]) -> tuple[list[Array], float]:
    """The outputs, and the largest finite value anywhere: the scale of rounding errors."""
    largest = [1.0]

    def keep(step: int, node: Node, value: Array) -> None:
        size = np.abs(np.asarray(value, np.float64))
        largest.append(float(np.max(size, where=np.isfinite(size), initial=0)))

    return evaluate(graph, inputs, keep), max(largest)


def assert_close(actual: list[Array], expected: list[np.ndarray], bound: float) -> None:
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape
        assert (one.dtype.kind == "f") == (other.dtype.kind == "f")
        np.testing.assert_allclose(
            np.asarray(one, np.float64), np.asarray(other, np.float64), rtol=0, atol=bound
        )


def check_import(model: RandomModel) -> None:
    source = import_bytes(model.proto.SerializeToString())
    check_rules(source.graph)
    values, scale = values_of(source.graph, model.inputs)
    twin, double = double_twin(model.proto)
    expected = run(nameless(twin), model.inputs, np.float64)
    assert_close(values, expected, scale * (SAME if double else ROUNDING))
    expected = run(nameless(model.proto), model.inputs, np.dtype(source.dtype).type)
    assert_close(values, expected, scale * ROUNDING)


def nameless(proto: onnx.ModelProto) -> bytes:
    """ONNX lets nodes share names, ONNX Runtime does not."""
    new = onnx.ModelProto()
    new.CopyFrom(proto)
    for node in new.graph.node:
        node.name = ""
    return new.SerializeToString()


def squeezes_samples(model: RandomModel) -> bool:
    """Whether the dimension of samples may be dropped because there is only one."""
    return any(len(value) == 1 for value in model.inputs.values()) and any(
        node.op_type == "Squeeze" and len(node.input) == 1 and not node.attribute
        for node in model.proto.graph.node
    )


def check_passes(model: RandomModel) -> None:
    if squeezes_samples(model):
        return  # its values have other ranks than for several samples; passes keep those of several
    source = import_bytes(model.proto.SerializeToString())
    graph, dtype = source.graph, source.dtype
    values, scale = values_of(graph, model.inputs)
    for step in PASSES:
        graph = step.apply(graph, context(graph, samples=1))
        check_rules(graph)
        assert_close(evaluate(graph, model.inputs), values, scale * SAME)
    check_host(source.graph, dtype, model.inputs)
    check_host(graph, dtype, model.inputs)


def check_host(graph: Graph, dtype: str, inputs: dict[str, Array]) -> None:
    """What the host runs as ONNX means the same; there, outputs are columns of floats."""
    column = Node("column:shape", Constant(np.array([-1, 1])))
    outputs = []
    for number, node in enumerate(dict.fromkeys(graph.outputs)):
        cast = Node(f"column:{number}:float", Primitive("Cast", {"to": "float64"}), (node,))
        outputs.append(Node(f"column:{number}", Primitive("Reshape"), (cast, column)))
    wanted = Graph(Level.TENSOR, graph.inputs, tuple(outputs))
    computed = [node for node in wanted.nodes if not isinstance(node.op, Input | Constant)]
    values, scale = values_of(wanted, inputs)
    shapes = {node.name: (None, None) for node in (*wanted.inputs, *wanted.outputs)}
    data = to_onnx(computed, wanted.inputs, wanted.outputs, dtype, shapes)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    assert_close(values, run(data, inputs, np.dtype(dtype).type), scale * ROUNDING)


@settings(max_examples=500)
@given(model=onnx_graphs())
def test_evaluate_equals_onnx_runtime(model):
    check_import(model)


@settings(max_examples=200)
@given(model=onnx_graphs())
def test_passes_and_host_parts_keep_the_values(model):
    check_passes(model)


# pytest -m long tests/frontend/test_random_graphs.py
@pytest.mark.long
@pytest.mark.parametrize("number", range(20))
def test_20_000_graphs(number):
    """Larger graphs, from seeds of their own."""
    seen = 0

    @seed(number + 1)
    @settings(max_examples=1000, derandomize=False, database=None)
    @given(model=onnx_graphs(max_nodes=20))
    def check(model: RandomModel) -> None:
        nonlocal seen
        seen += 1
        check_import(model)
        check_passes(model)

    check()
    assert seen >= 1000


def test_every_operator_has_a_generator():
    every = {kind for dtype in TYPES for opset in OPSETS for kind in operators(dtype, opset)}
    assert set(GENERATORS) >= set(IMPORTERS)
    assert every == set(IMPORTERS)


@pytest.mark.parametrize("kind", sorted(IMPORTERS))
def test_every_operator_is_drawn(kind):
    drawn = set()

    @settings(max_examples=10)
    @given(model=onnx_graphs(max_nodes=3, only=kind))
    def check(model: RandomModel) -> None:
        drawn.update(operator_name(node) for node in model.proto.graph.node)
        check_import(model)
        check_passes(model)

    check()
    assert kind in drawn
