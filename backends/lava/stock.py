"""Rate programs on Lava's own LIF neurons, which forget the rest of their potential at a spike.

A stock LIF without leak compares ``v > vth`` with one threshold for a whole population, and a
spike sets ``v = 0``. So

1. every unit's weights are scaled to a common threshold ``Theta``, the largest power of two with
   which no potential can reach the 17 bits that Lava leaves of 24;
2. a hard reset loses what lies above the threshold, so units would fire too seldom. Layer after
   layer, with all earlier ones already reset so, weights are fitted to the spikes that arrive, and
   every unit takes the share of its threshold with which it fires as often as the soft-reset unit
   does on calibration points;
3. currents come as events in every step, and a source of ones brings the bias, so that a layer is
   still until its input arrives.

What this network does is exact in integers, and Lava is compared with it. What it costs against
soft reset is reported (``stock_run.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinnir.backends.lava.arrange import ChipCore
from pinnir.errors import LegalizeError
from pinnir.flatten import FlatPopulation
from pinnir.integers import Whole
from pinnir.ir import Array, Node
from pinnir.neurons import IF
from pinnir.passes.refit import regression

# Bits of a potential, with its sign: 24, of which Lava shifts six away.
_POTENTIAL_BITS = 18
_LEAST_BITS = 4
# Shares of the threshold that a unit may take.
_SHARES = np.linspace(0.5, 1.0, 21)
_WEIGHT = 127
_RIDGE = 1e-3

# Events of every population, (samples, steps, units), by node.
EventsOf = Mapping[Node, Whole]


@dataclass(frozen=True, eq=False)
class StockLayer:
    """A population of LIF units with hard reset.

    Attributes:
        node: The population that it stands for.
        threshold: A unit fires at or above it.
        potential: Before the first step, ``(units,)``.
        bias: Current of every step, ``(units,)``.
        from_input: Weights ``(units, inputs)`` of 8 bits.
        shift: Bits that are cut off the sum over the inputs.
        synapses: Weights ``(units, units of the source)``, by source.
    """

    node: Node
    threshold: int
    potential: Whole
    bias: Whole
    from_input: Whole
    shift: int
    synapses: Mapping[Node, Whole]

    def reach(self, largest_input: float, steps: int) -> float:
        """Largest magnitude that a potential can have."""
        currents = np.abs(self.from_input).sum(axis=1) * largest_input / 2**self.shift + 1
        currents += np.abs(self.bias)
        for weight in self.synapses.values():
            currents += np.abs(weight).sum(axis=1)
        return float((steps * currents + np.abs(self.potential)).max())

    def events(self, inputs: Whole, arriving: EventsOf, steps: int) -> Whole:
        """What the units do, ``(samples, steps, units)``, for inputs ``(samples, columns)``."""
        constant = ((inputs @ self.from_input.T) >> self.shift) + self.bias
        v = np.tile(self.potential, (len(inputs), 1))
        found = np.zeros((len(inputs), steps, v.shape[1]), np.int64)
        for step in range(steps):
            v = v + constant
            for source, weight in self.synapses.items():
                v = v + arriving[source][:, step] @ weight.T
            found[:, step] = v >= self.threshold
            v = np.where(found[:, step] > 0, 0, v)
        return found


@dataclass(frozen=True, eq=False)
class StockCore:
    """A core of such layers.

    Attributes:
        soft: The core with soft reset.
        layers: In running order.
        weight: Of what leaves, ``(columns, units)``, fitted to the rates of the populations that
            leave and to the inputs.
        bias: Likewise, ``(columns,)``.
    """

    soft: ChipCore
    layers: tuple[StockLayer, ...]
    weight: Array
    bias: Array

    def events(self, inputs: Whole) -> dict[Node, Whole]:
        """What every population does."""
        found: dict[Node, Whole] = {}
        for layer in self.layers:
            found[layer.node] = layer.events(inputs, found, self.soft.steps)
        return found

    @property
    def sources(self) -> list[Node]:
        """Populations that leave."""
        return _sources(self.soft)

    def outputs(self, inputs: Whole, events: EventsOf) -> Array:
        """What leaves the core, ``(samples, columns)``: the host decodes the spike rates."""
        return _side_by_side(self.soft, inputs, events) @ self.weight.T + self.bias


def _sources(soft: ChipCore) -> list[Node]:
    leaving = {source for _, weights, _ in soft.flat.leaving for source in weights}
    return [one.node for one in soft.flat.populations if one.node in leaving]


def _side_by_side(soft: ChipCore, inputs: Whole, events: EventsOf) -> Array:
    """Rates of all populations that leave, and the inputs, ``(samples, units)``."""
    rates = _rates(events)
    return np.concatenate([*(rates[node] for node in _sources(soft)), inputs], axis=1)


def stock_core(soft: ChipCore, inputs: Whole, wanted: EventsOf, outputs: Array) -> StockCore:
    """A rate core on stock neurons.

    Args:
        soft: With soft reset.
        inputs: Calibration points as they enter, ``(samples, columns)``.
        wanted: What the populations do there with soft reset.
        outputs: What leaves there with soft reset, ``(samples, columns)``.

    Raises:
        LegalizeError: If its neurons are no plain integrate-and-fire units, or thresholds would
            have too few bits.
    """
    layers: list[StockLayer] = []
    arriving: dict[Node, Whole] = {}
    for one in soft.flat.populations:
        _check(one)
        fitted = _Currents.of(one).fitted(_rates(wanted), _rates(arriving))
        best = _fitting(soft, fitted, inputs, arriving, wanted[one.node])
        layers.append(best)
        arriving[one.node] = best.events(inputs, arriving, soft.steps)
    weight, bias = regression(_side_by_side(soft, inputs, arriving), outputs, _RIDGE)
    return StockCore(soft, tuple(layers), weight, bias)


def _rates(events: EventsOf) -> dict[Node, Array]:
    return {node: found.mean(axis=1) for node, found in events.items()}


@dataclass(frozen=True, eq=False)
class _Currents:
    """A population's currents before they are rounded.

    Attributes:
        one: The population.
        synapses: Weights ``(units, units of the source)``, by source.
        bias: Current of every step, ``(units,)``.
    """

    one: FlatPopulation
    synapses: Mapping[Node, Array]
    bias: Array

    @classmethod
    def of(cls, one: FlatPopulation) -> _Currents:
        weights = {source: w.astype(np.float64) for source, w in one.synapses.items()}
        return cls(one, weights, one.bias.astype(np.float64))

    def fitted(self, soft: Mapping[Node, Array], hard: Mapping[Node, Array]) -> _Currents:
        """Currents that are on average, from hard-reset spikes, what soft-reset spikes gave.

        Args:
            soft: Spike rates on calibration points, ``(samples, units)``, by population.
            hard: Likewise.
        """
        if not self.synapses:
            return self
        sources = list(self.synapses)
        weight = np.concatenate([self.synapses[source] for source in sources], axis=1)
        aim, x = (np.concatenate([r[n] for n in sources], axis=1) for r in (soft, hard))
        more, bias = regression(x, (aim - x) @ weight.T, _RIDGE)
        ends = np.cumsum([self.synapses[source].shape[1] for source in sources])[:-1]
        split = np.split(weight + more, ends, axis=1)
        return _Currents(self.one, dict(zip(sources, split, strict=True)), self.bias + bias)


def _check(one: FlatPopulation) -> None:
    op = one.node.op
    if not isinstance(op, IF) or op.signed or one.feedback is not None:
        raise LegalizeError(
            "is no plain integrate-and-fire population, and Lava's own LIF is nothing else",
            node=one.node.name,
            op=type(op).__name__,
            hint="compile with --coding rate, unsigned units, or export with --target lava",
        )


def _fitting(
    soft: ChipCore, currents: _Currents, inputs: Whole, arriving: EventsOf, wanted: Whole
) -> StockLayer:
    """Cases 1 and 2: the layer with the largest threshold that its potentials leave room for.

    Raises:
        LegalizeError: If that has too few bits.
    """
    for bits in range(_POTENTIAL_BITS - 2, _LEAST_BITS - 1, -1):
        # Shares make currents larger, up to the least one's.
        least = _scaled(currents, 2**bits, np.full(currents.bias.size, _SHARES[0]))
        if least.reach(soft.largest_input, soft.steps) < 2 ** (_POTENTIAL_BITS - 1):
            return _calibrated(currents, 2**bits, inputs, arriving, wanted)
    raise LegalizeError(
        f"would need thresholds of fewer than {_LEAST_BITS} bits, as potentials have "
        f"{_POTENTIAL_BITS}",
        node=currents.one.node.name,
        op="IF",
        hint="compile with fewer steps",
    )


def _calibrated(
    currents: _Currents, threshold: int, inputs: Whole, arriving: EventsOf, wanted: Whole
) -> StockLayer:
    """Case 2: the layer whose units fire as often as wanted."""
    counts, steps = wanted.sum(axis=1), wanted.shape[1]
    best = np.full(counts.shape[1], _SHARES[-1])
    least = np.full(counts.shape[1], np.inf)
    for share in _SHARES[::-1]:
        layer = _scaled(currents, threshold, np.full(best.size, share))
        missed = layer.events(inputs, arriving, steps).sum(axis=1) - counts
        loss = (missed.astype(np.float64) ** 2).sum(axis=0)
        best = np.where(loss < least, share, best)
        least = np.minimum(loss, least)
    return _scaled(currents, threshold, best)


def _scaled(currents: _Currents, threshold: int, share: Array) -> StockLayer:
    """Case 1: weights for a common threshold."""
    one = currents.one
    scale = (threshold / (share * one.thresholds))[:, None]
    entering = one.from_input * scale
    most = float(np.abs(entering).max(initial=0))
    shift = max(0, int(np.floor(np.log2(_WEIGHT / most)))) if most else 0
    return StockLayer(
        one.node,
        threshold,
        _rounded(one.potentials * threshold / one.thresholds),
        _rounded(currents.bias * scale[:, 0]),
        _rounded(entering * 2.0**shift),
        shift,
        {source: _rounded(weight * scale) for source, weight in currents.synapses.items()},
    )


def _rounded(values: Array) -> Whole:
    return np.asarray(np.rint(values), np.int64)
