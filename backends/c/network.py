"""Cores as C99: constant tables, and one function that runs them in order.

Every map has an array of sums. A map of events adds a column of weights for every event; a map
of sums, or of the input, does the same for every value that is not zero. What depends on the input
alone is computed once an inference. In a core of delta neurons sums, levels and the input stay
from one inference to the next, and only what changed is added.

A node of number 7 in core ``core_1`` has the tables ``core_1_w7`` (weights), ``b`` (bias), ``t``
(thresholds or boundaries), ``n`` and ``l`` (where boundaries begin, first level), ``d`` (their
directions), ``f`` (feedback), and the state ``s`` (sums), ``e`` (events), ``v`` (potential),
``i``, ``p`` and ``k`` (interval, level there, level sent).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pinnir.backends.c.tables import feedback_blocks, staircase_tables, table
from pinnir.backends.exported_parts import ExportedCore, check_core, narrowest, whole_cores
from pinnir.backends.recording import populations
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS
from pinnir.ir.graph import Input, Neuron, Node, width
from pinnir.mapping.integer_cores import IntegerCore, IntegerMap
from pinnir.neurons import IF, Delta, Threshold
from pinnir.program.program import Program
from pinnir.program.streamed_cores import is_streaming

_INDENT = "    "


def cores_of(program: Program) -> list[CoreSource]:
    """The cores of a program as C.

    Raises:
        LegalizeError: If a core has no C form, or its sums are too large.
    """
    found = [CoreSource(label, whole) for label, (whole, _) in whole_cores(program).items()]
    for one in found:
        one.check()
    return found


@dataclass(frozen=True, eq=False)
class CoreSource(ExportedCore):
    """One core as C, whose names begin with the core's.

    Attributes:
        whole: Its integers.
    """

    whole: IntegerCore

    @property
    def streams(self) -> bool:
        """Whether its state lasts from one inference to the next."""
        return is_streaming(self.whole.core)

    @property
    def inputs(self) -> int:
        """How many values enter."""
        return width(self.whole.core.inputs[0])

    @property
    def outputs(self) -> int:
        """How many sums leave."""
        return sum(one.unit.size for one in self.whole.leaving)

    def check(self) -> None:
        """Find out whether C has a form of everything.

        Raises:
            LegalizeError: If sums do not fit 32-bit integers, or neurons, or options of theirs,
                have no C form.
        """
        check_core(self.whole, TARGETS["c"])
        for node in populations(self.whole.core):
            if isinstance(node.op, Delta) and (node.op.hysteresis or node.op.graded):
                problem = "has hysteresis or graded events, which the C program has no form of"
                raise node.error(LegalizeError, problem, "compile without these options")

    def declarations(self) -> Iterator[str]:
        """What the header says of it."""
        size = self.name.upper()
        yield f"enum {{ {size}_INPUTS = {self.inputs}, {size}_OUTPUTS = {self.outputs} }};"
        if self.streams:
            yield "/* Forget the last point: begin a new line. */"
        yield f"void {self.name}_reset(void);"
        yield f"{self._signature};"

    def source(self) -> Iterator[str]:
        """Tables, state and functions."""
        yield from self._tables()
        yield from self._state()
        yield f"void {self.name}_reset(void)\n{{"
        yield from _indented(self._reset())
        yield f"}}\n{self._signature}\n{{"
        yield from _indented(self._run())
        yield "}"

    @property
    def _signature(self) -> str:
        return f"void {self.name}_run(const int32_t *input, int64_t *output, sp_observer observer)"

    @cached_property
    def _numbers(self) -> dict[Node, int]:
        return {node: number for number, node in enumerate(self.whole.core.nodes)}

    @cached_property
    def _constant(self) -> set[Node]:
        """Nodes whose values follow from the input alone."""
        found: set[Node] = set()
        for node in self.whole.core.nodes:
            if not isinstance(node.op, Neuron) and all(o in found for o in node.operands):
                found.add(node)
        return found

    def _at(self, kind: str, node: Node) -> str:
        return f"{self.name}_{kind}{self._numbers[node]}"

    def _size(self, node: Node) -> int:
        return node.op.units if isinstance(node.op, Neuron) else self.whole.maps[node].bias.size

    def _tables(self) -> Iterator[str]:
        for node, map_ in self.whole.maps.items():
            if map_.weight.any():
                declared = f"int{narrowest(map_.weight)}_t {self._at('w', node)}"
                # One run of weights for each input: what its event adds.
                yield table(declared, map_.weight.swapaxes(-1, -2))
            if map_.bias.any():
                yield table(f"int32_t {self._at('b', node)}", map_.bias)
        for node, thresholds in self.whole.thresholds.items():
            # In 32 bits: no sum reaches what is clipped.
            op, ends = node.op, np.clip(thresholds, -(2**31), 2**31 - 1)
            if isinstance(op, Delta):
                yield from staircase_tables(self.name, self._numbers[node], op.staircase, ends)
            else:
                yield table(f"int32_t {self._at('t', node)}", ends)
            if isinstance(op, IF) and op.feedback is not None:
                blocks = feedback_blocks(op)
                yield table(
                    f"int{narrowest(blocks)}_t {self._at('f', node)}", blocks.swapaxes(1, 2)
                )

    def _state(self) -> Iterator[str]:
        for node in self._numbers:
            if node in self.whole.maps:
                yield f"static int32_t {self._at('s', node)}[{self._size(node)}];"
            elif isinstance(node.op, Neuron):
                yield f"static sp_event {self._at('e', node)}[{self._size(node)}];"
                if isinstance(node.op, IF):
                    yield f"static int32_t {self._at('v', node)}[{self._size(node)}];"
                if isinstance(node.op, Delta):
                    for kind in "ipk":
                        yield f"static int16_t {self._at(kind, node)}[{self._size(node)}];"
        if self.streams:
            size = self.inputs
            yield f"static int32_t {self.name}_last[{size}], {self.name}_changes[{size}];"
        summed = [n for n in self._numbers if n in self.whole.maps or isinstance(n.op, Neuron)]
        most = max((self._size(n.operands[0]) for n in summed if len(n.operands) > 1), default=0)
        if most:
            yield f"static int32_t {self.name}_total[{most}];"

    def _reset(self) -> Iterator[str]:
        for node in self._numbers:
            spiking = isinstance(node.op, Neuron)
            size = self._size(node) if spiking or node in self.whole.maps else 0
            if spiking:
                yield f"for (int i = 0; i < {size}; i++)"
                yield f"{_INDENT}{self._at('e', node)}[i] = 0;"
            if isinstance(node.op, IF):
                yield f"sp_zero({self._at('v', node)}, {size});"
            elif isinstance(node.op, Delta):
                interval, place, level = (self._at(kind, node) for kind in "ipk")
                yield f"for (int i = 0; i < {size}; i++) {{"
                yield f"{_INDENT}{interval}[i] = {level}[i] = 0;"
                yield f"{_INDENT}{place}[i] = {self._at('l', node)}[i];"
                yield "}"
            elif self.streams and node in self.whole.maps:
                yield self._start(node)
        if self.streams:
            yield f"sp_zero({self.name}_last, {self.inputs});"

    def _start(self, node: Node) -> str:
        """Sums without any event."""
        if self.whole.maps[node].bias.any():
            return f"sp_set({self._at('s', node)}, {self._at('b', node)}, {self._size(node)});"
        return f"sp_zero({self._at('s', node)}, {self._size(node)});"

    def _run(self) -> Iterator[str]:
        if self.streams:
            yield f"sp_changes({self.name}_changes, {self.name}_last, input, {self.inputs});"
        else:
            yield f"{self.name}_reset();"
        yield f"for (int i = 0; i < {self.outputs}; i++)"
        yield f"{_INDENT}output[i] = 0;"
        for node in self._numbers:
            if node in self._constant and node in self.whole.maps:
                yield from self._map(self.whole.maps[node])
        yield f"for (int step = 0; step < {self.whole.core.steps}; step++) {{"
        yield from _indented(self._step())
        yield "}"

    def _step(self) -> Iterator[str]:
        """Statements of everything that is computed in every step."""
        order = populations(self.whole.core)
        for node in self._numbers:
            if isinstance(node.op, Neuron):
                yield from self._neuron(node, node.op, order.index(node))
            elif node in self.whole.maps and node not in self._constant:
                yield from self._map(self.whole.maps[node])
        last = self.whole.core.steps - 1
        when = f"if (step == {last}) " if last and self.whole.core.read_out == "last" else ""
        place = 0
        for one in self.whole.leaving:
            for node in one.maps:
                yield f"{when}sp_collect(output + {place}, {self._at('s', node)}, {one.unit.size});"
            place += one.unit.size

    def _arriving(self, node: Node) -> Generator[str, None, str]:
        """Statements that add up sums that arrive; at its end, the name of the total."""
        first, *rest = (self._at("s", operand) for operand in node.operands)
        total = f"{self.name}_total"
        for other in rest:
            yield f"sp_add({total}, {first}, {other}, {self._size(node.operands[0])});"
            first = total
        return first

    def _map(self, map_: IntegerMap) -> Iterator[str]:
        node, first = map_.node, map_.node.operands[0]
        kind = "events" if isinstance(first.op, Neuron) else "values"
        if isinstance(first.op, Neuron):
            x = self._at("e", first)
        elif isinstance(first.op, Input):
            x = f"{self.name}_changes" if self.streams else "input"
        else:
            x = yield from self._arriving(node)
        if not (self.streams and isinstance(first.op, Neuron | Input)):
            yield self._start(node)
        if map_.weight.any():
            shape = map_.weight.shape
            form, rows = ("blocks", shape[1]) if map_.is_blocks else ("dense", shape[0])
            sizes = f"{shape[0]}, {shape[2]}" if map_.is_blocks else f"{shape[1]}"
            function, sums = f"sp_{form}_{kind}_{narrowest(map_.weight)}", self._at("s", node)
            weights = f"{self._at('w', node)}, {map_.shift}"
            yield f"{function}({sums}, {rows}, {weights}, {x}, {sizes});"

    def _neuron(self, node: Node, op: Neuron, place: int) -> Iterator[str]:
        sums = yield from self._arriving(node)
        events, ends, units = self._at("e", node), self._at("t", node), op.units
        if isinstance(op, Threshold):
            yield f"sp_threshold({events}, {sums}, {ends}, {units});"
        elif isinstance(op, IF):
            potential = self._at("v", node)
            if op.feedback is not None:
                blocks = feedback_blocks(op)
                neurons, rows, columns = blocks.shape
                weights = f"{self._at('f', node)}, 0, {events}, {neurons}, {columns}"
                yield f"sp_blocks_events_{narrowest(blocks)}({potential}, {rows}, {weights});"
            sign = "SP_CENTRED" if op.centred else "SP_SIGNED" if op.signed else "SP_UNSIGNED"
            yield f"sp_integrate({events}, {potential}, {sums}, {ends}, {units}, {sign});"
        else:
            assert isinstance(op, Delta)
            directions = self._at("d", node) if (op.staircase.directions < 0).any() else "NULL"
            state = ", ".join(self._at(kind, node) for kind in "ipk")
            tables = f"{ends}, {self._at('n', node)}, {directions}"
            yield f"sp_levels({events}, {state}, {sums}, {tables}, {units});"
        yield "if (observer)"
        yield f"{_INDENT}observer(step, {place}, {events}, {units});"


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (_INDENT + line for line in lines)


def header(cores: Sequence[CoreSource]) -> str:
    """``network.h``."""
    lines = [line for core in cores for line in core.declarations()]
    guard = ["#ifndef NETWORK_H", "#define NETWORK_H"]
    return "\n".join([*guard, '#include "spiking.h"', *lines, "#endif", ""])


def source(cores: Sequence[CoreSource]) -> str:
    """``network.c``."""
    lines = [line for core in cores for line in core.source()]
    return "\n".join(['#include "network.h"', "", "#include <stddef.h>", "", *lines, ""])
