"""Neuron models: one file each, a dataclass whose docstring is the equation."""

from pinnir.neurons.delta import Delta
from pinnir.neurons.hard_reset import FlooredIF, HardResetIF
from pinnir.neurons.integrate_fire import IF
from pinnir.neurons.membranes.fitzhugh_nagumo import FitzHughNagumo
from pinnir.neurons.membranes.hodgkin_huxley import HodgkinHuxley
from pinnir.neurons.membranes.integrated import Integrated
from pinnir.neurons.membranes.izhikevich import Izhikevich
from pinnir.neurons.membranes.lif import LIF
from pinnir.neurons.membranes.membrane import Membrane
from pinnir.neurons.phase import Phase
from pinnir.neurons.programmable import Programmable
from pinnir.neurons.sign_gradient import SignGradient
from pinnir.neurons.threshold import Threshold

__all__ = [
    "IF", "LIF", "MEMBRANES", "PROGRAMMABLE", "Delta", "FitzHughNagumo", "FlooredIF",
    "HardResetIF", "HodgkinHuxley", "Integrated", "Izhikevich", "Membrane", "Phase",
    "Programmable", "SignGradient", "Threshold",
]  # fmt: skip

# Programmable neurons that a program file may hold, by the name that it gives them.
PROGRAMMABLE: dict[str, type[Programmable]] = {
    "Delta": Delta,
    "FlooredIF": FlooredIF,
    "Phase": Phase,
    "SignGradient": SignGradient,
    "Integrated": Integrated,
}

# Models of a membrane with their published parameters, by the name that a user gives.
MEMBRANES: dict[str, Membrane] = {
    "lif": LIF(),
    "fitzhugh-nagumo": FitzHughNagumo(),
    "izhikevich": Izhikevich.regular_spiking(),
    "izhikevich-fast": Izhikevich.fast_spiking(),
    "hodgkin-huxley": HodgkinHuxley(),
}
