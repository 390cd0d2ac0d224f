"""NIR: the plain files of a program, and beside them the stock variants and what runs them."""

from __future__ import annotations

import io
import json

import nir
import numpy as np

from pinnir.backends.environments import EXACT, READERS
from pinnir.backends.exported_parts import SAMPLES, Arrays, folder_files, packed
from pinnir.backends.nir.network import expected, stock_program
from pinnir.backends.nir.stock.stock import DT, Stock
from pinnir.base.errors import ProgramFileError
from pinnir.metrics.field_errors import relative_l2
from pinnir.neurons import Integrated
from pinnir.numerics.matrix import Array
from pinnir.program.nir_graph import to_nir
from pinnir.program.program import Program

# Seed of the points of the domain whose spikes the folder holds.
_SEED = 1
_ERROR_POINTS = 512


def write(program: Program) -> dict[str, bytes]:
    """Every core as a NIR file of one input and one output, every host part as ONNX.

    ``program.json`` says how they belong together. Of a program for programmable neurons it is the
    population program beside them.

    Raises:
        ProgramFileError: If there is none.
        LegalizeError: If that would be another program: membranes do not equal theirs.
    """
    return _folder(program, _README, ())


def write_stock(program: Program) -> dict[str, bytes]:
    """The same files, and beside them ``stock.*`` and the scripts to run them.

    The same program gives the same bytes.

    Raises:
        LegalizeError: If a core has no stock variant.
    """
    stocks = stock_program(program)
    points = program.domain.sample(SAMPLES, _SEED)
    outputs, entering = stocks.run(points)
    scripts = tuple(f"readers/{name}.py" for name in ("harness", *EXACT))
    files = _folder(program, _README + _STOCK_README, scripts)
    cores: dict[str, object] = {}
    for label, core in stocks.cores.items():
        file = stock_file(label)
        files[file] = core.to_bytes()
        files[f"{file.removesuffix('.nir')}.npz"] = _npz(core, entering[label])
        cores[file] = _told(core)
    # How far the cores on their grids are from the program, over the domain.
    over = program.domain.sample(_ERROR_POINTS, _SEED)
    rounding = relative_l2(stocks.run(over)[0], stocks.program.run(over).outputs)
    told = {"dt": DT, "cores": cores, "rel_l2_of_rounding": rounding}
    files["points.npz"] = packed({"points": points, "outputs": outputs})
    files["stock.json"] = (json.dumps(told, indent=1) + "\n").encode()
    for name in EXACT:
        files[f"readers/{name}.txt"] = ("\n".join(READERS[name].packages) + "\n").encode()
    return files


def _folder(program: Program, readme: str, scripts: tuple[str, ...]) -> dict[str, bytes]:
    if not program.cores:
        raise ProgramFileError(
            "NIR cannot say this program: its neurons follow functions and have no levels",
            hint="its file runs with pinnir; or compile the network with another --coding",
        )
    for core in program.running:
        for node in core.nodes:
            if isinstance(node.op, Integrated) and not node.op.in_nir:
                node.op.to_nir()  # which refuses what NIR cannot say
    found: dict[str, bytes] = {}
    for segment in program.segments:
        if segment.core is not None:
            buffer = io.BytesIO()
            nir.write(buffer, to_nir({segment.label: segment.core}))
            found[f"{segment.label}.nir"] = buffer.getvalue()
    rows = {name.removesuffix(".nir"): {"file": name} for name in found}
    steps, read_out = max(core.steps for core in program.cores), program.cores[0].read_out
    return found | folder_files(
        program, "nir", readme, rows, scripts, steps=steps, read_out=read_out
    )


def stock_file(label: str) -> str:
    """Name of the file of a core's stock variant."""
    return f"stock.{label}.nir"


def _told(core: Stock) -> dict[str, object]:
    return {
        "steps": core.chain.steps,
        "read_out": "last" if core.chain.settles else "mean",
        "input_step": core.rounded.input_step.tolist(),
        "input_reach": core.rounded.reach.tolist(),
        "populations": core.places(),
    }


def _npz(core: Stock, x: Array) -> bytes:
    """The input of a core, and what the oracle says of it."""
    output, spikes = expected(core, x)
    named: Arrays = {"x": x, "output": output}
    named |= {f"spikes.{name}": fired.astype(np.int8) for name, fired in spikes.items()}
    return packed(named)


_README = """# A spiking program in parts

`program.json` lists the parts in running order. Each takes named values and gives named values;
`inputs` are the network's, with their columns.

- `core.*.nir`: a spiking core, a plain NIR graph with the nodes `input` and `output`. Several
  values that enter stand side by side in its input, in the order of `inputs`; likewise what leaves.
  Hold the input for `steps` steps, all nodes updated in topological order within a step, and take
  the `last` output or the `mean` over the steps, as `read_out` says. Every neuron node repeats its
  comparison and reset in its metadata.
- `host.*.onnx`: floating point work, for any ONNX runtime.

`layouts` gives the dimensions of every value: a number is a length, a list names the sample axes
that run along the dimension. A network of points has one sample axis, a separable one several.
"""

_STOCK_README = """
## The stock variant

`stock.core.*.nir` hold the same cores for the importers of norse and SpikingJelly as they are:
chains of `Affine`, `Linear` and `CubaLIF` nodes with loops that arrive one step later. `stock.json`
says for each how many `steps` to hold the input, whether the `last` output or the `mean` over the
steps counts, and where the units of each population are: node, first unit, end. The node
`stage_K` holds the spikes; relays and clocks among its units belong to no population.

All sums are exact in single precision, in every order, for inputs that are multiples of
`input_step` and not larger than `input_reach`; round other inputs to that. The numbers of the cores
were rounded for this; `rel_l2_of_rounding` is what it changes. `stock.core.*.npz` hold the input of
a core at the points of `points.npz` as `x`, its `output`, and the spikes of every population.

To run a reader, install what `readers/NAME.txt` lists, put `JOB.nir`, `JOB.in.npz` (`x`, `steps`,
`dt`) and `jobs.json` (`["JOB"]`) into a folder, and `python -I readers/harness.py readers/NAME.py
FOLDER`; `pinnir` does all that itself.
"""
