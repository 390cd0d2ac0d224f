"""A staircase network near the speed of the network that it came from: what searches try."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pinnir.engine.kernels import PLAIN, Kernels
from pinnir.engine.network_run import NetworkRun
from pinnir.engine.planning import layered
from pinnir.ir.evaluate import compute_node
from pinnir.ir.graph import Constant, Graph, Input, Node, Staircase
from pinnir.numerics.matrix import Array


def run_staircases(
    graph: Graph, inputs: Mapping[str, Array], *, kernels: Kernels = PLAIN, workers: int = 1
) -> list[Array]:
    """Values of a staircase graph's outputs, as ``evaluate`` gives them but for rounding of sums.

    Args:
        graph: A graph of the staircase level.
        inputs: Value of each input, ``(samples, width)``, by name.
        kernels: What is done with every neuron and sample.
        workers: Threads, at most.

    Raises:
        NotCoveredError: If a map of a core reads staircases and other values at once.

    Returns:
        One array per output, ``(samples, columns)``.
    """
    values: dict[Node, Array] = {
        node: np.asarray(inputs[node.name], np.float64)
        if isinstance(node.op, Input)
        else node.op_as(Constant).value
        for node in graph.nodes
        if isinstance(node.op, Input | Constant)
    }
    for nodes in graph.segments.values():
        if not any(isinstance(node.op, Staircase) for node in nodes):
            for node in nodes:
                values[node] = compute_node(node, values)
            continue
        inside = set(nodes)
        operands = dict.fromkeys(o for n in nodes for o in n.operands if o not in inside)
        entering = {node: values[node].shape[1] for node in operands}
        leaving = [node for node in nodes if graph.leaves(node)]
        run = NetworkRun(layered(nodes, entering, leaving), workers=workers)
        found, _ = run([values[node] for node in entering], kernels, counting=False)
        values |= dict(zip(leaving, found, strict=True))
    return [values[output] for output in graph.outputs]
