"""The same rate network in SpikingJelly, in snnTorch and on the fast backend.

``python -m benchmarks.peers [--folder DIR]`` writes ``docs/peers.md``. Environments that are
missing are created in the folder (the user's cache, if none is given), which takes some minutes.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

import pinnir
from benchmarks.common import EXAMPLES, table, write_page
from benchmarks.speed import DOMAIN, STEPS, core_run, fast_backends, measured
from pinnir.backends.environments import READERS, find_reader
from pinnir.backends.reference import ReferenceBackend
from pinnir.base.threads import one_thread
from pinnir.ir.graph import Graph
from pinnir.mapping.multiplied_out import multiplied_out
from pinnir.metrics.spikes import SpikeCounter
from pinnir.neurons import IF
from pinnir.neurons.start_units import is_start, potentials
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines

PEERS = ("spikingjelly", "snntorch")
POINTS, ROUNDS, RAMPS = 2_048, 5, 8

_HEAD = f"""# Measured: peers

Written by `python -m benchmarks.peers`: Burgers 2-40x6-1 as a rate network of {RAMPS} ramps a
neuron over {STEPS} steps, on {POINTS:,} points and one thread, CPU seconds, median of {ROUNDS}
runs each.
The peers get the maps between units multiplied out, as a user would write them, and single
precision, which is their default; the fast backend computes in double precision, shares a
neuron's synapses among its ramps, and counts all spikes. *Apart* is the relative L2 difference of
outputs from the oracle's. Single values move by 15 % with what else the machine does.
"""


def network(core: Graph, points: Array) -> dict[str, Array]:
    """What ``peer_runs.py`` reads: every layer's thresholds become 1."""
    found: dict[str, Array] = {"points": points}
    layers = [n for n in core.nodes if isinstance(n.op, IF) and not is_start(n, core.users[n])]
    for place, node in enumerate(layers):
        op = node.op_as(IF)
        operands = [one for one in node.operands if not is_start(one.operands[0], [one])]
        weights, bias = multiplied_out(*operands)
        (weight,) = weights.values()
        threshold = op.threshold
        found[f"weight{place}"] = weight / threshold[:, None]
        found[f"bias{place}"] = (bias + op.bias) / threshold
        found[f"start{place}"] = potentials(node) / threshold
    weights, bias = multiplied_out(*core.outputs)
    (found["weight"],) = weights.values()
    found["bias"] = bias
    return found


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    folder = parser.parse_args().folder
    model = EXAMPLES / "burgers" / "model.onnx"
    program = pinnir.compile(model, DOMAIN, pipeline=pipelines.rate(STEPS, RAMPS))
    (core,) = program.running
    x = np.random.default_rng(0).uniform(program.domain.low, program.domain.high, (POINTS, 2))
    expected = ReferenceBackend().load(core)(x, SpikeCounter())
    with one_thread():
        speeds = measured(
            {n: (core_run(one, program, x, 1), POINTS) for n, one in fast_backends().items()}
        )
    own = {f"fast, {name}": speeds.median(name) for name in speeds.rounds}
    rows: list[list[object]] = [[name, f"{speed:.3g}", ""] for name, speed in own.items()]
    headings = ["", "k points/s", "apart", *(f"{name}, of it" for name in own)]
    rows = [[*row, *("" for _ in own)] for row in rows]
    with tempfile.TemporaryDirectory() as made:
        given, out = Path(made) / "network.npz", Path(made) / "out.npz"
        np.savez(given, **network(core, x))
        script = str(Path(__file__).with_name("peer_runs.py"))
        for peer in PEERS:
            environment = find_reader(peer, folder)
            environment.install()
            arguments = [script, peer, str(given), str(out), str(STEPS), str(ROUNDS)]
            seconds = json.loads(environment.run(arguments, Path(made)).splitlines()[-1])
            speed = POINTS / float(np.median(seconds)) / 1e3
            outputs = np.load(out)["outputs"]
            apart = np.linalg.norm(outputs - expected) / np.linalg.norm(expected)
            ratios = [f"{one / speed:.1f}" for one in own.values()]
            rows.append(
                [f"{peer} {READERS[peer].version}", f"{speed:.3g}", f"{apart:.0e}", *ratios]
            )
    write_page("peers.md", _HEAD, table(headings, rows))


if __name__ == "__main__":
    main()
