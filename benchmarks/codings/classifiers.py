"""Classifiers of digits as sign-gradient programs: accuracy over time steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import matplotlib.figure

from benchmarks.codings import results
from benchmarks.codings.figures import save
from benchmarks.common import table
from ir_examples.build import ROOT
from ir_examples.digits import TRAINING, read_digits
from pinnir.points.held_out import load_held_out
from pinnir.search.build import assemble
from pinnir.search.candidates import signgd_features
from pinnir.search.compile import prepare

NETWORKS = ("digits_resmlp", "digits_mixer", "digits_convnext")
STEPS = (8, 12, 16, 24, 32, 48, 64)
_SHOWN = (8, 16, 32, 64)


@dataclass(frozen=True)
class Row:
    """One program, on the images that were held out.

    Attributes:
        network: Of ``NETWORKS``.
        steps: T.
        accuracy: Of the program.
        source: Of the network.
        error: Relative L2 error of the scores against the network.
        depth: Populations in a row.
        neurons: Of the program.
        spikes: Per neuron and image.
        synops: Synaptic operations per multiply-accumulate of the network.
    """

    network: str
    steps: int
    accuracy: float
    source: float
    error: float
    depth: int
    neurons: int
    spikes: float
    synops: float


def rows_of(name: str) -> Iterator[Row]:
    """Measure one network for all numbers of steps."""
    held_out = load_held_out(ROOT / name / "reference.npz")
    assert held_out.labels is not None
    job = prepare(
        ROOT / name / "model.onnx",
        "0:1",
        "programmable",
        calibration=read_digits(TRAINING).points,
        evaluation=held_out,
        coding="signgd",
    )
    for steps in STEPS:
        program = assemble(job, signgd_features(steps))
        told = program.run(held_out.points).classified(held_out.labels).metrics
        yield Row(
            name,
            steps,
            told["accuracy"],
            told["source_accuracy"],
            told["rel_l2"],
            told["depth"],
            told["neurons"],
            told["spikes_per_activation"],
            told["synops_per_mac"],
        )


def measure(name: str) -> None:
    """Measure one network and keep what was found."""
    results.put("classifiers", name, [asdict(row) for row in rows_of(name)])


def rows() -> list[Row]:
    """Everything that was measured."""
    return [Row(**row) for of in results.load().get("classifiers", {}).values() for row in of]


def part() -> str:
    """What the page says of it."""
    found = rows()
    if not found:
        return ""
    _figure(found)
    cells = []
    for name in dict.fromkeys(row.network for row in found):
        own = {row.steps: row for row in found if row.network == name}
        one = own[max(own)]
        cells.append(
            [
                name,
                f"{one.source:.1%}",
                *(f"{own[t].accuracy:.1%}" for t in _SHOWN),
                f"{own[32].error:.1e} / {own[64].error:.1e}",
                one.depth,
                f"{one.neurons:,}",
                f"{own[32].spikes:.0f}",
                f"{own[32].synops:.0f}",
            ]
        )
    headings = [
        "network",
        "accuracy",
        *(f"T = {t}" for t in _SHOWN),
        "error at 32 / 64",
        "depth",
        "neurons",
        "spikes per neuron at 32",
        "synops per MAC at 32",
    ]
    return (
        "**Classifiers** of scikit-learn's digits on the 360 images that were held out; ranges and "
        "schedules are fitted to the other 1,437. Asked: at most one point below the network at "
        "T = 64.\n\n"
        + table(headings, cells)
        + "\n![accuracy over steps](images/codings_accuracy.png)\n"
    )


def _figure(found: Sequence[Row]) -> None:
    """Accuracy over time steps, the network's as a dashed line."""
    figure = matplotlib.figure.Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(dict.fromkeys(row.network for row in found)):
        own = [row for row in found if row.network == name]
        curve = [(row.steps, 100 * row.accuracy) for row in own]
        label = f"{name} (the network, dashed: {own[0].source:.1%})"
        axes.plot(*zip(*curve, strict=True), "o-", ms=4, color=f"C{number}", label=label)
        axes.axhline(100 * own[0].source, color=f"C{number}", ls="--", lw=1)
    axes.set(xlabel="time steps T", ylabel="accuracy on held-out images, %")
    axes.set_xticks(STEPS)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    save(figure, "codings_accuracy.png")
