"""The folder of the target ``nir``: plain NIR, the stock variants, and what runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pinnir.backends.environments import EXACT, READERS
from pinnir.backends.export import plain_nir
from pinnir.backends.exported_parts import Arrays, packed
from pinnir.backends.nir.cores import StockProgram, expected, stock_program
from pinnir.backends.nir.reader_process import READERS_FOLDER
from pinnir.backends.nir.stock.stock import DT, Stock
from pinnir.base.files import check_writable, write_atomic
from pinnir.metrics.field_errors import relative_l2
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

# Points of the domain whose spikes the folder holds, and their seed.
POINTS, SEED = 16, 1
_ERROR_POINTS = 512


def write(program: Program, folder: Path) -> None:
    """Write a program for readers of NIR.

    Raises:
        LegalizeError: If a core has no stock variant.
        ProgramFileError: If a file cannot be written.
    """
    for name, data in contents(program).items():
        check_writable(folder / name, make_folder=True)
        write_atomic(folder / name, data)


def contents(program: Program) -> dict[str, bytes]:
    """The files by name: those of the plain export, ``stock.*`` and the scripts to run them.

    The same program gives the same bytes.

    Raises:
        LegalizeError: If a core has no stock variant.
    """
    stocks = stock_program(program)
    points = program.domain.sample(POINTS, SEED)
    outputs, entering = stocks.run(points)
    files = plain_nir(program)
    told: dict[str, Any] = {"dt": DT, "cores": {}}
    for label, core in stocks.cores.items():
        file = stock_file(label)
        files[file] = core.to_bytes()
        files[f"{file.removesuffix('.nir')}.npz"] = _npz(core, entering[label])
        told["cores"][file] = _told(core)
    told["rel_l2_of_rounding"] = rounding_error(stocks)
    files["points.npz"] = packed({"points": points, "outputs": outputs})
    files["stock.json"] = (json.dumps(told, indent=1) + "\n").encode()
    for script in ("harness", *EXACT):
        files[f"readers/{script}.py"] = (READERS_FOLDER / f"{script}.py").read_bytes()
    for name in EXACT:
        files[f"readers/{name}.txt"] = ("\n".join(READERS[name].packages) + "\n").encode()
    files["README.md"] += _README.encode()
    return files


def stock_file(label: str) -> str:
    """Name of the file of a core's stock variant."""
    return f"stock.{label}.nir"


def rounding_error(stocks: StockProgram) -> float:
    """How far the cores on their grids are from the program, relative L2 over the domain."""
    points = stocks.program.domain.sample(_ERROR_POINTS, SEED)
    return relative_l2(stocks.run(points)[0], stocks.program.run(points).outputs)


def _told(core: Stock) -> dict[str, Any]:
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


_README = """
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
