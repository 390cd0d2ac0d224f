"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pinnir.base.errors import PipelineError
from pinnir.ir.printing import diff
from pinnir.metrics.output_scales import LEAST_SHARE
from pinnir.program.frontier import NORMS
from pinnir.program.program import Program, RunResult

# What is told of a pass as it is.
_MEASURED = ("neurons", "synapses", "error_before", "error_after")
ERRORS = {
    "nrmse": "error of the worst output relative to its variation",
    "l2": "relative L2 error against the network",
}
# Of outputs that are not judged against their own standard deviation.
_AGAINST = {
    "least": f"less than {LEAST_SHARE:g} of the largest variation, which it is judged against",
    "rounding": "less than the network's numbers resolve, which it is judged against",
    "size": "as little as every output; it is judged against its size",
}
_MOST_OUTPUTS = 12
_LEFT_OUT = {
    "calibration_points_not_finite": "the fit",
    "evaluation_points_not_finite": "the errors",
}
_REFERENCES = {
    "relative L2 error against the reference": "rel_l2_reference",
    "the network's own error against the reference": "source_rel_l2_reference",
}


def console() -> Console:
    """The terminal; in files and pipes lines may be as long as they need."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def make_table(
    title: str | None, headings: Iterable[str], left: Container[str], **columns: Any
) -> Table:
    """An empty table.

    Args:
        title: Above it, if there is one.
        headings: Of its columns.
        left: Those of columns that are set flush left; others are flush right.
        **columns: What else ``add_column`` takes, for all of them.
    """
    table = Table(title=title and Text(title))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", **columns)
    return table


def print_figures(title: str, figures: Mapping[str, str]) -> None:
    """A table of figures by their names."""
    table = make_table(title, ("figure", "value"), left=("figure",))
    for row in figures.items():
        table.add_row(*row)
    console().print(table)


def print_program(program: Program, path: Path, seconds: float) -> None:
    """What a compilation gave."""
    told, metrics = program.manifest, program.metrics
    wanted = told.get("rtol")
    asked = f" (asked: {wanted:.3g})" if wanted is not None else ""
    rows = {}
    for norm, figure in NORMS.items():
        told_asked = asked if norm == told.get("norm", "l2") else ""
        if figure in metrics:
            rows[f"{ERRORS[norm]}{told_asked}"] = f"{metrics[figure]:.3e}"
        if told_asked and f"{figure}_upper" in metrics:
            rows["the same on other points, at most (95 %)"] = f"{metrics[f'{figure}_upper']:.3e}"
    rows["largest absolute error"] = f"{metrics['max_abs']:.3e}"
    rows |= _references(metrics)
    if metrics["levels"]:
        rows["levels per neuron"] = f"{metrics['levels']:,}"
    for name, of in _LEFT_OUT.items():
        if name in metrics:
            rows[f"points left out of {of}: the network is not finite"] = f"{metrics[name]:,}"
    if "batch_rounding_left_out" in metrics:
        row = "nodes that round by the batch, left out of both"
        rows[row] = f"{metrics['batch_rounding_left_out']:,}"
    rows |= _costs(program, metrics) | {"seconds": f"{seconds:.1f}"}
    print_figures(f"{path}: {told['coding']} program for {told['target']}", rows)
    if "nrmse" in metrics:
        _print_outputs(program, metrics)


def _print_outputs(program: Program, metrics: Mapping[str, Any]) -> None:
    """The error of every output, those nearest to the tolerance first."""
    scales, unusual = program.scales, [s for s in program.scales if s.against != "variation"]
    if len(scales) > 1 or unusual:
        bounds = metrics["nrmse_upper_per_output"]
        order = sorted(range(len(scales)), key=lambda i: -bounds[i])[:_MOST_OUTPUTS]
        title = "errors relative to the variation of each output"
        if len(order) < len(scales):
            title += f": the {len(order)} worst of {len(scales)}"
        headings = ("", "output", "judged against", "error", "at most", "relative L2")
        table = make_table(title, headings, left=("", "output"))
        for i in order:
            scale = scales[i]
            table.add_row(
                "decides" if scale.name == metrics["nrmse_decided_by"] else "",
                Text(scale.name),
                f"{scale.scale:.3g}",
                f"{metrics['nrmse_per_output'][i]:.3e}",
                f"{bounds[i]:.3e}",
                f"{metrics['rel_l2_per_output'][i]:.3e}",
            )
        console().print(table)
    for scale in unusual[:_MOST_OUTPUTS]:
        told = f"{scale.name} varies by {scale.std:.3g}, {_AGAINST[scale.against]}"
        console().print(Text(told), soft_wrap=True)


def print_run(program: Program, result: RunResult, seconds: float, written: list[Path]) -> None:
    """What a run gave."""
    metrics, rows = result.metrics, {}
    smoothed = " after smoothing" if "smooth" in metrics else ""
    if "rel_l2" in metrics:
        if "nrmse" in metrics:
            rows[f"{ERRORS['nrmse']}{smoothed}"] = f"{metrics['nrmse']:.3e}"
        rows[f"{ERRORS['l2']}{smoothed}"] = f"{metrics['rel_l2']:.3e}"
        if smoothed:
            rows["the same before smoothing"] = f"{metrics['rel_l2_unsmoothed']:.3e}"
        rows["largest absolute error"] = f"{metrics['max_abs']:.3e}"
    if "points_not_finite" in metrics:
        row = "points where the network is not finite: not run"
        rows[row] = f"{metrics['points_not_finite']:,}"
    rows |= _references(metrics) | _costs(program, metrics)
    if "handed_over" in metrics:
        rows["run by the reference backend"] = "; ".join(dict.fromkeys(metrics["handed_over"]))
    rows["points per second"] = f"{metrics['points'] / seconds:,.0f}"
    print_figures(f"{metrics['points']:,} points on {metrics['backend']}", rows)
    console().print(Text("written: " + ", ".join(map(str, written))), soft_wrap=True)


def _references(metrics: dict[str, Any]) -> dict[str, str]:
    rows = {}
    if "accuracy" in metrics:
        own = f" (the network's: {metrics['source_accuracy']:.2%})" * ("source_accuracy" in metrics)
        rows[f"accuracy{own}"] = f"{metrics['accuracy']:.2%}"
    for name, figure in _REFERENCES.items():
        if figure in metrics:
            rows[name] = f"{metrics[figure]:.3e}"
    return rows


def _costs(program: Program, metrics: dict[str, Any]) -> dict[str, str]:
    spikes = "events" if program.streams else "spikes"
    rows = {
        "neurons / synapses": f"{metrics['neurons']:,} / {metrics['synapses']:,}",
        "time steps": f"{metrics['steps']:,}",
        f"{spikes} per activation": _figure(metrics["spikes_per_activation"]),
        "spiking rate": f"{metrics['spiking_rate']:.4f}",
        "synaptic operations per MAC": _figure(metrics["synops_per_mac"]),
    }
    one = "point"
    if program.domain.axis_count > 1:
        one = "sample of every axis"
        rows["spikes per point of the field"] = f"{metrics['spikes_per_point']:,.2f}"
    own, source = (metrics[f"{of}energy_45nm_pj"] / 1e3 for of in ("", "source_"))
    ratio = _figure(metrics["energy_ratio"])
    rows[f"energy per {one} at 45 nm (the network's)"] = (
        f"{own:,.1f} nJ ({source:,.1f} nJ): {ratio} x"
    )
    rows["share of the network's MACs that spikes"] = f"{metrics['core_mac_share']:.1%}"
    return rows


def _figure(value: float) -> str:
    """Two decimals, or of a small number two digits."""
    return f"{value:.2f}" if value >= 0.01 else f"{value:.2g}"


def pass_rows(program: Program) -> list[dict[str, Any]]:
    """The pass log as plain values; ``seconds`` is None where it is not known."""
    seconds: Iterable[float | None] = program.seconds or [None] * len(program.passes)
    return [
        {"pass": record.call, "seconds": took} | {name: getattr(record, name) for name in _MEASURED}
        for record, took in zip(program.passes, seconds, strict=True)
    ]


def print_passes(program: Program, path: Path) -> None:
    """The pass log as a table."""
    headings = ("", "pass", "seconds", "neurons", "synapses", "error before", "error after")
    table = make_table(f"{path}: what each pass did", headings, left=("pass",), no_wrap=True)
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
