"""Write what was measured between the marks of ``docs/codings.md``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.codings import classifiers, results, signgd
from benchmarks.codings.figures import energy_bars, error_by_cost, events_by_length, label
from benchmarks.codings.streams import Row
from benchmarks.common import DOCS, table

_PAGE = DOCS / "codings.md"
_BEGIN, _END = "<!-- streams -->\n", "<!-- end of streams -->\n"
_SIGNGD_BEGIN, _SIGNGD_END = "<!-- signgd -->\n", "<!-- end of signgd -->\n"
_SHOWN = (256, 1024, 4096)
# Most synaptic operations per multiply-accumulate, least energy advantage, by points of a line.
_TARGETS = {256: 2.5, 1024: 0.8, 4096: 0.3}
_ENERGY_ERROR = 1e-2


def write_page() -> None:
    """Draw the figures and replace what stands between the marks."""
    delta, phase, curves = (results.rows(kind) for kind in ("delta", "phase", "curves"))
    fields = results.rows("energy")
    cheapest = cheapest_rows(curves)
    parts = ["Measured by `python -m benchmarks.codings`.\n"]
    if delta:
        events_by_length(delta)
        parts += [
            _delta(delta),
            "![events against length](images/codings_lines.png)\n",
            _slopes(delta),
            _options(delta),
        ]
    if phase:
        parts += [_phase(phase)]
    if curves:
        error_by_cost(curves)
        energy_bars(cheapest)
        parts += [
            _energy(cheapest),
            _fields(fields),
            "![energy](images/codings_energy.png)\n",
            "![error against cost](images/codings_cost.png)\n",
        ]
    parts += [_drift()]
    _put(_BEGIN, _END, parts)
    _put(_SIGNGD_BEGIN, _SIGNGD_END, [parts[0], signgd.part(), classifiers.part()])


def _put(begin: str, end: str, parts: Sequence[str]) -> None:
    """Replace what stands between two marks of the page."""
    before, _, rest = _PAGE.read_text().partition(begin)
    after = rest.partition(end)[2]
    _PAGE.write_text(f"{before}{begin}\n" + "\n".join(parts) + f"\n{end}{after}")


def _delta(rows: Sequence[Row]) -> str:
    """Synaptic operations and energy on lines, one row a network and column."""
    lines = {
        (row.network, row.along, row.line): row
        for row in rows
        if row.line in _SHOWN and not row.options
    }
    cells = []
    for network, along in dict.fromkeys((network, along) for network, along, _ in lines):
        own = [lines[network, along, length] for length in _SHOWN]
        error = max(row.error for row in own)
        cells.append(
            [
                network,
                along,
                own[0].levels,
                f"{error:.1e}",
                *(f"{r.synops:.2g}" for r in own),
                *(f"{r.energy:.1f} x" for r in own),
            ]
        )
    headings = [
        "network",
        "lines along",
        "levels",
        "error",
        *(f"{n:,}" for n in _SHOWN),
        *(f"energy {n:,}" for n in _SHOWN),
    ]
    asked = ", ".join(f"{most:g} at {n:,}" for n, most in _TARGETS.items())
    return (
        "**Delta, unit events**: synaptic operations per multiply-accumulate on lines of "
        f"{', '.join(f'{n:,}' for n in _SHOWN)} points (asked: at most {asked}; error at most "
        "5e-3), and how many times less energy than the network.\n\n" + table(headings, cells)
    )


def _slopes(rows: Sequence[Row]) -> str:
    """The slopes of the figure, by least squares over lines of 256 points and more."""
    found = []
    plain = [row for row in rows if row.line is not None and row.line >= 256 and not row.options]
    for key in dict.fromkeys((row.network, row.along) for row in plain):
        own = [row for row in plain if (row.network, row.along) == key]
        if len(own) > 1:
            lengths, events = np.log([r.line for r in own]), np.log([r.events for r in own])
            found.append(float(np.polyfit(lengths, events, 1)[0]))
    return (
        f"Slopes in log-log from 256 points on: {min(found):.2f} to {max(found):.2f}, "
        f"{np.median(found):.2f} in the middle. Neurons of the first layer keep to -1: they send "
        "as many events on a line, however many points it has. What a deeper one sees moves in the "
        "steps of the layers before, back and forth across a boundary, and the closer the points, "
        "the more of these crossings are seen. So events per line grow with depth and length.\n"
    )


def _options(rows: Sequence[Row]) -> str:
    """Graded events, hysteresis and orders."""
    cells = []
    for network in dict.fromkeys(row.network for row in rows):
        own = [row for row in rows if row.network == network]
        plain = {row.line: row for row in own if not row.options}  # the last column stays
        for row in (plain[256], plain[4096], *(row for row in own if row.options)):
            where = row.options or f"unit events, lines of {row.line:,}"
            order = row.order if row.options.startswith("grid") else ""
            variant = " ".join(filter(None, (where, order)))
            cells.append(
                [
                    network,
                    variant,
                    f"{row.error:.1e}",
                    f"{row.events:.3f}",
                    f"{row.synops:.3f}",
                    f"{row.energy:.1f} x",
                ]
            )
    headings = ["network", "variant", "error", "events per activation", "synops per MAC", "energy"]
    return (
        "**Options**, on lines of 256 points along the last column where nothing else is said: a "
        "graded event carries a change of several levels, hysteresis lets levels change late. On "
        "short lines a level crosses a boundary once, so hysteresis saves little and costs "
        "accuracy; on long lines a small one keeps deep neurons from going back and forth.\n\n"
        + table(headings, cells)
    )


def _phase(rows: Sequence[Row]) -> str:
    cells = [
        [
            row.network,
            f"{row.asked:g}",
            row.levels,
            f"{row.error:.1e}",
            f"{row.events:.2f}",
            f"{row.synops:.2f}",
            f"{row.energy:.1f} x",
        ]
        for row in rows
    ]
    headings = [
        "network",
        "asked",
        "levels",
        "error",
        "spikes per activation",
        "synops per MAC",
        "energy",
    ]
    return (
        "**Phase**: spikes per activation on the evaluation points (asked: 3.2 at an error of "
        "1e-2, 4.5 at 1e-3), and how many times less energy than the network.\n\n"
        + table(headings, cells)
    )


def cheapest_rows(rows: Sequence[Row]) -> list[Row]:
    """Of every network and coding the program of least energy that is accurate enough."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = row.network, label(row)
        if row.error <= _ENERGY_ERROR and (key not in found or row.energy > found[key].energy):
            found[key] = row
    return list(found.values())


