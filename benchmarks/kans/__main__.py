"""What Kolmogorov-Arnold networks in five forms become: ``python -m benchmarks.kans``.

Writes ``docs/kans.md``. Every network is trained here for a few seconds, and compiled with default
options.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import pinnir
from benchmarks.common import table, write_page
from benchmarks.kans.networks import FORMS, export, fit, network

SIZES = {"pykan": (2, 5, 1)}
WIDER = (2, 16, 16, 1)
SEED, POINTS = 12345, 4096

_HEAD = """# Measured: Kolmogorov-Arnold networks

Written by `python -m benchmarks.kans`. A Kolmogorov-Arnold layer expands every column into basis
functions and maps these linearly. Five forms of it, as pykan (speed mode), ChebyKAN, PINA,
efficient-KAN and FastKAN compute them, trained for 400 steps on `exp(sin(pi x) + y^2)` and compiled
with default options over [-1, 1]. Basis functions are neurons.
*Error* is relative to ONNX Runtime, on 4,096 uniform points that the compilation has not seen;
*of the spread* is the root mean square error relative to the output's standard deviation there.
*Spikes* is the share of the network's multiply-accumulates that the cores hold: FastKAN normalises
layers, which mixes columns and is a host part between cores. *Seconds* are of the processor, on a
shared machine.
"""


def _row(form: str, folder: Path) -> list[object]:
    sizes = SIZES.get(form, WIDER)
    module = network(form, sizes)
    fit(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = export(module, 2, folder / f"{form}.onnx")
    started = time.process_time()
    program = pinnir.compile(path, "-1:1")
    seconds = time.process_time() - started
    result = program.run(np.random.default_rng(SEED).uniform(-1, 1, (POINTS, 2)))
    assert result.source is not None
    wrong = result.outputs - result.source
    metrics = program.metrics
    return [
        form,
        "-".join(map(str, sizes)),
        f"{np.linalg.norm(wrong) / np.linalg.norm(result.source):.2e}",
        f"{np.sqrt(np.mean(wrong**2)) / np.std(result.source):.2e}",
        metrics["coding"],
        metrics["levels"],
        f"{program.cost.activations:,}",
        f"{metrics['neurons']:,}",
        metrics["steps"],
        len(program.cores),
        f"{metrics['core_mac_share']:.4f}",
        f"{seconds:.0f}",
    ]


def main() -> None:
    """Write the page."""
    with TemporaryDirectory() as folder:
        rows = [_row(form, Path(folder)) for form in FORMS]
    headings = ["form", "layers", "error", "of the spread", "coding", "levels", "activations"]
    headings += ["neurons", "steps", "cores", "spikes", "seconds"]
    write_page("kans.md", _HEAD, table(headings, rows))


if __name__ == "__main__":
    main()
