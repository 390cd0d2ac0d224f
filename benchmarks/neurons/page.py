"""The page that says what the study found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.common import table, write_page
from benchmarks.neurons import converted, figures, verify
from benchmarks.neurons.orders import orders
from benchmarks.neurons.ours import simulate
from benchmarks.neurons.protocols import SETTINGS, measure
from benchmarks.neurons.study import FUNCTIONS, ITERATIONS, SAMPLES, SEEDS, UNITS
from benchmarks.neurons.summary import PAIRS, Group, finest, groups
from pinnir.neurons import MEMBRANES
from pinnir.neurons.membranes.conversion import CONVERSIONS
from pinnir.neurons.membranes.integrators import INTEGRATORS
from pinnir.neurons.membranes.response import counts
from pinnir.neurons.membranes.stability import largest_stable_step

_PLAUSIBLE = ("izhikevich", "hodgkin-huxley")
_ANALYTIC, _CORNER, _JUMP = FUNCTIONS
_CASES = [f"{function}, {f'noise {noise:g}' if noise else 'no noise'}" for function, noise in PAIRS]

_HEAD = f"""# Membrane models for regression

Written by `python -m benchmarks.neurons`, which measures what `benchmarks/neurons/results.json`
does not hold yet. How membranes become programs: [neurons-design.md](neurons-design.md).

