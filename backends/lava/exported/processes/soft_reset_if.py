"""Integrate-and-fire units with reset by subtraction."""

from lava.magma.core.process.variable import Var
from processes.schedule import ScheduledModel, ScheduledProcess, models


class SoftResetIF(ScheduledProcess):
    """Non-leaky integrate-and-fire units.

    In the first step of an inference ``v = v0`` and ``u = bias + c_in``; in every step

        v <- v + a_in + u,    s = [v >= theta],    v <- v - theta s.

    A signed unit also fires -1, at ``v <= -theta``; if it is centred, at ``v <= 0``.

    Args:
        threshold: ``theta``, ``(units,)``.
        potential: ``v0``, ``(units,)``.
        signed: Whether units fire -1, in graded events.
        centred: Whether signed units fire it at 0.
        schedule: As of ``ScheduledProcess``.
    """

    def __init__(self, *, threshold, potential, signed, centred, **schedule):
        super().__init__(signed=signed, centred=centred, **schedule)
        self.threshold = Var(shape=threshold.shape, init=threshold)
        self.potential = Var(shape=potential.shape, init=potential)
        self.v = Var(shape=potential.shape, init=0)


class _SoftResetIFModel(ScheduledModel):
    def begin(self):
        self.v = self.potential.copy()

    def step(self, arriving):
        self.v = self.held(self.v + arriving + self.current)
        events = (self.v >= self.threshold).astype(self.v.dtype)
        if self.proc_params["signed"]:
            low = 0 if self.proc_params["centred"] else -self.threshold
            events -= self.v <= low
        self.v = self.v - self.threshold * events
        return events


SoftResetIFFixed, SoftResetIFFloat = models(
    SoftResetIF, _SoftResetIFModel, ("bias", "current", "threshold", "potential", "v")
)
