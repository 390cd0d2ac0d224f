"""How time, memory and files grow with the network and with the levels of a program.

``python -m benchmarks.growth`` compiles random tanh networks, each in a process of its own, and
writes ``docs/growth.json`` and ``docs/growth.md``. ``python -m benchmarks.growth 1024x8@64`` does
so for some of them, named by width, depth and levels, and keeps the other figures.
``python -m benchmarks.growth --fit`` prints the constants of ``compiler/search/sizes.py``.
"""

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.optimize import nnls

import pinnir
from benchmarks.common import DOCS, table, write_page
from pinnir.metrics.source_cost import SourceCost
from pinnir.passes.pipelines import population
from pinnir.search.sizes import numbers, staircase_size

SERIES = {
    "What every network takes": ["8x1@8"],
    "Width, at depth 4 and 64 levels": [
        f"{width}x4@64" for width in (64, 128, 256, 512, 1024, 2048)
    ],
    "Levels, at width 64 and depth 4": [f"64x4@{levels}" for levels in (64, 256, 1024, 4096)],
    "Both": ["64x4@64", "256x4@1024"],
    "A large network": ["1024x8@64"],
}
# Networks that the constants of ``pinnir.search.sizes`` are not fitted to.
HELD_OUT = ["32x2@1024", "96x3@144", "192x6@256", "384x2@64"]
_FIGURES = DOCS / "growth.json"

_HEAD = """# Measured: how compiling grows

Written by `python -m benchmarks.growth`. Random tanh networks of two inputs and one output become
population programs of fixed, even levels (`quantise-activations`, `lower`, `legalise`; nothing is
searched or refitted) and are saved, each in a process of its own. *Numbers* is what such a program
consists of: the weights of the network, its units, and the synapses from coarse to fine units.
*CPU* and *memory* are those of the process, or of the largest one that it started, with one thread
(`OMP_NUM_THREADS=1`). *Slope* is that of the logarithms against the row before: 1 is growth like
the numbers, 2 like their square. What the first row takes is in all others too, so slopes are small
as long as a network is.
"""

_PREDICTED = """## What is predicted

`pinnir check` and `pinnir compile` tell sizes before the work (`compiler/search/sizes.py`): sums of
a constant for every program, weight, unit and lateral synapse. `python -m benchmarks.growth --fit`
finds the constants, by least squares of the ratios, from the tables above. Given is predicted by
measured; networks that are not *fitted* had no part in the constants. What is predicted to exceed a
limit 1.5 times (memory of the machine, 1.07 GB of file, a day of CPU) is refused.
"""


def network(width: int, depth: int, seed: int = 0) -> bytes:
    """A random tanh network of two inputs, ``depth`` hidden layers and one output, as ONNX."""
    rng = np.random.default_rng(seed)
    sizes = [2, *(width for _ in range(depth)), 1]
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    value = "x"
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        arrays = (
            rng.normal(size=(inputs, outputs)) / np.sqrt(inputs),
            0.3 * rng.normal(size=outputs),
        )
        names = [f"{kind}{number}" for kind in ("weight", "bias")]
        weights += [numpy_helper.from_array(a, n) for a, n in zip(arrays, names, strict=True)]
        nodes.append(helper.make_node("Gemm", [value, *names], [f"z{number}"], f"dense{number}"))
        value = f"z{number}"
        if number < depth:
            nodes.append(helper.make_node("Tanh", [value], [f"y{number}"], f"tanh{number}"))
            value = f"y{number}"
    ends = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["samples", columns])
        for name, columns in (("x", 2), (value, 1))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return bytes(model.SerializeToString())


