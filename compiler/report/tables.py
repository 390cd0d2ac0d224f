"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pinnir.base.errors import PipelineError
from pinnir.ir.printing import diff
from pinnir.program.program import Program, RunResult


def console() -> Console:
    """The terminal; in files and pipes lines may be as long as they need."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def print_program(program: Program, path: Path, seconds: float) -> None:
    """What a compilation gave."""
    told, metrics = program.manifest, program.metrics
    table = Table(title=Text(f"{path}: {told['coding']} program for {told['target']}"))
    table.add_column("figure")
    table.add_column("value", justify="right")
    wanted = told.get("rtol")
    asked = f" (asked: {wanted:.3g})" if wanted is not None else ""
    add_row(table, f"relative L2 error against the network{asked}", f"{metrics['rel_l2']:.3e}")
    if "rel_l2_upper" in metrics:
        add_row(table, "the same on other points, at most (95 %)", f"{metrics['rel_l2_upper']:.3e}")
    add_row(table, "largest absolute error", f"{metrics['max_abs']:.3e}")
    _add_reference(table, metrics)
    if metrics["levels"]:
        add_row(table, "levels per neuron", f"{metrics['levels']:,}")
    _add_costs(table, program, metrics)
    add_row(table, "seconds", f"{seconds:.1f}")
    console().print(table)


def print_run(program: Program, result: RunResult, seconds: float, written: list[Path]) -> None:
    """What a run gave."""
    metrics = result.metrics
    table = Table(title=Text(f"{metrics['points']:,} points on {metrics['backend']}"))
    table.add_column("figure")
    table.add_column("value", justify="right")
    smoothed = " after smoothing" if "smooth" in metrics else ""
    if "rel_l2" in metrics:
        add_row(
            table, f"relative L2 error against the network{smoothed}", f"{metrics['rel_l2']:.3e}"
        )
        if smoothed:
            add_row(table, "the same before smoothing", f"{metrics['rel_l2_unsmoothed']:.3e}")
        add_row(table, "largest absolute error", f"{metrics['max_abs']:.3e}")
    _add_reference(table, metrics)
    _add_costs(table, program, metrics)
    add_row(table, "points per second", f"{metrics['points'] / seconds:,.0f}")
    console().print(table)
    console().print(Text("written: " + ", ".join(map(str, written))), soft_wrap=True)


def add_row(table: Table, figure: str, value: str) -> None:
    """One figure of a table of two columns."""
    table.add_row(figure, value)


def _add_reference(table: Table, metrics: dict[str, Any]) -> None:
    if "accuracy" in metrics:
        own = f" (the network's: {metrics['source_accuracy']:.2%})" * ("source_accuracy" in metrics)
        add_row(table, f"accuracy{own}", f"{metrics['accuracy']:.2%}")
    if "rel_l2_reference" in metrics:
        add_row(
            table, "relative L2 error against the reference", f"{metrics['rel_l2_reference']:.3e}"
        )
    if "source_rel_l2_reference" in metrics:
        own = metrics["source_rel_l2_reference"]
        add_row(table, "the network's own error against the reference", f"{own:.3e}")


def _add_costs(table: Table, program: Program, metrics: dict[str, Any]) -> None:
    add_row(table, "neurons / synapses", f"{metrics['neurons']:,} / {metrics['synapses']:,}")
    add_row(table, "time steps", f"{metrics['steps']:,}")
    spikes = "events" if program.streams else "spikes"
    add_row(table, f"{spikes} per activation", _figure(metrics["spikes_per_activation"]))
    add_row(table, "spiking rate", f"{metrics['spiking_rate']:.4f}")
    add_row(table, "synaptic operations per MAC", _figure(metrics["synops_per_mac"]))
    ratio = metrics["energy_ratio"]
    one = "point"
    if program.domain.axis_count > 1:
        one = "sample of every axis"
        add_row(table, "spikes per point of the field", f"{metrics['spikes_per_point']:,.2f}")
    add_row(
        table,
        f"energy per {one} at 45 nm (the network's)",
        f"{metrics['energy_45nm_pj'] / 1e3:,.1f} nJ "
        f"({metrics['source_energy_45nm_pj'] / 1e3:,.1f} nJ): {_figure(ratio)} x",
    )
    add_row(table, "share of the network's MACs that spikes", f"{metrics['core_mac_share']:.1%}")


def _figure(value: float) -> str:
    """Two decimals, or of a small number two digits."""
    return f"{value:.2f}" if value >= 0.01 else f"{value:.2g}"


def pass_rows(program: Program) -> list[dict[str, Any]]:
    """The pass log as plain values; ``seconds`` is None where it is not known."""
    seconds: Iterable[float | None] = program.seconds or [None] * len(program.passes)
    return [
        {
            "pass": record.call,
            "seconds": took,
            "neurons": record.neurons,
            "synapses": record.synapses,
            "error_before": record.error_before,
            "error_after": record.error_after,
        }
        for record, took in zip(program.passes, seconds, strict=True)
    ]


def print_passes(program: Program, path: Path) -> None:
    """The pass log as a table."""
    table = Table(title=Text(f"{path}: what each pass did"))
    for heading in ("", "pass", "seconds", "neurons", "synapses", "error before", "error after"):
        table.add_column(heading, justify="left" if heading == "pass" else "right", no_wrap=True)
    for number, row in enumerate(pass_rows(program), 1):
        took = "unknown" if row["seconds"] is None else f"{row['seconds']:.3f}"
        table.add_row(
            str(number),
            Text(row["pass"]),
            took,
            f"{row['neurons']:,}",
            f"{row['synapses']:,}",
            f"{row['error_before']:.3e}",
            f"{row['error_after']:.3e}",
        )
    console().print(table)
    console().print("errors: relative L2 against the network, on points of the search")


def pass_diffs(program: Program, name: str) -> list[dict[str, str]]:
    """What the passes of that name (or number) changed in the printed graph.

    Raises:
        PipelineError: If the program was compiled without such a pass.
    """
    texts = [program.initial, *(record.text for record in program.passes)]
    found = [
        {"pass": record.name, "call": record.call, "diff": diff(texts[i], texts[i + 1])}
        for i, record in enumerate(program.passes)
        if name in (record.name, str(i + 1))
    ]
    if not found:
        ran = ", ".join(record.name for record in program.passes)
        raise PipelineError(
            "did not run in this program", node=name, op="pass", hint=f"these ran: {ran}"
        )
    return found
