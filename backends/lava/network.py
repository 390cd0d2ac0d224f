"""A core on the chip: populations at depths, and synapses of 8-bit weights between them.

*Time.* A synapse takes one chip step, while in the oracle an event arrives in the step in which it
was fired. A population whose longest way from the input is ``d`` synapses therefore runs ``d``
chip steps late, and a synapse from depth ``a`` to depth ``b`` has a delay of ``b - a`` steps, so
that everything a population hears belongs to the same step of the oracle. Coarse units of a layer
lie at ``d``, its fine units, which read the coarse ones besides, at ``d + 1``; the next layer's
coarse units at ``d + 2``, which coarse spikes reach with a delay of 2. Feedback, which the oracle
delays by a step, takes its one step here.

*Weights.* Lava's ``Dense`` holds 8 bits, of which mixed signs drop the last. A whole number is
therefore written in signed digits of 8 bits, ``w = sum_k 2^(8 k) w_k`` with ``-128 <= w_k < 128``;
every digit is a ``Dense`` of its own with weights ``2 w_k``, all even, and the exponent
``8 k - 1``, which takes the two away again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from pinnir.backends.exported_parts import ExportedCore, check_core, whole_cores
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS, Target
from pinnir.ir.graph import Input, Node
from pinnir.mapping.chip_steps import after, first_steps
from pinnir.mapping.flat_units import FlatCore, FlatPopulation, flatten
from pinnir.mapping.integer_cores import IntegerCore, Whole, bits_of
from pinnir.neurons import IF, Delta
from pinnir.program.program import Program
from pinnir.program.streamed_cores import is_streaming

# What the runner builds a core from: a description as JSON, and arrays by name.
Described: TypeAlias = tuple[dict[str, object], dict[str, Whole]]

INPUT = "input"
OUTPUTS = "outputs"
# Steps that a synapse can delay an event by: six bits, besides the one step that it takes.
MOST_DELAY = 64
_DIGIT = 256
# No sum reaches it; where a threshold is infinite, this is.
_LARGEST = 2**23 - 1
_ENDLESS = 2**31 - 1


def cores_of(program: Program, target: str = "lava") -> list[LavaCore]:
    """The cores of a program on the chip, with the neurons of a target.

    Raises:
        LegalizeError: If a core has no form there, or its numbers are too large.
    """
    found = [LavaCore(label, whole) for label, (whole, _) in whole_cores(program).items()]
    for one in found:
        one.check(TARGETS[target])
    return found


@dataclass(frozen=True, eq=False)
class DenseSynapses:
    """One of Lava's ``Dense``, from one population, or the input, to another one.

    Attributes:
        source: Name of a population, or INPUT.
        target: Name of a population, or OUTPUTS.
        weights: ``(units, units of the source)``, even, at most 256 in magnitude.
        exponent: ``2^exponent`` times the weights is what an event adds.
        delay: Chip steps that an event takes.
        graded: Whether events carry numbers other than one.
        constant: Whether what arrives in the first step stays for all others.
    """

    source: str
    target: str
    weights: Whole
    exponent: int
    delay: int
    graded: bool
    constant: bool


@dataclass(frozen=True, eq=False)
class LavaPopulation:
    """A population as a Lava process.

    Attributes:
        name: Of its files' arrays.
        model: The Lava process.
        depth: Chip steps that it runs late by.
        arrays: What it is made with, by name.
        settings: Other parameters.
    """

    name: str
    model: str
    depth: int
    arrays: Mapping[str, Whole]
    settings: Mapping[str, int | bool]


@dataclass(frozen=True, eq=False)
class LavaCore(ExportedCore):
    """One core on the chip.

    Attributes:
        whole: Its integers.
    """

    whole: IntegerCore

    @property
    def prefix(self) -> str:
        """What the names of its arrays begin with."""
        return f"{self.label}."

    @property
    def streams(self) -> bool:
        """Whether every chip step takes the next point of a line, and states stay."""
        return is_streaming(self.whole.core)

    @property
    def steps(self) -> int:
        """Steps of one inference."""
        return max(1, self.whole.core.steps)

    @property
    def period(self) -> int:
        """Chip steps from one inference to the next: feedback of the last one has to pass."""
        feeds = any(one.feedback is not None for one in self.flat.populations)
        return self.steps + int(feeds)

    @cached_property
    def flat(self) -> FlatCore:
        """Its units and synapses."""
        return flatten(self.whole)

    @cached_property
    def names(self) -> dict[Node, str]:
        """What populations are called, and the input."""
        (entry,) = self.whole.core.inputs
        found = {one.node: f"p{number}" for number, one in enumerate(self.flat.populations)}
        return {entry: INPUT, **found}

    @cached_property
    def depths(self) -> dict[str, int]:
        """Synapses in a row before each population, by name."""
        first = first_steps(self.flat)
        found = {INPUT: 0} | {self.names[node]: 1 + step for node, step in first.items()}
        leaving = [node for node in self.flat.sums[0] if node in first]
        # Every population's last events are recorded before the run ends.
        found[OUTPUTS] = max(1 + after(first, leaving), *found.values())
        return found

    def check(self, target: Target) -> None:
        """Find out whether the processes of a target hold everything.

        Raises:
            LegalizeError: If a sum or a number does not fit, or neurons have options without a
                process.
        """
        self._check_sums(check_core(self.whole, target))
        for one in self.flat.populations:
            if isinstance(one.node.op, Delta) and one.node.op.hysteresis:
                problem = "has hysteresis, which the Lava process has not"
                raise _refusal(one.node.name, problem, "compile without this option")
        for found in self.synapses():
            if found.delay > MOST_DELAY:
                problem = f"hears '{found.source}' {found.delay} steps late, and a synapse delays"
                problem += f" by up to {MOST_DELAY}"
                raise _refusal(found.target, problem, "compile for another target")

    def _check_sums(self, bits: int) -> None:
        """What leaves, and every single parameter, besides what every core is checked for."""
        most, held = 2 ** (bits - 1), f"the target holds {bits}"
        steps = self.steps if self.whole.core.read_out == "mean" else 1
        for one in self.whole.leaving:
            reach = steps * sum(self.whole.reach[node] for node in one.maps)
            if reach >= most:
                problem = f"gives sums of up to {reach:.3g}, and {held} bits"
                raise _refusal(one.maps[0].name, problem, "compile with fewer levels or steps")
        for population in self.populations():
            for name, values in population.arrays.items():
                if bits_of(values) > bits:
                    problem = f"has a {name} of {bits_of(values)} bits, and {held}"
                    raise _refusal(population.name, problem, "compile with fewer levels")

    def populations(self) -> Iterator[LavaPopulation]:
        """The populations in running order, and last what leaves."""
        for one in self.flat.populations:
            yield self._population(one)
        yield self._read_out()

    def _read_out(self) -> LavaPopulation:
        schedule = self._schedule(OUTPUTS)
        _, bias = self.flat.sums
        none = np.zeros_like(bias)
        keep = int(self.whole.core.read_out == "mean")
        arrays = {"bias": bias, "r0": none}
        if self.streams:
            # The line is one inference without an end: sums go on from point to point.
            schedule |= {"steps": _ENDLESS, "period": _ENDLESS}
            keep, arrays = 1, {"bias": none, "r0": bias}
        settings = {**schedule, "keep": keep}
        return LavaPopulation(OUTPUTS, "ReadOut", self.depths[OUTPUTS], arrays, settings)

    def _schedule(self, name: str) -> dict[str, int]:
        return {"depth": self.depths[name], "steps": self.steps, "period": self.period}

    def _population(self, one: FlatPopulation) -> LavaPopulation:
        name, op = self.names[one.node], one.node.op
        depth = self.depths[name]
        thresholds = np.clip(one.thresholds, -_LARGEST, _LARGEST)
        if isinstance(op, Delta):
            levels = op.staircase.level_table.astype(np.int64)
            arrays = {"bias": one.bias, "boundaries": thresholds, "levels": levels}
            return LavaPopulation(name, "DeltaNeurons", depth, arrays, {"depth": depth})
        schedule, arrays = self._schedule(name), {"bias": one.bias, "threshold": thresholds}
        if isinstance(op, IF):
            arrays["potential"] = one.potentials
            signs = {"signed": op.signed, "centred": op.centred}
            return LavaPopulation(name, "SoftResetIF", depth, arrays, {**schedule, **signs})
        return LavaPopulation(name, "ThresholdUnits", depth, arrays, schedule)

    def synapses(self) -> Iterator[DenseSynapses]:
        """All synapses."""
        for one in self.flat.populations:
            name = self.names[one.node]
            if one.from_input.any():
                yield from self.synapses_between(self.whole.core.inputs[0], name, one.from_input)
            for source, weights in one.synapses.items():
                yield from self.synapses_between(source, name, weights)
            if one.feedback is not None:
                yield from self.synapses_between(one.node, name, one.feedback, delay=1)
        for source, weights in self.flat.sums[0].items():
            yield from self.synapses_between(source, OUTPUTS, weights)

    def synapses_between(
        self, source: Node, target: str, weights: Whole, delay: int | None = None
    ) -> Iterator[DenseSynapses]:
        """Synapses of some weights, as many as these have digits.

        Args:
            source: Population, or the input.
            target: Name of a population, or OUTPUTS.
            weights: ``(units, units of the source)``.
            delay: If it is not the difference of their depths.
        """
        name, op = self.names[source], source.op
        if delay is None:
            delay = self.depths[target] - self.depths[name]
        graded = isinstance(op, Input | Delta) or (isinstance(op, IF) and op.signed)
        constant = isinstance(op, Input) and not self.streams
        for exponent, digits in signed_digits(weights):
            yield DenseSynapses(name, target, digits, exponent, delay, graded, constant)


def network(core: LavaCore) -> Described:
    """A core on our own processes, as the runner reads it."""
    told, arrays = described(core, core.populations(), core.synapses())
    told |= {"stock": False, "period": core.period, "streams": core.streams}
    return told, arrays


def described(
    core: LavaCore, found: Iterable[LavaPopulation], between: Iterable[DenseSynapses]
) -> Described:
    """Populations and synapses as the runner reads them."""
    arrays: dict[str, Whole] = {}
    synapses, populations = [], []
    for number, one in enumerate(between):
        arrays[f"w{number}"] = one.weights
        synapses.append(vars(one) | {"weights": f"w{number}"})
    nodes = {name: node.name for node, name in core.names.items()}
    for population in found:
        name = population.name
        arrays |= {f"{name}.{field}": values for field, values in population.arrays.items()}
        told = {"name": name, "node": nodes.get(name, name)} | vars(population)
        populations.append(told | {"arrays": list(population.arrays)})
    return {"steps": core.steps, "populations": populations, "synapses": synapses}, arrays


def signed_digits(weights: Whole) -> Iterator[tuple[int, Whole]]:
    """Whole numbers as ``sum 2^exponent digits`` with even digits of -256 to 254.

    Yields:
        Exponent and digits, in the shape of the weights, from the last digit on.
    """
    any_bit = int(np.bitwise_or.reduce(np.abs(weights), axis=None, initial=0))
    if not any_bit:
        return
    exponent = (any_bit & -any_bit).bit_length() - 1
    rest = weights >> exponent
    while rest.any():
        digit = (rest + _DIGIT // 2) % _DIGIT - _DIGIT // 2
        if digit.any():
            yield exponent - 1, 2 * digit
        rest = (rest - digit) // _DIGIT
        exponent += 8


def _refusal(name: str, problem: str, hint: str) -> LegalizeError:
    return LegalizeError(problem, node=name, op="lava", hint=hint)
