"""Neuron models: a file each, its docstring the equation; no coding and no simulator is here."""

from pinnir.neurons.delta import Delta as Delta
from pinnir.neurons.hard_reset import FlooredIF as FlooredIF
from pinnir.neurons.hard_reset import HardResetIF as HardResetIF
from pinnir.neurons.integrate_fire import IF as IF
from pinnir.neurons.membranes.fitzhugh_nagumo import FitzHughNagumo as FitzHughNagumo
from pinnir.neurons.membranes.hodgkin_huxley import HodgkinHuxley as HodgkinHuxley
from pinnir.neurons.membranes.integrated import Integrated as Integrated
from pinnir.neurons.membranes.izhikevich import Izhikevich as Izhikevich
from pinnir.neurons.membranes.lif import LIF as LIF
from pinnir.neurons.membranes.membrane import Membrane as Membrane
from pinnir.neurons.phase import Phase as Phase
from pinnir.neurons.programmable import Programmable as Programmable
from pinnir.neurons.sign_gradient import SignGradient as SignGradient
from pinnir.neurons.threshold import Threshold as Threshold

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
    "izhikevich": Izhikevich(),
    "izhikevich-fast": Izhikevich(a=0.1, d=2.0),  # FS, an inhibitory cell: it hardly adapts
    "hodgkin-huxley": HodgkinHuxley(),
}
