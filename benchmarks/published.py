"""The published converter: one signed IF neuron per neuron, and its calibrations.

``python -m benchmarks.published`` writes ``docs/published.md``, in about half an hour.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from benchmarks.common import ROOT, table, write_page
from ir_examples.build import DOMAINS
from pinnir import pipelines
from pinnir.driver import prepare

EXAMPLES = ("function_regression", "poisson", "wave", "burgers")
STEPS = (8, 16, 32, 64, 128)

_HEAD = """# Measured: the published converter

Written by `python -m benchmarks.published`. Relative L2 error against the network on the
selection points, which calibration has not seen, of `pipelines.rate_signed`: one signed IF neuron
per neuron, thresholds by least mean square error, one a layer unless *per channel* is said.

- *uncalibrated*: thresholds only.
- *light, biases*: `calibrate-light{potentials=false}`.
- *light*: `calibrate-light`, biases and initial potentials.
- *advanced*: `calibrate-advanced`, weights, biases and initial potentials, layer by layer.

Published for this converter on u = x^2, another function and a network of four layers of 64:
22.2 / 20.9 / 22.7 % uncalibrated and 7.7 / 5.0 / 4.6 % calibrated at T = 32 / 64 / 128.
"""


def _pipelines(steps: int, example: str) -> dict[str, str]:
    """Pipelines of one column, by the name of their row."""
    light = pipelines.rate_signed(steps, calibration="light")
    found = {
        "uncalibrated": pipelines.rate_signed(steps, calibration="none"),
        "light, biases": light.replace("calibrate-light", "calibrate-light{potentials=false}"),
        "light": light,
        "advanced": pipelines.rate_signed(steps, calibration="advanced"),
    }
    if example == EXAMPLES[0]:
        for name, options in _WAYS.items():
            per = "channel" if "per channel" in name else "layer"
            method = "max" if "max" in name else "mmse"
            text = pipelines.rate_signed(steps, method=method, per=per, calibration="advanced")
            found[name] = text.replace("calibrate-advanced", "calibrate-advanced" + options)
    return found


# Other ways of the advanced calibration: name of the row -> options.
_WAYS = {
    "advanced, per channel": "",
    "advanced, thresholds by max": "",
    "advanced, only rate 0.03": "{rates=1}",
    "advanced, only rate 0.3": "{rate=0.3,rates=1}",
    "advanced, batches of 512": "{batch=512}",
    "advanced, 2048 points": "{points=2048}",
}


def _cell(asked: tuple[str, str]) -> str:
    example, pipeline = asked
    job = prepare(ROOT / "ir_examples" / example / "model.onnx", DOMAINS[example])
    return f"{job.errors(job.lower(pipeline)).pooled:.2e}"


def _rows(example: str, pool: ProcessPoolExecutor) -> Iterator[list[object]]:
    columns = [_pipelines(steps, example) for steps in STEPS]
    for name in columns[0]:
        yield [name, *pool.map(_cell, [(example, column[name]) for column in columns])]


def main() -> None:
    """Write the page."""
    parts = [_HEAD]
    with ProcessPoolExecutor(2) as pool:
        for example in EXAMPLES:
            parts.append(f"\n## {example}\n")
            rows = list(_rows(example, pool))
            parts.append(table(["", *(f"T = {t}" for t in STEPS)], rows))
            write_page("published.md", *parts)


if __name__ == "__main__":
    main()
