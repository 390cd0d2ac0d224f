"""Networks that take their inputs in any shape, and what ONNX Runtime says of single samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
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
