"""A training script's run: command line, training, export to ONNX and score against a reference."""

import argparse
import json
import logging
import re
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnxruntime
import torch
from torch import nn

from ir_examples.gauss_newton import NewtonSettings, RowLoss, train_newton
from ir_examples.problems import (
    Array,
    GridProblem,
    Network,
    Problem,
    Sample,
    grid_points,
)
from ir_examples.training import Progress, Settings, train

logger = logging.getLogger(__name__)

AnySettings = TypeVar("AnySettings", Settings, NewtonSettings)

OPSET = 18
QUICK_STEPS = 5


@dataclass(frozen=True)
class Reference:
    """A reference solution on a grid.

    Attributes:
        axes: Coordinates along each column.
        outputs: Solution (samples, outputs) at the grid's points in C order, the first column
            slowest.
    """

    axes: tuple[Array, ...]
    outputs: Array

    @property
    def points(self) -> Array:
        """The grid's points (samples, columns)."""
        return grid_points(self.axes)


def relative_l2(outputs: Array, reference: Array) -> float:
    """Return the L2 norm of the difference divided by that of the reference."""
    return float(np.linalg.norm(outputs - reference) / np.linalg.norm(reference))


def score(network: Network, problem: Problem[Network, Sample], reference: Reference) -> float:
    """Return the relative L2 error of a network, in float64."""
    with torch.no_grad():
        outputs = network(*problem.inputs(reference.axes).values()).numpy()
    return relative_l2(outputs.reshape(reference.outputs.shape), reference.outputs)


def export(network: nn.Module, problem: Problem[Network, Sample], path: Path) -> None:
    """Write a float32 ONNX file with output "u".

    Its input is "points" [batch, columns], or for a problem on a grid one column per axis, as in
    "x" [n_x, 1] and "t" [n_t, 1], with "u" [n_x, n_t] or [n_x, n_t, outputs].
    """
    single = deepcopy(network).float().eval()
    # Lengths that differ, so that the exporter cannot take two axes for one.
    axes = [np.zeros(index + 2) for index in range(len(problem.columns))]
    inputs = {name: value.float() for name, value in problem.inputs(axes).items()}
    on_grid = isinstance(problem, GridProblem)
    lengths = {name: {0: f"n_{name}" if on_grid else "batch"} for name in inputs}
    lengths["u"] = {index: length[0] for index, length in enumerate(lengths.values())}
    with warnings.catch_warnings():
        # The TorchScript exporter is deprecated, but it keeps the weights inside the file and
        # gives the nodes the same names in every run.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            single,
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=["u"],
            dynamic_axes=lengths,
            opset_version=OPSET,
            dynamo=False,
        )


def run_onnx(path: Path, axes: Sequence[Array]) -> Array:
    """Run an exported file on a grid; return its outputs in float64, shaped as the file has them.

    A file whose input is "points" gets the grid's points in C order, another one column per axis.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    columns = [grid_points(axes)] if names == ["points"] else [axis[:, None] for axis in axes]
    single = [column.astype(np.float32) for column in columns]
    outputs: Array = session.run(["u"], dict(zip(names, single, strict=True)))[0]
    return outputs.astype(np.float64)


def run(
    network: Network,
    problem: Problem[Network, Sample],
    reference: Reference,
    settings: Settings,
    folder: Path,
) -> None:
    """Train, export and score a network; write model.onnx, reference.npz and training.json.

    They are written after every round of L-BFGS, so that a run that is interrupted leaves its
    network: as rounds do not know of those that follow, it is the one that fewer rounds give.
    """
    write_reference(reference, problem.columns, folder)
    progress = start_progress(network, problem, reference)

    def save(rounds: int) -> None:
        steps = settings.lbfgs_steps // settings.lbfgs_rounds
        done = replace(settings, lbfgs_rounds=rounds, lbfgs_steps=rounds * steps)
        write_results(network, problem, reference, progress, done, folder)

    train(network, problem, settings, progress, save)


def run_newton(
    network: Network,
    problem: Problem[Network, Any],
    loss: RowLoss[Network, Sample],
    reference: Reference,
    settings: NewtonSettings,
    folder: Path,
) -> None:
    """Do what `run` does, with Gauss-Newton steps."""
    write_reference(reference, problem.columns, folder)
    progress = start_progress(network, problem, reference)

    def save(steps: int) -> None:
        done = replace(settings, steps=steps)
        write_results(network, problem, reference, progress, done, folder)

    train_newton(network, loss, settings, progress, save)


def start_progress(
    network: Network, problem: Problem[Network, Sample], reference: Reference
) -> Progress:
    """Return a progress that starts now and has scored the untrained network."""
    progress = Progress(lambda: score(network, problem, reference))
    progress.record(always=True)
    return progress


def write_reference(reference: Reference, columns: Sequence[str], folder: Path) -> None:
    """Write reference.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / "reference.npz",
        points=reference.points,
        outputs=reference.outputs,
        columns=np.array(columns),
        grid=np.array([len(axis) for axis in reference.axes]),
    )


