"""hard-reset: integrate-and-fire units whose spikes set them back to zero.

Most chips' units forget at a spike what lies above the threshold, and so fire too seldom. Layer
after layer, with all earlier ones already reset so,

1. a layer's synapses are multiplied out to single units, as chips have them, and fitted to the
   spikes that really arrive, by ridge regression of the source network's currents;
2. every unit takes the share of its threshold with which it fires as often as it should;
3. all units of a population get one threshold, which is all that some chips have. In integers it
   is the largest power of two with which every sum fits, and weights are rounded so that the sums
   stay.

What leaves a core is fitted likewise. Where the target has a floor, the units have it as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import LegalizeError, PipelineError
from pinnir.ir.evaluate import evaluate, trace
from pinnir.ir.graph import Affine, Constant, Graph, Level, Neuron, Node, Primitive
from pinnir.ir.names import Names
from pinnir.mapping.multiplied_out import multiplied_out
from pinnir.neurons import IF, FlooredIF, HardResetIF
from pinnir.neurons.start_units import is_start, potentials, start_synapses
from pinnir.numerics.integer_weights import largest_of
from pinnir.numerics.matrix import Array, BlockDiagonal
from pinnir.passes.fitting.rate_layer import SpikingLayer, check_rate_program, spiking_layer
from pinnir.passes.fitting.spike_sums import SpikeSum
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass

Spikes = NDArray[np.int8]

# Shares of its threshold that a unit may take.
_SHARES = np.linspace(1.0, 0.5, 21)
# Samples that shares are chosen on.
_TRIED = 1024
_LEAST_BITS = 4


@dataclass(frozen=True)
class HardReset(Pass):
    """Turn reset by subtraction into reset to zero, fitted to what then arrives.

    Attributes:
        weight_bits: Of a synapse's weight, with its sign; 0 is floating point.
        state_bits: Of potentials, for any input.
        step_bits: Of what synapses bring to a unit in one step, of each sign; 0 is as many as
            there are.
        powers: Whether weights of spikes may be times a power of two.
        points: How many points to fit on.
        ridge: As of ``refit``.
    """

    name = "hard-reset"
    accepts = (Level.SPIKING,)
    limits = (
        ("weight_bits", 0, 32),
        ("state_bits", 8, 53),
        ("step_bits", 0, 53),
        ("points", 16, 2**20),
        ("ridge", 0, 1),
    )

    weight_bits: int = 0
    state_bits: int = 31
    step_bits: int = 0
    powers: bool = True
    points: int = 4096
    ridge: float = 1e-3

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Apply cases 1 to 3 to every population.

        Raises:
            PipelineError: If the program is no rate program with the network's layers.
            LegalizeError: If a unit is signed, or thresholds would have too few bits.
        """
        check_rate_program(self, graph, context.source)
        points = context.fresh(self.points, 0)
        return _Conversion(self, graph, context, points, names=Names.of(graph)).converted()


