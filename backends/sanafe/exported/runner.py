"""Run the networks of this folder on SANA-FE's model of Loihi, and compare with what is expected.

    pip install sanafe==2.2.9 numpy
    python runner.py                                  # the 16 points of samples.npz
    python runner.py --inputs I.npz --output R.npz    # inputs of your own, whole numbers

A core's network is NAME.npz; in inputs and results, arrays are called NAME/inputs
``(samples, columns)``, NAME/p0, NAME/p1, ... (spikes ``(samples, steps, units)`` of each
population) and NAME/outputs (sums that leave, ``(samples, columns)``). What one inference takes on
average is printed as JSON. Exit code 1: something differs from what is expected.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
# With the buffer inside the dendrites, synapses can make spikes wait.
STOCK = "buffer_position: soma\n            buffer_inside_unit: false"
DELAYS = "buffer_position: dendrite\n            buffer_inside_unit: true"
CHUNK = 64  # units whose synapses are handed over at once
UNIT = 1.0 / 32.0
PICO = 1e12


def architecture(sanafe: Any) -> Any:
    """SANA-FE's Loihi, all its constants as they are, with synapses that can make spikes wait."""
    text = (files("sanafe.examples") / "loihi.yaml").read_text()
    if text.count(STOCK) != 1:
        sys.exit("loihi.yaml of this version of SANA-FE is not the one of 2.2.9")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "loihi.yaml"
        path.write_text(text.replace(STOCK, DELAYS))
        return sanafe.load_arch(path)


class ChipRun:
    """One spiking core on a chip of its own."""

    def __init__(self, sanafe: Any, path: Path) -> None:
        data = np.load(path)
        self.told = json.loads(bytes(data["told"]))
        self.steps = self.told["steps"]
        self.arrays = {group["name"]: group for group in self.told["groups"]}
        for group in self.told["groups"]:
            for name in ("threshold", "potential", "bias", "from_input", "core"):
                group[name] = data[f"{group['name']}/{name}"]
        self.chip = sanafe.SpikingChip(arch := architecture(sanafe))
        self.chip.load(self.network(sanafe, arch, data))
        self.mapped = self.chip.mapped_neuron_groups

    def network(self, sanafe: Any, arch: Any, data: Any) -> Any:
        """Groups, their placement and their synapses, as SANA-FE takes them."""
        network, cores = sanafe.Network(), arch.cores()
        made: dict[str, Any] = {}
        # Units are mapped in the order of their cores.
        for group in self.told["groups"]:
            last = group["name"] == "sums"
            made[group["name"]] = one = network.create_neuron_group(
                group["name"],
                len(group["bias"]),
                model_attributes={
                    "leak_decay": group["decay"],
                    "reset_mode": group["reset"],
                    "reverse_reset_mode": "none",
                },
                default_synapse_hw_name="loihi_dense_synapse",
                default_dendrite_hw_name="loihi_dendrites_delay",
                soma_hw_name="loihi_lif",
                log_spikes=not last,
                log_potential=last,
            )
            for unit, core in enumerate(group["core"]):
                one[unit].set_attributes(
                    model_attributes={"threshold": float(group["threshold"][unit])}
                )
                one[unit].map_to_core(cores[core])
        for number, one in enumerate(self.told["synapses"]):
            weight = data[f"synapses/{number}"]
            for first in range(0, weight.shape[1], CHUNK):
                part = weight[:, first : first + CHUNK]
                to, source = np.nonzero(part)
                if len(to) == 0:
                    continue
                attributes = {"weight": (part[to, source] * UNIT).tolist()}
                attributes["delay"] = [one["waits"]] * len(to)
                pairs = list(zip((source + first).tolist(), to.tolist(), strict=True))
                made[one["source"]].connect_neurons_sparse(made[one["target"]], attributes, pairs)
        return network

    def set(self, group: Any, potential: Any, bias: Any) -> None:
        """Write potentials and biases of a group's units."""
        for unit, neuron in enumerate(self.mapped[group["name"]]):
            neuron.set_attributes(
                model_attributes={"potential": float(potential[unit]), "bias": float(bias[unit])}
            )

    def clear(self, group: Any) -> None:
        """Leave a group at rest."""
        zeros = np.zeros(len(group["bias"]))
        self.set(group, zeros, zeros)

    def run(self, inputs: Any) -> tuple[dict[str, Any], Any, dict[str, float]]:
        """Spikes by population, sums and costs for one input ``(columns,)``."""
        groups = self.told["groups"]
        spikes = {g["name"]: np.zeros((self.steps, len(g["bias"])), np.int8) for g in groups}
        ends = {group["begin"] + self.steps for group in groups}
        times = sorted({group["begin"] for group in groups} | ends)
        costs: dict[str, float] = {}
        sums = None
        self.chip.reset()  # spikes under way; biases stay
        for group in groups:
            self.clear(group)
        for now, then in pairwise(times):
            for group in groups:
                if group["begin"] == now:
                    bias = group["bias"] + group["from_input"] @ inputs
                    self.set(group, group["potential"], bias)
                elif group["begin"] + self.steps == now:
                    self.clear(group)
            told = self.chip.sim(
                then - now, spike_trace=True, potential_trace=True, timing_model="detailed"
            )
            for step, found in enumerate(told["spike_trace"], now):
                for spike in found:
                    group = self.arrays[spike.group_name]
                    own = step - group["begin"]
                    if not 0 <= own < self.steps:
                        sys.exit(f"a unit of {spike.group_name} fires out of its time")
                    spikes[spike.group_name][own, spike.neuron_offset] = 1
            if then == times[-1]:
                sums = np.array(told["potential_trace"][-1]) / UNIT
            for name, value in costs_of(told).items():
                costs[name] = costs.get(name, 0.0) + value
        del spikes["sums"]
        return spikes, sums, costs


