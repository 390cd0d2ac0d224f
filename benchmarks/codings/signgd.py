"""Sign-gradient programs of regression networks: what each refinement of the paper's form gains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache

import matplotlib.figure

from benchmarks.codings import results
from benchmarks.codings.figures import save
from benchmarks.common import table
from ir_examples.build import DOMAINS, ROOT
from pinnir.codings.signgd import SignGradientCoding
from pinnir.passes import pipelines
from pinnir.search.build import assemble
from pinnir.search.candidates import given
from pinnir.search.compile import prepare
from pinnir.search.job import Job

NETWORKS = ("deep_regression", "function_regression", "poisson", "burgers")
STEPS = (8, 16, 32, 64)
# Points that programs are compared with the network on: a part of the selection points, which
# nothing was fitted to.
_POINTS = 2048
_PAPER = SignGradientCoding(delay=0, scale="none", eta=0.15, decay=0.95, levels=16)
# Form: the coding, and at which steps it is measured.
FORMS: dict[str, tuple[SignGradientCoding, Sequence[int]]] = {
    "paper": (_PAPER, (32, 64)),
    "paper, input by its codec": (replace(_PAPER, inputs="spikes"), (32, 64)),
    "paper, tuned": (replace(_PAPER, eta=0.3, decay=0.9), (32, 64)),
    "range of each neuron": (SignGradientCoding(delay=0, levels=16), (32, 64)),
    "inverse schedule": (SignGradientCoding(schedule="inverse", levels=16), (32, 64)),
    "constant schedule": (SignGradientCoding(schedule="constant", levels=16), (32, 64)),
    "chosen": (SignGradientCoding(levels=16), STEPS),
}
_TARGETS = {32: 1e-2, 64: 1e-3}


@dataclass(frozen=True)
class Row:
    """One program.

    Attributes:
        network: Of ``NETWORKS``.
        form: Of ``FORMS``.
        steps: T.
        error: Relative L2 error against the network.
        spikes: Per activation.
        synops: Synaptic operations per multiply-accumulate.
    """

    network: str
    form: str
    steps: int
    error: float
    spikes: float
    synops: float


@cache
def _job(name: str) -> Job:
    return prepare(ROOT / name / "model.onnx", DOMAINS[name], "programmable")


def rows_of(name: str) -> Iterator[Row]:
    """Measure all forms of one network."""
    job = _job(name)
    points = job.combined(job.selection[:_POINTS])
    for form, (coding, lengths) in FORMS.items():
        for steps in lengths:
            found = assemble(job, given(pipelines.signgd(steps, coding))).run(points)
            told = found.metrics
            yield Row(
                name,
                form,
                steps,
                float(told["rel_l2"]),
                float(told["spikes_per_activation"]),
                float(told["synops_per_mac"]),
            )


def measure(name: str) -> None:
    """Measure one network and keep what was found."""
    results.put("signgd", name, [asdict(row) for row in rows_of(name)])


def rows() -> list[Row]:
    """Everything that was measured."""
    return [Row(**row) for of in results.load().get("signgd", {}).values() for row in of]


def part() -> str:
    """What the page says of it."""
    known = {(row.network, row.form, row.steps): row for row in rows()}
    names = [name for name in NETWORKS if (name, "chosen", 32) in known]
    if not names:
        return ""
    _figure(names)
    asked = ", ".join(f"{error:g} at T = {steps}" for steps, error in _TARGETS.items())
    forms = [
        [form, *(f"{known[name, form, t].error:.1e}" for name in names for t in _TARGETS)]
        for form in FORMS
    ]
    headings = ["form", *(f"{name}, T = {t}" for name in names for t in _TARGETS)]
    chosen = [
        [name, t, f"{row.error:.1e}", f"{row.spikes:.1f}", f"{row.synops:.1f}"]
        for name in names
        for t in STEPS
        for row in (known[name, "chosen", t],)
    ]
    columns = ["network", "T", "error", "spikes per activation", "synops per MAC"]
    return (
        f"**Error against the network**, at most {asked} asked for of `deep_regression` (tanh, "
        "1-64-64-64-64-1):\n\n"
        + table(headings, forms)
        + "\n![error over steps](images/codings_signgd.png)\n\n"
        + "**What the chosen schedules cost**\n\n"
        + table(columns, chosen)
    )


def _figure(names: Sequence[str]) -> None:
    """Error over time steps, the published schedule's beside it."""
    figure = matplotlib.figure.Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(names):
        for form, style in (("chosen", "o-"), ("paper", "x:")):
            own = [(r.steps, r.error) for r in rows() if (r.network, r.form) == (name, form)]
            label = name if form == "chosen" else f"{name}, paper"
            axes.semilogy(*zip(*own, strict=True), style, ms=4, color=f"C{number}", label=label)
    axes.set(xlabel="time steps T", ylabel="relative L2 error against the network")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, frameon=False)
    axes.set_xticks(STEPS)
    save(figure, "codings_signgd.png")
