"""Networks that take their inputs in any shape, and what ONNX Runtime says of single samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from hypothesis import strategies as st
from onnx import helper

from pinnir.numerics.matrix import Array
from tests.networks import Net

# A shape as a file declares it, and how many of its dimensions are samples.
Form = tuple[tuple[int | str, ...], int]


class AnyNet(Net):
    """A network whose inputs have any shape."""

    def shaped(self, name: str, *shape: int | str) -> str:
        """An input of this shape; open dimensions have names."""
        self.inputs.append(helper.make_tensor_value_info(name, self.kind, shape))
        return name

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        """A layer without its activation, as exporters write it for values of any rank."""
        weight = self.rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
        product = self.op("MatMul", x, self.constant(weight))
        return self.op("Add", product, self.constant(0.3 * self.rng.normal(size=outputs)))

    def body(self, x: str, columns: int, outputs: int = 1) -> str:
        """Two layers."""
        return self.linear(self.op("Tanh", self.linear(x, columns, 8)), 8, outputs)

    def whole(self, *numbers: int) -> str:
        """Fixed whole numbers, as shapes and axes are."""
        return self.constant(np.array(numbers))


@dataclass(frozen=True)
class FormedNet:
    """A network and how its inputs are to be read.

    Attributes:
        proto: The network.
        forms: Of its inputs, by name.
    """

    proto: onnx.ModelProto
    forms: Mapping[str, Form]

    def __repr__(self) -> str:
        return f"{onnx.printer.to_text(self.proto)}\n{self.forms}"

    @property
    def columns(self) -> dict[str, int]:
        """Columns of each input."""
        return {n: int(np.prod(shape[k:], dtype=int)) for n, (shape, k) in self.forms.items()}

    def tables(self, count: int, seed: int = 0) -> dict[str, Array]:
        """Samples of each input, of the cube [-1, 1]."""
        rng = np.random.default_rng(seed)
        return {name: rng.uniform(-1, 1, (count, size)) for name, size in self.columns.items()}

    def one_by_one(self, tables: Mapping[str, Array]) -> list[Array]:
        """Outputs ``(samples, columns)`` by ONNX Runtime, from runs whose samples are all alike."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        runtime = onnxruntime.InferenceSession(self.proto.SerializeToString(), options)
        types = {
            i.name: np.float64 if "double" in i.type else np.float32 for i in runtime.get_inputs()
        }
        rows = []
        for row in range(len(next(iter(tables.values())))):
            feed = {
                name: self._alike(name, tables[name][row]).astype(types[name])
                for name in self.forms
            }
            rows.append(runtime.run(None, feed))
        many = [self._samples(name) for name in self.forms]
        return [
            np.stack([y.reshape(-1)[: _per_sample(y.size, max(many))] for y in column])
            for column in zip(*rows, strict=True)
        ]

    def _alike(self, name: str, sample: Array) -> Array:
        """One sample, as often as the file wants; open dimensions have length 1."""
        shape, leading = self.forms[name]
        sizes = [size if isinstance(size, int) else 1 for size in shape]
        return np.broadcast_to(sample.reshape(sizes[leading:]), sizes)

    def _samples(self, name: str) -> int:
        shape, leading = self.forms[name]
        return int(np.prod([size for size in shape[:leading] if isinstance(size, int)], dtype=int))


def _per_sample(size: int, samples: int) -> int:
    return size // samples if size % samples == 0 else size


@st.composite
def wrapped_nets(draw: st.DrawFn, *, mixing: bool) -> tuple[FormedNet, int]:
    """A random network of points in an input of random dimensions.

    Args:
        draw: Of hypothesis.
        mixing: Whether a value at one point depends on others.

    Returns:
        The network, read with the fewest columns; and along which dimension points are mixed.
    """
    named = st.sampled_from(["a", "b", "c"])
    samples = draw(st.lists(named | st.integers(2 - (not mixing), 4), min_size=1, max_size=3))
    columns, axis = draw(st.integers(1, 4)), draw(st.integers(0, len(samples) - 1))
    net = AnyNet(draw(st.integers(0, 9)))
    x = net.shaped(
        "x", *(f"{d}{i}" if isinstance(d, str) else d for i, d in enumerate(samples)), columns
    )
    value = net.op(draw(st.sampled_from(["Tanh", "Sin"])), net.linear(x, columns, 5))
    value = _along_columns(
        net, value, draw(st.sampled_from(["", "Softmax", "ReduceMax", "Gather"]))
    )
    if mixing:
        value = _mixed(net, value, axis, draw(st.sampled_from(MIXES)))
    return FormedNet(
        net.proto(net.linear(value, 5, 2)), {"x": ((*samples, columns), len(samples))}
    ), axis


MIXES = ("CumSum", "LogSoftmax", "ReduceL2", "ReduceMax", "ReduceMean", "Softmax")


def _along_columns(net: AnyNet, x: str, kind: str) -> str:
    """Something that runs along the columns, of which there are 5."""
    if kind == "Softmax":
        return net.op(kind, x, axis=-1)
    if kind == "ReduceMax":
        return net.op("Sub", x, net.op(kind, x, net.whole(-1)))
    return net.op(kind, x, net.whole(4, 3, 2, 1, 0), axis=-1) if kind else x


def _mixed(net: AnyNet, x: str, axis: int, kind: str) -> str:
    """Something that runs along a dimension of samples."""
    if "oftmax" in kind:
        return net.op(kind, x, axis=axis)
    if kind == "CumSum":
        return net.op(kind, x, net.constant(np.array(axis)))
    return net.op("Sub", x, net.op(kind, x, net.whole(axis)))
