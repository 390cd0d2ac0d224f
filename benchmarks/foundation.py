"""Errors and costs of default programs, and Norse against the oracle spike by spike.

``python -m benchmarks.foundation`` writes ``docs/measured.md``.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

import pinnir
from benchmarks.common import Case, own_cases, table, third_party_cases, write_page
from pinnir.backends.norse.backend import NorseBackend
from pinnir.backends.reference import ReferenceBackend
from pinnir.ir.graph import Graph, Neuron, Node
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

_HEAD = """# Measured: default programs

Written by `python -m benchmarks.foundation`. Errors are on evaluation points that
neither calibration nor search has seen: *error* is that of the worst output relative to its
variation (NRMSE), which the tolerance is on, *relative L2* that of all outputs together.
`burgers` and `poisson` are trained in `ir_examples/`; the others are PINNs trained by others, from
[CAOS_PINNLAB](https://github.com/fsantibanezleal/CAOS_PINNLAB) (set `PINNIR_MODELS` to a folder
that holds them as `pinnlab/*.onnx`).

All are population programs of one step. *Energy* is that of 45 nm arithmetic (4.6 pJ per
multiply-accumulate, 0.9 pJ per synaptic operation) as a multiple of the source network's on the
same accounting: population coding is exact and cheap in time, and mostly costs **more** energy than
the network it replaces at these tolerances.
"""


def _row(case: Case, rtol: float | str) -> list[object]:
    reference = case.reference if rtol == "auto" else None
    program = pinnir.compile(case.model, case.domain, rtol=rtol, reference=reference)
    m = program.metrics
    asked = f"{program.manifest['rtol']:.1e}" + (" (auto)" if rtol == "auto" else "")
    row: list[object] = [case.name, asked, f"{m['nrmse']:.2e}", f"{m['rel_l2']:.2e}"]
    if rtol == "auto":
        own, ours = m["source_rel_l2_reference"], m["rel_l2_reference"]
        row += [f"{own:.2e}", f"{ours:.2e}", f"{ours / own:.3f}"]
    row += [f"{m['levels']:,}", f"{m['neurons']:,}", f"{m['spikes_per_activation']:.1f}"]
    return [
        *row,
        f"{m['synops_per_mac']:.1f}",
        f"{m['energy_ratio']:.1f} x",
        f"{m['core_mac_share']:.1%}",
    ]


def _tolerances() -> Iterator[str]:
    costs = ["levels", "neurons", "spikes per activation", "synops per MAC", "energy", "core MACs"]
    yield "\n## At a given tolerance\n"
    rows = [_row(case, r) for case in [*own_cases(), *third_party_cases()] for r in (1e-2, 1e-3)]
    yield table(["model", "asked", "error", "relative L2", *costs], rows)
    yield "\n## `--rtol auto`: a third of the network's own error against the reference\n"
    rows = [_row(case, "auto") for case in own_cases()]
    against = ["network against reference", "program against reference", "ratio"]
    yield table(["model", "asked", "error", "relative L2", *against, *costs], rows)


class _Recorder:
    """Keeps every population's spikes and the sums it compared with its thresholds."""

    def __init__(self) -> None:
        self.spikes: dict[str, NDArray[np.bool_]] = {}

    def __call__(self, step: int, node: Node, value: Array) -> None:
        if isinstance(node.op, Neuron):
            self.spikes[node.name] = np.asarray(value) > 0


def _spikes(backend: ReferenceBackend | NorseBackend, core: Graph, x: Array) -> _Recorder:
    recorder = _Recorder()
    backend.load(core)(x, recorder)
    return recorder


def _norse_row(program: Program, name: str, dtype: torch.dtype, points: Array) -> list[object]:
    (core,) = program.cores
    ours = _spikes(ReferenceBackend(), core, points).spikes
    theirs = _spikes(NorseBackend(dtype), core, points).spikes
    total = sum(spikes.size for spikes in ours.values())
    differ = {key: ours[key] != theirs[key] for key in ours}
    first = next((key for key, wrong in differ.items() if wrong.any()), "none")
    samples = np.logical_or.reduce([wrong.any(axis=1) for wrong in differ.values()])
    return [
        name,
        str(dtype).removeprefix("torch."),
        f"{total:,}",
        f"{sum(int(wrong.sum()) for wrong in differ.values()):,}",
        f"{int(samples.sum()):,} of {len(points):,}",
        f"`{first}`",
    ]


def _norse() -> Iterator[str]:
    yield "\n## Norse against the oracle, spike by spike\n"
    yield (
        "In float64 every spike of every unit is equal. In float32 a pre-activation is off by its "
        "rounding, about 1e-7 of the terms summed; a unit whose input lies that close to its "
        "threshold then fires differently, and what it feeds differs for that point "
        "(`tests/backends/norse/test_backend.py` checks that this explains every difference).\n"
    )
    rows = []
    for case in own_cases():
        program = pinnir.compile(case.model, case.domain)
        points = program.domain.sample(2048, 7)
        for dtype in (torch.float64, torch.float32):
            rows.append(_norse_row(program, case.name, dtype, points))
    yield table(
        [
            "model",
            "Norse in",
            "unit outputs compared",
            "different",
            "points concerned",
            "first population",
        ],
        rows,
    )


def main() -> None:
    """Write the page."""
    write_page("measured.md", _HEAD, *_tolerances(), *_norse())


if __name__ == "__main__":
    main()
