"""Run ONNX models with ONNX Runtime: source networks and host parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime

from pinnir.errors import BackendError
from pinnir.matrix import Array

# Points per call; the memory of a call stays flat however many points there are.
_CHUNK = 8192


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
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions have no common base below Exception
            raise BackendError(f"ONNX Runtime cannot load the {what}: {error}") from error
        self._what = what
        self._types = [
            np.float64 if item.type == "tensor(double)" else np.float32
            for item in self._session.get_inputs()
        ]
        batch = self._session.get_inputs()[0].shape[0]
        self._batch = batch if isinstance(batch, int) else None

    @property
    def input_names(self) -> list[str]:
        """Names of the model's inputs, in order."""
        return [item.name for item in self._session.get_inputs()]

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """Run on ``inputs``, one array ``(samples, columns)`` each.

        Returns:
            One float64 array ``(samples, columns)`` per output.

        Raises:
            BackendError: If ONNX Runtime fails or an output is not one row a sample.
        """
        samples = len(inputs[0])
        size = self._batch or _CHUNK
        chunks = [
            self._run([x[i : i + size] for x in inputs]) for i in range(0, max(samples, 1), size)
        ]
        return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]

    def _run(self, inputs: list[Array]) -> list[Array]:
        samples = len(inputs[0])
        if self._batch and samples < self._batch:  # a model exported for a fixed batch
            rest = self._batch - samples
            inputs = [np.concatenate([x, np.zeros((rest, *x.shape[1:]))]) for x in inputs]
        feed = {
            name: np.ascontiguousarray(x, kind)
            for name, x, kind in zip(self.input_names, inputs, self._types, strict=True)
        }
        try:
            outputs = self._session.run(None, feed)
        except Exception as error:  # see above
            raise BackendError(f"ONNX Runtime cannot run the {self._what}: {error}") from error
        return [self._rows(np.asarray(y, np.float64), len(inputs[0]))[:samples] for y in outputs]

    def _rows(self, y: Array, samples: int) -> Array:
        if y.ndim == 1:
            y = y[:, None]
        if y.ndim != 2 or len(y) != samples:
            raise BackendError(
                f"an output of the {self._what} has shape {y.shape}, not ({samples}, columns)",
                hint="export the network so that every point gives one row",
            )
        return y
