"""Map an export onto a virtual board, decode the image, and run it by the units' equations."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.exported_parts import hard_reset_errors, sums_that_leave
from pinnir.backends.recording import CoreRecord, record
from pinnir.backends.spinnaker.dynamics import Trace, Wires, simulate
from pinnir.backends.spinnaker.groups import SpinnakerCore
from pinnir.backends.spinnaker.network import cores_of
from pinnir.backends.spinnaker.neuron import LOWEST, ONE, TruncatedIF
from pinnir.backends.spinnaker.write import write
from pinnir.backends.stepped_core import SUMS
from pinnir.backends.verify import Comparison, Verification, run_exported
from pinnir.mapping.integer_cores import Whole
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program


def on_virtual_board(program: Program, points: Array) -> Verification:
    """Compare the image with the network, and what its units do with the oracle, on any points.

    A weight or parameter of the image that differs counts as an event that does.

    Raises:
        BackendError: If sPyNNaker is not installed, or fails.
    """
    environment = ENVIRONMENTS["spinnaker"]
    environment.check()
    cores, records = cores_of(program), record(program, points)
    image = run_exported(environment, write(program), {})
    counts = list(json.loads(image.pop("counts").item()).values())
    compared = [
        compare(core, seen, run_image(core, seen, image))
        for core, seen in zip(cores, records, strict=True)
    ]
    wrong = sum(one["synapses_differing"] + one["parameters_differing"] for one in counts)
    compared.append(Comparison(0, wrong, 0))
    names = ("cores", "synapses", "synapses_differing", "parameters", "parameters_differing")
    figures = {f"image_{name}": float(sum(one[name] for one in counts)) for name in names}
    figures |= hard_reset_errors(program)
    return Verification("spinnaker", Comparison.total(compared), figures)


def compare(core: SpinnakerCore, seen: CoreRecord, trace: Trace) -> Comparison:
    """Spikes in every population's own steps, and sums, against the oracle's."""
    events = differing = 0
    for group in core.network.groups:
        if group.node is not None:
            wanted = seen.events[group.node]
            found = trace.spikes[group.name]
            end = group.begin + group.steps
            events += wanted.size
            differing += int((found[:, group.begin : end] != wanted).sum())
            # A spike before is one too many; after them it is only of units that remember nothing.
            differing += int(found[:, : group.begin].sum())
            differing += int(found[:, end:].sum()) if group.reset == LOWEST else 0
    outputs = int((trace.potentials[SUMS] != sums_that_leave(core.whole, seen)).sum())
    return Comparison(events, differing, outputs)


def run_image(core: SpinnakerCore, seen: CoreRecord, image: Mapping[str, Whole]) -> Trace:
    """Run what was decoded from the memory image."""
    units, wires = {}, []
    for group in core.network.groups:
        path = f"{core.name}/{group.name}"
        offset = group.offsets(seen.inputs)
        units[group.name] = plain_units(image[f"{path}/threshold"], image[f"{path}/reset"], offset)
        for key in image:
            source, kind = key.removeprefix(f"{path}/from/").split("/")[:2]
            if key.startswith(f"{path}/from/") and key.endswith("/weight"):
                delay = image[key.removesuffix("weight") + "delay"]
                wires.append(Wires(source, group.name, kind == "0", image[key], delay))
    return simulate(core.network, seen.inputs, units, wires)


def run_network(core: SpinnakerCore, seen: CoreRecord) -> Trace:
    """Run the network as it is written, without sPyNNaker."""
    shifts = {group.name: group.shift for group in core.network.groups}
    units = {
        group.name: plain_units(
            group.threshold, np.full(group.units, group.reset), group.offsets(seen.inputs)
        )
        for group in core.network.groups
    }
    wires = []
    for one in core.network.projections:
        delay = np.full(one.weight.shape, one.delay)
        for sign in (1, -1):
            words = np.maximum(sign * one.weight, 0) >> shifts[one.target]
            wires.append(Wires(one.source, one.target, sign > 0, words, delay))
    return simulate(core.network, seen.inputs, units, wires)


def plain_units(threshold: Whole, reset: Whole, offset: Whole) -> TruncatedIF:
    """Units without leak or refractory period."""
    none = np.zeros_like(threshold)
    return TruncatedIF(threshold, reset, offset, np.full_like(threshold, ONE), none)
