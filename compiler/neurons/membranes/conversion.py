"""How each membrane stands in for an integrate-and-fire neuron: its time, and its currents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pinnir.neurons import LIF, MEMBRANES, Membrane
from pinnir.neurons.membranes.integrators import Scheme
from pinnir.neurons.membranes.synapse import Synapse


@dataclass(frozen=True)
class Conversion:
    """What a membrane runs at when a rate program is made of it.

    Attributes:
        model: The membrane.
        scheme: Time of a step, and its sub-steps.
        drive: Currents at the ends of the ramp that it stands for.
        kick: Current added in the first step.
        tau: Time constant of its synapses, steps, which then saturate at the ends of the ramp; 0
            for none, where a step holds no more than one spike and so saturates by itself.
        work: Time that a step of a unit takes to simulate, of that of an integrate-and-fire unit.
    """

    model: Membrane
    scheme: Scheme
    drive: tuple[float, float]
    kick: float = 0.0
    tau: float = 0.0
    work: float = 1.0

    @property
    def synapse(self) -> Synapse | None:
        """Its synapses, if it has any."""
        return Synapse(self.tau, *self.drive) if self.tau else None


def _lif() -> Conversion:
    """Between no spike and one in every step; the kick takes it half-way to the threshold.

    A spike in every step needs what the leak takes, half a threshold on average, beside the
    threshold itself: the potential goes up by (R I - v) step / tau in a step.
    """
    model, step = LIF(subtract=True), 1.0
    most = model.threshold * model.tau / step
    leak = model.threshold / 2
    return Conversion(model, Scheme("euler", step), (leak, leak + most), most / 2)


def _averaged(
    name: str, step: float, substeps: int, drive: tuple[float, float], work: float
) -> Conversion:
    """A membrane behind synapses that average over 32 steps."""
    scheme = Scheme("euler", step, substeps)
    return Conversion(MEMBRANES[name], scheme, drive, tau=32.0, work=work)


CONVERSIONS: Mapping[str, Conversion] = {
    "lif": _lif(),
    "fitzhugh-nagumo": _averaged("fitzhugh-nagumo", 8.0, 16, (0.2, 0.9), 12.0),
    "izhikevich": _averaged("izhikevich", 4.0, 8, (3.8, 40.0), 7.0),
    "izhikevich-fast": _averaged("izhikevich-fast", 4.0, 8, (3.8, 40.0), 7.0),
    "hodgkin-huxley": _averaged("hodgkin-huxley", 2.0, 40, (2.0, 80.0), 280.0),
}
