"""Rate coding: a uniform staircase as a soft-reset IF neuron over T steps.

An IF neuron with threshold ``theta``, initial potential ``v0`` and constant input ``z - low`` fires
``floor((T (z - low) + v0) / theta)`` times, clipped to 0..T; with ``v0 = theta / 2`` that is the
nearest of the T + 1 levels of ``clip(z, low, low + theta)``. A signed neuron counts from zero in
both directions and has 2T + 1 levels: towards zero with ``v0 = 0``, or, centred, the nearest with
``v0 = theta / 2``. Deeper layers see spikes instead of a constant
input, so a rate program approaches its staircase network only as T grows. Calibration may give any
neuron another initial potential.

The initial potential must be there from the first step. Spread over the steps as a bias ``v0 / T``
it gives the same count for a constant input, but every spike comes late, all neurons' partial sums
are biased the same way, and the next layer fires on them: on the Burgers example that costs a
factor of six in error (docs/codings.md). No file format carries initial potentials, so each
layer gets a *start unit*, which fires once, in step 1, through synapses of weight ``v0``.

A ``Response`` is a staircase that was measured from a membrane model; its neurons are such
membranes (``fit-neurons``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pinnir.base.errors import LegalizeError
from pinnir.codings.coding import Coding
from pinnir.codings.common import Population, Spiking, lower_core
from pinnir.ir.graph import Affine, Graph, Node, Staircase
from pinnir.ir.names import Names
from pinnir.neurons import IF, Integrated
from pinnir.neurons.membranes.response import Response
from pinnir.neurons.start_units import start_synapses
from pinnir.numerics.matrix import Array, BlockDiagonal
from pinnir.pipeline.context import Context


@dataclass(frozen=True)
class RateCoding(Coding):
    """Spikes counted over T steps, by integrate-and-fire neurons or membranes."""

    name = "rate"
    length = ""

    def lower(self, graph: Graph, context: Context, steps: int) -> Graph:
        """Replace each staircase of T + 1 (signed, 2T + 1) uniform levels by IF neurons.

        Returns:
            Spiking graph of T steps, read out as the mean.

        Raises:
            LegalizeError: If a staircase is not what an IF neuron can count.
        """

        def encode(node: Node, sources: tuple[Node, ...], names: Names) -> Spiking:
            if isinstance(node.op, Response):
                return _membranes(node, node.op, sources, steps, names)
            return _counters(node, node.op_as(Staircase), sources, steps)

        return lower_core(graph, encode, steps=steps, read_out="mean")


def _counters(node: Node, op: Staircase, sources: tuple[Node, ...], steps: int) -> Spiking:
    """Integrate-and-fire units, behind start units where they round."""
    neuron = integrate_fire(node, steps)
    if neuron.rounds:
        start = start_synapses(node, sources[0], neuron.threshold / 2, steps)
        sources = (*sources, start)
    units = Node(node.name, neuron, sources, node.segment)
    return _one_population(op, units, steps)


def _one_population(op: Staircase, units: Node, steps: int) -> Spiking:
    # A spike a step is one level; the mean over T steps wants T of them.
    every = Population(units, np.arange(op.base.size), np.ones((op.base.size, 1)), op.step * steps)
    return Spiking((every,), op.base)


def _membranes(
    node: Node, op: Response, sources: tuple[Node, ...], steps: int, names: Names
) -> Spiking:
    """Units of a membrane behind synapses that turn pre-activations into currents.

    The kick, a current of the first step that the response was measured with, comes from a start
    unit, as the initial potential of integrate-and-fire neurons does.
    """
    scale = Affine(BlockDiagonal(op.gain[:, None, None]), op.offset)
    current = Node(names.fresh(f"{node.name}_current"), scale, sources, node.segment)
    entries: tuple[Node, ...] = (current,)
    if op.kick:
        kick = np.full(op.base.size, op.kick)
        entries = (current, start_synapses(node, current, kick, steps))
    membranes = Integrated(op.model, op.scheme, op.by_current(steps), op.synapse)
    return _one_population(op, Node(node.name, membranes, entries, node.segment), steps)


def integrate_fire(node: Node, steps: int) -> IF:
    """The neurons that count a staircase's levels; those that round start at half their threshold.

    Raises:
        LegalizeError: If the staircase is not what an IF neuron can count.
    """
    op = node.op_as(Staircase)
    signed = bool((op.start < 0).any())
    count = op.boundaries.shape[1]
    if count != (2 * steps if signed else steps):
        raise _refusal(node, f"has {count + 1} levels, which is not what {steps} steps can count")
    middle = _middle(op, steps) if signed else np.zeros_like(op.base)
    t = op.boundaries[:, steps:] - middle[:, None] if signed else op.boundaries
    spacing = t[:, 1] - t[:, 0] if steps > 1 else op.step
    uniform = t[:, :1] + spacing[:, None] * np.arange(steps)
    if np.any(op.directions != 1) or not np.allclose(t, uniform, rtol=1e-9, atol=1e-12):
        raise _refusal(node, "has levels that are not evenly spaced")
    threshold = spacing * steps
    if signed:
        mirrored = np.allclose(op.boundaries[:, :steps] - middle[:, None], -t[:, ::-1])
        firsts = [np.allclose(t[:, 0], spacing * share) for share in (0.5, 1.0)]
        if not (mirrored and any(firsts) and np.all(op.start == -steps)):
            raise _refusal(node, "is not symmetric around its middle level")
        return IF(threshold, bias=-middle, signed=True, centred=firsts[0])
    return IF(threshold, bias=spacing / 2 - t[:, 0])


def _middle(op: Staircase, steps: int) -> Array:
    """Pre-activation that signed neurons count from.

    A clip's value there is its argument; level numbers tell nothing of it, but all boundaries of
    theirs are exact.
    """
    if np.any(op.base) or np.any(op.step != 1):
        return op.base
    middle: Array = (op.boundaries[:, steps - 1] + op.boundaries[:, steps]) / 2
    return np.rint(middle)


def _refusal(node: Node, problem: str) -> LegalizeError:
    return LegalizeError(
        f"{problem}, so no integrate-and-fire neuron counts it",
        node=node.name,
        op="Staircase",
        hint="run split-thresholds or balance-thresholds, then quantise-activations with "
        "levels = steps + 1 (2 steps + 1 and rounding=signed or zero for signed neurons)",
    )
