"""Run the network with Lava, and compare every event with what the compiler's oracle says.

    python runner.py                            the samples of this folder
    python runner.py --samples IN.npz           other samples: one array of inputs a core
    python runner.py --output OUT.npz           keep all events and outputs
    python runner.py --tag floating_pt          the floating-point models

The network is in ``<core>.json`` (populations, synapses) and ``<core>.npz`` (their arrays). Lava's
own neurons cannot begin a sample by themselves: the runner stops after each and sets potentials.
"""

import json
import sys
import tempfile

import numpy as np
from checking import HERE, check
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF
from lava.utils.weightutils import SignMode
from processes.delta_neurons import DeltaNeurons
from processes.read_out import ReadOut
from processes.recorder import Recorder
from processes.soft_reset_if import SoftResetIF
from processes.threshold_units import ThresholdUnits

NEURONS = {one.__name__: one for one in (DeltaNeurons, ReadOut, SoftResetIF, ThresholdUnits)}
# Bits of what a graded event carries.
MESSAGE_BITS = 24
# Bits that Lava's own neurons shift arriving sums and thresholds by.
STOCK_SHIFT = 6


class RunningCore:
    """One core as Lava processes.

    Args:
        label: Names its files.
        tag: Of the models, ``fixed_pt`` or ``floating_pt``.
    """

    def __init__(self, label, tag):
        self.label, self.tag = label, tag
        self.told = json.loads((HERE / f"{label}.json").read_text())
        with np.load(HERE / f"{label}.npz") as arrays:
            self.arrays = dict(arrays)
        if tag == "floating_pt":
            self.arrays = {name: array.astype(float) for name, array in self.arrays.items()}

    def run(self, inputs):
        """Events and outputs, by name, for whole numbers ``(samples, columns)``.

        The same processes run all samples, one after the other.
        """
        period = self.told["period"]
        last = max(one["depth"] for one in self.told["populations"])
        chip_steps = len(inputs) * period + last
        with tempfile.TemporaryDirectory(prefix="lava-") as folder:
            processes = self._network(inputs, chip_steps, folder)
            self._advance(processes, [period] * len(inputs) + [last])
            found = {
                one["name"]: self._of_samples(one, folder, len(inputs))
                for one in self.told["populations"]
            }
        if "outputs" in found:
            found["outputs"] = found["outputs"][:, -1]
        return found

    def _advance(self, processes, pieces):
        """Run so many chip steps; Lava's own neurons piece by piece."""
        config = Loihi2SimCfg(select_tag=self.tag)
        stock = [process for process in processes if isinstance(process, LIF)]
        potentials = [process.v.init for process in stock]
        for steps in pieces if stock else [sum(pieces)]:
            processes[0].run(condition=RunSteps(num_steps=steps), run_cfg=config)
            for process, potential in zip(stock, potentials, strict=True):
                process.v.set(potential)
        processes[0].stop()

    def _of_samples(self, one, folder, samples):
        """What a population sent, ``(samples, steps, units)``: its own window of every sample."""
        seen = np.load(f"{folder}/{one['name']}.npy")
        seen = seen[one["depth"] :][: samples * self.told["period"]]
        return seen.reshape(samples, self.told["period"], -1)[:, : self.told["steps"]]

    def _network(self, inputs, chip_steps, folder):
        """All processes, connected; the first one sends the inputs."""
        entering = RingBuffer(data=self._entering(inputs, chip_steps))
        populations = {one["name"]: self._population(one) for one in self.told["populations"]}
        processes = [entering, *populations.values()]
        for one in self.told["synapses"]:
            synapses = self._synapses(one)
            source = entering if one["source"] == "input" else populations[one["source"]]
            target = populations[one["target"]]
            source.s_out.connect(synapses.s_in)
            synapses.a_out.connect(target.c_in if one["constant"] else target.a_in)
            processes.append(synapses)
        for name, population in populations.items():
            path = f"{folder}/{name}.npy"
            recorder = Recorder(units=population.s_out.shape[0], steps=chip_steps, path=path)
            population.s_out.connect(recorder.s_in)
            processes.append(recorder)
        return processes

    def _entering(self, inputs, chip_steps):
        """Graded events of the inputs, ``(columns, chip steps)``: values, or how they change.

        Lava's own neurons get them in every step of a sample, and a column of ones for the bias.
        """
        values = np.diff(inputs, axis=0, prepend=0) if self.told["streams"] else inputs
        period, steps = self.told["period"], 1
        if self.told["stock"]:
            values, steps = np.pad(values, ((0, 0), (0, 1)), constant_values=1), self.told["steps"]
        data = np.zeros((values.shape[1], chip_steps), np.int32)
        for step in range(steps):
            data[:, step : len(inputs) * period : period] = values.T
        return data

    def _population(self, one):
        name = one["name"]
        own = {field: self.arrays[f"{name}.{field}"] for field in one["arrays"]}
        if one["model"] == "LIF":
            potential = own["v"].astype(np.int32) << STOCK_SHIFT
            # No leak, and no memory of the current.
            return LIF(shape=potential.shape, v=potential, du=4095, dv=0, **one["settings"])
        return NEURONS[one["model"]](**own, **one["settings"])

    def _synapses(self, one):
        """A stock process; weights are even, which is what mixed signs leave of eight bits."""
        weights, exponent = self.arrays[one["weights"]], one["exponent"]
        if self.tag == "floating_pt":  # whose models leave the exponent out
            weights, exponent = weights * 2.0**exponent, 0
        settings = {
            "weights": weights.astype(np.int32) if self.tag == "fixed_pt" else weights,
            "weight_exp": exponent,
            "num_message_bits": MESSAGE_BITS if one["graded"] else 0,
            "sign_mode": SignMode.MIXED,
        }
        more = one["delay"] - 1  # a synapse takes a step anyway
        return DelayDense(delays=more, **settings) if more else Dense(**settings)


def run(label, inputs, tag):
    """Events and outputs of a core, by name."""
    return RunningCore(label, tag).run(inputs)


if __name__ == "__main__":
    tags = ("fixed_pt", "floating_pt")
    sys.exit(check("Run the network with Lava, and compare.", run, tags, "events and outputs"))
