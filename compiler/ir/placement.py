"""Which core of a chip every unit of a graph is on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pinnir.base.bounds import Count, Size
from pinnir.base.chips import Chip, find_chip

# Of cores or units.
Index: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Placement:
    """The core of every unit.

    Attributes:
        chip: The limits that it keeps.
        chips: How many such chips.
        cores: Of each unit, by population, ``(units,)``; numbered without gaps from 0, chip after
            chip.
        messages: Messages per inference, as they were when it was made.
        greedy: Those of the greedy packing, or None if it takes more cores than there are.
        method: Which start of the search it came from (``partition.py``).
    """

    chip: Chip
    chips: int
    cores: Mapping[str, Index]
    messages: float
    greedy: float | None
    method: str

    @property
    def used(self) -> int:
        """Number of cores with units."""
        return 1 + max((int(one.max(initial=-1)) for one in self.cores.values()), default=-1)

    @property
    def available(self) -> int:
        """Number of cores that there are."""
        return self.chips * self.chip.cores_per_chip

    def told(self) -> dict[str, Any]:
        """As JSON values, which :class:`StoredPlacement` reads."""
        return {
            "chip": self.chip.name,
            "chips": self.chips,
            "messages": self.messages,
            "greedy": self.greedy,
            "method": self.method,
            "cores": {name: _runs(cores) for name, cores in self.cores.items()},
        }


def _runs(cores: Index) -> list[list[int]]:
    starts = np.flatnonzero(np.diff(cores, prepend=-1))
    lengths = np.diff(starts, append=cores.size)
    return [[int(cores[i]), int(n)] for i, n in zip(starts, lengths, strict=True)]


_MOST_UNITS = 2**24
_Core: TypeAlias = Annotated[int, Meta(ge=0, le=_MOST_UNITS)]
_Units: TypeAlias = Annotated[int, Meta(ge=1, le=_MOST_UNITS)]


class StoredPlacement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A placement as a manifest holds it.

    Attributes: those of :class:`Placement`, but for
        chip: Its name.
        cores: By population, as runs of ``[core, units]``.
    """

    chip: str
    chips: Count
    cores: dict[str, tuple[tuple[_Core, _Units], ...]]
    messages: Size
    greedy: Size | None
    method: str

    def __post_init__(self) -> None:
        find_chip(self.chip)
        if sum(self.units.values()) > _MOST_UNITS:
            raise ValueError("too many units")

    @property
    def units(self) -> dict[str, int]:
        """Number of units by population."""
        return {name: sum(units for _, units in runs) for name, runs in self.cores.items()}

    def restored(self) -> Placement:
        """The placement."""
        cores = {
            name: np.repeat(*np.array(runs, np.int64).reshape(-1, 2).T)
            for name, runs in self.cores.items()
        }
        return Placement(
            find_chip(self.chip), self.chips, cores, self.messages, self.greedy, self.method
        )
