"""rockpool: ``rockpool.nn.modules.torch.nir.from_nir``, run by nirtorch's graph executor."""

from __future__ import annotations

import nir
import numpy as np
import torch
from rockpool.nn.modules.torch.nir import from_nir


def run(graph: nir.NIRGraph, x: np.ndarray, steps: int, dt: float) -> np.ndarray:
    """Outputs ``(steps, samples, columns)``; the time step follows from the neurons."""
    module = from_nir(graph)
    held = torch.as_tensor(x, dtype=torch.float32)[:, None].expand(-1, steps, -1)
    with torch.no_grad():
        output, _ = module(held.contiguous())
    return np.asarray(output).swapaxes(0, 1)
