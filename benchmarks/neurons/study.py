"""The paper's study: which membrane serves regression best, by model, integrator and step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from benchmarks.neurons.protocols import Array
from pinnir.backends.norse_regression import train
from pinnir.domain import Domain
from pinnir.metrics import relative_l2
from pinnir.neurons import MEMBRANES
from pinnir.neurons.integrators import Scheme
from pinnir.regression import spread_layer

DOMAIN = Domain(("x",), np.array([-1.0]), np.array([1.0]))
UNITS, SAMPLES, NOISE = 50, 128, 0.1

# Smooth, with a corner, and with a jump.
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "exp(-x/2) sin(2 pi x)": lambda x: np.exp(-x / 2) * np.sin(2 * np.pi * x),
    "abs(x) - 1/2": lambda x: np.abs(x) - 0.5,
    "sign(x) (1 + cos(pi x)) / 2": lambda x: np.sign(x) * (1 + np.cos(np.pi * x)) / 2,
}


@dataclass(frozen=True)
class Clock:
    """What a model is simulated for.

    Attributes:
        step: Time of a step of the program.
        steps: How many.
        substeps: Numbers of sub-steps that are compared, from coarse to fine.
    """

    step: float
    steps: int
    substeps: tuple[int, ...]


CLOCKS: dict[str, Clock] = {
    "lif": Clock(2.0, 100, (1, 2, 4)),
    "fitzhugh-nagumo": Clock(4.0, 100, (8, 16, 32)),
    "izhikevich": Clock(2.0, 100, (4, 8, 16)),
    "hodgkin-huxley": Clock(2.0, 100, (40, 80, 160)),
}


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        function: Name in FUNCTIONS.
        noise: Standard deviation of what is added to the data, as a share of theirs.
        neuron: The model.
        integrator: Its method.
        substep: Time of a sub-step.
        seed: Of layer, data and noise.
        rel_l2: Error against the function without noise, halfway between the data.
        spikes: Per inference.
        evaluations: Of the right-hand side, of all units, per inference.
        seconds: Of training.
    """

    function: str
    noise: float
    neuron: str
    integrator: str
    substep: float
    seed: int
    rel_l2: float
    spikes: float
    evaluations: int
    seconds: float


def cells(neuron: str, integrator: str, seeds: int, iterations: int) -> Iterator[Cell]:
    """Every function, noise, sub-step and seed of a model and an integrator."""
    clock = CLOCKS[neuron]
    for function in FUNCTIONS:
        for noise in (0.0, NOISE):
            for substeps in clock.substeps:
                for seed in range(seeds):
                    scheme = Scheme(integrator, clock.step, substeps)
                    yield _cell(function, noise, neuron, scheme, clock.steps, seed, iterations)


def _cell(
    function: str, noise: float, neuron: str, scheme: Scheme, steps: int, seed: int, iterations: int
) -> Cell:
    mesh = np.linspace(-1, 1, SAMPLES)[:, None]
    between = (mesh[1:] + mesh[:-1]) / 2
    exact = FUNCTIONS[function](mesh)
    data = exact + noise * exact.std() * np.random.default_rng(seed).normal(size=exact.shape)
    layer = spread_layer(MEMBRANES[neuron], scheme, steps, UNITS, DOMAIN, 1, seed)
    started = perf_counter()
    # Counts are noisy too: the read-out is kept from fitting that.
    trained = train(layer, mesh, data, iterations=iterations, ridge=1e-3)
    seconds = perf_counter() - started
    error = relative_l2(trained.outputs(between), FUNCTIONS[function](between))
    spikes = float(trained.rates(between).sum(axis=1).mean() * steps)
    return Cell(
        function, noise, neuron, scheme.integrator, scheme.substep, seed, error, spikes,
        UNITS * trained.evaluations, seconds,
    )  # fmt: skip
