"""Cells of the study by model, integrator and step, and what they say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from benchmarks.neurons.study import CLOCKS, FUNCTIONS, NOISES, SEEDS, Cell, cells
from pinnir.neurons.membranes.integrators import INTEGRATORS

PAIRS = tuple(product(FUNCTIONS, NOISES))


@dataclass(frozen=True, eq=False)
class Group:
    """All functions, noises and seeds of a model, an integrator and a step.

    Attributes:
        neuron: The model.
        integrator: Its method.
        substeps: Of a step.
        measured: Cells and what was measured of them.
    """

    neuron: str
    integrator: str
    substeps: int
    measured: tuple[tuple[Cell, Mapping[str, float]], ...]

    @property
    def substep(self) -> float:
        """Time of a sub-step, in the model's unit."""
        return CLOCKS[self.neuron].step / self.substeps

    def error(self, function: str, noise: float) -> tuple[float, float]:
        """Mean and standard deviation over the seeds."""
        found = [
            told["rel_l2"]
            for cell, told in self.measured
            if (cell.function, cell.noise) == (function, noise)
        ]
        return float(np.mean(found)), float(np.std(found))

    @property
    def mean_error(self) -> float:
        """Geometric mean over functions and noises."""
        return float(np.exp(np.mean([np.log(self.error(*pair)[0]) for pair in PAIRS])))

    @property
    def spikes(self) -> float:
        """Of an inference."""
        return self._mean("spikes")

    @property
    def evaluations(self) -> int:
        """Of the right-hand side, of all units, an inference."""
        return int(self._mean("evaluations"))

    @property
    def seconds(self) -> float:
        """Of an inference."""
        return self._mean("seconds")

    @property
    def training_seconds(self) -> float:
        """Of a training."""
        return self._mean("training_seconds")

    def _mean(self, name: str) -> float:
        return float(np.mean([told[name] for _, told in self.measured]))


def groups(results: Mapping[str, Any]) -> Iterator[Group]:
    """All groups that were measured completely."""
    for neuron, integrator in product(CLOCKS, INTEGRATORS):
        for substeps in CLOCKS[neuron].substeps:
            own = tuple(
                (cell, results[cell.key])
                for cell in cells(neuron)
                if (cell.integrator, cell.substeps) == (integrator, substeps)
                and cell.key in results
            )
            if len(own) == len(PAIRS) * SEEDS:
                yield Group(neuron, integrator, substeps, own)


def finest(results: Mapping[str, Any], integrator: str = "rk4") -> dict[str, Group]:
    """The group of the finest step of every model."""
    return {one.neuron: one for one in groups(results) if one.integrator == integrator}
