"""Verify the stock variants of a program: norse's and SpikingJelly's importers, as they are."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pinnir.backends.nir.check import check
from pinnir.backends.nir.folder import write
from pinnir.errors import BackendError
from pinnir.ir import Array
from pinnir.program import Program
from pinnir.verification import Comparison, Report


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
