"""Differential equations on a box, as losses of a network, and where they are sampled."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]
Network = TypeVar("Network", bound=nn.Module)
Sample = TypeVar("Sample")
# One table (samples, 1) per axis of a grid.
Axes = tuple[Tensor, ...]


class Counts(Protocol):
    """How many points to draw: the part of the training's settings that problems need."""

    @property
    def collocation(self) -> int | tuple[int, ...]:
        """Points in a batch; one number per axis if the problem is on a grid."""
        ...

    @property
    def candidates(self) -> int:
        """How many times as many points to draw from by residual, or 0 to draw uniformly."""
        ...


@dataclass(frozen=True)
class Problem(ABC, Generic[Network, Sample]):
    """A differential equation on a box.

    Attributes:
        name: Name of the problem, for the log.
        columns: Names of the input columns, in order.
        lower: Lower corner of the box, one number per column.
        upper: Upper corner of the box.
        residual: Residual of the equation at a sample, last axis the equations.
        conditions: Mean square violation of each initial or boundary condition, by name.
        weights: Weight of each condition in the loss, where the residual has weight 1.
        outputs: Names of the outputs.
    """

    name: str
    columns: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    residual: Callable[[Network, Sample], Tensor]
    conditions: Callable[[Network], dict[str, Tensor]]
    weights: Mapping[str, float]
    outputs: tuple[str, ...] = ("u",)

    def loss(self, network: Network, sample: Sample) -> Tensor:
        """Return the mean squared residual at the sample plus the weighted conditions."""
        violations = self.conditions(network)
        penalty = sum(self.weights[name] * value for name, value in violations.items())
        return self.residual(network, sample).square().mean() + penalty

    @abstractmethod
    def draw(self, counts: Counts, generator: np.random.Generator) -> Sample:
        """Draw a uniform sample of the box."""

    @abstractmethod
    def draw_by_residual(
        self, network: Network, counts: Counts, generator: np.random.Generator
    ) -> Sample:
        """Draw a sample that is denser where the residual is large."""

    @abstractmethod
    def points_in(self, sample: Sample) -> int:
        """Return at how many points the residual is taken."""

    @abstractmethod
    def inputs(self, axes: Sequence[Array]) -> dict[str, Tensor]:
        """Return the network's inputs, by name, for the points of a grid in C order."""


class PointProblem(Problem[Network, Tensor]):
    """A problem sampled at points (samples, columns)."""

    def draw(self, counts: Counts, generator: np.random.Generator) -> Tensor:
        """Draw uniform points."""
        return self._uniform(_total(counts), generator)

    def draw_by_residual(
        self, network: Network, counts: Counts, generator: np.random.Generator
    ) -> Tensor:
        """Draw points among uniform candidates, with the odds of `choose`."""
        if counts.candidates == 0:
            return self.draw(counts, generator)
        candidates = self._uniform(counts.candidates * _total(counts), generator)
        with torch.no_grad():
            size = self.residual(network, candidates).norm(dim=1).numpy()
        return choose(candidates, size, _total(counts), generator)

    def points_in(self, sample: Tensor) -> int:
        """Return the number of rows."""
        return len(sample)

    def inputs(self, axes: Sequence[Array]) -> dict[str, Tensor]:
        """Return all points of the grid as one table."""
        return {"points": torch.from_numpy(grid_points(axes))}

    def _uniform(self, count: int, generator: np.random.Generator) -> Tensor:
        points = generator.uniform(self.lower, self.upper, (count, len(self.columns)))
        return torch.from_numpy(points)


class GridProblem(Problem[Network, Axes]):
    """A problem sampled on grids, for separable networks; residuals are (axes..., equations)."""

    def draw(self, counts: Counts, generator: np.random.Generator) -> Axes:
        """Draw each axis with one uniform point in each of equal cells.

        Independent points leave gaps that the few samples of an axis cannot afford.
        """
        return self.stratified(self._lengths(counts), generator)

    def draw_by_residual(
        self, network: Network, counts: Counts, generator: np.random.Generator
    ) -> Axes:
        """Draw each axis with the odds of the residual's root mean square over the others."""
        if counts.candidates == 0:
            return self.draw(counts, generator)
        lengths = self._lengths(counts)
        many = [counts.candidates * length for length in lengths]
        candidates = self.stratified(many, generator)
        with torch.no_grad():
            squares = self.residual(network, candidates).square().sum(dim=-1)
        axes = []
        for axis, (column, length) in enumerate(zip(candidates, lengths, strict=True)):
            others = [other for other in range(len(candidates)) if other != axis]
            size = squares.mean(dim=others).sqrt().numpy()
            axes.append(choose(column, size, length, generator))
        return tuple(axes)

    def points_in(self, sample: Axes) -> int:
        """Return the number of grid points."""
        return int(np.prod([len(column) for column in sample]))

    def inputs(self, axes: Sequence[Array]) -> dict[str, Tensor]:
        """Return one column per axis."""
        columns = (torch.from_numpy(axis)[:, None] for axis in axes)
        return dict(zip(self.columns, columns, strict=True))

    def _lengths(self, counts: Counts) -> tuple[int, ...]:
        if isinstance(counts.collocation, tuple):
            return counts.collocation
        return (counts.collocation,) * len(self.columns)

    def stratified(self, lengths: Sequence[int], generator: np.random.Generator) -> Axes:
        """Draw axes of given lengths, with one uniform point in each of equal cells."""
        axes = []
        for low, high, length in zip(self.lower, self.upper, lengths, strict=True):
            shares = (np.arange(length) + generator.uniform(size=length)) / length
            axes.append(torch.from_numpy(low + shares * (high - low))[:, None])
        return tuple(axes)


def _total(counts: Counts) -> int:
    return int(np.prod(counts.collocation))


def choose(candidates: Tensor, size: Array, count: int, generator: np.random.Generator) -> Tensor:
    """Draw rows, each at most once, with odds of the residual's size over its mean, plus 1."""
    density = size / size.mean() + 1
    odds = density / density.sum()
    chosen = generator.choice(len(candidates), count, replace=False, p=odds)
    return candidates[torch.from_numpy(chosen)]


def grid_points(axes: Sequence[Array]) -> Array:
    """Return the points (samples, columns) of a grid in C order, the first axis slowest."""
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
