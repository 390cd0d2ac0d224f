"""SpikingJelly: ``import_from_nir``, run by nirtorch's interpreter."""

from __future__ import annotations

from typing import Any

import nir
from spikingjelly.activation_based.nir_exchange import import_from_nir


def module(graph: nir.NIRGraph, dt: float) -> Any:
    """The imported module."""
    return import_from_nir(graph, dt=dt)
