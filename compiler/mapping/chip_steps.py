"""When every population runs on a chip whose spikes take a step of time from unit to unit.

In pinnir's programs a spike arrives in the step it was fired in, all along a core. On most chips
it arrives in the next step. There a population does in step ``t + begin`` what the program does in
step ``t``, where it begins one step after the last of those that it listens to. What comes from
one that began earlier waits in the synapse for the rest. Nothing is lost or approximated: inputs
and initial potentials just have to come when their population begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Node
from pinnir.mapping.flat_units import FlatCore


def first_steps(flat: FlatCore) -> dict[Node, int]:
    """The step of the chip, from 0, in which each population begins."""
    begin: dict[Node, int] = {}
    for population in flat.populations:
        begin[population.node] = after(begin, population.synapses)
    return begin


def after(begin: Mapping[Node, int], sources: Iterable[Node]) -> int:
    """The step in which something begins that listens to these populations."""
    return max((begin[source] + 1 for source in sources), default=0)


def waiting(begin: int, source: int, most: int, node: Node) -> int:
    """Steps that a spike waits in a synapse, beyond the one that any spike takes.

    Args:
        begin: Where what listens begins.
        source: Where what fires begins.
        most: What the chip's synapses can wait.
        node: What listens, for the message.

    Raises:
        LegalizeError: If the synapse cannot wait so long.
    """
    steps = begin - source - 1
    if steps > most:
        raise node.error(
            LegalizeError,
            f"listens to a population {steps + 1} steps before it, and the target's synapses "
            f"delay a spike by {most + 1} steps at most",
            "compile with --coding rate, whose populations follow each other more closely, "
            "or for another target",
        )
    return steps
