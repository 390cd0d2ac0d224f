"""legalise: bring a spiking graph to what the target can run, or refuse.

1. Signed neurons are split where the target has none.
2. A neuron's constant current moves into the affine maps that feed it: no target has another
   place for it.
3. Start units stay as they are: they stand for initial potentials, which chips are told.
4. Everything else the target cannot do is refused, with the numbers.
5. Membranes that NIR has no primitive for become the streamed form, which programmable neurons
   run. In NIR's place stands the population program of their responses to constant currents,
   which a rate program comes near as its steps become more; it does not equal it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pinnir.base.errors import LegalizeError
from pinnir.base.targets import Target
from pinnir.codings import check_programmable
from pinnir.codings.population import PopulationCoding
from pinnir.ir.graph import Affine, Graph, Level, Neuron, Node
from pinnir.ir.names import Names
from pinnir.neurons import IF, Integrated, Programmable
from pinnir.neurons.start_units import is_start
from pinnir.passes.lowering.split_signs import SplitSigns
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class Legalise(Pass):
    """Bring the graph to what the target can run, or refuse."""

    name = "legalise"
    accepts = (Level.SPIKING,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Apply cases 1 to 5 for ``context.target``.

        Raises:
            LegalizeError: If the target cannot run the graph and no lowering exists.
        """
        if not context.target.signed_spikes:
            graph = SplitSigns().apply(graph, context)
        graph = _move_biases(graph)
        _refuse_the_rest(graph, context.target)
        told = (node.op.in_nir for node in graph.nodes if isinstance(node.op, Integrated))
        return graph if all(told) else _beside_nir(graph, context)


def _move_biases(graph: Graph) -> Graph:
    """Case 2: the first map that feeds a biased population alone takes the bias."""
    names = Names.of(graph)

    def change(node: Node) -> Node:
        op = node.op
        if not isinstance(op, IF) or np.all(op.bias == 0):
            return node
        first, *rest = node.operands
        map_ = first.op_as(Affine)
        biased = replace(map_, bias=map_.bias + op.bias)
        name = names.fresh(f"{first.name}_biased")
        entry = Node(name, biased, first.operands, first.segment)
        return Node(node.name, replace(op, bias=0.0), (entry, *rest), node.segment)

    return graph.rewrite(change)


def _refuse_the_rest(graph: Graph, target: Target) -> None:
    """Cases 3 and 4."""
    running = graph.executed
    neurons = [node for node in running.nodes if isinstance(node.op, Neuron)]
    for node in neurons:
        model = type(node.op).__name__
        if isinstance(node.op, Integrated):
            model = type(node.op.model).__name__
            if not target.programmable:
                node.op.to_nir()  # which refuses what NIR cannot say
        elif isinstance(node.op, Programmable):
            check_programmable(node.op.coding, target, node=node.name, op=model)
        if isinstance(node.op, IF) and not target.soft_reset:
            if is_start(node, running.users[node]):
                continue
            hint = "run the pass hard-reset behind lower, or compile with --coding population"
            raise node.error(LegalizeError, f"target {target.name} has no soft reset", hint)
        if model not in target.neurons:
            problem = f"target {target.name} has no {model} neurons"
            hint = f"it has {', '.join(target.neurons)}; codings: {', '.join(target.codings)}"
            raise LegalizeError(problem, node=node.name, op=model, hint=hint)
        if isinstance(node.op, IF) and node.op.feedback is not None and not target.recurrent:
            raise node.error(LegalizeError, f"target {target.name} has no recurrence")
    total = sum(node.op.units for node in neurons if isinstance(node.op, Neuron))
    if target.max_neurons is not None and total > target.max_neurons:
        raise LegalizeError(
            f"the program has {total} units, target {target.name} holds {target.max_neurons}",
            hint="allow a larger tolerance or fewer levels",
        )


def _beside_nir(graph: Graph, context: Context) -> Graph:
    """Case 5."""

    def change(node: Node) -> Node:
        if not isinstance(node.op, Integrated):
            return node
        # What only the first step brings is part of the response.
        return Node(node.name, node.op.response, node.operands[:1], node.segment)

    responses = graph.rewrite(change, level=Level.STAIRCASE, steps=1, read_out="last")
    return replace(PopulationCoding().lower(responses, context, 1), streamed=graph)
