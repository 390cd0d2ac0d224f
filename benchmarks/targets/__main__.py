"""Command line of the benchmark."""

from __future__ import annotations

import argparse

from benchmarks.common import own_cases
from benchmarks.targets import page
from benchmarks.targets.measure import RUNS, load, measure_bits, measure_run


def main() -> None:
    """Measure what is missing, then write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.targets")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument(
        "--only",
        nargs="*",
        metavar="TARGET",
        default=[run.name for run in RUNS],
        help="targets to measure, by default all",
    )
    ask = parser.parse_args()
    cases = own_cases()
    if not ask.page:
        for case in cases:
            measure_bits(case)
            for run in RUNS:
                if run.name in ask.only:
                    measure_run(case, run)
    page.write(load(), [case.name for case in cases])


if __name__ == "__main__":
    main()
