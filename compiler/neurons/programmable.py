"""What programmable neurons have in common: NIR has no word for them, so they carry themselves.

A chip with programmable neurons (microcode) runs them as they are. A program file keeps them in
pinnir's private group (``streamed_groups.py``), next to the equal population program that NIR can
say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.graph import Neuron, Staircase

# Arrays of numbers by name, the form in which a program file keeps a neuron.
Arrays = Mapping[str, NDArray[Any]]


class Programmable(Neuron):
    """A population of neurons that run a program of their own.

    Attributes:
        coding: That they belong to.
    """

    coding: ClassVar[str]

    @property
    def in_nir(self) -> bool:
        """Whether NIR has a primitive for it after all, which ``to_nir`` then gives."""
        return False

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All parameters as arrays of finite or infinite numbers, none of them empty."""
        raise NotImplementedError

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The population that :meth:`to_arrays` wrote.

        Raises:
            ValueError: If the arrays are no such population; KeyError if one is missing.
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class LevelNeuron(Programmable):
    """Programmable neurons that compute a staircase and send its level.

    Attributes:
        staircase: From the membrane potential to the level.
    """

    staircase: Staircase

    @property
    def units(self) -> int:
        """Number of neurons."""
        return int(self.staircase.base.size)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The staircase."""
        return arrays_of(self.staircase)


def arrays_of(op: Staircase) -> dict[str, NDArray[Any]]:
    """A staircase as arrays, its boundaries padded to at least one."""
    missing = ((0, 0), (0, max(0, 1 - op.boundaries.shape[1])))
    return {
        "boundaries": np.pad(op.boundaries, missing, constant_values=np.inf),
        "directions": np.pad(op.directions, missing),
        "start": op.start,
        "base": op.base,
        "step": op.step,
    }


def staircase_of(arrays: Arrays) -> Staircase:
    """The staircase that :func:`arrays_of` wrote.

    Raises:
        ValueError: If the arrays are no staircase; KeyError if one is missing.
    """
    boundaries = np.asarray(arrays["boundaries"], np.float64)
    directions, start, base, step = (
        arrays[name] for name in ("directions", "start", "base", "step")
    )
    neurons = len(boundaries)
    if boundaries.ndim != 2 or directions.shape != boundaries.shape:
        raise ValueError("boundaries and directions do not fit each other")
    if any(one.shape != (neurons,) for one in (start, base, step)):
        raise ValueError("a staircase needs one start, base and step a neuron")
    if directions.dtype.kind != "i" or start.dtype.kind != "i":
        raise ValueError("levels are whole numbers")
    if not np.isin(directions, (-1, 0, 1)).all():
        raise ValueError("directions are -1, 0 or 1")
    if not (boundaries[:, :-1] <= boundaries[:, 1:]).all() or np.isneginf(boundaries).any():
        raise ValueError("boundaries do not ascend")
    if not (np.isfinite(base).all() and np.isfinite(step).all()):
        raise ValueError("base and step are not finite")
    return Staircase(
        boundaries,
        directions.astype(np.int8),
        start.astype(np.int32),
        np.asarray(base, np.float64),
        np.asarray(step, np.float64),
    )
