"""Run Lava's own neurons, compare every event, and say what hard reset costs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from threadpoolctl import threadpool_limits

from pinnir.backends import CoreRunner, Observer
from pinnir.backends.lava.environment import interpreter
from pinnir.backends.lava.run import compared, run_export
from pinnir.backends.lava.stock import StockCore
from pinnir.backends.lava.stock_write import expected_of, stock_cores, write
from pinnir.backends.lava.write import entering
from pinnir.integers import Whole
from pinnir.ir import Array, Graph
from pinnir.metrics import SpikeCounter, relative_l2
from pinnir.order import Streaming
from pinnir.program import Program, execute
from pinnir.recording import record
from pinnir.running import prepare
from pinnir.verification import Report

# Points that the errors are measured on, other than those that were fitted on.
_POINTS, _SEED = 1024, 3


def on_lava(program: Program, points: Array) -> Report:
    """Run the fixed-point models on any points, and compare.

    The report's figures are the relative L2 errors against the network, of the program with soft
    reset and of what runs with hard reset, where the program holds its network.

    Raises:
        BackendError: If Lava is not installed, or fails.
        LegalizeError: If the program is no rate program of unsigned units.
    """
    python = interpreter()
    cores, records = stock_cores(program), record(program, points)
    samples: dict[str, Whole] = {}
    expected: dict[str, Whole] = {}
    for core, seen in zip(cores, records, strict=True):
        samples[f"{core.soft.label}.inputs"] = entering(seen)
        expected |= expected_of(core, entering(seen))
    found = run_export(python, write(program), samples, "fixed_pt")
    return Report("lava-stock", compared(expected, found), accuracy(program, cores))


def accuracy(program: Program, cores: list[StockCore]) -> dict[str, float]:
    """Errors with soft and with hard reset, against the network."""
    if program.source is None:
        return {}
    where = program.domain.sample(_POINTS, _SEED)
    truth = program.run_source(where)
    by_graph = {core.soft.whole.core: core for core in cores}
    counters = [SpikeCounter() for _ in program.running]
    with threadpool_limits(1):
        ready = prepare(program, HardReset(by_graph), counters, Streaming())
        hard = execute(ready, where, program.domain)
    return {
        "rel_l2_soft_reset": relative_l2(program.run(where).outputs, truth),
        "rel_l2_hard_reset": relative_l2(hard, truth),
    }


class HardReset:
    """Cores with hard reset, in integers.

    Args:
        cores: By what they stand for.
    """

    def __init__(self, cores: Mapping[Graph, StockCore]) -> None:
        self._cores = cores

    def load(self, core: Graph, lines: int = 1) -> CoreRunner:
        """What runs the core; nobody is told of its events."""
        stock = self._cores[core]

        def run(x: Array, observe: Observer) -> Array:
            inputs = np.asarray(np.rint(x), np.int64)
            return stock.outputs(inputs, stock.events(inputs))

        return run
