"""Observers of a pass manager: log what each pass did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from pinnir.ir.graph import Graph, Neuron
from pinnir.ir.printing import print_graph
from pinnir.metrics.field_errors import relative_l2
from pinnir.metrics.source_cost import node_synapses
from pinnir.numerics.matrix import Array
from pinnir.pipeline.manager import Pass


class PassFigures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one pass did, as a manifest holds it.

    Attributes:
        name: The pass.
        call: The pass with its options, as a pipeline spells it.
        neurons: Spiking units after it.
        synapses: Non-zero weights of the core after it.
        error_before: Relative L2 against the source network before it.
        error_after: The same after it.
    """

    name: str
    call: str
    neurons: int
    synapses: int
    error_before: float
    error_after: float


class PassRecord(PassFigures, frozen=True, kw_only=True):
    """What one pass did.

    Attributes:
        text: The printed graph after it.
    """

    text: str


@dataclass
class PassLog:
    """Keeps a record of every pass.

    Attributes:
        measure: Gives a graph's outputs on the points that errors are measured on.
        truth: The source network's outputs on the same points.
        initial: The graph before the first pass, as text.
        records: One a pass.
        seconds: Wall-clock time of each pass; kept apart, because it is not a function of the
            input.
    """

    measure: Callable[[Graph], Array]
    truth: Array
    initial: str = ""
    records: list[PassRecord] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __call__(self, done: Pass, before: Graph, after: Graph, seconds: float) -> None:
        """Observe one pass."""
        if not self.records:
            self.initial = print_graph(before)
            error_before = relative_l2(self.measure(before), self.truth)
        else:
            error_before = self.records[-1].error_after
        nodes = after.executed.nodes
        self.records.append(
            PassRecord(
                name=done.name,
                call=str(done),
                neurons=sum(n.op.units for n in nodes if isinstance(n.op, Neuron)),
                synapses=sum(node_synapses(n) for n in nodes if n.in_core),
                error_before=error_before,
                error_after=relative_l2(self.measure(after), self.truth),
                text=print_graph(after),
            )
        )
        self.seconds.append(seconds)
