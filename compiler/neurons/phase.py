"""Neurons that send their level as signed binary digits, the neuron of phase coding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pinnir.neurons.programmable import Arrays, LevelNeuron, staircase_of


@dataclass(frozen=True, eq=False)
class Phase(LevelNeuron):
    r"""Neurons that listen for a period, then send their level as digits in the next one.

    While a period lasts, digits arrive with the most significant one first, and

    .. math:: v \leftarrow 2 v + I.

    At its end :math:`k = \mathrm{level}(v + I_0)`, with :math:`I_0` the bias and the analog input,
    and :math:`v \leftarrow 0`. In the next period the digits :math:`d_j \in \{-1, 0, 1\}` of

    .. math:: k = \sum_{j=0}^{D-1} 2^{D-1-j} d_j

    leave, one a step, in non-adjacent form: no two neighbouring digits differ from zero, and no
    other signed binary form has fewer (G. W. Reitwiesner, "Binary arithmetic", 1960).

    Attributes:
        digits: ``D``, steps of a period.
    """

    coding = "phase"

    digits: int = 1

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The staircase and the number of digits."""
        return super().to_arrays() | {"digits": np.array([self.digits], np.int32)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The population that :meth:`to_arrays` wrote."""
        op, digits = staircase_of(arrays), int(arrays["digits"].item())
        if not 1 <= digits <= MOST_DIGITS or digits < needed_digits(op.level_table):
            raise ValueError("its levels need another number of digits")
        return cls(op, digits)


# Levels are 32-bit numbers.
MOST_DIGITS = 33


def naf(levels: NDArray[np.signedinteger[Any]], digits: int) -> NDArray[np.int8]:
    """Non-adjacent form, most significant digit first.

    Args:
        levels: Any shape.
        digits: Enough for all of them (:func:`needed_digits`).

    Returns:
        ``(digits, *shape)`` of -1, 0 and 1.
    """
    found = np.zeros((digits, *levels.shape), np.int8)
    left = levels.astype(np.int64)
    for place in range(digits - 1, -1, -1):
        # Odd numbers get the digit after which the rest is a multiple of four.
        digit = np.where(left % 2 == 0, 0, 2 - left % 4)
        found[place] = digit
        left = (left - digit) // 2
    if left.any():
        raise ValueError(f"{digits} digits are too few")
    return found


def weight(levels: NDArray[np.signedinteger[Any]]) -> NDArray[np.int64]:
    """Non-zero digits of the non-adjacent form: the ones of ``k xor 3k``."""
    size = np.abs(levels.astype(np.int64))
    return np.asarray(np.bitwise_count(size ^ (3 * size)), np.int64)


def needed_digits(levels: NDArray[np.signedinteger[Any]]) -> int:
    """Digits that the non-adjacent form of every one of these levels fits into, at least one.

    ``n`` digits reach up to ``(2^(n+1) - 1) // 3``.
    """
    largest = int(np.abs(levels.astype(np.int64)).max(initial=0))
    return max(1, (3 * largest).bit_length() - 1)
