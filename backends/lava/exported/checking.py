"""The command line of a runner: run all cores on samples, and compare with what is expected."""

import argparse
import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def check(about, run, tags, what):
    """Run all cores; the exit code, 1 if anything differs from what was expected.

    ``run(label, inputs, tag)`` gives arrays by name, ``tags`` are the kinds of models that it
    knows, the first by default, and ``what`` is what they are called when they are counted.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--samples", default=str(HERE / "samples.npz"))
    parser.add_argument("--output")
    parser.add_argument("--tag", choices=tags, default=tags[0])
    arguments = parser.parse_args()
    with np.load(arguments.samples) as given:
        samples = dict(given)
    found = {}
    for label in json.loads((HERE / "program.json").read_text())["cores"]:
        values = run(label, samples[f"{label}.inputs"], arguments.tag)
        found |= {f"{label}.{name}": value for name, value in values.items()}
    if arguments.output:
        np.savez_compressed(arguments.output, **found)
    expected = [name for name in found if name in samples]
    if expected:
        differing = sum(int((found[name] != samples[name]).sum()) for name in expected)
        compared = sum(samples[name].size for name in expected)
        print(f"{compared} {what} compared, {differing} differ")
        return int(differing > 0)
    return 0
