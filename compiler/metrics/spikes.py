"""One definition of each figure that pinnir reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pinnir.ir.graph import Affine, Graph, Neuron, Node
from pinnir.metrics.input_changes import InputChanges
from pinnir.metrics.source_cost import SourceCost, node_synapses
from pinnir.numerics.matrix import Array, fan_out, nonzeros

# 45 nm, 32-bit: a multiply-accumulate is 3.7 + 0.9 pJ, an addition 0.9 pJ.
# M. Horowitz, "Computing's energy problem", ISSCC 2014, fig. 1.1.9.
MAC_PJ = 4.6
ADD_PJ = 0.9


@dataclass
class SpikeCounter:
    """Counts spikes while a core runs; ``counter(step, node, value)`` is an observer.

    Attributes:
        spikes: Spikes of every unit over all steps and samples, ``(units,)`` by population.
        samples: How many samples the core ran.
        changes: Counts the products of analog input, where they are fewer than all.
    """

    spikes: dict[str, Array] = field(default_factory=dict)
    samples: int = 0
    changes: InputChanges | None = None

    def __call__(self, step: int, node: Node, value: Array) -> None:
        """Add one step of one node."""
        if isinstance(node.op, Neuron):
            self.add(node, node.op.events(value).sum(axis=0))

    def add(self, node: Node, spikes: Array) -> None:
        """Add spikes of every unit of a population, ``(units,)``, that were counted elsewhere."""
        self.spikes[node.name] = self.spikes.get(node.name, 0.0) + spikes


def program_size(cores: list[Graph]) -> dict[str, int]:
    """``neurons``, ``synapses`` and ``steps`` of the cores."""
    nodes = [node for core in cores for node in core.nodes]
    return {
        "neurons": sum(node.op.units for node in nodes if isinstance(node.op, Neuron)),
        "synapses": sum(node_synapses(node) for node in nodes),
        "steps": max((core.steps for core in cores), default=0),
    }


def depths(core: Graph) -> dict[Node, int]:
    """Populations on the longest way to every node, itself included.

    In phase coding these are the periods in which nodes work; what no digit reaches works in
    period 0, before the first step.
    """
    found: dict[Node, int] = {}
    for node in core.nodes:
        before = max((found[operand] for operand in node.operands), default=0)
        found[node] = before + isinstance(node.op, Neuron)
    return found


def depth(core: Graph) -> int:
    """Populations in a row."""
    return max(depths(core).values(), default=0)


def spike_costs(
    cores: list[Graph],
    spikes: dict[str, Array],
    samples: Sequence[int],
    source: SourceCost,
    products: Sequence[Array | None] = (),
) -> dict[str, object]:
    """Spikes, synaptic operations and energy per point: for one sample along every axis.

    A network without multiply-accumulates is compared with a single one.

    Args:
        cores: The spiking cores as executed.
        spikes: Counts of every unit, as :class:`SpikeCounter` keeps them.
        samples: Number of samples that each core ran.
        source: Cost of the source network.
        products: How often each core computed the products of each column of its analog input,
            ``(columns,)``; None is once for every sample, as if not given.
    """
    synops, macs, slots, total = 0.0, float(source.macs - source.core_macs), 0, 0.0
    given = products or [None] * len(cores)
    for core, count, computed in zip(cores, samples, given, strict=True):
        for node in core.nodes:
            if isinstance(node.op, Neuron):
                synops += float(spikes[node.name] @ _outgoing(core, node)) / count
                total += float(spikes[node.name].sum()) / count
                slots += node.op.units * core.steps
        macs += _analog_macs(core, None if computed is None else computed / count)
    own_macs = max(source.macs, 1)
    energy, source_energy = ADD_PJ * synops + MAC_PJ * macs, MAC_PJ * own_macs
    return {
        "spikes": total,
        "spikes_per_activation": total / source.activations,
        "spiking_rate": total / slots,
        "synops": synops,
        "synops_per_mac": synops / own_macs,
        "analog_macs": macs,
        "energy_45nm_pj": energy,
        "source_energy_45nm_pj": source_energy,
        "energy_ratio": energy / source_energy,
        "core_mac_share": source.core_mac_share,
    }


def layer_rates(
    cores: list[Graph], spikes: dict[str, Array], samples: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Units, spikes per sample and fraction of non-zero outputs of each population."""
    return {
        node.name: {
            "units": node.op.units,
            "spikes": float(spikes[node.name].sum()) / count,
            "spiking_rate": float(spikes[node.name].mean()) / count / core.steps,
        }
        for core, count in zip(cores, samples, strict=True)
        for node in core.nodes
        if isinstance(node.op, Neuron)
    }


def _outgoing(core: Graph, node: Node) -> Array:
    """Synapses that each unit's spike travels through."""
    total = np.zeros(node.op_as(Neuron).units)
    for user in core.users[node]:
        if isinstance(user.op, Affine):
            total += fan_out(user.op.weight)
    feedback = getattr(node.op, "feedback", None)
    return total if feedback is None else total + fan_out(feedback)


def _analog_macs(core: Graph, products: Array | None) -> float:
    """Multiply-accumulates of maps that carry real numbers: the first layer, expansions.

    What no spike reaches is computed once per point, the rest in every step; of analog input, if
    ``products`` says how often each column's products are computed per point, these.
    """
    macs = 0.0
    moving: set[Node] = set()
    for node in core.nodes:
        if isinstance(node.op, Neuron) or any(operand in moving for operand in node.operands):
            moving.add(node)
        fed_by_spikes = any(isinstance(operand.op, Neuron) for operand in node.operands)
        enters = node.operands[:1] == core.inputs
        if isinstance(node.op, Affine) and enters and products is not None:
            macs += float(products @ fan_out(node.op.weight))
        elif isinstance(node.op, Affine) and not fed_by_spikes:
            macs += nonzeros(node.op.weight) * (core.steps if node in moving else 1)
    return macs
