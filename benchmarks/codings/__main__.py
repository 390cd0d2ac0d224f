"""``python -m benchmarks.codings`` measures the codings and writes ``docs/codings.md``'s figures.

``--only KIND`` measures one kind alone, ``--only page`` none; networks may be named.
"""

from __future__ import annotations

import argparse

from benchmarks.codings import classifiers, results, signgd
from benchmarks.codings.cases import cases
from benchmarks.codings.curves import curve_rows
from benchmarks.codings.page import write_page
from benchmarks.codings.streams import delta_rows, drift, phase_row

DELTA_TOLERANCE = 5e-3
PHASE_TOLERANCES = (1e-2, 1e-3)
_COMPARED = ("poisson", "burgers")
ENERGY_TOLERANCE = 1e-2
_KINDS = ("delta", "energy", "phase", "drift", "curves", "signgd", "classifiers", "page")


def main() -> None:
    """Measure what was asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK")
    parser.add_argument("--only", choices=_KINDS)
    asked = parser.parse_args()
    kinds = _KINDS if asked.only is None else (asked.only,)
    for name in asked.networks or cases():
        if name not in cases():
            continue
        if "delta" in kinds:
            results.keep("delta", name, delta_rows(name, DELTA_TOLERANCE))
        if "energy" in kinds:
            rows = delta_rows(name, ENERGY_TOLERANCE, (256, 4096), variants=False)
            results.keep("energy", name, rows)
        if name not in _COMPARED:
            continue
        if "phase" in kinds:
            results.keep("phase", name, (phase_row(name, one) for one in PHASE_TOLERANCES))
        if "drift" in kinds:
            compared, different = drift(name, 256)
            results.put("drift", name, {"levels": compared, "different": different})
        if "curves" in kinds:
            results.keep("curves", name, curve_rows(name))
    for kind, module in (("signgd", signgd), ("classifiers", classifiers)):
        for name in module.NETWORKS:
            if kind in kinds and name in (asked.networks or module.NETWORKS):
                module.measure(name)
    write_page()


if __name__ == "__main__":
    main()
