"""A rate program as a folder of Lava's own neurons: Dense and LIF, with hard reset."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pinnir.backends.lava.arrange import (
    INPUT,
    ChipPopulation,
    Synapses,
    signed_digits,
)
from pinnir.backends.lava.stock import StockCore, StockLayer, stock_core
from pinnir.backends.lava.write import (
    SAMPLES,
    Network,
    about,
    chip_cores,
    described,
    entering,
    network_files,
    packed,
)
from pinnir.integers import Whole
from pinnir.program import Program
from pinnir.recording import probe_points, record

# Points that weights and thresholds are fitted on.
_POINTS, _SEED = 1024, 2


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If a core is no rate core of unsigned units, or its numbers are too large.
    """
    cores = stock_cores(program)
    records = record(program, probe_points(program, SAMPLES))
    found = network_files({core.soft.label: network(core) for core in cores})
    samples: dict[str, Whole] = {}
    for core, seen in zip(cores, records, strict=True):
        inputs = entering(seen)[:SAMPLES]
        samples |= {f"{core.soft.label}.inputs": inputs, **expected_of(core, inputs)}
    found["samples.npz"] = packed(samples)
    return found | about(program, {core.soft.label: _read_out(core) for core in cores})


def stock_cores(program: Program) -> list[StockCore]:
    """The cores on stock neurons, fitted on points of the domain.

    Raises:
        LegalizeError: As :func:`write`.
    """
    soft = chip_cores(program)
    records = record(program, program.domain.sample(_POINTS, _SEED))
    found = []
    for core, seen in zip(soft, records, strict=True):
        kept = slice(None, _POINTS)  # of a core that sees combinations of points, the first ones
        wanted = {node: events[kept].astype(np.int64) for node, events in seen.events.items()}
        found.append(stock_core(core, entering(seen)[kept], wanted, seen.outputs[kept]))
    return found


def expected_of(core: StockCore, inputs: Whole) -> dict[str, Whole]:
    """Events of every population, ``(samples, steps, units)``, by the runner's names."""
    events = core.events(inputs)
    return {f"{core.soft.label}.{core.soft.names[node]}": found for node, found in events.items()}


def network(core: StockCore) -> Network:
    """What the runner builds a core from."""
    soft = core.soft
    between = (one for layer in core.layers for one in _synapses(core, layer))
    layers = (_population(core, layer) for layer in core.layers)
    told, arrays = described(soft, layers, between)
    # The host sets potentials between samples, so the last layer has to be done.
    period = core.soft.steps + max(soft.depths[soft.names[layer.node]] for layer in core.layers)
    told |= {"stock": True, "period": period, "streams": False}
    return told, arrays


def _population(core: StockCore, layer: StockLayer) -> ChipPopulation:
    name = core.soft.names[layer.node]
    # Lava compares with >.
    settings = {"vth": layer.threshold - 1}
    return ChipPopulation(name, "LIF", core.soft.depths[name], {"v": layer.potential}, settings)


def _synapses(core: StockCore, layer: StockLayer) -> Iterator[Synapses]:
    """The last input is the source of ones."""
    names, depths = core.soft.names, core.soft.depths
    name = names[layer.node]
    depth = depths[name]
    if layer.from_input.any():
        weights = np.pad(2 * layer.from_input, ((0, 0), (0, 1)))
        yield Synapses(INPUT, name, weights, -1 - layer.shift, depth, True, False)
    bias = np.pad(layer.bias[:, None], ((0, 0), (layer.from_input.shape[1], 0)))
    for exponent, digits in signed_digits(bias):
        yield Synapses(INPUT, name, digits, exponent, depth, True, False)
    for source, weight in layer.synapses.items():
        delay = depth - depths[names[source]]
        for exponent, digits in signed_digits(weight):
            yield Synapses(names[source], name, digits, exponent, delay, False, False)


def _read_out(core: StockCore) -> dict[str, object]:
    return {
        "from": [core.soft.names[node] for node in core.sources],
        "weight": core.weight.tolist(),
        "bias": core.bias.tolist(),
    }