def write_results(
    network: Network,
    problem: Problem[Network, Sample],
    reference: Reference,
    progress: Progress,
    settings: Settings | NewtonSettings,
    folder: Path,
) -> None:
    """Write model.onnx and training.json; the file's outputs, not the network's, are scored."""
    export(network, problem, folder / "model.onnx")
    outputs = run_onnx(folder / "model.onnx", reference.axes).reshape(reference.outputs.shape)
    summary = {
        **errors(outputs, reference.outputs, problem.outputs),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        **effort(progress),
        "weights": {"residual": 1.0, **problem.weights},
        **asdict(settings),
    }
    # Every list on a line of its own.
    text = json.dumps(summary, indent=2)
    flat = re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found.group().split()), text)
    (folder / "training.json").write_text(flat + "\n")


def errors(outputs: Array, truth: Array, names: Sequence[str]) -> dict[str, Any]:
    """Return the relative L2 errors of the network, of each of its outputs and of zero."""
    each = {
        name: relative_l2(outputs[:, index], truth[:, index]) for index, name in enumerate(names)
    }
    return {
        "rel_l2_reference": relative_l2(outputs, truth),
        "rel_l2_outputs": each,
        "zero_rel_l2_reference": relative_l2(np.zeros_like(outputs), truth),
    }


def effort(progress: Progress) -> dict[str, Any]:
    """Return what the training took, in all and in its course."""
    seconds, evaluations, points, error = zip(*progress.curve, strict=True)
    return {
        "seconds": round(progress.seconds, 1),
        "cpu_seconds": round(progress.cpu_seconds, 1),
        "loss_evaluations": progress.evaluations,
        "collocation_points": progress.points,
        "curve": {
            "cpu_seconds": seconds,
            "loss_evaluations": evaluations,
            "collocation_points": points,
            "rel_l2": [float(f"{value:.4g}") for value in error],
        },
    }


def start(description: str, settings: AnySettings, folder: Path) -> tuple[AnySettings, Path]:
    """Read the command line of a training script and make its run repeatable.

    Args:
        description: First line of the script's help.
        settings: The script's default settings.
        folder: The script's default output folder.

    Returns:
        The settings and the output folder to use.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, default=folder, help="folder to write to")
    parser.add_argument("--quick", action="store_true", help="a few steps, as a smoke test")
    names = [item.name for item in fields(settings)]
    names = [name for name in names if name == "seed" or name.endswith("steps")]
    for name in names:
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=int, default=getattr(settings, name))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    # The order of sums depends on the number of threads, and L-BFGS amplifies the difference.
    torch.set_num_threads(1)
    chosen = replace(settings, **{name: getattr(options, name) for name in names})
    return quick(chosen) if options.quick else chosen, options.output


def quick(settings: AnySettings) -> AnySettings:
    """Return the settings of a smoke test."""
    few = dict.fromkeys(("steps", "adam_steps", "lbfgs_steps"), QUICK_STEPS) | {"lbfgs_rounds": 1}
    names = {item.name for item in fields(settings)}
    return replace(settings, **{name: value for name, value in few.items() if name in names})
