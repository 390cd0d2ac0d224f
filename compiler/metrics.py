"""One definition of each figure that pinnir reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pinnir.changes import InputChanges
from pinnir.errors import DomainError
from pinnir.ir import Activation, Affine, Array, Constant, Graph, Neuron, Node, Primitive, kind_of
from pinnir.layout import Layout, columns_in, layouts
from pinnir.matrix import fan_out, nonzeros

# 45 nm, 32-bit: a multiply-accumulate is 3.7 + 0.9 pJ, an addition 0.9 pJ.
# M. Horowitz, "Computing's energy problem", ISSCC 2014, fig. 1.1.9.
MAC_PJ = 4.6
ADD_PJ = 0.9

Labels: TypeAlias = NDArray[np.int64]


def relative_l2(value: Array, truth: Array) -> float:
    """``||value - truth||_2 / ||truth||_2`` over all entries (absolute if the truth is zero)."""
    norm = float(np.linalg.norm(truth))
    return float(np.linalg.norm(value - truth)) / (norm or 1.0)


def field_errors(value: Array, truth: Array) -> dict[str, object]:
    """``rel_l2``, ``max_abs`` and ``rel_l2_per_output`` of ``(samples, outputs)`` fields."""
    columns = [relative_l2(v, t) for v, t in zip(value.T, truth.T, strict=True)]
    return {
        "rel_l2": relative_l2(value, truth),
        "max_abs": float(np.abs(value - truth).max()),
        "rel_l2_per_output": columns,
    }


def reference_errors(value: Array, source: Array | None, truth: Array) -> dict[str, float]:
    """Errors of program and source network against the reference solution, apart.

    Raises:
        DomainError: If the reference solution does not fit the outputs or is not finite.
    """
    if truth.shape != value.shape or not np.isfinite(truth).all():
        raise DomainError(
            f"the reference solution has shape {truth.shape}, the network gives {value.shape}"
            if truth.shape != value.shape
            else "the reference solution holds NaN or infinite values",
            hint="save points and outputs with one row a point and one column an output",
        )
    errors = {"rel_l2_reference": relative_l2(value, truth)}
    if source is not None:
        errors["source_rel_l2_reference"] = relative_l2(source, truth)
    return errors


def class_scores(scores: Array, source: Array | None, labels: Labels) -> dict[str, float]:
    """``accuracy`` of program and source network: share of points whose highest score is right.

    Args:
        scores: ``(samples, classes)``.
        source: The source network's, if they are known.
        labels: Number of the right class, ``(samples,)``.

    Raises:
        DomainError: If there is no class of that number, or not one label a point.
    """
    if labels.shape != scores.shape[:1] or labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise DomainError(
            f"the labels have shape {labels.shape} and reach from {labels.min()} to "
            f"{labels.max()}, the network gives {scores.shape[1]} scores on {len(scores)} points",
            hint="save one whole number from 0 on for each point",
        )
    found = {"accuracy": float((scores.argmax(axis=1) == labels).mean())}
    if source is not None:
        found["source_accuracy"] = float((source.argmax(axis=1) == labels).mean())
    return found


@dataclass(frozen=True)
class SourceCost:
    """What the source network costs, per point: for one sample along every axis.

    Attributes:
        macs: Multiply-accumulates of all its affine maps, and of products of computed values.
        core_macs: Those in the spiking core.
        activations: Activations in the core.
    """

    macs: int
    core_macs: int
    activations: int

    @property
    def core_mac_share(self) -> float:
        """Share of the multiply-accumulates that spikes take over."""
        return self.core_macs / self.macs


def source_cost(graph: Graph, original: Graph | None = None) -> SourceCost:
    """Cost of a tensor graph after ``split-host``, for one sample along every axis.

    Products of two computed values (a gate, the merge of a separable network) count as
    multiply-accumulates of the host; the other element-wise work does not.

    Args:
        graph: After ``split-host``.
        original: As it was imported, if ``flatten-features`` turned what is no product into maps;
            products are then counted there, and all but the host's maps are the core's.
    """
    if original is not None:
        return _cost_of_features(graph, original)
    known = layouts(graph)
    maps = {n: int(np.prod(n.op.weight.shape)) for n in graph.nodes if isinstance(n.op, Affine)}
    products = sum(_product_macs(node, known) for node in graph.nodes)
    spiking = [n for n in graph.nodes if n.in_core and isinstance(n.op, Activation)]
    return SourceCost(
        macs=sum(maps.values()) + products,
        core_macs=sum(size for node, size in maps.items() if node.in_core),
        activations=sum(columns_in(known[node]) for node in spiking),
    )


def _cost_of_features(graph: Graph, original: Graph) -> SourceCost:
    known = layouts(original)
    # Element-wise products are not told from those that spell an activation out, and left out.
    products = [node for node in original.nodes if kind_of(node) != "Mul"]
    macs = sum(_map_macs(node, known) + _product_macs(node, known) for node in products)
    host = [n for n in graph.nodes if isinstance(n.op, Affine) and not n.in_core]
    flat = layouts(graph)
    spiking = [n for n in graph.nodes if n.in_core and isinstance(n.op, Activation)]
    return SourceCost(
        macs=macs,
        core_macs=max(0, macs - sum(node_synapses(node) for node in host)),
        activations=sum(columns_in(flat[node]) for node in spiking),
    )


def _map_macs(node: Node, known: Mapping[Node, Layout]) -> int:
    """Multiplications of a computed value by fixed weights that an operator makes."""
    fixed = [o.op.value for o in node.operands if isinstance(o.op, Constant)]
    kind = node.op.kind if isinstance(node.op, Primitive) else ""
    if not fixed or len(fixed) == len(node.operands):
        return 0
    if kind == "Conv":
        return columns_in(known[node]) * prod(fixed[0].shape[1:])
    if kind in ("MatMul", "Gemm"):
        moving = next(o for o in node.operands if not isinstance(o.op, Constant))
        inner = known[moving][-1 if moving is node.operands[0] else -2]
        return columns_in(known[node]) * (inner if isinstance(inner, int) else 1)
    return 0


def _product_macs(node: Node, known: Mapping[Node, Layout]) -> int:
    """Multiplications of two computed values that a primitive makes for one sample an axis."""
    moving = [operand for operand in node.operands if not isinstance(operand.op, Constant)]
    if not isinstance(node.op, Primitive) or len(moving) < 2:
        return 0
    if node.op.kind == "Mul":
        return columns_in(known[node])
    if node.op.kind in ("MatMul", "Gemm"):
        inner = known[node.operands[0]][0 if node.op.attributes.get("transA") else -1]
        return columns_in(known[node]) * (inner if isinstance(inner, int) else 1)
    if node.op.kind == "Einsum":
        terms = node.op.attributes["equation"].replace(" ", "").partition("->")[0].split(",")
        lengths: dict[str, int] = {}
        for term, operand in zip(terms, node.operands, strict=True):
            for letter, dim in zip(term.replace("...", ""), known[operand], strict=False):
                lengths[letter] = dim if isinstance(dim, int) else 1
        return prod(lengths.values())
    return 0


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
            fired = node.op.events(value).sum(axis=0)
            self.spikes[node.name] = self.spikes.get(node.name, 0.0) + fired


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


def node_synapses(node: Node) -> int:
    """Non-zero weights of a node: of its map, or of its feedback."""
    if isinstance(node.op, Affine):
        return nonzeros(node.op.weight)
    feedback = getattr(node.op, "feedback", None)
    return 0 if feedback is None else nonzeros(feedback)


def spike_costs(
    cores: list[Graph],
    spikes: dict[str, Array],
    samples: Sequence[int],
    source: SourceCost,
    products: Sequence[Array | None] = (),
) -> dict[str, object]:
    """Spikes, synaptic operations and energy per point: for one sample along every axis.

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
    energy, source_energy = ADD_PJ * synops + MAC_PJ * macs, MAC_PJ * source.macs
    return {
        "spikes": total,
        "spikes_per_activation": total / source.activations,
        "spiking_rate": total / slots,
        "synops": synops,
        "synops_per_mac": synops / source.macs,
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
    assert isinstance(node.op, Neuron)
    total = np.zeros(node.op.units)
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
