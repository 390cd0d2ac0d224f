"""Ridge regression."""

from __future__ import annotations

import numpy as np

from pinnir.numerics.matrix import Array, BlockDiagonal, Matrix


def regression(x: Array, y: Array, ridge: float) -> tuple[Array, Array]:
    """Slope ``(outputs, inputs)`` and constant ``(outputs,)`` of ``y`` on ``x``."""
    centre, mean = x.mean(axis=0), y.mean(axis=0)
    moved = x - centre
    varies = moved.any(axis=0)
    if not varies.all():  # a column that does not vary gets no slope; its variance allows any
        slope = np.zeros((y.shape[1], x.shape[1]))
        if varies.any():
            slope[:, varies], _ = regression(x[:, varies], y, ridge)
        return slope, mean - slope @ centre
    gram = moved.T @ moved
    scale = np.diag(gram) + 1e-12 * np.trace(gram) / len(gram) + np.finfo(float).tiny
    gram[np.diag_indices_from(gram)] += ridge * scale + 1e-14 * np.trace(gram)
    slope = np.linalg.lstsq(gram, moved.T @ (y - mean), rcond=1e-14)[0].T
    return slope, mean - slope @ centre


def regression_by_blocks(matrix: Matrix, x: Array, y: Array, ridge: float) -> tuple[Array, Array]:
    """Slope, of the form of a matrix's entries, and constant ``(outputs,)`` of ``y`` on ``x``.

    Outputs of a block depend on the block's inputs alone.
    """
    if not isinstance(matrix, BlockDiagonal):
        return regression(x, y, ridge)
    inputs, outputs = (np.split(values, len(matrix.blocks), axis=1) for values in (x, y))
    found = [regression(*block, ridge) for block in zip(inputs, outputs, strict=True)]
    slopes, constants = zip(*found, strict=True)
    return np.stack(slopes), np.concatenate(constants)
