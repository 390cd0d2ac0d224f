"""The published converter: one signed IF neuron per neuron, and its calibrations.

``python -m benchmarks.converter`` writes ``docs/converter.md``, in about half an hour.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks.common import ROOT, table, write_page
from ir_examples.build import DOMAINS
from pinnir.passes import pipelines
from pinnir.passes.calibration.calibrate_advanced import CalibrateAdvanced
from pinnir.passes.calibration.calibrate_light import CalibrateLight
from pinnir.pipeline.manager import Passes
from pinnir.search.compile import prepare

EXAMPLES = ("function_regression", "burgers", "poisson", "wave")
STEPS = (8, 16, 32, 64, 128)

_HEAD = """# Measured: the published converter

Written by `python -m benchmarks.converter`. Relative L2 error against the network on the
selection points, which calibration has not seen, of `pipelines.rate_signed`: one signed IF neuron
per neuron, thresholds by least mean square error, one a layer.

- *uncalibrated*: thresholds only.
- *light, biases*: `calibrate-light{potentials=false}`.
- *light*: `calibrate-light`, biases and initial potentials.
- *advanced*: `calibrate-advanced`, weights, biases and initial potentials, layer by layer.

Published for this converter on u = x^2, another function and a network of four layers of 64:
22.2 / 20.9 / 22.7 % uncalibrated and 7.7 / 5.0 / 4.6 % calibrated at T = 32 / 64 / 128.
"""


# Other ways of the advanced calibration: options of rate_signed, and of the pass.
_WAYS: dict[str, tuple[dict[str, Any], CalibrateAdvanced]] = {
    "thresholds per channel": ({"per": "channel"}, CalibrateAdvanced()),
    "thresholds by max": ({"method": "max"}, CalibrateAdvanced()),
    "only rate 0.03": ({}, CalibrateAdvanced(rates=1)),
    "only rate 0.3": ({}, CalibrateAdvanced(rate=0.3, rates=1)),
    "batches of 512": ({}, CalibrateAdvanced(batch=512)),
}


def _plain(steps: int) -> dict[str, Passes]:
    """Pipelines of the calibrations, by the name of their row."""
    return {
        "uncalibrated": pipelines.rate_signed(steps, None),
        "light, biases": pipelines.rate_signed(steps, CalibrateLight(potentials=False)),
        "light": pipelines.rate_signed(steps),
        "advanced": pipelines.rate_signed(steps, CalibrateAdvanced()),
    }


def _ways(steps: int) -> dict[str, Passes]:
    """Pipelines of other ways of the advanced calibration, by the name of their row."""
    return {
        name: pipelines.rate_signed(steps, calibration, **thresholds)
        for name, (thresholds, calibration) in _WAYS.items()
    }


def _cell(asked: tuple[str, str]) -> str:
    example, pipeline = asked
    job = prepare(ROOT / "ir_examples" / example / "model.onnx", DOMAINS[example])
    return f"{job.errors(job.lower(pipeline)).told['rel_l2']:.2e}"


def _section(
    example: str,
    steps: Sequence[int],
    rows: Callable[[int], dict[str, str]],
    pool: ProcessPoolExecutor,
) -> str:
    columns = [rows(t) for t in steps]
    names = list(columns[0])
    asked = [(example, column[name]) for column in columns for name in names]
    cells = list(pool.map(_cell, asked))
    found = [[name, *cells[i :: len(names)]] for i, name in enumerate(names)]
    return table(["", *(f"T = {t}" for t in steps)], found)


def main() -> None:
    """Write the page."""
    parts = [_HEAD]
    with ProcessPoolExecutor(2) as pool:
        for example in EXAMPLES:
            parts += [f"\n## {example}\n", _section(example, STEPS, _plain, pool)]
            write_page("converter.md", *parts)
        example, title = EXAMPLES[0], "other ways of the advanced calibration"
        parts += [f"\n## {EXAMPLES[0]}, {title}\n", _section(example, STEPS[2:], _ways, pool)]
        write_page("converter.md", *parts)


if __name__ == "__main__":
    main()
