"""Training by SOAP: Adam in the directions that Shampoo preconditions by.

N. Vyas et al., SOAP: improving and stabilizing Shampoo using Adam (arXiv 2409.11321). The gradients
``G`` of a map's weights are nearly products of what arrives and of what is asked behind; so the
eigenvectors of ``E G G^T`` and of ``E G^T G`` are directions in which entries hardly depend on each
other, and there Adam takes steps of the right length for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pinnir.numerics.adam import Parameters
from pinnir.numerics.matrix import Array

# Of the gradients' mean, of their squares' mean, and of the factors' means.
_BETA1, _BETA2, _FACTOR = 0.9, 0.95, 0.9
# Directions are found anew every so many steps, from as many gradients as are named behind.
_EVERY, _SEEN = 10, 3
# Sides of more rows than that stay as they are: to turn them takes longer than to step.
_MOST_TURNED = 512
_WARM_UP = 20
_EPSILON = 1e-20


@dataclass
class _Side:
    """One side of a map's gradients.

    Attributes:
        factor: Mean of their products with themselves, ``(rows, rows)``.
        turn: Its eigenvectors, as columns.
    """

    factor: Array
    turn: Array

    @classmethod
    def of(cls, gradient: Array) -> _Side | None:
        """Of the rows of the first gradient; None if there are too many."""
        if len(gradient) > _MOST_TURNED:
            return None
        factor = gradient @ gradient.T
        return cls(factor, np.linalg.eigh(factor)[1])

    def see(self, gradient: Array) -> None:
        """Learn from the rows of one more gradient."""
        self.factor = _FACTOR * self.factor + (1 - _FACTOR) * (gradient @ gradient.T)

    def turned(self) -> Array:
        """Find the eigenvectors anew, by one step of the power method; what undoes the old ones."""
        before = self.turn
        self.turn = np.linalg.qr(self.factor @ before)[0]
        return self.turn.T @ before


@dataclass
class _Map:
    """What is known of the gradients of one map, ``(outputs, inputs + 1)``."""

    left: _Side | None
    right: _Side | None
    first: Array
    second: Array

    def direction(self, gradient: Array, done: int) -> Array:
        """The step to take, for a rate of 1, downhill."""
        sides = ((self.left, gradient), (self.right, gradient.T))
        if done % _EVERY < _SEEN and done:
            for side, rows in sides:
                if side is not None:
                    side.see(rows)
        if done % _EVERY == _SEEN - 1:
            apart = [None if side is None else side.turned() for side, _ in sides]
            self.first = _on_both(self.first, *apart)
            # Squares of directions that are not correlated add up like this.
            self.second = _on_both(self.second, *(None if t is None else t**2 for t in apart))
        turns = [None if side is None else side.turn.T for side, _ in sides]
        turned = _on_both(gradient, *turns)
        self.first = _BETA1 * self.first + (1 - _BETA1) * turned
        self.second = _BETA2 * self.second + (1 - _BETA2) * turned**2
        mean = self.first / (1 - _BETA1 ** (done + 1))
        root = np.sqrt(self.second / (1 - _BETA2 ** (done + 1)))
        back = [None if turn is None else turn.T for turn in turns]
        # Where a direction was quiet so far, its first gradients are no measure of it.
        return -_on_both(np.clip(mean / (root + _EPSILON), -1.0, 1.0), *back)


def _on_both(matrix: Array, left: Array | None, right: Array | None) -> Array:
    """``left @ matrix @ right^T``."""
    matrix = matrix if left is None else left @ matrix
    return matrix if right is None else matrix @ right.T


@dataclass
class Soap:
    """A training of maps' parameters, which goes on from step to step.

    Attributes:
        rate: Length of a step at first, relative to the root mean square of each weight; it falls
            to zero as a cosine.
        iterations: When it is zero.
        done: Steps taken.
    """

    rate: float
    iterations: int
    done: int = 0
    _maps: dict[str, _Map] = field(default_factory=dict)
    _sizes: dict[str, float] = field(default_factory=dict)

    def step(self, parameters: Parameters, gradient: Parameters) -> Parameters:
        """The parameters after one step; a map without a gradient stays as it is."""
        decay = 0.5 * (1 + np.cos(np.pi * self.done / self.iterations))
        rate = self.rate * decay * min(1.0, (self.done + 1) / _WARM_UP)
        moved = dict(parameters)
        for name, (by_weight, by_bias) in gradient.items():
            weight, bias = parameters[name]
            # Blocks of a block-diagonal map lie below each other: each is a row to Adam alone.
            rows = by_weight.reshape(len(by_bias), -1)
            joined = np.concatenate([rows, by_bias[:, None]], axis=1)
            if name not in self._maps:
                self._maps[name] = _begun(joined, turned=by_weight.ndim == 2)
                self._sizes[name] = float(np.sqrt((weight**2).mean()))
            step = self._maps[name].direction(joined, self.done) * (rate * self._sizes[name])
            step = step.astype(weight.dtype)
            moved[name] = weight + step[:, :-1].reshape(weight.shape), bias + step[:, -1]
        self.done += 1
        return moved


def _begun(gradient: Array, *, turned: bool) -> _Map:
    left, right = (_Side.of(gradient), _Side.of(gradient.T)) if turned else (None, None)
    zero = np.zeros_like(gradient)
    return _Map(left, right, zero, zero)
