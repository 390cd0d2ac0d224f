"""The fast backend: programs near the speed of the network, with the oracle's counts."""

from __future__ import annotations

from pinnir.backends.reference import ReferenceBackend
from pinnir.engine.counted_core import CountedCore
from pinnir.engine.network_run import allowed_threads
from pinnir.engine.planning import NotCoveredError
from pinnir.engine.stepped_run import LayerwiseCore
from pinnir.ir.evaluate import Observer
from pinnir.ir.graph import Graph
from pinnir.metrics.spikes import SpikeCounter
from pinnir.neurons import IF, HardResetIF
from pinnir.numerics.matrix import Array
from pinnir.program.simulators import Backend, CoreRunner

# Points of a chunk: a few hundred blocks for each thread.
_POINTS = 2**17


class FastBackend(Backend):
    """Tables instead of units, float64, spikes counted exactly; faster still with numba."""

    def __init__(self, threads: int | None = None, compiling: bool | None = None) -> None:
        """Prepare nothing yet.

        Args:
            threads: At most; None for as many as the machine and ``OMP_NUM_THREADS`` allow.
            compiling: Whether Numba compiles the loops, if it is there; None for as soon as it is
                worth it.
        """
        self.compiling = compiling
        self.threads = threads or allowed_threads()
        self.points_at_once: int | None = _POINTS

    def load(self, core: Graph, lines: int = 1) -> CoreRunner:
        """Find the tables; a core that has none is handed to the reference backend."""
        oracle = ReferenceBackend().load(core, lines)
        counted: CountedCore | LayerwiseCore
        try:
            if any(isinstance(node.op, IF | HardResetIF) for node in core.nodes):
                counted = LayerwiseCore(core, self.threads, self.compiling)
            else:
                counted = CountedCore(core, lines, self.threads, self.compiling)
        except NotCoveredError as reason:
            self.handed_over = (*self.handed_over, str(reason))
            self.points_at_once = None
            return oracle

        def run(x: Array, observe: Observer) -> Array:
            # Who wants to see every spike sees the oracle's.
            if not isinstance(observe, SpikeCounter):
                return oracle(x, observe)
            return counted(x, observe)

        return run
