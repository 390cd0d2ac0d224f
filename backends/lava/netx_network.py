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


@dataclass(frozen=True)
class _Relays:
    """How many relays a layer has, for the layer behind it."""

    ones: int
    start: int


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
        has = _Relays(0, 0) if behind is None else _needed(behind)
        blocks = [_from_input(one, has)] if heard is None else _from_layer(one, has, heard)
        weight = np.concatenate(blocks, axis=1)
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


def _needed(one: FlatPopulation) -> _Relays:
    """Relays for a population's numbers, and to pass the relays' own thresholds."""
    threshold = _threshold(one)
    bias, potential = (
        max(threshold, int(np.abs(values).max(initial=0))) for values in (one.bias, one.potentials)
    )
    return _Relays(-(-bias // _MOST), -(-potential // _MOST))


def _from_input(one: FlatPopulation, has: _Relays) -> Whole:
    """Weights from the inputs, and from the channels of ones and of the start."""
    threshold = _threshold(one)
    fires = -(-threshold // UPPER)
    most = max(int(np.abs(v).max(initial=0)) for v in (one.bias, one.potentials))
    if fires > _MOST or most > UPPER * _MOST:
        raise _refusal(
            one,
            f"has a threshold of {threshold} and biases or potentials of up to {most}, and "
            f"two channels with 8-bit weights bring up to {UPPER * _MOST}",
            "compile with fewer steps",
        )
    rows = one.thresholds.size + has.ones + has.start
    columns = one.from_input.shape[1]
    found = np.zeros((rows, columns + CHANNELS), np.int64)
    units, ones, start = _parts(one.thresholds.size, has)
    found[units, :columns] = one.from_input
    for values, place in ((one.bias, columns), (one.potentials, columns + 2)):
        upper = (values + UPPER // 2) // UPPER
        found[units, place], found[units, place + 1] = values - UPPER * upper, upper
    found[ones, columns + 1] = fires
    found[start, columns + 3] = fires
    return found


def _from_layer(one: FlatPopulation, has: _Relays, heard: _Relays) -> list[Whole]:
    """Weights from the layer before: its units, its relays of the ones, those of the start."""
    size = one.thresholds.size
    rows = size + has.ones + has.start
    units, ones, start = _parts(size, has)
    (synapses,) = one.synapses.values()
    from_units = np.zeros((rows, synapses.shape[1]), np.int64)
    from_units[units] = synapses
    from_ones, from_start = np.zeros((rows, heard.ones), int), np.zeros((rows, heard.start), int)
    from_ones[units] = _shared(one.bias, heard.ones)
    from_start[units] = _shared(one.potentials, heard.start)
    from_ones[ones] = _MOST
    from_start[start] = _MOST
    return [from_units, from_ones, from_start]


def _parts(size: int, has: _Relays) -> tuple[slice, slice, slice]:
    """Rows of a layer: units, relays of the ones, relays of the start."""
    ends = np.cumsum([size, has.ones, has.start]).tolist()
    return slice(0, ends[0]), slice(ends[0], ends[1]), slice(ends[1], ends[2])


def _shared(values: Whole, count: int) -> Whole:
    """Numbers as sums of ``count`` weights, ``(numbers, count)``."""
    found = np.zeros((values.size, count), np.int64)
    rest = values.copy()
    for place in range(count):
        found[:, place] = np.clip(rest, -_MOST, _MOST)
        rest = rest - found[:, place]
    return found


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
