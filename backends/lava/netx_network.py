"""A core of Lava's own neurons as netx's dense layers: a chain, and nothing else.

A dense layer of netx has 8-bit weights and LIF units with one threshold; no delays other than the
one step a layer, no currents of its own that would wait for its input, no initial potentials. So
every layer gets *relays* besides its units, which the next layer's units hear:

1. relays of the *ones* fire in every step once the layer's input has arrived, and bring the biases;
2. relays of the *start* fire in the layer's first step of a sample, and bring the initial
   potentials.

The core's input has channels for both, with the value 1 and with 128; a layer that needs more than
8 bits of either hears several equal relays. Between samples netx resets all potentials, layer after
layer a step later.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import h5py
import numpy as np

from pinnir.backends.lava.network import INPUT, LavaCore
from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Node
from pinnir.mapping.flat_units import FlatPopulation
from pinnir.mapping.integer_cores import Whole

# Largest weight, and the value of the upper channels of the ones and the start.
_MOST = 127
UPPER = 128
# Channels behind the inputs: ones, ones times 128, start, start times 128.
CHANNELS = 4


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """A layer of netx.

    Attributes:
        node: The population that its first units are.
        weight: ``(units and relays, columns)``, of 8 bits; the columns are the units and relays
            of the layer before.
        threshold: A unit fires at or above it.
        units: How many of the rows are the population's.
    """

    node: Node
    weight: Whole
    threshold: int
    units: int


# How many relays a layer has for the layer behind it: of the ones, and of the start.
Relays: TypeAlias = tuple[int, int]


def dense_layers(core: LavaCore) -> list[DenseLayer]:
    """The layers of a core.

    Raises:
        LegalizeError: If its populations are no chain, or a number has too many bits.
    """
    chain = core.flat.populations
    for before, one in zip((None, *chain), chain, strict=False):
        _check(core, before, one)
    found: list[DenseLayer] = []
    heard = None
    for one, behind in zip(chain, (*chain[1:], None), strict=True):
        has = (0, 0) if behind is None else _needed(behind)
        weight = _from_input(one, has) if heard is None else _from_layer(one, has, heard)
        found.append(DenseLayer(one.node, weight, _threshold(one), one.thresholds.size))
        heard = has
    return found


def _check(core: LavaCore, before: FlatPopulation | None, one: FlatPopulation) -> None:
    heard = {core.names[source] for source in one.synapses}
    if one.from_input.any():
        heard.add(INPUT)
    wanted = INPUT if before is None else core.names[before.node]
    if heard - {wanted}:
        others = ", ".join(sorted(heard - {wanted}))
        problem = f"hears {others} besides {wanted}, and netx's dense layers are a chain"
        hint = "export with --target lava-stock, which has synapses of every delay"
        raise _refusal(one, problem, hint)
    if np.unique(one.thresholds).size > 1:
        raise _refusal(one, "has several thresholds, and a layer of netx has one")
    weights = [one.from_input, *one.synapses.values()]
    most = max(int(np.abs(weight).max(initial=0)) for weight in weights)
    if most > _MOST:
        raise _refusal(one, f"has weights of up to {most}, and netx's have 8 bits")


def _refusal(
    one: FlatPopulation, problem: str, hint: str = "compile with --target lava-stock"
) -> LegalizeError:
    return one.node.error(LegalizeError, problem, hint)


def _threshold(one: FlatPopulation) -> int:
    return int(one.thresholds[0])


def _largest(one: FlatPopulation) -> tuple[int, int]:
    """Largest magnitudes of the biases and of the initial potentials."""
    bias, potential = (int(np.abs(values).max(initial=0)) for values in (one.bias, one.potentials))
    return bias, potential


def _needed(one: FlatPopulation) -> Relays:
    """Relays for a population's numbers, and to pass the relays' own thresholds."""
    ones, start = (-(-max(_threshold(one), most) // _MOST) for most in _largest(one))
    return ones, start


def _from_input(one: FlatPopulation, has: Relays) -> Whole:
    """Weights from the inputs, and from the channels of ones and of the start."""
    threshold, most = _threshold(one), max(_largest(one))
    fires = -(-threshold // UPPER)
    if fires > _MOST or most > UPPER * _MOST:
        raise _refusal(
            one,
            f"has a threshold of {threshold} and biases or potentials of up to {most}, and "
            f"two channels with 8-bit weights bring up to {UPPER * _MOST}",
            "compile with fewer steps",
        )
    columns = one.from_input.shape[1]
    found, units, *relays = _empty(one, has, columns + CHANNELS)
    found[units, :columns] = one.from_input
    for values, rows in zip((one.bias, one.potentials), relays, strict=True):
        upper = (values + UPPER // 2) // UPPER
        found[units, columns], found[units, columns + 1] = values - UPPER * upper, upper
        found[rows, columns + 1] = fires
        columns += 2
    return found


def _from_layer(one: FlatPopulation, has: Relays, heard: Relays) -> Whole:
    """Weights from the layer before: its units, its relays of the ones, those of the start."""
    (synapses,) = one.synapses.values()
    first = synapses.shape[1]
    found, units, *relays = _empty(one, has, first + sum(heard))
    found[units, :first] = synapses
    for values, rows, count in zip((one.bias, one.potentials), relays, heard, strict=True):
        columns = slice(first, first + count)
        found[units, columns] = _shared(values, count)
        found[rows, columns] = _MOST
        first += count
    return found


def _empty(one: FlatPopulation, has: Relays, columns: int) -> tuple[Whole, slice, slice, slice]:
    """Weights of a layer, and its rows: units, relays of the ones, relays of the start."""
    first, second = one.thresholds.size, one.thresholds.size + has[0]
    found = np.zeros((second + has[1], columns), np.int64)
    return found, slice(first), slice(first, second), slice(second, None)


def _shared(values: Whole, count: int) -> Whole:
    """Numbers as sums of ``count`` weights, ``(numbers, count)``."""
    left = np.abs(values)[:, None] - _MOST * np.arange(count)
    return np.asarray(np.sign(values)[:, None] * np.clip(left, 0, _MOST))


def network_file(layers: Sequence[DenseLayer]) -> bytes:
    """The layers as netx reads them; the same layers give the same bytes."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=True) as file:
        entry = file.create_group("layer/0")
        _text(entry, "input")
        entry["shape"] = np.array([layers[0].weight.shape[1]])
        for number, layer in enumerate(layers, 1):
            group = file.create_group(f"layer/{number}")
            _text(group, "dense")
            group["shape"] = np.array([len(layer.weight)])
            group["weight"] = layer.weight.astype(np.int16)
            neuron = group.create_group("neuron")
            _text(neuron, "CUBA")
            # No memory of the current, no leak of the potential; LIF compares with >.
            neuron["iDecay"], neuron["vDecay"], neuron["refDelay"] = 4096, 0, 1
            neuron["vThMant"] = layer.threshold - 1
            neuron["gradedSpike"] = False
    return buffer.getvalue()


def _text(group: h5py.Group, name: str) -> None:
    group["type"] = np.array([name.encode()])
