"""A placement for the terminal, for machines, and as a picture."""

from __future__ import annotations

from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from pinnir.ir.graph import Neuron
from pinnir.ir.placement import Placement
from pinnir.mapping.occupancy import Occupancy
from pinnir.metrics.spikes import depths
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program
from pinnir.report.figures import check_format, new_figure, save_figure
from pinnir.report.tables import console, make_table, print_figures

_LEGEND = """\
fill: of the cores in use, on average and at most
messages: a spike that units on k other cores hear is k messages; distances are not counted
local: spikes that units on the same core hear, as well or only; neither they nor the analog input
and the read-out are messages"""
_COLOURS = {
    "neurons": "tab:blue",
    "synapse memory": "tab:orange",
    "axons in": "tab:green",
    "axons out": "tab:purple",
}
# Links that are drawn for every core, the busiest ones of all.
_LINKS = 4
# Cores whose links are drawn in full thickness; those of more are thinner.
_FEW = 24


def placement_row(placement: Placement, held: Occupancy) -> dict[str, Any]:
    """A placement as plain values."""
    limits = held.limits(placement.chip)
    told = placement.told()
    return {
        **{name: told[name] for name in ("chip", "chips", "method")},
        "cores_used": placement.used,
        "cores": placement.available,
        "fill": {
            name: {"mean": float((used / most).mean()), "largest": float((used / most).max())}
            for name, (used, most) in limits.items()
        },
        "messages": held.messages,
        "messages_greedy": placement.greedy,
        "local_spikes": held.local,
        "read_out_spikes": held.read_out,
        "populations": told["cores"],
        "per_core": _per_core(held),
    }