The study of De Florio, Kahana and Karniadakis ("Analysis of biologically plausible neuron models
for regression with spiking neural networks", arXiv 2401.00369), repeated: one layer of {UNITS}
membranes, an encoder that is trained by surrogate gradient ({ITERATIONS} iterations of Adam), a
linear read-out of the rates. {SAMPLES} data on an even mesh of [-1, 1]; every fourth is held back
and chooses the ridge of the read-out and the iteration that is kept. Errors are relative L2 errors
halfway between the data, against the function without noise; each is the mean of {SEEDS} seeds, of
layer and noise, and the standard deviation over them. An inference is 50 steps of 2 ms; FitzHugh
and Nagumo's time has no unit, and their steps are 4 of it. Noise is normal, of a tenth of the
data's standard deviation. How wide the encoder spreads, how long is trained, the number of units
and the time of an inference were set while looking at such errors, for all models alike. The
functions:

- `{_ANALYTIC}`: analytic,
- `{_CORNER}`: continuous, with a corner,
- `{_JUMP}`: with a jump.

The paper's own parameters, functions and table were not available: parameters are the published
ones of each model, and figures cannot be compared one by one.
"""


def write(results: dict[str, Any]) -> None:
    """Write ``docs/neurons.md`` and its figures."""
    brian2 = verify.load()
    write_page(
        "neurons.md",
        _HEAD,
        "## Error by model, integrator and step\n",
        f"![errors by sub-step]({figures.errors(results)})\n",
        _errors(results),
        "## Do more plausible models reach lower errors with fewer spikes?\n",
        _verdict(finest(results)),
        _plainly(results),
        f"![errors by cost]({figures.costs(results)})\n",
        "## Conversion\n",
        _conversion(results),
        "## Against Brian2\n",
        _brian2(brian2),
        f"![f-I curves]({figures.rates(brian2['models'])})\n",
        "## Integrators\n",
        _integrators(),
        _OUTSIDE,
    )


def _errors(results: Mapping[str, Any]) -> str:
    headings = ["model", "integrator", "sub-step", *_CASES]
    headings += ["spikes", "right-hand sides", "ms an inference", "s a training"]
    rows = []
    for one in groups(results):
        errors = [one.error(*pair) for pair in PAIRS]
        row = [one.neuron, one.integrator, f"{one.substep:g}"]
        row += [f"{mean:.1%} ± {spread:.1%}" for mean, spread in errors]
        row += [f"{one.spikes:.0f}", f"{one.evaluations:,}"]
        row += [f"{1e3 * one.seconds:.2f}", f"{one.training_seconds:.1f}"]
        rows.append(row)
    return table(headings, rows) + _UNITS


_UNITS = """
Spikes and evaluations of the right-hand side are those of an inference, of all units. Times are
those of the float64 oracle, a batch at once, on a shared machine: they say which is dearer, not how
dear. Hodgkin-Huxley neurons have no reset, so Runge-Kutta 4 is of fourth order through their spikes
too, and counts the same ones with all three sub-steps: rows that are equal.
"""


def _verdict(found: Mapping[str, Group]) -> str:
    """Every model at its finest step under Runge-Kutta 4, in terms of LIF."""
    lif = found["lif"]
    rows = [
        [
            name,
            *(f"{one.error(*pair)[0] / lif.error(*pair)[0]:.2f}" for pair in PAIRS),
            f"{one.mean_error / lif.mean_error:.2f}",
            f"{one.spikes / lif.spikes:.2f}",
            f"{one.evaluations / lif.evaluations:.1f}",
        ]
        for name, one in found.items()
    ]
    told = [_compared(found[name], lif) for name in _PLAUSIBLE if name in found]
    head = "Everything in terms of LIF, Runge-Kutta 4 at the finest step:\n"
    headings = ["model", *_CASES, "geometric mean", "spikes", "right-hand sides"]
    return "\n".join([head, table(headings, rows), *told, ""])


def _compared(one: Group, lif: Group) -> str:
    lower = [one.error(*pair)[0] < lif.error(*pair)[0] for pair in PAIRS]
    clearly = [
        one.error(*pair)[0] + one.error(*pair)[1] < lif.error(*pair)[0] - lif.error(*pair)[1]
        for pair in PAIRS
    ]
    fewer = one.spikes / lif.spikes
    return (
        f"- {one.neuron}: lower error than LIF in {sum(lower)} of {len(PAIRS)} cases, in "
        f"{sum(clearly)} of them by more than both spreads; {fewer:.2f} times the spikes; "
        f"{one.evaluations / lif.evaluations:.1f} times the evaluations."
    )


def _plainly(results: Mapping[str, Any]) -> str:
    """What the figures come to."""
    found = {(one.neuron, one.integrator, one.substep): one for one in groups(results)}
    lif, izhikevich = found["lif", "euler", 0.5], found["izhikevich", "euler", 0.5]
    return f"""Plainly: *fewer spikes* holds, by factors of three to four. *Lower error* holds on
average; case by case the difference often lies within the spread over the seeds, and on the
function with a corner LIF is as good as Hodgkin-Huxley neurons. Plausibility alone does not rank
the models: FitzHugh-Nagumo neurons fire least of all and are no better than LIF. No model does well
on the jump. The price is the cost of a step, most of all of Hodgkin-Huxley neurons; but at the same
{izhikevich.evaluations:,} evaluations, under forward Euler at 0.5 ms, Izhikevich neurons still have
the lower error (geometric mean {izhikevich.mean_error:.1%}, LIF {lif.mean_error:.1%}). Integrator
and step change little: the read-out is fitted to what the neurons do under either.
"""


def _conversion(results: Mapping[str, Any]) -> str:
    rows = []
    for name in converted.POINTS:
        told: list[object] = [name, _counts(name)]
        for problem in converted.PROBLEMS:
            cell = results.get(converted.Cell(name, problem).key)
            told += [f"{cell['rel_l2']:.2%}", f"{cell['spikes']:,.0f}"] if cell else ["", ""]
        cells = (results.get(converted.Cell(name, one).key) for one in converted.PROBLEMS)
        told.append(" / ".join(f"{cell['evaluations']:,}" if cell else "-" for cell in cells))
        rows.append(told)
    headings = ["neuron", "counts"]
    for problem in converted.PROBLEMS:
        headings += [f"{problem.replace('_', ' ')}: error", "spikes"]
    return _CONVERSION + table([*headings, "right-hand sides"], rows) + _why(results)


def _counts(name: str) -> int:
    """Different counts of spikes that a unit gives along its ramp."""
    if name not in CONVERSIONS:
        return converted.STEPS + 1
    one = CONVERSIONS[name]
    currents = np.linspace(*one.drive, 401)
    return np.unique(counts(one.model, one.scheme, currents, converted.STEPS, one.kick)).size


def _why(results: Mapping[str, Any]) -> str:
    """What the table says of LIF, and of the others."""
    lif, fitted, counted = (
        [results[converted.Cell(name, one).key]["rel_l2"] for one in converted.PROBLEMS]
        for name in ("lif", "if", "if-counted")
    )
    same, best = np.divide(lif, fitted), np.divide(lif, counted)
    return f"""
LIF has {same.min():.2f} to {same.max():.2f} times the error of IF that is fitted in the same way,
and {best.min():.2f} to {best.max():.2f} times that of `if-counted`. The others stay below 10 % on
the shallow network, and lose more on the deep ones: FitzHugh-Nagumo neurons, which have the fewest
counts, and Hodgkin-Huxley neurons, which were fitted on the fewest points, most of all.
"""


_CONVERSION = f"""Programs of `--neuron` with {converted.STEPS} steps and {converted.UNITS} units a
neuron: relative L2 error against the network on evaluation points, and spikes of an inference.
Steps are equal, times are not: a step takes 1 ms of LIF, 4 ms of Izhikevich and 2 ms of
Hodgkin-Huxley neurons, and 8 units of FitzHugh and Nagumo's time, which was chosen out of five
settings by the error of function regression on other points. Maps are fitted to the spikes that
arrive, on 8,192 points (IF and LIF), 512, or 256 (Hodgkin-Huxley, measured on half as many points).
`if-counted` is `pipelines.rate_refitted`, which fits to counts that only integrate-and-fire neurons
have in closed form. `counts` is how many different numbers of spikes a unit gives under the
constant currents of its ramp.

"""


def _brian2(brian2: Mapping[str, Any]) -> str:
    rows = []
    for name in SETTINGS:
        told = list(verify.differences(measure(name, simulate), brian2["models"][name]))
        curve = max(difference for path, difference in told if path.startswith("/f_i/"))
        path, worst = max(told, key=lambda one: one[1])
        rows.append([name, len(told), f"{curve:.3%}", f"{worst:.3%}", path.strip("/")])
    return (
        f"Rates under constant currents, spike shape, threshold current and the second pulse that "
        f"still fires, Runge-Kutta 4 here and Brian2 {brian2['brian2']} there "
        "(`python -m benchmarks.neurons.verify`). Targets are 1 %.\n\n"
        + table(["model", "figures", "largest difference of f-I", "of any figure", "which"], rows)
    )


def _integrators() -> str:
    rows = []
    for name, model in MEMBRANES.items():
        told: list[object] = [name]
        for integrator in INTEGRATORS:
            limit = largest_stable_step(model, integrator)
            unit = f" {model.time_unit}" if model.time_unit else ""
            told += [f"{np.asarray(orders(name, integrator))[-1]:.2f}", f"{limit:.3g}{unit}"]
        rows.append(told)
    headings = ["model"]
    for integrator in INTEGRATORS:
        headings += [f"{integrator}: order", "largest stable step"]
    return (
        "Orders are measured between spikes, against an integration to 13 digits; through a spike "
        "and a reset every method is of first order in the step, since spikes fall on its ends. A "
        "step beyond the largest stable one is refused, with that.\n\n" + table(headings, rows)
    )


_OUTSIDE = """## Outside pinnir

LIF programs are plain NIR (`nir.LIF`). NIR has no primitive for the others: their files hold
membranes in pinnir's private group, and `--target nir` refuses them with that sentence.
`pinnir export LAYER.nir --target pynn -o DIR` writes Izhikevich and Hodgkin-Huxley layers as PyNN
scripts; `pinnir verify LAYER.nir --target pynn` runs them on Brian2 in an environment of their own
(`pinnir install pynn`), where every spike equals the oracle's, by both integrators.
"""
