"""Command line of the study."""

from __future__ import annotations

import argparse

from benchmarks.paper_a import figures, page
from benchmarks.paper_a.cells import PROBLEMS, ROWS, cells, load, measure, save
from benchmarks.paper_a.tolerance import TOLERANCES, measure_front, measure_tolerance

_ROWS = [*(row.name for row in ROWS), "rtol"]


def main() -> None:
    """Measure what is missing, then write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper_a")
    parser.add_argument(
        "--only", nargs="*", default=list(PROBLEMS), metavar="PROBLEM", choices=PROBLEMS
    )
    parser.add_argument(
        "--rows",
        nargs="*",
        default=_ROWS,
        metavar="ROW",
        choices=_ROWS,
        help="rtol is the programs for a tolerance",
    )
    parser.add_argument("--page", action="store_true", help="only write the page")
    ask = parser.parse_args()
    if not ask.page:
        for cell in cells(tuple(ask.only), tuple(ask.rows)):
            if cell.key not in load():
                found = measure(cell)
                save({**load(), cell.key: found})
                print(f"{cell.key}: {found['rel_l2']:.2e} in {found['seconds']} s", flush=True)
        if "rtol" in ask.rows:
            _tolerances(ask.only)
    page.write(load())
    figures.errors_by_size(load())
    for problem in ("poisson", "burgers"):
        figures.fields(problem, 16)
    figures.raster("function_regression", 32)


def _tolerances(problems: list[str]) -> None:
    for problem in problems:
        for rtol in TOLERANCES:
            key = f"{problem}/rtol/{rtol}"
            if key not in load():
                found = measure_tolerance(problem, rtol)
                save({**load(), key: found})
                print(f"{key}: {found['rel_l2']:.2e} in {found['seconds']} s", flush=True)
    if "burgers" in problems and "burgers/front" not in load():
        save({**load(), "burgers/front": measure_front("burgers")})


if __name__ == "__main__":
    main()