def _per_core(held: Occupancy) -> list[dict[str, Any]]:
    """What each core holds, and the messages that it sends and receives per inference."""
    columns = {
        "neurons": held.neurons,
        "synapses": held.synapses,
        "synapse_memory_bits": held.memory,
        "axons_in": held.axons_in,
        "axons_out": held.axons_out,
        "sent": held.traffic.sum(axis=1),
        "received": held.traffic.sum(axis=0),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def print_placement(placement: Placement, held: Occupancy, program: Program, path: Path) -> None:
    """A table of the placement, and one of its cores."""
    row, chip = placement_row(placement, held), placement.chip
    bits = f" of {chip.bits_per_synapse} bits" if chip.synapse_memory_bits is not None else ""
    one = "point" if program.streams else "inference"
    greedy = "" if placement.greedy is None else f" (packed greedily: {placement.greedy:,.1f})"
    figures = {
        "cores in use": f"{placement.used:,} of {placement.available:,}",
        "neurons": f"{held.neurons.sum():,}",
        f"synapses, flattened{bits}": f"{held.synapses.sum():,}",
    }
    for name, fill in row["fill"].items():
        figures[f"fill: {name}"] = f"{fill['mean']:.1%}, at most {fill['largest']:.1%}"
    figures |= {
        f"messages between cores per {one}{greedy}": f"{held.messages:,.1f}",
        f"local spikes per {one}": f"{held.local:,.1f}",
        f"spikes read out per {one}": f"{held.read_out:,.1f}",
    }
    print_figures(f"{path} on {_chips(placement)}", figures)
    console().print(_cores_table(placement, held, program))
    console().print(Text(_LEGEND))


def _chips(placement: Placement) -> str:
    count = f"{placement.chips} x " if placement.chips > 1 else ""
    return count + placement.chip.name


def _cores_table(placement: Placement, held: Occupancy, program: Program) -> Table:
    counted = ("core", "neurons", "synapses", "axons in", "axons out", "sent", "received")
    words = ("fullest in", "depth")
    table = make_table("cores", (*counted, *words), left=words)
    limits, found = held.limits(placement.chip), _depths(placement, program)
    for core, row in enumerate(_per_core(held)):
        counts = [f"{row[name]:,}" for name in ("neurons", "synapses", "axons_in", "axons_out")]
        messages = [f"{row[name]:,.1f}" for name in ("sent", "received")]
        fill = {name: used[core] / most for name, (used, most) in limits.items()}
        fullest = max(fill, key=lambda name: fill[name])
        full = f"{fullest}: {fill[fullest]:.0%}"
        table.add_row(str(core), *counts, *messages, full, _range(found[core]))
    return table


def _range(values: Array) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


def _depths(placement: Placement, program: Program) -> list[Array]:
    """Populations on the longest way to every unit, itself included, by core."""
    found = {
        node.name: depth
        for core in program.running
        for node, depth in depths(core).items()
        if isinstance(node.op, Neuron)
    }
    cores = np.concatenate([placement.cores[name] for name in found])
    units = np.concatenate([np.full(placement.cores[n].size, float(d)) for n, d in found.items()])
    return [units[cores == core] for core in range(placement.used)]


def plot_placement(path: Path, placement: Placement, held: Occupancy, program: Program) -> None:
    """Write a picture: cores as tiles with their fill, the busiest links, and all traffic.

    Raises:
        BackendError: If matplotlib is not installed or cannot write such a file.
        ProgramFileError: If the file cannot be written.
    """
    check_format(path)
    columns = ceil(sqrt(1.4 * placement.used))
    rows = ceil(placement.used / columns)
    size = min(1.1, 11 / columns)
    width, height = max(4.2, size * columns), max(4.2, 1.4 + size * rows)
    figure = new_figure(width + height, height)
    tiles, matrix = figure.subplots(1, 2, width_ratios=(width, height - 0.8))
    _draw_tiles(figure, tiles, columns, placement, held, _depths(placement, program))
    _draw_traffic(figure, matrix, held)
    figure.suptitle(
        f"{program.manifest['coding']} program on {_chips(placement)}: "
        f"{placement.used} of {placement.available} cores, {held.messages:,.0f} messages per "
        f"{'point' if program.streams else 'inference'}"
    )
    save_figure(path, figure)


def _draw_tiles(
    figure: Any, axis: Any, columns: int, placement: Placement, held: Occupancy, found: list[Array]
) -> None:
    """Tiles in the order of their numbers, row by row; bars show the fill, greys the depth."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.patches import Patch, Rectangle

    limits = held.limits(placement.chip)
    deepest = max(float(units.max()) for units in found)
    greys = ListedColormap(colormaps["Greys"](np.linspace(0, 0.5, 64)))
    grey = ScalarMappable(Normalize(1, max(2.0, deepest)), greys)
    size = min(8, 90 / columns)
    edge: dict[str, Any] = {"edgecolor": "0.3", "linewidth": 0.6}
    _draw_links(axis, columns, held.traffic)
    for core, units in enumerate(found):
        x, y = core % columns, -(core // columns)
        corner, shade = (x - 0.36, y - 0.36), grey.to_rgba(units.mean())
        axis.add_patch(Rectangle(corner, 0.72, 0.72, facecolor=shade, zorder=2, **edge))
        axis.text(x - 0.3, y + 0.22, str(core), fontsize=size, va="center", zorder=4)
        for line, (name, (used, most)) in enumerate(limits.items()):
            place = (x - 0.3, y - 0.3 + 0.42 * (1 - (line + 1) / len(limits)))
            thick = 0.34 / len(limits)
            axis.add_patch(Rectangle(place, 0.6, thick, facecolor="white", zorder=3))
            long = 0.6 * used[core] / most
            axis.add_patch(Rectangle(place, long, thick, facecolor=_COLOURS[name], zorder=4))
    lowest = -((len(found) - 1) // columns) - 0.5
    axis.set(xlim=(-0.5, columns - 0.5), ylim=(lowest, 0.5), aspect="equal")
    axis.set_axis_off()
    named = {name: f"{name} (of {most:,})" for name, (_, most) in limits.items()}
    handles = [Patch(color=_COLOURS[name], label=label) for name, label in named.items()]
    below = {"loc": "upper left", "bbox_to_anchor": (0, 0), "ncols": 2}
    axis.legend(handles=handles, fontsize=7, frameon=False, **below)
    axis.set_title("cores: how full, and the busiest links", fontsize=9)
    bar = figure.colorbar(grey, ax=axis, shrink=0.6, pad=0.01)
    bar.set_label("mean depth of a core's units", fontsize=7)
    bar.ax.tick_params(labelsize=7)


def _draw_links(axis: Any, columns: int, traffic: Array) -> None:
    """The busiest links, both ways added, thicker and darker the busier."""
    both = np.triu(traffic + traffic.T)
    order = np.argsort(both, axis=None)[::-1][: _LINKS * len(both)]
    fine = min(1.0, _FEW / len(both))
    for a, b in zip(*np.unravel_index(order, both.shape), strict=True):
        if both[a, b] > 0:
            share = both[a, b] / both.max()
            ends = [a % columns, b % columns], [-(a // columns), -(b // columns)]
            look = {"alpha": 0.2 + 0.5 * share * fine, "linewidth": 0.3 + 2.2 * share * fine}
            axis.plot(*ends, color="tab:red", zorder=1, solid_capstyle="round", **look)


def _draw_traffic(figure: Any, axis: Any, held: Occupancy) -> None:
    """Messages from every core to every other."""
    from matplotlib.ticker import MaxNLocator

    shown = np.ma.masked_less_equal(held.traffic, 0)
    image = axis.imshow(shown, cmap="magma_r", interpolation="nearest", vmin=0)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="to core", ylabel="from core")
    axis.set_title("messages between cores", fontsize=9)
    bar = figure.colorbar(image, ax=axis, shrink=0.7)
    bar.ax.tick_params(labelsize=7)
