"""``python -m benchmarks.neurons`` repeats the paper's study and writes ``docs/neurons.md``.

What ``results.json`` holds is not measured again. All of it takes about an hour of one core, most
of that Hodgkin-Huxley neurons; models may be named. ``--page`` only writes the page.
"""

from __future__ import annotations

import argparse
from functools import partial

from benchmarks.neurons import converted, page, study
from benchmarks.neurons.results import load, missing


def main() -> None:
    """Measure what is missing, keep it, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("neurons", nargs="*", metavar="NEURON", help="models; all if none")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    known = dict.fromkeys([*study.CLOCKS, *converted.POINTS])
    if unknown := set(asked.neurons) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    for neuron in () if asked.page else asked.neurons or known:
        if neuron in study.CLOCKS:
            missing((cell.key, partial(study.measure, cell)) for cell in study.cells(neuron))
        missing((c.key, partial(converted.measure, c)) for c in converted.cells(neuron))
    page.write(load())


if __name__ == "__main__":
    main()
