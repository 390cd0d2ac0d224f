"""Training of classifiers on scikit-learn's handwritten digits: data, training, export, score.

The 1,797 images of 8x8 pixels are shuffled once; every fifth is held out. ``digits.npz`` beside
this file holds the images that are trained on, under the names that ``--calibration`` reads;
each example's ``reference.npz`` those that are held out, with their labels.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import process_time

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from ir_examples.classifiers import PIXELS, Classifier
from ir_examples.runs import OPSET

TRAINING = Path(__file__).parent / "digits.npz"
_BRIGHTEST = 16  # scikit-learn's pixels are whole numbers up to that
_HELD_OUT = 5  # one image of so many

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """How a classifier is trained.

    Attributes:
        epochs: Passes through the training images.
        batch: Images a step.
        learning_rate: Of AdamW, at its highest (one cycle).
        weight_decay: Of AdamW.
        shift: Images are moved by up to so many pixels while training.
        seed: Of weights, order and shifts.
    """

    epochs: int = 240
    batch: int = 64
    learning_rate: float = 1e-2
    weight_decay: float = 2e-2
    shift: int = 1
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Digits:
    """Images (samples, 64) in [0, 1] with their labels (samples,)."""

    points: Array
    labels: Labels


def load_digits() -> tuple[Digits, Digits]:
    """Return the images to train on and those that are held out, from scikit-learn."""
    from sklearn.datasets import load_digits as load

    images, labels = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    held_out = np.arange(len(images)) % _HELD_OUT == 0
    points, labels = images[order] / _BRIGHTEST, labels[order].astype(np.int64)
    return (
        Digits(points[~held_out], labels[~held_out]),
        Digits(points[held_out], labels[held_out]),
    )


def read_digits(path: Path) -> Digits:
    """Return images and labels of a file that ``save_digits`` wrote."""
    with np.load(path) as arrays:
        return Digits(arrays["points"], arrays["labels"])


def save_digits(digits: Digits, path: Path) -> None:
    """Write images and labels."""
    np.savez_compressed(path, points=digits.points, labels=digits.labels)


def train(network: nn.Module, digits: Digits, settings: Settings) -> None:
    """Train a classifier in place by cross entropy."""
    generator = torch.Generator().manual_seed(settings.seed)
    images = torch.tensor(digits.points, dtype=torch.float32)
    labels = torch.tensor(digits.labels)
    steps = settings.epochs * (len(images) // settings.batch)
    optimizer = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, steps)
    for _ in range(settings.epochs):
        order = torch.randperm(len(images), generator=generator)
        for rows in order[: steps // settings.epochs * settings.batch].split(settings.batch):
            optimizer.zero_grad()
            scores = network(_shifted(images[rows], settings.shift, generator))
            loss = nn.functional.cross_entropy(scores, labels[rows], label_smoothing=0.1)
            torch.autograd.backward(loss)
            optimizer.step()
            cycle.step()


def _shifted(images: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    """Move a batch of images by a random number of pixels, all by the same."""
    down, right = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
    side = int(PIXELS**0.5)
    padded = nn.functional.pad(images.reshape(-1, side, side), (most,) * 4)
    moved = padded[:, most - down : most - down + side, most - right : most - right + side]
    return moved.reshape(-1, PIXELS)


def export(network: nn.Module, path: Path) -> None:
    """Write a float32 ONNX file with input "image" [batch, 64] and output "scores"."""
    with warnings.catch_warnings():
        # As for the other examples: its files are the same in every run.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            (torch.zeros(3, PIXELS),),
            str(path),
            input_names=["image"],
            output_names=["scores"],
            dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )


def scores_of(path: Path, points: Array) -> Array:
    """Return the scores (samples, classes) that an exported file gives images."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    scores: Array = session.run(["scores"], {"image": points.astype(np.float32)})[0]
    return scores.astype(np.float64)


def accuracy(scores: Array, labels: Labels) -> float:
    """Return the share of samples whose highest score is that of their label."""
    return float((scores.argmax(axis=1) == labels).mean())


def run(kind: str, settings: Settings, folder: Path) -> None:
    """Train, export and score a classifier; write model.onnx, reference.npz and training.json."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    training, held_out = load_digits()
    network, started = Classifier(kind), process_time()
    train(network, training, settings)
    export(network, folder / "model.onnx")
    save_digits(held_out, folder / "reference.npz")
    if folder.parent == TRAINING.parent:
        save_digits(training, TRAINING)
    told = {
        "accuracy": accuracy(scores_of(folder / "model.onnx", held_out.points), held_out.labels),
        "training_accuracy": accuracy(
            scores_of(folder / "model.onnx", training.points), training.labels
        ),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "cpu_seconds": round(process_time() - started, 1),
        **asdict(settings),
    }
    (folder / "training.json").write_text(json.dumps(told, indent=2) + "\n")


def main(kind: str, folder: Path) -> None:
    """Train with the options of the command line and write the results.

    Args:
        kind: Of ``Classifier``.
        folder: Of the example.
    """
    parser = argparse.ArgumentParser(description=f"Train the {kind} classifier of digits.")
    parser.add_argument("--output", type=Path, default=folder, help="folder to write to")
    parser.add_argument("--quick", action="store_true", help="one epoch, as a smoke test")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    options = parser.parse_args()
    settings = Settings(seed=options.seed)
    run(kind, replace(settings, epochs=1) if options.quick else settings, options.output)
