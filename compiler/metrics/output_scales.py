"""What the error of every output is measured against: how much that output varies.

A temperature of 300 to 320 kelvin that is off by 1 % of its size has lost its field; a tolerance
has to be on what varies. The error of an output is its root mean square error divided by its
standard deviation over the evaluation points (NRMSE, normalised root mean square error).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import msgspec
import numpy as np

from pinnir.numerics.matrix import Array

# An output that varies less than this share of the one that varies most (a velocity that is nearly
# zero, a constant) is judged as if it varied as much: nobody needs its digits.
LEAST_SHARE = 1e-3
# Spacings of the network's numbers that an output must vary by, at its size, for its variation to
# be more than their rounding.
_SPACINGS = 64

Against: TypeAlias = Literal["variation", "least", "rounding", "size"]


class OutputScale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the error of one output column is divided by.

    Attributes:
        name: Of the column.
        std: Its standard deviation over the evaluation points.
        scale: What its error is divided by; positive.
        against: What that is. ``variation``: its standard deviation. ``least``: LEAST_SHARE of the
            largest one, because its own is smaller. ``rounding``: what the network's numbers
            resolve at its size. ``size``: its root mean square, because no output varies.
    """

    name: str
    std: Annotated[float, msgspec.Meta(ge=0)]
    scale: Annotated[float, msgspec.Meta(gt=0)]
    against: Against


def column_names(values: Sequence[tuple[str, int]]) -> list[str]:
    """Names of columns: of a value of several, ``u[0]``, ``u[1]``, ...

    Args:
        values: Name and number of columns of each value.
    """
    return [
        name if columns == 1 else f"{name}[{column}]"
        for name, columns in values
        for column in range(columns)
    ]


def output_scales(truth: Array, names: Sequence[str], dtype: str) -> tuple[OutputScale, ...]:
    """The scale of every output.

    Args:
        truth: The network's outputs on the evaluation points, ``(samples, outputs)``.
        names: One a column.
        dtype: Of the network's numbers, ``float32`` or ``float64``.
    """
    stds, sizes = truth.std(axis=0), np.sqrt(np.mean(truth**2, axis=0))
    resolved = _SPACINGS * np.finfo(dtype).eps * sizes
    if np.all(stds <= resolved):
        kinds: dict[Against, Array] = {"size": np.maximum(sizes, LEAST_SHARE * sizes.max())}
    else:
        least = np.full_like(stds, LEAST_SHARE * stds.max())
        kinds = {"variation": stds, "least": least, "rounding": resolved}
    told = list(kinds)
    found = np.array([kinds[kind] for kind in told])
    largest = found.argmax(axis=0)
    return tuple(
        OutputScale(
            name=name,
            std=float(stds[i]),
            scale=float(found[largest[i], i]) or 1.0,
            against=told[largest[i]],
        )
        for i, name in enumerate(names)
    )
