"""Load the networks with netx, run them, and compare every spike with the compiler's oracle.

    python runner.py                            the samples of this folder
    python runner.py --samples IN.npz           other samples: one array of inputs a core
    python runner.py --output OUT.npz           keep all spikes

netx imports lava-dl's training part, slayer, and PyTorch, and uses neither for dense layers: where
they are missing, empty modules stand in for them.
"""

import functools
import importlib.util
import json
import sys
import types

import numpy as np
from checking import HERE, check
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

# Bits of what a graded event carries.
MESSAGE_BITS = 24


def stand_in(name, **attributes):
    """An empty module of that name, and of the packages it is in."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        path = ".".join(parts[:end])
        if path not in sys.modules:
            sys.modules[path] = types.ModuleType(path)
    for key, value in attributes.items():
        setattr(sys.modules[name], key, value)


@functools.cache
def load_netx():
    """The class that reads files; modules are stood in for once, whatever cores there are."""
    if importlib.util.find_spec("torch") is None:
        stand_in("torch", tensor=np.ndarray, is_tensor=lambda value: False)
        import lava.lib.dl  # noqa: F401

        stand_in("lava.lib.dl.slayer.neuron.rf", neuron_params=None)
    from lava.lib.dl.netx.hdf5 import Network

    return Network


def entering(told, inputs):
    """Graded events of the inputs and of the channels behind them, ``(columns, chip steps)``."""
    steps, columns = told["steps"], inputs.shape[1]
    data = np.zeros((columns + 4, len(inputs) * steps), np.int32)
    data[:columns] = np.repeat(inputs, steps, axis=0).T
    data[columns], data[columns + 1] = 1, told["upper"]
    data[columns + 2, ::steps], data[columns + 3, ::steps] = 1, told["upper"]
    return data


def run(label, inputs, tag):
    """Spikes of every population, ``(samples, steps, units)``, by name."""
    segments = json.loads((HERE / "program.json").read_text())["segments"]
    told = next(one for one in segments if one.get("core") == label)
    steps, count = told["steps"], len(told["populations"])
    network = load_netx()(
        net_config=str(HERE / told["file"]),
        input_message_bits=MESSAGE_BITS,
        reset_interval=steps,
        reset_offset=1,
    )
    data = entering(told, inputs)
    # A layer runs a step behind the one before, the first one a step behind the input.
    chip_steps = data.shape[1] + count
    source = Source(data=np.pad(data, ((0, 0), (0, count))))
    source.s_out.connect(network.inp)
    sinks = [Sink(shape=layer.neuron.s_out.shape, buffer=chip_steps) for layer in network.layers]
    for layer, sink in zip(network.layers, sinks, strict=True):
        layer.neuron.s_out.connect(sink.a_in)
    config = Loihi2SimCfg(select_tag=tag)
    source.run(condition=RunSteps(num_steps=chip_steps), run_cfg=config)
    found = {}
    populations = zip(told["populations"], told["units"], sinks, strict=True)
    for begin, (name, units, sink) in enumerate(populations, 1):
        seen = sink.data.get().T[begin:][: data.shape[1]]
        found[name] = seen.reshape(len(inputs), steps, -1)[:, :, :units].astype(np.int64)
    source.stop()
    return found


if __name__ == "__main__":
    about = "Run the networks with netx, and compare."
    sys.exit(check(about, run, ("fixed_pt",), "spikes"))