def figures(width: int, depth: int, levels: int) -> dict[str, Any]:
    """What compiling and saving one network takes; measured of this process and its children."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.nir"
        program = pinnir.compile(network(width, depth), "x=-1:1,t=0:1", pipeline=population(levels))
        program.save(path)
        size = path.stat().st_size
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    weights = width * (2 + width * (depth - 1) + 1)
    return {
        "weights": weights,
        "units": program.metrics["neurons"],
        "numbers": weights + program.metrics["neurons"] + width * depth * levels,
        "cpu_seconds": sum(one.ru_utime + one.ru_stime for one in both),
        "peak_mb": max(one.ru_maxrss for one in both) / 1024,
        "file_mb": size / 1e6,
        "rel_l2": program.metrics["rel_l2"],
    }


def _measured(name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.growth", "--one", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _sizes(name: str) -> list[int]:
    return [int(size) for size in name.replace("@", "x").split("x")]


def _rows(names: Sequence[str], known: dict[str, Any]) -> list[list[object]]:
    rows: list[list[object]] = []
    before: dict[str, Any] | None = None
    for name in names:
        told = known.get(name)
        if told is None:
            continue
        width, depth, levels = _sizes(name)
        slopes = (
            ["", ""]
            if before is None
            else [_slope(before, told, key) for key in ("cpu_seconds", "peak_mb")]
        )
        rows.append(
            [
                width,
                depth,
                levels,
                f"{told['weights']:,}",
                f"{told['units']:,}",
                f"{told['numbers']:,}",
                f"{told['cpu_seconds']:.1f}",
                slopes[0],
                f"{told['peak_mb']:,.0f}",
                slopes[1],
                f"{told['file_mb']:.2f}",
                f"{told['file_mb'] * 1e6 / told['numbers']:.0f}",
            ]
        )
        before = told
    return rows


def _slope(before: dict[str, Any], told: dict[str, Any], key: str) -> str:
    """Growth of a figure against that of the numbers, of the logarithms."""
    grown = np.log(told["numbers"] / before["numbers"])
    return f"{np.log(told[key] / before[key]) / grown:.2f}"


_COLUMNS = (
    "width",
    "depth",
    "levels",
    "weights",
    "units",
    "numbers",
    "CPU s",
    "slope",
    "memory MB",
    "slope",
    "file MB",
    "bytes a number",
)


def _parts(name: str) -> tuple[float, ...]:
    """What constants are for, of a network of this name."""
    width, depth, levels = _sizes(name)
    cost = _cost(width, depth)
    return numbers(cost.core_macs, cost.activations, 2 * np.sqrt(levels) - 2, levels)


def _cost(width: int, depth: int) -> SourceCost:
    weights = width * (2 + width * (depth - 1) + 1)
    return SourceCost(macs=weights, core_macs=weights, activations=width * depth)


_KEYS = {"peak_mb": 2.0**20, "file_mb": 1e6, "cpu_seconds": 1.0}


def fitted(known: dict[str, Any]) -> dict[str, list[float]]:
    """The constants that fit the figures best, of ratios and none below zero, by figure."""
    names = [name for series in SERIES.values() for name in series if name in known]
    parts = np.array([_parts(name) for name in names])
    found = {}
    for key, unit in _KEYS.items():
        aim = np.array([known[name][key] * unit for name in names])
        shares = parts / aim[:, None]
        scale = np.abs(shares).max(axis=0)
        found[key] = (nnls(shares / scale, np.ones(len(names)))[0] / scale).tolist()
    return found


def predicted(name: str) -> dict[str, float]:
    """What is predicted of a network of this name, in the units of the figures."""
    width, depth, levels = _sizes(name)
    size = staircase_size(_cost(width, depth), levels)
    assert size.cpu_seconds is not None
    found = (size.memory_bytes, size.file_bytes, size.cpu_seconds)
    return {key: one / unit for one, (key, unit) in zip(found, _KEYS.items(), strict=True)}


def _ratios(known: dict[str, Any]) -> str:
    rows: list[list[object]] = []
    names = [*dict.fromkeys(name for series in SERIES.values() for name in series), *HELD_OUT]
    for name in (name for name in names if name in known):
        ratios = [f"{value / known[name][key]:.2f}" for key, value in predicted(name).items()]
        rows.append([name, "no" if name in HELD_OUT else "yes", *ratios])
    return table(("network", "fitted", "memory", "file", "CPU"), rows)


def main(names: Sequence[str]) -> None:
    """Measure networks, all if none is named, and write the page."""
    known: dict[str, Any] = json.loads(_FIGURES.read_text()) if _FIGURES.exists() else {}
    every = dict.fromkeys(name for series in SERIES.values() for name in series)
    for name in names or [*every, *HELD_OUT]:
        known[name] = _measured(name)
        _FIGURES.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        print(name, known[name], flush=True)
    parts = [_HEAD]
    for title, series in SERIES.items():
        parts.append(f"## {title}\n\n{table(_COLUMNS, _rows(series, known))}")
    write_page("growth.md", *parts, f"{_PREDICTED}\n{_ratios(known)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(figures(*_sizes(sys.argv[2]))))
    elif sys.argv[1:] == ["--fit"]:
        print(json.dumps(fitted(json.loads(_FIGURES.read_text())), indent=1))
    else:
        main(sys.argv[1:])
