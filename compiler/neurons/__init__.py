"""Neuron models: one file each, a dataclass whose docstring is the equation."""

from pinnir.neurons.integrate_fire import IF
from pinnir.neurons.threshold import Threshold

__all__ = ["IF", "Threshold"]
