"""Compile the examples: programs, metrics, and golden dumps of every pass.

Run ``python -m ir_examples.build`` after a change that is meant to change them, and read the
difference before committing it.
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pinnir
from pinnir.base.targets import TARGETS, Integers
from pinnir.codings.signgd import SignGradientCoding
from pinnir.passes import pipelines
from pinnir.passes.calibration.anticipate_rounding import AnticipateRounding
from pinnir.passes.calibration.calibrate_advanced import CalibrateAdvanced
from pinnir.passes.calibration.distill import Distill
from pinnir.passes.lowering.place import Place
from pinnir.passes.lowering.split_signs import SplitSigns
from pinnir.pipeline.manager import Passes
from pinnir.points.held_out import HeldOut, load_held_out
from pinnir.points.point_files import load_reference
from pinnir.program.program import Program

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
# Classifiers of images with pixels from 0 to 1. They are calibrated on the images that they were
# trained on, and measured on those that were held out.
CLASSIFIERS = ("digits_resmlp", "digits_mixer", "digits_convnext")
IMAGES = ROOT / "digits.npz"
_FEW_IMAGES = 200


@dataclass(frozen=True)
class Golden:
    """One pipeline whose dumps are kept; together they run every pass."""

    name: str
    pipeline: Passes


def _trained() -> Passes:
    """A few iterations of every pass that trains, before and behind the rounding."""
    distill = Distill(iterations=4, checks=2)
    # Not on batches: where those go differs between BLAS kernels after a few steps.
    network = pipelines.refitted(64, (AnticipateRounding(levels=64, iterations=4),))
    return (*network, distill, *pipelines.population(64)[-2:])


def _calibrated() -> Passes:
    """Both calibrations of the published converter, the advanced one for a few iterations."""
    few = CalibrateAdvanced(iterations=4, rates=1, checks=2)
    *signed, legalise = pipelines.rate_signed(16)
    return (*signed, few, SplitSigns(), legalise)


# A schedule that is given, not searched: choosing one takes a while.
_GIVEN = SignGradientCoding(decay=0.7, delay=1.2, levels=64)

GOLDENS = (
    Golden("population", pipelines.population(64)),
    Golden("population-trained", _trained()),
    Golden("phase", pipelines.phase(64)),
    Golden("delta", pipelines.delta(64)),
    Golden("rate", pipelines.rate(16, 4)),
    Golden("rate-signed", _calibrated()),
    Golden("signgd", pipelines.signgd(16, _GIVEN)),
)
_FEATURES = Golden("signgd", pipelines.signgd_features(20, _GIVEN))


# Examples that show every pass of staircase networks; the others show what the longest row of
# passes makes of them.
# What targets of integers and chips add, on the smallest example.
_LATERAL = Integers(8, 16, 31, lateral_bits=14)
_INTEGERS = Golden(
    "integers",
    (*pipelines.in_integers(pipelines.population(64), _LATERAL), Place(chip="loihi1")),
)
# What targets without soft reset do, in their integers.
_HARD_RESET = Golden(
    "hard-reset",
    pipelines.for_target(pipelines.rate(8, 4), TARGETS["lava-stock"]),
)
# Neurons that leak.
_MEMBRANES = Golden("membranes", pipelines.membranes("lif", 8, 4))
_EVERY_PASS = ("function_regression", "poisson", "burgers")
GOLDEN_DUMPS = (
    *(
        (example, golden)
        for example in DOMAINS
        for golden in GOLDENS
        if example in _EVERY_PASS or golden.name == "population-trained"
    ),
    ("function_regression", _INTEGERS),
    ("function_regression", _HARD_RESET),
    ("function_regression", _MEMBRANES),
    *((example, _FEATURES) for example in CLASSIFIERS),
)


def compile_golden(example: str, golden: Golden) -> Program:
    """The program whose dumps are golden; a classifier's is fitted to, and tried on, few images."""
    if example in CLASSIFIERS:
        return compile_classifier(example, _FEW_IMAGES, pipeline=golden.pipeline)
    model = ROOT / example / "model.onnx"
    return pinnir.compile(model, DOMAINS[example], pipeline=golden.pipeline)


def compile_classifier(example: str, most: int | None = None, **options: Any) -> Program:
    """A program of a classifier, by no more than ``most`` images of each kind."""
    held_out = load_held_out(ROOT / example / "reference.npz")
    assert held_out.labels is not None
    return pinnir.compile(
        ROOT / example / "model.onnx",
        "0:1",
        calibration=load_held_out(IMAGES).points[:most],
        evaluation=HeldOut(held_out.points[:most], held_out.labels[:most]),
        **options,
    )


def compile_example(example: str) -> Program:
    """The program of an example: by default options, of a classifier over 32 steps."""
    if example in CLASSIFIERS:
        return compile_classifier(example, coding="signgd", steps=32)
    folder = ROOT / example
    reference = load_reference(folder / "reference.npz")
    return pinnir.compile(folder / "model.onnx", DOMAINS[example], reference=reference)


def build(example: str) -> None:
    """Write ``program.nir``, ``metrics.json`` and ``dumps/`` of one example."""
    folder = ROOT / example
    program = compile_example(example)
    (folder / "program.nir").write_bytes(program.to_bytes())
    metrics = json.dumps(program.metrics, indent=1, sort_keys=True)
    (folder / "metrics.json").write_text(metrics + "\n")
    shutil.rmtree(folder / "dumps", ignore_errors=True)
    for golden in (golden for name, golden in GOLDEN_DUMPS if name == example):
        compile_golden(example, golden).dump(folder / "dumps" / golden.name)


def main() -> None:
    """Build the examples named on the command line, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("examples", nargs="*", default=[*DOMAINS, *CLASSIFIERS], metavar="EXAMPLE")
    for example in parser.parse_args().examples:
        build(example)


if __name__ == "__main__":
    main()
