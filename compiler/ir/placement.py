"""Which core of a chip every unit of a graph is on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pinnir.base.chips import Cores, find_chip

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

    chip: Cores
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
        """As JSON values; cores as runs of ``[core, units]``."""
        return {
            "chip": self.chip.name,
            "chips": self.chips,
            "messages": self.messages,
            "greedy": self.greedy,
            "method": self.method,
            "cores": {name: _runs(cores) for name, cores in self.cores.items()},
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Placement:
        """The placement that :meth:`told` wrote."""
        cores = {
            name: np.repeat(*np.array(runs, np.int64).reshape(-1, 2).T)
            for name, runs in told["cores"].items()
        }
        plain = {name: told[name] for name in ("chips", "messages", "greedy", "method")}
        return cls(chip=find_chip(told["chip"]), cores=cores, **plain)


def _runs(cores: Index) -> list[list[int]]:
    starts = np.flatnonzero(np.diff(cores, prepend=-1))
    lengths = np.diff(starts, append=cores.size)
    return [[int(cores[i]), int(n)] for i, n in zip(starts, lengths, strict=True)]
