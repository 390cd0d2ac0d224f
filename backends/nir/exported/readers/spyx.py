"""Spyx: ``spyx.nir.from_nir``, run by JAX on a whole sequence."""

from __future__ import annotations

import jax.numpy as jnp
import nir
import numpy as np
from spyx.nir import from_nir


def run(graph: nir.NIRGraph, x: np.ndarray, steps: int, dt: float) -> np.ndarray:
    """Outputs ``(steps, samples, columns)``."""
    held = jnp.broadcast_to(jnp.asarray(x, jnp.float32), (steps, *x.shape))
    _, outputs = from_nir(graph, held, dt=dt)
    return np.asarray(outputs)