def costs_of(told: Any) -> dict[str, float]:
    """What a simulation took: picojoules, microseconds, and counts."""
    energy = {f"{name}_pj": value * PICO for name, value in told["energy"].items()}
    counts = {name: told[name] for name in ("spikes", "neurons_updated", "neurons_fired")}
    steps = told["timesteps_executed"]
    return energy | {"latency_us": told["sim_time"] * 1e6, "chip_steps": steps} | counts


def run(sanafe: Any, name: str, inputs: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """Everything that a core does at all points."""
    core = ChipRun(sanafe, HERE / f"{name}.npz")
    found: dict[str, list[Any]] = {}
    total: dict[str, float] = {}
    for row in inputs.astype(np.float64):
        spikes, sums, costs = core.run(row)
        for key, value in (*spikes.items(), ("outputs", sums)):
            found.setdefault(f"{name}/{key}", []).append(value)
        for key, value in costs.items():
            total[key] = total.get(key, 0.0) + value / len(inputs)
    total["cores"] = len({c for group in core.told["groups"] for c in group["core"].tolist()})
    return {key: np.array(value) for key, value in found.items()}, total


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=Path, default=HERE / "samples.npz")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    given = dict(np.load(options.inputs))
    names = [key.partition("/")[0] for key in given if key.endswith("/inputs")]
    results: dict[str, Any] = {}
    costs: dict[str, dict[str, float]] = {}
    # SANA-FE prints every step.
    with Path(os.devnull).open("w") as quiet, contextlib.redirect_stdout(quiet):
        import sanafe

        for name in names:
            found, costs[name] = run(sanafe, name, given[f"{name}/inputs"])
            results |= found
    if options.output:
        np.savez_compressed(options.output, costs=json.dumps(costs), **results)
    wrong = {key: int((results[key] != given[key]).sum()) for key in results if key in given}
    compared = sum(given[key].size for key in wrong)
    print(json.dumps({"compared": compared, "differing": sum(wrong.values()), "costs": costs}))
    sys.exit(1 if any(wrong.values()) else 0)


if __name__ == "__main__":
    main()
