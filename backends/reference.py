"""The reference backend: the float64 oracle itself."""

from __future__ import annotations

from pinnir.ir.evaluate import Observer, evaluate
from pinnir.ir.graph import Graph
from pinnir.numerics.matrix import Array
from pinnir.program.simulators import Backend, CoreRunner
from pinnir.program.streamed_cores import stream_runner


class ReferenceBackend(Backend):
    """The oracle in evaluate.py: numpy, float64, every step as the design defines it."""

    def load(self, core: Graph, lines: int = 1) -> CoreRunner:
        """Nothing to prepare; cores of delta and phase neurons have an oracle of their own."""
        stream = stream_runner(core, lines)
        if stream is not None:
            return stream
        name = core.inputs[0].name

        def run(x: Array, observe: Observer) -> Array:
            (output,) = evaluate(core, {name: x}, observe)
            return output

        return run
