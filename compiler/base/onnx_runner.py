"""Run ONNX models with ONNX Runtime: source networks and host parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from pinnir.base.errors import BackendError

# What inputs are given as; anything else as float.
_TYPES: dict[str, type[np.generic]] = {
    "tensor(bool)": np.bool_,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    **{
        f"tensor({sign}int{bits})": np.dtype(f"{sign}int{bits}").type
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
}


def _anonymous(data: bytes) -> bytes:
    """The model without names that ONNX Runtime takes too seriously.

    It wants dimensions of one name equally long, and exporters name the samples of all coordinates
    alike, also in a separable network, which takes any number of each. And it refuses nodes of one
    name, which ONNX allows.
    """
    proto = onnx.load_from_string(data)
    for node in proto.graph.node:
        node.ClearField("name")
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            dim.ClearField("dim_param")
    stripped: bytes = proto.SerializeToString()
    return stripped


def _nearest(x: NDArray[np.float64], kind: type[np.generic]) -> NDArray[np.float64]:
    """The nearest numbers that the type has, but for rounding to floats."""
    if issubclass(kind, np.integer):
        limits = np.iinfo(kind)
        return np.clip(np.rint(x), limits.min, limits.max)
    return np.rint(x) if issubclass(kind, np.bool_) else x


class OnnxRunner:
    """One ONNX model, ready to run on points.

    Args:
        data: The model.
        what: What it is, for error messages.
    """

    def __init__(self, data: bytes, what: str = "model") -> None:
        options = onnxruntime.SessionOptions()
        # One thread: sums then have one order, and results do not depend on the machine's cores.
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        # The extended optimisations round constants of double models to float32.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        try:
            self._session = onnxruntime.InferenceSession(
                _anonymous(data), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions have no common base below Exception
            raise BackendError(f"ONNX Runtime cannot load the {what}: {error}") from error
        self._what = what
        self._types = [_TYPES.get(item.type, np.float32) for item in self._session.get_inputs()]

    @property
    def input_names(self) -> list[str]:
        """Names of the model's inputs, in order."""
        return [item.name for item in self._session.get_inputs()]

    @property
    def shapes(self) -> list[tuple[int | None, ...]]:
        """Lengths of the dimensions of each input; None where one may have any length."""
        declared = [item.shape for item in self._session.get_inputs()]
        return [tuple(d if isinstance(d, int) else None for d in shape) for shape in declared]

    def __call__(self, inputs: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
        """Run the model on ``inputs``, in its order.

        Inputs of integers or truth values are given the nearest whole numbers.

        Returns:
            One float64 array per output.

        Raises:
            BackendError: If ONNX Runtime fails.
        """
        feed = {
            name: np.asarray(_nearest(x, kind), kind, order="C")
            for name, x, kind in zip(self.input_names, inputs, self._types, strict=True)
        }
        try:
            outputs = self._session.run(None, feed)
        except Exception as error:  # see above
            raise BackendError(f"ONNX Runtime cannot run the {self._what}: {error}") from error
        return [np.asarray(y, np.float64) for y in outputs]
