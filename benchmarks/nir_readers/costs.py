"""What the stock variant costs: its error against the network, next to the program's."""

from __future__ import annotations

from benchmarks.common import table
from ir_examples.build import ROOT
from pinnir import read as read_program
from pinnir.backends.nir.network import stock_program
from pinnir.metrics.field_errors import relative_l2

_EXAMPLES = ("function_regression", "poisson", "burgers")
_POINTS, _SEED = 2048, 9


def costs() -> str:
    """A section of the page."""
    rows = []
    for name in _EXAMPLES:
        program = read_program(ROOT / name / "program.nir")
        stocks = stock_program(program)
        points = program.domain.sample(_POINTS, _SEED)
        network = program.run_source(points)
        before = relative_l2(program.run(points).outputs, network)
        after = relative_l2(stocks.run(points)[0], network)
        (core,) = stocks.cores.values()
        units = sum(stage.units for stage in core.chain.stages)
        rows.append(
            [
                name,
                f"{before:.2e}",
                f"{after:.2e}",
                f"{after / before:.2f}",
                f"{units:,}",
                core.chain.steps,
            ]
        )
    head = ["population program", "error", "stock", "ratio", "units", "steps"]
    return (
        "## What stock costs\n\n"
        f"Relative L2 error against the network on {_POINTS:,} points, before and after inputs and "
        "weights are rounded to the grid.\n\n" + table(head, rows)
    )