@dataclass(frozen=True, eq=False)
class _Conversion:
    """One run of the pass.

    Attributes:
        options: The pass.
        graph: The program with soft reset.
        context: Of the pass.
        points: That are fitted on.
        new: Nodes of the new program, by those of the old one.
        seen: What sources give in the new program, by old node: see ``spike_sums``.
        names: Of new nodes.
    """

    options: HardReset
    graph: Graph
    context: Context
    points: Array
    new: dict[Node, Node] = field(default_factory=dict)
    seen: dict[Node, NDArray[Any]] = field(default_factory=dict)
    names: Names = field(default_factory=Names)

    def converted(self) -> Graph:
        """The new program."""
        for node in self.graph.nodes:
            if not node.in_core:
                operands = (self.new[operand] for operand in node.operands)
                self.new[node] = node.with_operands(*operands)
            elif isinstance(node.op, Neuron):
                if not is_start(node, self.graph.users[node]):
                    self._population(node)
            elif self.graph.leaves(node):
                self.new[node] = self._read_out(node)
        return self._so_far(self.graph.outputs)

    def _so_far(self, outputs: Iterable[Node]) -> Graph:
        """The new program up to what gives the values of these nodes of the old one."""
        inputs, ends = (tuple(self.new[n] for n in nodes) for nodes in (self.graph.inputs, outputs))
        return Graph(Level.SPIKING, inputs, ends, self.graph.steps, self.graph.read_out)

    def _layer(self, node: Node) -> tuple[IF, SpikingLayer]:
        op = node.op
        if not isinstance(op, IF) or op.signed or op.feedback is not None:
            problem = (
                "is no population of plain integrate-and-fire units, and target "
                f"{self.context.target.name} has none that fire in both directions or hear "
                "themselves"
            )
            hint = "compile with --coding rate and unsigned units (split-thresholds)"
            raise node.error(LegalizeError, problem, hint)
        layer = spiking_layer(self.graph, node.name, self.context.layers)
        if layer is None:
            problem = "is no layer of the network, and has nothing to be fitted to"
            raise node.error(PipelineError, problem, "run hard-reset straight behind lower")
        return op, layer

    def _population(self, node: Node) -> None:
        op, layer = self._layer(node)
        start = potentials(node) / op.threshold
        operands = [o for o in node.operands if not is_start(o.operands[0], [o])]
        sums = self._arranged(*multiplied_out(*operands))
        wanted = layer.wanted_current(self.context.layers, self.points)
        sums = sums.fitted(self.seen, wanted, self.options.ridge)
        sums = SpikeSum(sums.weights, sums.bias + op.bias)
        rates = layer.wanted(self.context.layers, self.points) / op.threshold
        sums = sums.scaled(1 / (op.threshold * self._shares(sums, rates, op.threshold, start)))
        threshold = 1.0
        if self.options.weight_bits:
            threshold, sums = self._whole(node, sums)
            start = np.rint(start * threshold)
        currents = sums.by_step(self.seen, self.graph.steps)
        self.seen[node] = self._fired(currents, threshold, start)
        neuron, maps = self._neuron(threshold, start), self._maps(node, sums)
        if start.any() and not isinstance(neuron, FlooredIF):
            maps += (start_synapses(node, maps[0], start, self.graph.steps),)
        self.new[node] = Node(node.name, neuron, maps, node.segment)

    def _arranged(self, weights: dict[Node, Array], bias: Array) -> SpikeSum:
        """The sum with what stays in front: spikes then make up for its rounding."""
        for source in weights:
            if source not in self.seen:  # it enters the core
                so_far = self._so_far([source])
                (self.seen[source],) = evaluate(so_far, so_far.bind(self.points))
        order = sorted(weights, key=lambda source: self.seen[source].ndim)
        return SpikeSum({source: weights[source] for source in order}, bias)

    def _shares(self, sums: SpikeSum, rates: Array, threshold: Array, start: Array) -> Array:
        """Case 2: the shares with which numbers of spikes are nearest to those wanted."""
        steps, tried = self.graph.steps, slice(None, _TRIED)
        seen = {source: self.seen[source][..., tried, :] for source in sums.weights}
        currents = sums.by_step(seen, steps) / threshold
        losses = []
        for share in _SHARES:
            missed = self._fired(currents, share, start * share).mean(axis=0) - rates[tried]
            losses.append((missed**2).sum(axis=0))
        return np.asarray(_SHARES[np.argmin(losses, axis=0)])

    def _fired(self, currents: Array, threshold: float, start: Array) -> Spikes:
        """Spikes ``(steps, samples, units)`` of such units, as single bytes."""
        op = self._neuron(threshold, start)
        state = op.initial_state(currents.shape[1])
        if not isinstance(op, FlooredIF):
            state = (state[0] + start,)
        found = np.empty(currents.shape, np.int8)
        for step, current in enumerate(currents):
            found[step], state = op.step(state, current)
        return found

    def _neuron(self, threshold: float, start: Array) -> HardResetIF:
        thresholds = np.full(start.size, threshold)
        floor = self.context.target.floor
        return FlooredIF(thresholds, start) if floor else HardResetIF(thresholds)

    def _maps(self, node: Node, sums: SpikeSum) -> tuple[Node, ...]:
        """A map from every source; the first one takes the bias."""
        found: list[Node] = []
        for source, weight in sums.weights.items():
            bias = np.zeros_like(sums.bias) if found else sums.bias
            name = self.names.fresh(f"{node.name}_from_{source.name}")
            found.append(Node(name, Affine(weight, bias), (self.new[source],), node.segment))
        return tuple(found)

    def _read_out(self, node: Node) -> Node:
        sums = self._arranged(*multiplied_out(node))
        source = self.context.source
        wanted = trace(source, source.bind(self.points), {node.name})[node.name]
        sums = sums.fitted(self.seen, wanted, self.options.ridge)
        unit = np.ones(sums.bias.size)
        if self.options.weight_bits:
            unit = self._unit(sums)
            sums = sums.scaled(1 / unit)
            sums = sums.whole(self.seen, self.options.weight_bits, self.options.ridge)
        units = Affine(BlockDiagonal(unit[:, None, None]), np.zeros(unit.size))
        return Node(node.name, units, self._maps(node, sums), node.segment)

    def _unit(self, sums: SpikeSum) -> Array:
        """What one is to stand for in what leaves, so that weights and sums of a step fit."""
        largest = np.max([largest_of(w) for w in sums.weights.values()], axis=0)
        unit = largest / (2 ** (self.options.weight_bits - 1) - 1)
        if self.options.step_bits:
            spiking = [w for s, w in sums.weights.items() if self.seen[s].ndim == 3]
            columns = sum(w.shape[1] for w in spiking)
            # Rounding may add one to every weight.
            room = max(1.0, 2.0**self.options.step_bits - 1 - columns)
            unit = np.maximum(unit, np.sum([np.abs(w).sum(axis=1) for w in spiking], axis=0) / room)
        return np.asarray(unit)

    def _whole(self, node: Node, sums: SpikeSum) -> tuple[float, SpikeSum]:
        """Case 3: the largest threshold, and the sums in whole numbers for it.

        Raises:
            LegalizeError: If it has too few bits.
        """
        for bits in range(self.options.state_bits - 2, _LEAST_BITS - 1, -1):
            threshold = 2.0**bits
            scaled = sums.scaled(np.full(sums.bias.size, threshold))
            if self._fits(scaled, threshold):  # before it takes long
                whole = scaled.whole(self.seen, self.options.weight_bits, self.options.ridge)
                if self._fits(whole, threshold):
                    return threshold, whole
        arriving = self.options.step_bits or self.options.state_bits
        problem = (
            f"would need thresholds of fewer than {_LEAST_BITS} bits: potentials have "
            f"{self.options.state_bits}, and what arrives in a step {arriving}"
        )
        raise node.error(LegalizeError, problem, "compile with fewer steps or units")

    def _fits(self, sums: SpikeSum, threshold: float) -> bool:
        """Whether no sum is too large, for any input."""
        limit = 2 ** (self.options.weight_bits - 1) - 1
        reach = np.abs(sums.bias)
        up, down = np.full(reach.size, threshold), np.zeros(reach.size)
        for source, weight in sums.weights.items():
            if self.seen[source].ndim == 2:
                reach = reach + np.abs(weight) @ np.full(weight.shape[1], _limit(source))
            else:
                if not self.options.powers and np.abs(weight).max() > limit:
                    return False
                reach = reach + np.abs(weight).sum(axis=1)
                up = up + np.maximum(weight, 0).sum(axis=1)
                down = down + np.maximum(-weight, 0).sum(axis=1)
        steps = 1 if self.context.target.floor else self.graph.steps
        most = steps * reach + threshold
        step_bits = self.options.step_bits or self.options.state_bits
        per_step = np.max([up, down, np.abs(sums.bias)])
        state_bits = self.options.state_bits - 1
        return bool(most.max() < 2.0**state_bits and per_step < 2.0**step_bits)


def _limit(source: Node) -> float:
    """Largest magnitude of a value that ``quantise-inputs`` rounded.

    Raises:
        LegalizeError: If it did not.
    """
    if isinstance(source.op, Primitive) and source.op.kind == "Clip":
        *_, high = source.operands
        return float(high.op_as(Constant).value)
    problem = "enters a core and is not rounded to whole numbers"
    hint = "run quantise-inputs before quantise-activations"
    raise LegalizeError(problem, node=source.name, op=type(source.op).__name__, hint=hint)
