"""norse: ``norse.torch.from_nir``, run by nirtorch's graph executor."""

from __future__ import annotations

from typing import Any

import nir
from norse.torch import from_nir


def module(graph: nir.NIRGraph, dt: float) -> Any:
    """The imported module; the warnings are about ``r``, which is not used."""
    return from_nir(graph, ignore_warnings=True, dt=dt)
