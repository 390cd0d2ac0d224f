"""Memoryless threshold units."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from processes.schedule import (
    FIXED_STATE,
    FLOAT_STATE,
    Scheduled,
    ScheduledFixed,
    ScheduledFloat,
    ScheduledModel,
)


class ThresholdUnits(Scheduled):
    """Units that compare their input with a threshold and remember nothing of it.

    In the first step of an inference ``u = bias + c_in``; in every step

        s = [a_in + u >= theta].

    Args:
        threshold: ``theta``, ``(units,)``.
        schedule: As of ``Scheduled``.
    """

    def __init__(self, *, threshold, **schedule):
        super().__init__(**schedule)
        self.threshold = Var(shape=threshold.shape, init=threshold)


class _ThresholdUnitsModel(ScheduledModel):
    def step(self, arriving):
        fires = self.held(arriving + self.current) >= self.threshold
        return fires.astype(self.current.dtype)


@implements(proc=ThresholdUnits, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ThresholdUnitsFixed(ScheduledFixed, _ThresholdUnitsModel):
    """24-bit integers."""

    threshold: np.ndarray = FIXED_STATE


@implements(proc=ThresholdUnits, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class ThresholdUnitsFloat(ScheduledFloat, _ThresholdUnitsModel):
    """Floating point."""

    threshold: np.ndarray = FLOAT_STATE
