"""A rate network in another simulator; run there by ``benchmarks/peers.py``, without pinnir.

``python peer_runs.py spikingjelly|snntorch NETWORK.npz OUT.npz STEPS ROUNDS`` prints the CPU
seconds of every round. ``NETWORK.npz`` holds ``points`` (samples, columns), ``weight0``, ``bias0``,
``start0``, ... of layers whose thresholds are 1, and ``weight``, ``bias`` of what reads the last.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def spikingjelly_layer(units: int, start: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Integrate-and-fire neurons that run all steps of a layer at once."""
    from spikingjelly.activation_based import functional, neuron

    node = neuron.IFNode(v_threshold=1.0, v_reset=None, step_mode="m")

    def fire(currents: torch.Tensor) -> torch.Tensor:
        functional.reset_net(node)
        node.v = start.expand(currents.shape[1], -1).clone()
        return node(currents)

    return fire


def snntorch_layer(units: int, start: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Neurons without leak, step by step; a spike is taken off the potential one step later."""
    import snntorch

    node = snntorch.Leaky(beta=1.0, threshold=1.0, reset_mechanism="subtract")

    def fire(currents: torch.Tensor) -> torch.Tensor:
        potential = start.expand(currents.shape[1], -1).clone()
        found = []
        for current in currents:
            spikes, potential = node(current, potential)
            found.append(spikes)
        return torch.stack(found)

    return fire


LAYERS = {"spikingjelly": spikingjelly_layer, "snntorch": snntorch_layer}


def main(peer: str, network: str, out: str, steps: int, rounds: int) -> list[float]:
    """Run the network so often, and keep what it gave."""
    torch.set_num_threads(1)
    with np.load(network) as arrays:
        given: dict[str, Any] = {n: torch.tensor(a, dtype=torch.float32) for n, a in arrays.items()}
    count = sum(name.startswith("start") for name in given)
    fires = [LAYERS[peer](len(given[f"start{i}"]), given[f"start{i}"]) for i in range(count)]
    seconds = []
    with torch.no_grad():
        for _ in range(rounds + 1):
            begun = time.process_time()
            spikes = given["points"].expand(steps, *given["points"].shape)
            for i, fire in enumerate(fires):
                if i == 0:  # what enters is the same in every step
                    current = given["points"] @ given["weight0"].T + given["bias0"]
                    currents = current.expand(steps, *current.shape)
                else:
                    currents = spikes @ given[f"weight{i}"].T + given[f"bias{i}"]
                spikes = fire(currents)
            outputs = spikes.mean(dim=0) @ given["weight"].T + given["bias"]
            seconds.append(time.process_time() - begun)
    np.savez(out, outputs=outputs.numpy())
    return seconds[1:]  # the first round warms up


if __name__ == "__main__":
    _, peer, network, out, steps, rounds = sys.argv
    print(json.dumps(main(peer, network, out, int(steps), int(rounds))))
