"""Verify the stock variants of a program: norse's and SpikingJelly's importers, as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pinnir.backends.environments import EXACT
from pinnir.backends.exported_parts import Arrays
from pinnir.backends.nir.network import StockProgram, expected, stock_program
from pinnir.backends.nir.reader_process import ReaderJob, ReaderResult, run_reader
from pinnir.backends.nir.stock.stock import Stock
from pinnir.backends.nir.write import stock_file, write_stock
from pinnir.backends.verify import Comparison, Verification
from pinnir.base.errors import BackendError
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program


def in_readers(program: Program, points: Array) -> Verification:
    """Write the stock variants, run them in both readers, and compare every spike and output.

    Raises:
        BackendError: If a reader is not installed, or fails.
        LegalizeError: If a core has no stock variant.
    """
    stocks, files = stock_program(program), write_stock(program)
    found = [one for reader in EXACT for one in in_reader(reader, stocks, files, points).values()]
    return Verification("nir-stock", Comparison.total(found), {})


def in_reader(
    reader: str,
    stocks: StockProgram,
    files: Mapping[str, bytes],
    points: Array,
    folder: Path | None = None,
) -> dict[str, Comparison]:
    """Run stock variants in a reader, and compare them with the oracle.

    Args:
        reader: Its name.
        stocks: The stock variants.
        files: What :func:`pinnir.backends.nir.write.write_stock` gave of the program.
        points: Of its domain, ``(samples, columns)``.
        folder: Of the readers' environments, if not the default one.

    Returns:
        The comparison of every core, by the name of its file. Spikes are those of the nodes that
        the reader shows.

    Raises:
        BackendError: If the reader is not installed, with the command that installs it, or fails.
    """
    _, entering = stocks.run(points)
    names = {label: stock_file(label) for label in stocks.cores}
    jobs = {
        label: ReaderJob(files[names[label]], entering[label], core.chain.steps)
        for label, core in stocks.cores.items()
    }
    results = run_reader(reader, jobs, folder)
    found: dict[str, Comparison] = {}
    for label, core in stocks.cores.items():
        if results[label].error:
            raise BackendError(f"{reader} failed on {names[label]}: {results[label].error}")
        found[names[label]] = compare(reader, core, entering[label], results[label])
    return found


def compare(reader: str, core: Stock, x: Array, result: ReaderResult) -> Comparison:
    """Compare what a reader gives for a core's input with the oracle, to the last bit."""
    assert result.output is not None
    output, spikes = expected(core, x)
    settles = core.chain.settles
    wanted: Arrays = {"outputs": output}
    found: Arrays = {"outputs": result.output[-1] if settles else result.output.mean(axis=0)}
    for name, (node, first, end) in core.places().items():
        if node in result.spikes:
            fired = result.spikes[node][-1:] if settles else result.spikes[node]
            wanted[f"{name}/spikes"] = spikes[name]
            found[f"{name}/spikes"] = fired[:, :, first:end]
    return Comparison.of(reader, wanted, found)
