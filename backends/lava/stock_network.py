"""A core of Lava's own neurons: Dense and LIF, with hard reset.

A LIF without leak compares ``v > vth`` with one threshold for a whole population, and a spike sets
``v = 0``: the units of a program compiled for ``lava-stock``. Its own bias would run before a
layer's input arrives; so currents come as events in every step of a sample, and a source of ones
among the inputs brings the biases. What leaves, the host decodes from the spike rates.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pinnir.backends.exported_parts import value_of_sums
from pinnir.backends.lava.network import (
    INPUT,
    DenseSynapses,
    Described,
    LavaCore,
    LavaPopulation,
    described,
    signed_digits,
)
from pinnir.base.errors import LegalizeError
from pinnir.mapping.flat_units import FlatPopulation
from pinnir.mapping.integer_cores import Whole

# Bits of LIF's threshold.
_THRESHOLD_BITS = 17


def stock_network(core: LavaCore) -> Described:
    """A core on Lava's own neurons, as the runner reads it.

    Raises:
        LegalizeError: If its thresholds are not what these neurons have.
    """
    populations = [_population(core, one) for one in core.flat.populations]
    between = (one for layer in core.flat.populations for one in _synapses(core, layer))
    told, arrays = described(core, populations, between)
    # The host sets potentials between samples, so the last layer has to be done.
    period = core.steps + max(one.depth for one in populations)
    told |= {"stock": True, "period": period, "streams": False}
    return told, arrays


def _population(core: LavaCore, one: FlatPopulation) -> LavaPopulation:
    (threshold, *others) = np.unique(one.thresholds).tolist()
    if others or threshold >= 2**_THRESHOLD_BITS:
        raise one.node.error(
            LegalizeError,
            f"has {1 + len(others)} thresholds of up to {max(threshold, *others, 0)}, and a "
            f"population of Lava's LIF one of {_THRESHOLD_BITS} bits",
            "compile with --target lava-stock",
        )
    name = core.names[one.node]
    # Lava compares with >.
    settings = {"vth": threshold - 1}
    return LavaPopulation(name, "LIF", core.depths[name], {"v": one.potentials}, settings)


def _synapses(core: LavaCore, one: FlatPopulation) -> Iterator[DenseSynapses]:
    """The last input is the source of ones."""
    name = core.names[one.node]
    entering = np.pad(one.from_input, ((0, 0), (0, 1)))
    ones = np.zeros_like(entering)
    ones[:, -1] = one.bias
    for weights in (entering, ones):
        for exponent, digits in signed_digits(weights):
            yield DenseSynapses(INPUT, name, digits, exponent, core.depths[name], True, False)
    for source, weight in one.synapses.items():
        yield from core.synapses_between(source, name, weight)


def sums_of(core: LavaCore, inputs: Whole, events: dict[str, Whole]) -> Whole:
    """What leaves by some events, as ``sums_that_leave`` says it, ``(samples, columns)``."""
    weights, bias = core.flat.sums
    total = np.tile(core.steps * bias, (len(inputs), 1))
    for source, weight in weights.items():
        name = core.names[source]
        arrived = core.steps * inputs if name == INPUT else events[name].sum(axis=1)
        total += arrived @ weight.T
    return total


def read_out(core: LavaCore) -> dict[str, object]:
    """A map of the spike rates of some populations, and of the inputs."""
    weights, bias = core.flat.sums
    unit = value_of_sums(core.whole) * core.steps
    (entry,) = core.whole.core.inputs
    sources = [source for source in weights if source is not entry]
    columns = core.flat.populations[0].from_input.shape[1]
    straight = weights.get(entry, np.zeros((bias.size, columns), np.int64))
    together = np.concatenate([*(weights[source] for source in sources), straight], axis=1)
    return {
        "from": [core.names[source] for source in sources],
        "weight": (unit[:, None] * together).tolist(),
        "bias": (unit * bias).tolist(),
    }
