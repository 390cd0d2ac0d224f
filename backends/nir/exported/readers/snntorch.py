"""snnTorch: ``import_from_nir``, run by nirtorch's graph executor with dt = 1e-4."""

from __future__ import annotations

from typing import Any

import nir
from snntorch.import_nir import import_from_nir


def module(graph: nir.NIRGraph, dt: float) -> Any:
    """The imported module; its time step is fixed."""
    return import_from_nir(graph)
