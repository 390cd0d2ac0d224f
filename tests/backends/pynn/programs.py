"""Small programs of membranes."""

from __future__ import annotations

from functools import cache

import numpy as np

from benchmarks.neurons.regression import RegressionLayer, spread_layer
from pinnir.ir.graph import Affine
from pinnir.neurons import MEMBRANES
from pinnir.neurons.membranes.integrators import Scheme
from pinnir.points.domain import Domain
from pinnir.program.program import Program

DOMAIN = Domain(("x",), np.array([-1.0]), np.array([1.0]))
SUBSTEPS = {
    "lif": 1,
    "fitzhugh-nagumo": 4,
    "izhikevich": 4,
    "izhikevich-fast": 4,
    "hodgkin-huxley": 40,
}


@cache
def layer(neuron: str, integrator: str = "euler") -> RegressionLayer:
    """A regression layer with a read-out drawn at random."""
    scheme = Scheme(integrator, 2.0, SUBSTEPS[neuron])
    start = spread_layer(MEMBRANES[neuron], scheme, 20, 6, DOMAIN, 1, seed=1)
    weight = np.random.default_rng(0).normal(size=(1, 6))
    return RegressionLayer(
        start.model, start.scheme, start.steps, start.encoder, Affine(weight, np.ones(1))
    )


def program(neuron: str, integrator: str = "euler") -> Program:
    """The same as a program."""
    return layer(neuron, integrator).program(DOMAIN)
