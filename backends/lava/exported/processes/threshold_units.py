"""Memoryless threshold units."""

from lava.magma.core.process.variable import Var
from processes.schedule import ScheduledModel, ScheduledProcess, models


class ThresholdUnits(ScheduledProcess):
    """Units that compare their input with a threshold and remember nothing of it.

    In the first step of an inference ``u = bias + c_in``; in every step

        s = [a_in + u >= theta].

    Args:
        threshold: ``theta``, ``(units,)``.
        schedule: As of ``ScheduledProcess``.
    """

    def __init__(self, *, threshold, **schedule):
        super().__init__(**schedule)
        self.threshold = Var(shape=threshold.shape, init=threshold)


class _ThresholdUnitsModel(ScheduledModel):
    def step(self, arriving):
        fires = self.held(arriving + self.current) >= self.threshold
        return fires.astype(self.current.dtype)


ThresholdUnitsFixed, ThresholdUnitsFloat = models(
    ThresholdUnits, _ThresholdUnitsModel, ("bias", "current", "threshold")
)
