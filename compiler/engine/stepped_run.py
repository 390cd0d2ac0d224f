"""Runs a core of integrate-and-fire units, block after block, on several threads if it may.

Values are ``(columns, steps, samples)``, with one step where all steps have the same.
"""

from __future__ import annotations

import numpy as np

from pinnir.engine import scans
from pinnir.engine.jit import Patience
from pinnir.engine.kernels import Scratch
from pinnir.engine.scans import Counts, Scan
from pinnir.engine.shares import block_of, in_shares
from pinnir.engine.stepped_plan import SteppedLayer, SteppedMap, SteppedPlan
from pinnir.ir.graph import Graph, Node
from pinnir.metrics.spikes import SpikeCounter
from pinnir.numerics.matrix import Array

# Numbers that the widest layer hands on for one block, samples of a block at least and at most,
# and blocks that are worth a thread.
_BLOCK_NUMBERS = 2**17
_BLOCKS = (64, 1024)
_BLOCKS_A_THREAD = 2
# Units, steps and samples to run before Numba is asked for.
_WORTH_COMPILING = 2**27


class LayerwiseCore:
    """A core that is ready to run.

    Attributes:
        plan: In which order.
    """

    def __init__(self, core: Graph, workers: int, compiling: bool | None = None) -> None:
        """Prepare a core.

        Args:
            core: A core of one input and one output.
            workers: Threads, at most.
            compiling: Whether Numba compiles the loops, if it is there; None for when it is worth
                it.

        Raises:
            NotCoveredError: If the engine does not run such a core.
        """
        self.plan, self._workers = SteppedPlan.of(core), workers
        layers = [one for one in self.plan.operations if isinstance(one, SteppedLayer)]
        self._layers = layers
        self._work = sum(one.units.units for one in layers) * core.steps
        self._patience = Patience(_WORTH_COMPILING, compiling)
        widest = max((one.units.handed_on for one in layers), default=1) * core.steps
        self._block = block_of(_BLOCK_NUMBERS, widest, _BLOCKS)

    def __call__(self, x: Array, counter: SpikeCounter) -> Array:
        """Run points.

        Args:
            x: ``(points, columns)``.
            counter: Is told how often every unit fired.

        Returns:
            ``(points, outputs)``.
        """
        faster = scans.compiled() if self._patience.ends(len(x) * self._work) else None

        def share(starts: range) -> tuple[list[Array], list[Counts]]:
            counts = [np.zeros(one.units.units, np.int64) for one in self._layers]
            run, scratch = faster or scans.scan, Scratch()
            pieces = (x[start : start + self._block] for start in starts)
            return [self._run(piece, run, counts, scratch) for piece in pieces], counts

        done = in_shares(share, len(x), self._block, self._workers, _BLOCKS_A_THREAD)
        for number, layer in enumerate(self._layers):
            counter.add(layer.units.node, np.sum([c[number] for _, c in done], axis=0, dtype=float))
        for node, spikes in self.plan.once:
            counter.add(node, spikes * len(x))
        return np.concatenate([piece for pieces, _ in done for piece in pieces])

    def _run(self, x: Array, scan: Scan, counts: list[Counts], scratch: Scratch) -> Array:
        """One block, ``(points, columns)``."""
        core = self.plan.core
        values: dict[Node, Array] = {core.inputs[0]: np.ascontiguousarray(x.T)[:, None]}
        number = 0
        for one in self.plan.operations:
            if isinstance(one, SteppedMap):
                values[one.node] = self._mapped(one, values, scratch)
                continue
            z = values[one.sources[0]]
            for source in one.sources[1:]:
                z = z + values[source]
            out = _held(scratch, one.units.node, one.units.handed_on, core.steps, len(x))
            scan(one.units, z, out, counts[number])
            values[one.units.node] = out
            number += 1
        return values[core.outputs[0]][:, 0].T.copy()

    def _mapped(self, one: SteppedMap, values: dict[Node, Array], scratch: Scratch) -> Array:
        constant = one.constant[:, :, None]
        given = [values[source] for source, _ in one.parts]
        if one.last:
            constant, given = self._read(constant), [self._read(value) for value in given]
        steps = max(value.shape[1] for value in (constant, *given))
        total = _held(scratch, one.node, len(constant), steps, given[0].shape[2])
        for place, (value, (_, weight)) in enumerate(zip(given, one.parts, strict=True)):
            columns, own, samples = value.shape
            flat = value.reshape(columns, own * samples)
            if place == 0 and own == steps:
                np.matmul(weight, flat, out=total.reshape(len(weight), -1))
                total += constant
                continue
            product = (weight @ flat).reshape(len(weight), own, samples)
            np.add(product, constant if place == 0 else total, out=total)
        return total

    def _read(self, value: Array) -> Array:
        """The mean over the steps, or the last one."""
        if value.shape[1] == 1:
            return value
        if self.plan.core.read_out == "mean":
            return np.asarray(value.sum(axis=1, keepdims=True) / value.shape[1])
        return value[:, -1:]


def _held(scratch: Scratch, node: Node, columns: int, steps: int, samples: int) -> Array:
    """Memory for a node's values."""
    return scratch.take(node.name, (columns, steps * samples)).reshape(columns, steps, samples)
