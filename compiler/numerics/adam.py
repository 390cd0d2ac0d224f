"""Training of maps' weights and biases by Adam (D. P. Kingma and J. Ba, ICLR 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

from pinnir.numerics.matrix import Array

# Entries of the weight, dense or blocks, and bias of a map, by its name.
Parameters = dict[str, tuple[Array, Array]]

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-12
# What a checkpoint calls the parameters, both running means, and the best parameters.
_SAVED = ("parameters", "first", "second", "best")


def flat(parameters: Parameters) -> dict[str, Array]:
    """Parameters as arrays by name, the form in which a checkpoint keeps them."""
    return {f"{n} {i}": part for n, pair in parameters.items() for i, part in enumerate(pair)}


def paired(arrays: Mapping[str, Array]) -> Parameters:
    """The parameters that :func:`flat` took apart."""
    names = [name.removesuffix(" 0") for name in arrays if name.endswith(" 0")]
    return {name: (arrays[f"{name} 0"], arrays[f"{name} 1"]) for name in names}


def in_precision(parameters: Parameters, kind: DTypeLike) -> Parameters:
    """The parameters in single or double precision."""
    return {
        name: (np.asarray(weight, kind), np.asarray(bias, kind))
        for name, (weight, bias) in parameters.items()
    }


def with_gradient(
    first: Array | float, second: Array | float, gradient: Array
) -> tuple[Array, Array]:
    """Running means of gradients and of their squares, 0 before the first, with one more."""
    mean: Array = _BETA1 * first + (1 - _BETA1) * gradient
    square: Array = _BETA2 * second + (1 - _BETA2) * gradient**2
    return mean, square


def unbiased(first: Array, second: Array, iterations: int) -> tuple[Array, Array]:
    """Mean and root mean square of so many gradients, without the zeros before them."""
    root = np.sqrt(second / (1 - _BETA2**iterations))
    return first / (1 - _BETA1**iterations), root + _EPSILON


@dataclass
class Training:
    """Parameters in training, and the best so far: the one thing here that changes.

    Attributes:
        parameters: Where training is.
        least: The least loss so far; at first that of these parameters.
        rate: Learning rate at the start, relative to the root mean square of each weight; it
            falls to zero as a cosine.
        iterations: When it is zero.
        ratio_first: Whether a mean is divided by its root mean square before the rate multiplies
            it, which rounds differently.
        best: The parameters with the least loss.
        first: Running mean of the gradients, by name as of :func:`flat`.
        second: Running mean of their squares.
        done: Iterations.
        idle: Losses since the least.
    """

    parameters: Parameters
    least: float
    rate: float
    iterations: int
    ratio_first: bool = False
    best: Parameters = field(init=False)
    first: dict[str, Array] = field(default_factory=dict)
    second: dict[str, Array] = field(default_factory=dict)
    done: int = 0
    idle: int = 0

    def __post_init__(self) -> None:
        self.best = self.parameters
        self._sizes = {n: np.sqrt((w**2).mean()) for n, (w, _) in self.parameters.items()}

    def step(self, gradient: Parameters) -> None:
        """One iteration; a map without a gradient has a gradient of zero."""
        decay = 0.5 * (1 + np.cos(np.pi * self.done / self.iterations))
        self.done += 1
        corrected = np.sqrt(1 - _BETA2**self.done) / (1 - _BETA1**self.done)
        moved: Parameters = {}
        for name, pair in self.parameters.items():
            by = gradient.get(name, (0 * pair[0], 0 * pair[1]))
            rate = self.rate * decay * corrected * self._sizes[name]
            weight, bias = (
                part - self._change(f"{name} {i}", by[i], rate) for i, part in enumerate(pair)
            )
            moved[name] = weight, bias
        self.parameters = moved

    def _change(self, part: str, gradient: Array, rate: float) -> Array:
        first, second = self.first.get(part, 0.0), self.second.get(part, 0.0)
        first, second = with_gradient(first, second, gradient)
        self.first[part], self.second[part] = first, second
        root = np.sqrt(second) + _EPSILON
        return rate * (first / root) if self.ratio_first else rate * first / root

    def judge(self, loss: float) -> None:
        """Keep the parameters, which have this loss, if they are the best so far."""
        self.idle += 1
        if loss < self.least:
            self.best, self.least, self.idle = self.parameters, loss, 0

    def as_arrays(self) -> dict[str, Array]:
        """Everything that changes, to be saved."""
        kinds = (flat(self.parameters), self.first, self.second, flat(self.best))
        numbers = np.array([self.least, self.done, self.idle], np.float64)
        return {"numbers": numbers} | {
            f"{kind} {name}": value
            for kind, arrays in zip(_SAVED, kinds, strict=True)
            for name, value in arrays.items()
        }

    def restore(self, saved: Mapping[str, Array]) -> None:
        """Go on from :meth:`as_arrays`."""
        least, done, idle = saved["numbers"]
        self.least, self.done, self.idle = float(least), int(done), int(idle)
        names = flat(self.parameters)
        parameters, self.first, self.second, best = (
            {name: saved[f"{kind} {name}"] for name in names} for kind in _SAVED
        )
        self.parameters, self.best = paired(parameters), paired(best)
