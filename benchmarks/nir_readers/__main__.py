"""``python -m benchmarks.nir_readers`` runs every reader of NIR and writes ``docs/nir_readers.md``.

Environments that are missing are created in ``--folder`` (the user's cache, if not given), which
takes some minutes and about 1 GB each. ``--only READER`` tells of one reader and writes nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.nir_readers.cases import program_cases
from benchmarks.nir_readers.kinds import kind_cases
from benchmarks.nir_readers.page import write
from benchmarks.nir_readers.verdict import verdicts
from pinnir.backends.environments import READERS, find_reader


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=READERS)
    asked = parser.parse_args()
    kinds, programs = kind_cases(), program_cases()
    cases = {case.name: case for case in (*kinds, *programs)}
    names = list(READERS) if asked.only is None else [asked.only]
    found = {}
    for name in names:
        find_reader(name, asked.folder).install()
        found[name] = verdicts(name, cases, asked.folder)
        for case, one in found[name].items():
            print(f"{name}: {case}: {one.cell} {one.message}", flush=True)
    if asked.only is None:
        write(kinds, programs, found)


if __name__ == "__main__":
    main()