def _energy(rows: Sequence[Row]) -> str:
    cells = [
        [
            row.network,
            label(row),
            f"{row.levels:,}" if row.levels else "",
            f"{row.error:.1e}",
            f"{row.events:.3g}",
            f"{row.synops:.3g}",
            f"{1 / row.energy:.3g}",
        ]
        for row in rows
    ]
    headings = [
        "network",
        "coding",
        "levels",
        "error",
        "events per activation",
        "synops per MAC",
        "energy, network = 1",
    ]
    return (
        "**Energy at 45 nm**, the cheapest program of each coding with an error of at most "
        f"{_ENERGY_ERROR:g}, on the same accounting (0.9 pJ a synaptic operation, 4.6 pJ a "
        "multiply-accumulate).\n\n" + table(headings, cells)
    )


def _fields(rows: Sequence[Row]) -> str:
    """Energy of delta programs of all networks, along the dearest and the cheapest column."""
    cells = []
    for network in dict.fromkeys(row.network for row in rows):
        own = [row for row in rows if row.network == network]
        spans = []
        for length in (256, 4096):
            found = [row.energy for row in own if row.line == length]
            spans.append(f"{min(found):.1f} to {max(found):.1f} x")
        error = max(row.error for row in own)
        cells.append([network, own[0].levels, f"{error:.1e}", *spans])
    headings = ["network", "levels", "error", "lines of 256", "lines of 4,096"]
    return (
        "**Delta on every network**, at an error of at most "
        f"{_ENERGY_ERROR:g}: how many times less energy than the network, along its dearest and "
        "its cheapest column (asked: at least 3 x on lines of 256 points, 15 x of 4,096).\n\n"
        + table(headings, cells)
    )


def _drift() -> str:
    lines = [
        f"{name}: {found['levels']:,} levels compared, {found['different']:,} differ."
        for name, found in results.load().get("drift", {}).items()
    ]
    head = "**No drift**: all levels of all neurons after 1,000,000 points streamed as one line, "
    return head + "against the staircase network. " + " ".join(lines) + "\n" if lines else ""
