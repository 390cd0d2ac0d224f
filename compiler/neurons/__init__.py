"""Neuron models: one file each, a dataclass whose docstring is the equation."""

from pinnir.neurons.delta import Delta
from pinnir.neurons.integrate_fire import IF
from pinnir.neurons.phase import Phase
from pinnir.neurons.programmable import Programmable
from pinnir.neurons.sign_gradient import SignGradient
from pinnir.neurons.threshold import Threshold

__all__ = ["IF", "PROGRAMMABLE", "Delta", "Phase", "Programmable", "SignGradient", "Threshold"]

# Programmable neurons that a program file may hold, by the name that it gives them.
PROGRAMMABLE: dict[str, type[Programmable]] = {
    "Delta": Delta,
    "Phase": Phase,
    "SignGradient": SignGradient,
}
