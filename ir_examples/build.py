"""Compile the examples: programs, metrics, and golden dumps of every pass.

Run ``python -m ir_examples.build`` after a change that is meant to change them, and read the
difference before committing it.
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pinnir
from pinnir import pipelines
from pinnir.driver import load_reference
from pinnir.program import Program

ROOT = Path(__file__).parent
DOMAINS = {
    "function_regression": "x=-1:1",
    "deep_regression": "x=-1:1",
    "poisson": "x=-1:1,y=-1:1",
    "diffusion_reaction": "x=-pi:pi,t=0:1",
    "wave": "x=0:1,t=0:1",
    "burgers": "x=-1:1,t=0:1",
    "burgers_spinn": "x=-1:1,t=0:1",
    "beltrami_spinn": "x=-1:1,y=-1:1,t=0:1",
    "beltrami_pinn": "x=-1:1,y=-1:1,t=0:1",
}


@dataclass(frozen=True)
class Golden:
    """One pipeline whose dumps are kept; together they run every pass."""

    name: str
    pipeline: str


def _trained() -> str:
    """A few iterations of every pass that trains, before and behind the rounding."""
    return pipelines.population_refitted(64, iterations=4).replace(
        "refit", "refit,distill{iterations=4,checks=2}"
    )


def _calibrated() -> str:
    """Both calibrations of the published converter, the advanced one for a few iterations."""
    few = "calibrate-light,calibrate-advanced{iterations=4,rates=1,checks=2}"
    signed = pipelines.rate_signed(16).replace("calibrate-light", few)
    return signed.replace("legalise", "split-signs,legalise")


GOLDENS = (
    Golden("population", pipelines.population(64)),
    Golden("population-trained", _trained()),
    Golden("phase", pipelines.phase(64)),
    Golden("delta", pipelines.delta(64)),
    Golden("rate", pipelines.rate(16, 4)),
    Golden("rate-signed", _calibrated()),
)


# Examples that show every pass; the others show what the longest row of passes makes of them.
_EVERY_PASS = ("function_regression", "poisson", "burgers")
GOLDEN_DUMPS = tuple(
    (example, golden)
    for example in DOMAINS
    for golden in GOLDENS
    if example in _EVERY_PASS or golden.name == "population-trained"
)


def compile_golden(example: str, golden: Golden) -> Program:
    """The program whose dumps are golden."""
    model = ROOT / example / "model.onnx"
    return pinnir.compile(model, DOMAINS[example], pipeline=golden.pipeline)


def build(example: str) -> None:
    """Write ``program.nir``, ``metrics.json`` and ``dumps/`` of one example."""
    folder = ROOT / example
    reference = load_reference(folder / "reference.npz")
    program = pinnir.compile(folder / "model.onnx", DOMAINS[example], reference=reference)
    (folder / "program.nir").write_bytes(program.to_bytes())
    metrics = json.dumps(program.metrics, indent=1, sort_keys=True)
    (folder / "metrics.json").write_text(metrics + "\n")
    shutil.rmtree(folder / "dumps", ignore_errors=True)
    for golden in (golden for name, golden in GOLDEN_DUMPS if name == example):
        compile_golden(example, golden).dump(folder / "dumps" / golden.name)


def main() -> None:
    """Build the examples named on the command line, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("examples", nargs="*", default=list(DOMAINS), metavar="EXAMPLE")
    for example in parser.parse_args().examples:
        build(example)


if __name__ == "__main__":
    main()
