"""Verify the stock variants of a program: norse's and SpikingJelly's importers, as they are."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pinnir.backends.environments import EXACT
from pinnir.backends.nir.cores import expected, stock_program
from pinnir.backends.nir.reader_process import ReaderJob, ReaderResult, run_reader
from pinnir.backends.nir.stock.stock import Stock
from pinnir.backends.nir.write import POINTS, SEED, stock_file, write
from pinnir.backends.verify import Comparison, Report
from pinnir.base.errors import BackendError, ProgramFileError
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program


def in_readers(program: Program, points: Array) -> Report:
    """Write the stock variants, run them in both readers, and compare every spike and output.

    Raises:
        BackendError: If a reader is not installed, or fails.
        LegalizeError: If a core has no stock variant.
    """
    with tempfile.TemporaryDirectory(prefix="pinnir-nir-") as name:
        folder = Path(name)
        write(program, folder)
        found = check(program, folder, points=len(points))
    failed = [one for one in found if one.error]
    if failed:
        raise BackendError(f"{failed[0].reader} failed on {failed[0].core}: {failed[0].error}")
    rows = [Comparison(one.spikes, one.spikes_different, int(not one.same_outputs))
            for one in found]  # fmt: skip
    return Report("nir-stock", Comparison.total(rows), {})


@dataclass(frozen=True)
class ReaderComparison:
    """One reader and one core.

    Attributes:
        reader: Its name.
        core: The file.
        points: Inputs of the core.
        spikes: Values of units compared, over points and steps; 0 if the reader shows none.
        spikes_different: How many are not the oracle's.
        output_difference: Largest difference of the outputs, infinite if there are none.
        error: What the reader raised.
    """

    reader: str
    core: str
    points: int
    spikes: int
    spikes_different: int
    output_difference: float
    error: str = ""

    @property
    def same_outputs(self) -> bool:
        """Whether the outputs are the oracle's, to the last bit."""
        return self.output_difference == 0.0

    @property
    def equal(self) -> bool:
        """Whether everything that the reader gives is the oracle's, to the last bit."""
        return not self.error and self.spikes_different == 0 and self.same_outputs


def check(
    program: Program,
    folder: Path,
    readers: tuple[str, ...] = EXACT,
    *,
    environments: Path | None = None,
    points: int = POINTS,
) -> list[ReaderComparison]:
    """Run the stock variants of a folder in readers, and compare them with the oracle.

    Args:
        program: That the folder was written from.
        folder: From :func:`pinnir.backends.nir.write.write`.
        readers: Names of readers.
        environments: Folder of their environments, if not the default one.
        points: Of the domain.

    Raises:
        BackendError: If a reader is not installed, with the command that installs it, or crashes.
        LegalizeError: If the program has no stock variant.
        ProgramFileError: If the folder does not hold the files.
    """
    stocks = stock_program(program)
    _, entering = stocks.run(program.domain.sample(points, SEED))
    jobs = {
        label: ReaderJob(_graph(folder / stock_file(label)), entering[label], core.chain.steps)
        for label, core in stocks.cores.items()
    }
    return [
        compare(reader, stock_file(label), core, entering[label], results[label])
        for reader in readers
        for results in [run_reader(reader, jobs, environments)]
        for label, core in stocks.cores.items()
    ]


def compare(
    reader: str, file: str, core: Stock, x: Array, result: ReaderResult
) -> ReaderComparison:
    """Compare what a reader gives for a core's input with the oracle."""
    if result.output is None:
        return ReaderComparison(reader, file, len(x), 0, 0, np.inf, result.error)
    output, spikes = expected(core, x)
    settles = core.chain.settles
    found = result.output[-1] if settles else result.output.mean(axis=0)
    same_shape = found.shape == output.shape
    far = float(np.abs(found - output).max()) if same_shape else np.inf
    compared = different = 0
    for name, (node, first, end) in core.places().items():
        if node in result.spikes:
            fired = result.spikes[node][-1:] if settles else result.spikes[node]
            compared += spikes[name].size
            different += int((fired[:, :, first:end] != spikes[name]).sum())
    return ReaderComparison(reader, file, len(x), compared, different, far)


def _graph(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProgramFileError(
            f"cannot read {path}: {error.strerror}", hint="export the program again"
        ) from error
