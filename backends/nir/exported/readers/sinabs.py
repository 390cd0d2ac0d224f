"""sinabs: ``sinabs.from_nir``, run by nirtorch's graph executor; time constants are in steps."""

from __future__ import annotations

from typing import Any

import nir
from sinabs.nir import from_nir


def module(graph: nir.NIRGraph, dt: float) -> Any:
    """The imported module, to be called with one step at a time."""
    return from_nir(graph, num_timesteps=1)
