"""The paper's study: which membrane serves regression best, by model, integrator and step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.neurons.protocols import Array
from benchmarks.neurons.regression import RegressionLayer, spread_layer
from benchmarks.neurons.regression_training import train
from pinnir.metrics.field_errors import relative_l2
from pinnir.neurons import MEMBRANES
from pinnir.neurons.membranes.integrators import INTEGRATORS, Scheme
from pinnir.points.domain import Domain

DOMAIN = Domain(("x",), np.array([-1.0]), np.array([1.0]))
UNITS, SAMPLES, ITERATIONS, SEEDS = 50, 64, 100, 5
# Standard deviation of what is added to the data, as a share of theirs.
NOISES = (0.0, 0.1)

# Analytic, with a corner, and with a jump.
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "exp(-x/2) sin(2 pi x)": lambda x: np.exp(-x / 2) * np.sin(2 * np.pi * x),
    "abs(x) - 1/2": lambda x: np.abs(x) - 0.5,
    "sign(x) (1 + cos(pi x)) / 2": lambda x: np.sign(x) * (1 + np.cos(np.pi * x)) / 2,
}


@dataclass(frozen=True)
class Clock:
    """What a model is simulated for.

    Attributes:
        step: Time of a step of the program, in the model's unit.
        steps: How many.
        substeps: Numbers of sub-steps that are compared, from coarse to fine.
    """

    step: float
    steps: int
    substeps: tuple[int, ...]


# 100 ms; FitzHugh and Nagumo's unit of time is such that they fire about as often in 200 units.
CLOCKS: dict[str, Clock] = {
    "lif": Clock(2.0, 50, (1, 2, 4)),
    "fitzhugh-nagumo": Clock(4.0, 50, (8, 16, 32)),
    "izhikevich": Clock(2.0, 50, (4, 8, 16)),
    "hodgkin-huxley": Clock(2.0, 50, (32, 40, 80)),
}


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        neuron: The model.
        integrator: Its method.
        substeps: Of a step.
        function: Name in FUNCTIONS.
        noise: One of NOISES.
        seed: Of layer and noise.
    """

    neuron: str
    integrator: str
    substeps: int
    function: str
    noise: float
    seed: int

    @property
    def key(self) -> str:
        """In the results."""
        function = list(FUNCTIONS).index(self.function)
        return (
            f"{self.neuron}/{self.integrator}/{self.substeps}/{function}/{self.noise:g}/{self.seed}"
        )


def cells(neuron: str) -> Iterator[Cell]:
    """All cells of a model."""
    for integrator in INTEGRATORS:
        for substeps in CLOCKS[neuron].substeps:
            for function in FUNCTIONS:
                for noise in NOISES:
                    for seed in range(SEEDS):
                        yield Cell(neuron, integrator, substeps, function, noise, seed)


def start(cell: Cell) -> RegressionLayer:
    """The layer that a cell's training starts from, the same for all functions and noises."""
    clock = CLOCKS[cell.neuron]
    scheme = Scheme(cell.integrator, clock.step, cell.substeps)
    return spread_layer(
        MEMBRANES[cell.neuron], scheme, clock.steps, UNITS, DOMAIN, 1, seed=cell.seed
    )


def measure(cell: Cell, iterations: int = ITERATIONS) -> dict[str, Any]:
    """Train a layer and measure it on points halfway between the data, without noise.

    Returns:
        ``rel_l2``; ``spikes`` and ``evaluations`` of the right-hand side, of all units, an
        inference; ``seconds`` of an inference and ``training_seconds``.
    """
    mesh = np.linspace(-1, 1, SAMPLES)[:, None]
    between = (mesh[1:] + mesh[:-1]) / 2
    exact = FUNCTIONS[cell.function](mesh)
    noise = np.random.default_rng(cell.seed).normal(size=exact.shape)
    started = perf_counter()
    layer = train(
        start(cell), mesh, exact + cell.noise * exact.std() * noise, iterations=iterations
    )
    trained = perf_counter()
    rates = layer.rates(between)
    found = rates @ np.asarray(layer.decoder.weight).T + layer.decoder.bias
    ended = perf_counter()
    return {
        "rel_l2": relative_l2(found, FUNCTIONS[cell.function](between)),
        "spikes": float(rates.sum(axis=1).mean() * layer.steps),
        "evaluations": UNITS * layer.evaluations,
        "seconds": (ended - trained) / len(between),
        "training_seconds": trained - started,
    }
