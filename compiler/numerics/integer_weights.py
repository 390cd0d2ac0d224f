"""Weights in whole numbers that keep a map's sums, not the weights themselves.

A row of weights ``w`` is rounded to ``unit * k`` so that ``(w - unit k)^T H (w - unit k)`` is
small, where ``H`` are the moments of what arrives: what one weight loses, weights of inputs that
vary together with it make up for. First in one sweep over the inputs (GPTQ, Frantar et al., ICLR
2023), then by moving single weights by whole numbers while that helps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pinnir.numerics.matrix import Array

# Shares of the largest weight that the largest whole number stands for: what is larger is
# clipped, and the others are rounded finer.
_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
_DAMPING = 1e-6
_SWEEPS = 8


@dataclass(frozen=True, eq=False)
class Moments:
    """How inputs vary, with what the roundings of all weights on them have in common.

    Attributes:
        matrix: ``H``, second moments around the mean, with a little on the diagonal,
            ``(inputs, inputs)``.
    """

    matrix: Array

    @classmethod
    def of(cls, arriving: Array) -> Moments:
        """Those of what arrives, ``(samples, inputs)``."""
        moved = arriving - arriving.mean(axis=0)
        matrix: Array = moved.T @ moved / len(moved)
        added = _DAMPING * np.trace(matrix) / len(matrix) + np.finfo(np.float64).tiny
        matrix[np.diag_indices_from(matrix)] += added
        return cls(matrix)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Inputs in the order in which they are rounded: those that vary most come first."""
        return np.argsort(-np.diag(self.matrix), kind="stable")

    @cached_property
    def upper(self) -> Array:
        """Cholesky factor of the inverse, in that order."""
        inverse = np.linalg.inv(self.matrix[np.ix_(self.order, self.order)])
        factor = np.linalg.cholesky((inverse + inverse.T) / 2)
        return np.asarray(factor.T, np.float64)


def largest_of(weight: Array) -> Array:
    """Largest magnitude in every row, 1 where all are zero."""
    most = np.abs(weight).max(axis=1)
    return np.where(most > 0, most, 1.0)


def fitted_integers(weight: Array, moments: Moments, unit: Array, limit: int) -> Array:
    """Whole numbers ``k`` of ``unit`` for which sums of ``unit k`` vary as wanted.

    Args:
        weight: ``(rows, inputs)``.
        moments: Of what arrives.
        unit: ``(rows,)``.
        limit: Largest magnitude of ``k``.

    Returns:
        ``k``, ``(rows, inputs)``.
    """
    whole, _ = _fitted(weight / unit[:, None], moments, limit)
    return whole


def best_units(weight: Array, moments: Moments, limit: int) -> Array:
    """The unit of every row, out of some, with which the sums come out best, ``(rows,)``."""
    most = largest_of(weight) / limit
    units = np.multiply.outer(_SHARES, most)
    losses = [_fitted(weight / unit[:, None], moments, limit)[1] * unit**2 for unit in units]
    return np.asarray(units[np.argmin(losses, axis=0), np.arange(len(weight))])


def _fitted(scaled: Array, moments: Moments, limit: int) -> tuple[Array, Array]:
    """Whole numbers near ``scaled``, and every row's loss; never worse than the nearest."""
    nearest = np.clip(np.rint(scaled), -limit, limit)
    starts = (_swept(scaled, moments, limit), nearest)
    tries = [_moved(scaled, start, moments.matrix, limit) for start in starts]
    losses = [np.einsum("ri,ij,rj->r", scaled - one, moments.matrix, scaled - one) for one in tries]
    better = losses[0] <= losses[1]
    return np.where(better[:, None], *tries), np.minimum(*losses)


def _swept(scaled: Array, moments: Moments, limit: int) -> Array:
    """Round input after input, the rest of each row making up for what was lost."""
    order, upper = moments.order, moments.upper
    left = scaled[:, order].copy()
    found = np.empty_like(left)
    for j in range(len(order)):
        found[:, j] = np.clip(np.rint(left[:, j]), -limit, limit)
        lost = (left[:, j] - found[:, j]) / upper[j, j]
        left[:, j + 1 :] -= lost[:, None] * upper[j, j + 1 :]
    whole = np.empty_like(found)
    whole[:, order] = found
    return whole


def _moved(scaled: Array, whole: Array, moments: Array, limit: int) -> Array:
    """Move one weight of every row at a time to where the row's loss is least."""
    whole = whole.copy()
    slope = (whole - scaled) @ moments
    for _ in range(_SWEEPS):
        changed = False
        for j in range(len(moments)):
            wanted = whole[:, j] - np.rint(slope[:, j] / moments[j, j])
            change = np.clip(wanted, -limit, limit) - whole[:, j]
            rows = np.flatnonzero(change)
            if rows.size:
                changed = True
                whole[rows, j] += change[rows]
                slope[rows] += change[rows, None] * moments[j]
        if not changed:
            break
    return whole
