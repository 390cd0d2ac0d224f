"""A hypothesis strategy of random valid ONNX models, of all operators that pinnir reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pinnir.frontend.protos import operator_name
from pinnir.frontend.reader import IMPORTERS
from pinnir.numerics.matrix import Array
from tests.random_ops import GENERATORS
from tests.random_ops.builder import (
    DOUBLE_ONLY_IN,
    FLOATS_OF_QUANTISED,
    Builder,
    Value,
    info,
    runs_in_double,
)

OPSETS = (9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24)
SEEDS = st.integers(0, 2**32 - 1)
# Layers and activations, of which fuse-affine and fuse-activations make something.
FREQUENT = ("Gemm", "MatMul", "Add", "Mul", "Sub", "Div", "Tanh", "Sin", "Where", "Cast", "Concat")


@dataclass(frozen=True)
class RandomModel:
    """A model and points to run it on.

    Attributes:
        proto: The model; the checker accepts it.
        inputs: Value of each input, by name, ``(samples, columns)``; multiples of 1/8.
    """

    proto: onnx.ModelProto
    inputs: dict[str, Array]

    def __repr__(self) -> str:
        return f"{onnx.printer.to_text(self.proto)}\n{self.inputs}"


@cache
@cache
def operators(dtype: str, opset: int) -> tuple[str, ...]:
    """Operators that the operator set has and ONNX Runtime runs in the model's type."""
    known = {kind for kind in IMPORTERS if "::" in kind} | {
        s.name
        for s in onnx.defs.get_all_schemas_with_history()
        if s.domain == "" and s.since_version <= opset
    }
    if opset >= 11:
        known -= {"Scatter"}
    if opset < 10:  # what gives them their operands came then
        known -= {f"com.microsoft::{kind}" for kind in FLOATS_OF_QUANTISED}
    return tuple(
        kind
        for kind in (*sorted(IMPORTERS), *FREQUENT, *FREQUENT)
        if kind in known and (dtype == "float32" or runs_in_double(kind, opset))
    )


@st.composite
def onnx_graphs(draw: st.DrawFn, max_nodes: int = 12, only: str = "") -> RandomModel:
    """A random model of 1 to ``max_nodes`` operators and what they need, or of one kind only."""
    dtypes = ("float32", "float64")
    pairs = [(d, o) for d in dtypes for o in OPSETS if not only or only in operators(d, o)]
    dtype, opset = draw(st.sampled_from(pairs))
    build = Builder(draw, dtype, opset, np.random.default_rng(draw(SEEDS)))
    inputs = _inputs(build)
    for _ in range(draw(st.integers(1, max_nodes))):
        found = operators(dtype, opset)
        kind = build.pick([only] if only else found)
        GENERATORS[kind](build, kind)
    return RandomModel(_model(build, _outputs(build)), inputs)


def _inputs(build: Builder) -> dict[str, Array]:
    samples = 1 + build.draw_below(4)
    said = build.pick(("n", None, samples))
    inputs = {}
    for number in range(1 + build.draw_below(3)):
        name, columns = f"x{number}", 1 + build.draw_below(3)
        build.inputs.append(info(name, build.dtype, (said, columns)))
        build.pool.append(Value(name, (samples, columns), build.dtype, 2.0, grid=3))
        inputs[name] = build.rng.integers(-16, 17, (samples, columns)) / 8
    return inputs


def _outputs(build: Builder) -> list[Value]:
    """What no node uses, or else it would not be compared, and at times one value more."""
    used = {name for node in build.nodes for name in node.input}
    made = {name for node in build.nodes for name in node.output}
    found = [v for v in build.pool if v.name in made]
    outputs = [v for v in found if v.name not in used] or found[-1:] or build.pool[:1]
    more = [v for v in found if v not in outputs]
    return [*outputs, build.pick(more)] if more and build.maybe() else outputs


def _model(build: Builder, outputs: list[Value]) -> onnx.ModelProto:
    if outputs[0].name not in {name for node in build.nodes for name in node.output}:
        name = build.node("Identity", [outputs[0].name])
        outputs = [Value(name, outputs[0].shape, outputs[0].kind, outputs[0].bound)]
    shapes = [[None] * len(v.shape) for v in outputs]
    graph = helper.make_graph(
        build.nodes,
        "random",
        build.inputs,
        [info(v.name, v.kind, shape) for v, shape in zip(outputs, shapes, strict=True)],
        build.weights,
    )
    domains = sorted({node.domain for node in build.nodes} - {""})
    sets = [helper.make_opsetid("", build.opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(
        graph, opset_imports=sets, ir_version=max(8, helper.find_min_ir_version_for(sets[:1]))
    )
    # ONNX's shape inference ends the process at some operators behind one that it does not know.
    onnx.checker.check_model(model, full_check=not domains)
    return model


def double_twin(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, bool]:
    """The model in double precision, and whether all of it is.

    The weights keep their values. Operators that ONNX Runtime has in single precision only stay
    so, between casts; functions that it inlines hold their constants in single precision.
    """
    twin = onnx.ModelProto()
    twin.CopyFrom(proto)
    opset, whole = proto.opset_import[0].version, True
    del twin.graph.node[:]
    for tensor in twin.graph.initializer:
        _widen(tensor)
    for value in (*twin.graph.input, *twin.graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in proto.graph.node:
        runs = runs_in_double(operator_name(node), opset)
        inlined = operator_name(node) in DOUBLE_ONLY_IN and node.op_type != "Clip"
        whole = whole and runs and not inlined
        twin.graph.node.extend([_doubled(node)] if runs else _between_casts(node))
    return twin, whole


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        value = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))


def _doubled(node: onnx.NodeProto) -> onnx.NodeProto:
    new = onnx.NodeProto()
    new.CopyFrom(node)
    for attribute in new.attribute:
        if attribute.name in ("to", "dtype") and attribute.i in (
            TensorProto.FLOAT,
            TensorProto.FLOAT16,
        ):
            attribute.i = TensorProto.DOUBLE
        elif attribute.name.startswith("value_float"):
            numbers = np.asarray(helper.get_attribute_value(attribute), np.float64)
            attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(numbers)))
        elif attribute.HasField("t"):
            _widen(attribute.t)
    if node.op_type == "ConstantOfShape" and not node.attribute:
        zero = numpy_helper.from_array(np.zeros(1))
        new.attribute.append(helper.make_attribute("value", zero))
    return new


def _between_casts(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The node in single precision; its operands are floats, but for what is quantised."""
    new = onnx.NodeProto()
    new.CopyFrom(node)
    before = []
    for index, name in enumerate(node.input):
        if name and index in FLOATS_OF_QUANTISED.get(node.op_type, (index,)):
            single = f"{node.output[0]}_{index}"
            before.append(helper.make_node("Cast", [name], [single], to=TensorProto.FLOAT))
            new.input[index] = single
    if node.op_type in FLOATS_OF_QUANTISED and node.op_type != "DequantizeLinear":
        return [*before, new]
    new.output[0] = f"{node.output[0]}_single"
    after = helper.make_node("Cast", [new.output[0]], [node.output[0]], to=TensorProto.DOUBLE)
    return [*before, new, after]


__all__ = ["OPSETS", "RandomModel", "double_twin", "onnx_graphs", "operators"]
