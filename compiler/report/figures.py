"""Figures of fields: network, spiking program, and their difference."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from pinnir.base.errors import BackendError
from pinnir.base.files import check_writable, write_atomic
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program, RunResult
from pinnir.report.fields import Where

# The text that says where a cut lies.
_HELD: dict[str, Any] = {
    "va": "top",
    "fontsize": 7,
    "bbox": {"facecolor": "white", "alpha": 0.7, "linewidth": 0},
}


def plot_field(path: Path, program: Program, where: Where, result: RunResult) -> None:
    """Write a figure with one row an output.

    One column: curves. A grid of two or more columns: maps over the first two that have more
    than one point, the others held at their middle. Other points: dots over the first two columns.

    Raises:
        BackendError: If matplotlib is not installed or cannot write such a file.
        ProgramFileError: If the file cannot be written.
    """
    check_format(path)
    panels = _panels(result)
    outputs = result.outputs.shape[1]
    figure = new_figure(4.2 * len(panels), 3.4 * outputs)
    axes = figure.subplots(outputs, len(panels), squeeze=False)
    for row in range(outputs):
        fields = {title: values[:, row] for title, values in panels.items()}
        if outputs > 1:
            fields = {f"{title}, output {row}": values for title, values in fields.items()}
        _draw_row(figure, axes[row], fields, program, where)
    figure.suptitle(_title(program, result))
    save_figure(path, figure)


def new_figure(width: float, height: float) -> Any:
    """An empty figure of a size in inches."""
    import matplotlib.figure

    return matplotlib.figure.Figure(figsize=(width, height), layout="constrained")


def save_figure(path: Path, figure: Any) -> None:
    """Write a figure in the format that the file's name asks for.

    Raises:
        ProgramFileError: If the file cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=picture_format(path), dpi=150)
    write_atomic(path, buffer.getvalue())


def picture_format(path: Path) -> str:
    """The format that a file's name asks for."""
    return path.suffix.lstrip(".").lower() or "png"


def check_picture(path: Path) -> None:
    """Find out before the work whether a picture can be drawn and written.

    Raises:
        BackendError: As :func:`check_format`.
        ProgramFileError: If the file cannot be written.
    """
    check_writable(path)
    check_format(path)


def check_format(path: Path) -> None:
    """Find out before the work whether a picture can be drawn.

    Raises:
        BackendError: If matplotlib is not installed or cannot write such a file.
    """
    try:
        import matplotlib.figure  # noqa: F401
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ModuleNotFoundError as error:
        raise BackendError(
            "plots need matplotlib, which is not installed", hint="pip install 'pinnir[plot]'"
        ) from error
    known = FigureCanvasAgg.get_supported_filetypes()
    if picture_format(path) not in known:
        raise BackendError(
            f"cannot draw {path}: {picture_format(path)!r} is no picture format",
            hint=f"known are {', '.join(sorted(known))}",
        )


def _panels(result: RunResult) -> dict[str, Array]:
    name = "spiking program" if result.unsmoothed is None else "spiking program, smoothed"
    if result.source is None:
        return {name: result.outputs}
    return {
        "network": result.source,
        name: result.outputs,
        "difference": result.outputs - result.source,
    }


def _title(program: Program, result: RunResult) -> str:
    error = result.metrics.get("rel_l2")
    told = f"{program.manifest['coding']}, {result.metrics['neurons']:,} neurons, "
    told += f"{result.metrics['steps']} steps" if result.metrics["steps"] > 1 else "1 step"
    told += f", {result.metrics['spikes_per_activation']:.1f} spikes per activation"
    if error is None:
        return told
    before = result.metrics.get("rel_l2_unsmoothed")
    smoothed = "" if before is None else f" ({before:.2g} before smoothing)"
    return f"{told}; relative L2 error {error:.2g}{smoothed}"


def _draw_row(
    figure: Any, axes: Any, fields: dict[str, Array], program: Program, where: Where
) -> None:
    if len(program.domain.columns) == 1:
        x = program.domain.grid(where)[:, 0] if isinstance(where, tuple) else where[:, 0]
        order = np.argsort(x)
        for axis, (title, values) in zip(axes, fields.items(), strict=True):
            axis.plot(x[order], values[order], linewidth=1)
            axis.set(title=title, xlabel=program.domain.columns[0])
        return
    # Colours span what is drawn: the rest of a field may be much larger.
    cut = _cut(where)
    drawn = {
        title: values if cut is None or not isinstance(where, tuple) else values.reshape(where)[cut]
        for title, values in fields.items()
    }
    finite = [
        np.where(np.isfinite(values), values, np.nan)
        for title, values in drawn.items()
        if not title.startswith("difference")
    ]
    low = min(np.nanmin(values, initial=np.inf) for values in finite)
    high = max(np.nanmax(values, initial=-np.inf) for values in finite)
    for axis, (title, values) in zip(axes, drawn.items(), strict=True):
        axis.set_title(title)
        if title.startswith("difference"):
            reach = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
            style = {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach}
        else:
            style = {"cmap": "viridis", "vmin": low, "vmax": high}
        figure.colorbar(_map(axis, values, program, where, style), ax=axis)


def _cut(where: Where) -> tuple[slice | int, ...] | None:
    """The part of a grid that is drawn: its first two columns, the middle of the others."""
    wide = [i for i, size in enumerate(where) if size > 1] if isinstance(where, tuple) else []
    if not isinstance(where, tuple) or len(wide) < 2:
        return None
    return tuple(slice(None) if i in wide[:2] else size // 2 for i, size in enumerate(where))


def _map(axis: Any, values: Array, program: Program, where: Where, style: dict[str, Any]) -> Any:
    """A colour map; the later column (time, in most PINNs) runs along the abscissa."""
    columns = program.domain.columns
    cut = _cut(where)
    if cut is None or not isinstance(where, tuple):
        points = program.domain.grid(where) if isinstance(where, tuple) else where
        axis.set(xlabel=columns[1], ylabel=columns[0])
        return axis.scatter(points[:, 1], points[:, 0], c=values, s=4, **style)
    lines = program.domain.lines(where)
    a, b = (i for i, index in enumerate(cut) if isinstance(index, slice))
    axis.set(xlabel=columns[b], ylabel=columns[a])
    held = [
        f"{columns[i]} = {lines[i][index]:.3g}"
        for i, index in enumerate(cut)
        if not isinstance(index, slice)
    ]
    if held:
        axis.text(0.02, 0.97, ", ".join(held), transform=axis.transAxes, **_HELD)
    return axis.pcolormesh(lines[b], lines[a], values, shading="nearest", rasterized=True, **style)
