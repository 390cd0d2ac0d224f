"""Runs one reader of NIR on a list of jobs, in the reader's own Python.

``python -I harness.py READER.py FOLDER`` imports nothing of pinnir: the reader's file, numpy, nir
and what the reader needs. ``FOLDER/jobs.json`` names the jobs. Of each, ``NAME.nir`` is the graph,
and ``NAME.in.npz`` holds the input ``x`` (samples, columns), which is held for ``steps`` steps, and
the time step ``dt``. What comes out is ``NAME.out.npz``, with ``output`` (steps, samples, columns)
and, where the reader shows them, the spikes of every neuron node as ``spikes.NODE``
(steps, samples, units); or ``NAME.error.txt``, the exception that the reader raised.

A reader's file has one of two functions: ``module(graph, dt)`` gives a PyTorch module to be called
once a step with an input and a state, under whose parts' names NIR's nodes are found; or
``run(graph, x, steps, dt)`` gives the outputs of all steps.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import nir
import numpy as np

NEURONS = (nir.IF, nir.LIF, nir.CubaLIF, nir.Threshold)


def load(path: Path) -> ModuleType:
    """The reader's file as a module, whose name is no package's."""
    spec = importlib.util.spec_from_file_location("reader", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def step(
    module: Any, graph: nir.NIRGraph, x: np.ndarray, steps: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Call a PyTorch module once a step: outputs, and spikes by node."""
    import torch

    spikes: dict[str, list[np.ndarray]] = {}

    def watch(name: str) -> Any:
        def hook(part: Any, given: Any, result: Any) -> None:
            fired = result[0] if isinstance(result, tuple) else result
            spikes.setdefault(name, []).append(fired.numpy().copy())

        return hook

    parts = dict(module.named_modules())
    for name, node in graph.nodes.items():
        if isinstance(node, NEURONS) and name in parts:
            parts[name].register_forward_hook(watch(name))
    outputs, state = [], None
    entering = torch.as_tensor(x, dtype=torch.float32)
    with torch.no_grad():
        for _ in range(steps):
            value, state = module(entering, state)
            outputs.append(value.numpy().copy())
    return np.stack(outputs), {name: np.stack(found) for name, found in spikes.items()}


def run(
    reader: ModuleType, graph: nir.NIRGraph, x: np.ndarray, steps: int, dt: float
) -> dict[str, Any]:
    """What a reader makes of one job."""
    if not hasattr(reader, "module"):
        return {"output": reader.run(graph, x, steps, dt)}
    output, spikes = step(reader.module(graph, dt), graph, x, steps)
    return {"output": output} | {f"spikes.{node}": value for node, value in spikes.items()}


def main() -> None:
    """Run every job; what a reader raises is a result like any other."""
    reader, folder = load(Path(sys.argv[1])), Path(sys.argv[2])
    for name in json.loads((folder / "jobs.json").read_text()):
        given = np.load(folder / f"{name}.in.npz")
        graph = nir.read(folder / f"{name}.nir")
        try:
            found = run(reader, graph, given["x"], int(given["steps"]), float(given["dt"]))
        except Exception as error:
            text = "".join(traceback.format_exception_only(error)).strip()
            (folder / f"{name}.error.txt").write_text(text)
        else:
            # A result is there completely or not at all: whoever waits for it may stop waiting.
            part = folder / f"{name}.part.npz"
            np.savez_compressed(part, **found)
            part.replace(folder / f"{name}.out.npz")


if __name__ == "__main__":
    main()
