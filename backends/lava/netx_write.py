"""A program of Lava's own neurons as netx files: ``<core>.net``, HDF5 that lava-dl reads."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.resources import files

import h5py
import numpy as np

from pinnir.backends.exported_parts import host_files, program_json
from pinnir.backends.lava.netx_network import UPPER, DenseLayer, dense_layers
from pinnir.backends.lava.stock_write import read_out
from pinnir.backends.lava.write import chip_cores, events_of, samples_file
from pinnir.program.program import Program


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If the program is not for Lava's own neurons, or a core is no chain.
    """
    cores = chip_cores(program, "lava-stock")
    found: dict[str, bytes] = {}
    told: dict[str, dict[str, object]] = {}
    for core in cores:
        layers = dense_layers(core)
        found[f"{core.label}.net"] = network_file(layers)
        populations = [core.names[layer.node] for layer in layers]
        units = [layer.units for layer in layers]
        told[core.label] = {
            "core": core.label, "file": f"{core.label}.net", "steps": core.steps,
            "populations": populations, "units": units, "upper": UPPER, **read_out(core),
        }  # fmt: skip
    found["samples.npz"] = samples_file(program, cores, events_of)
    own = files("pinnir.backends.lava") / "exported"
    found["runner.py"] = (own / "netx_runner.py").read_bytes()
    found["checking.py"] = (own / "checking.py").read_bytes()
    found["README.md"] = _README.encode()
    found["program.json"] = program_json(program, told, cores=list(told))
    return found | host_files(program)


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


_README = """# A spiking network as netx files

Made for lava-dl 0.6 on lava-nc 0.10. `<core>.net` is HDF5 that `lava.lib.dl.netx.hdf5.Network`
reads: a chain of dense layers of CUBA units without leak. Behind the units of a population stand
relays, which bring biases and initial potentials to the next layer. `runner.py` loads the network,
runs it, and compares every spike of every layer with what the compiler's oracle says of 16 points:

    python runner.py
    python runner.py --samples my.npz --output events.npz

`my.npz` holds `<core>.inputs`, whole numbers `(samples, columns)`, as the host part before the core
gives them. Behind them, the core's input has four channels: 1 and `upper` in every step, 1 and
`upper` in the first step of a sample. Load the network with `reset_interval` = `steps`,
`reset_offset` = 1 and 24 bits of input messages; samples then follow each other without a gap.

What leaves a core is `weight` of `program.json` times the spike rates of the populations `from`,
and the inputs, plus `bias`. `program.json` lists the parts of the program in running order; host
parts are ONNX models.
"""
