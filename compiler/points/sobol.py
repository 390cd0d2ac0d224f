"""Scrambled Sobol points of few columns, those of ``scipy.stats.qmc`` to the last bit.

Importing ``scipy.stats`` takes longer than the rest of a small compilation. So for few columns the
points are made here: direction numbers of S. Joe and F. Y. Kuo, "Constructing Sobol sequences with
better two-dimensional projections", SIAM J. Sci. Comput. 30, 2008; random linear scrambling with a
random digital shift of J. Matousek, "On the L2-discrepancy for anchored boxes", J. Complexity 14,
1998. For more columns scipy makes them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pinnir.numerics.matrix import Array

_BITS = 30
# Primitive polynomial of each column, its coefficients as bits, and its first direction numbers.
_DIRECTIONS = (
    (1, (1,)),
    (3, (1,)),
    (7, (1, 3)),
    (11, (1, 3, 1)),
    (13, (1, 1, 1)),
    (19, (1, 1, 3, 3)),
    (25, (1, 3, 5, 13)),
    (37, (1, 1, 5, 5, 17)),
)

Whole = NDArray[np.uint32]


def sobol(count: int, columns: int, seed: int) -> Array:
    """The first points of a scrambled sequence in the unit cube, ``(count, columns)``.

    ``count`` should be a power of two; different seeds give different points.
    """
    if columns > len(_DIRECTIONS):
        from scipy.stats import qmc

        return np.asarray(qmc.Sobol(columns, scramble=True, rng=seed).random(count))
    (rng,) = np.random.default_rng(seed).spawn(1)
    shift = rng.integers(2, size=(columns, _BITS), dtype=np.uint32) @ _powers()
    mixing = np.tril(rng.integers(2, size=(columns, _BITS, _BITS), dtype=np.uint32))
    mixing |= np.eye(_BITS, dtype=np.uint32)
    numbers = np.empty((count, columns), np.uint32)
    index = np.arange(count, dtype=np.uint32)
    gray = index ^ (index >> 1)
    for column, (polynomial, first) in enumerate(_DIRECTIONS[:columns]):
        scrambled = _scrambled(_directions(polynomial, first), mixing[column])
        value = np.full(count, shift[column])
        for bit in range(max(1, int(count - 1).bit_length())):
            value ^= np.where(gray >> bit & 1, scrambled[bit], 0).astype(np.uint32)
        numbers[:, column] = value
    return np.asarray(numbers * 2.0**-_BITS, np.float64)


def _powers() -> Whole:
    return np.left_shift(np.uint32(1), np.arange(_BITS, dtype=np.uint32))


def _directions(polynomial: int, first: tuple[int, ...]) -> list[int]:
    """Direction numbers of a column, the first one for the highest bit."""
    degree = polynomial.bit_length() - 1
    found = list(first[: max(degree, 1)])
    while len(found) < _BITS:
        new = found[-degree] if degree else 1
        for k in range(degree):
            if polynomial >> (degree - 1 - k) & 1:
                new ^= found[-k - 1] << (k + 1)
        found.append(new)
    return [number << (_BITS - 1 - place) for place, number in enumerate(found)]


def _scrambled(directions: list[int], mixing: Whole) -> list[int]:
    """Direction numbers multiplied by a lower triangular matrix of bits, the highest bit first."""
    bits = np.array(
        [[number >> (_BITS - 1 - k) & 1 for k in range(_BITS)] for number in directions]
    )
    mixed = bits @ mixing.T.astype(np.int64) % 2
    return [int(number) for number in mixed @ _powers()[::-1].astype(np.int64)]
