"""What leaves the network: sums without a threshold."""

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


class ReadOut(Scheduled):
    """Sums that leave, sent in every step as graded events.

    In the first step of an inference ``u = bias + c_in`` and ``r = r0``; in every step

        r <- keep r + a_in + u,    s = r.

    Args:
        r0: Sum before the first step, ``(outputs,)``.
        keep: 1 adds up all steps, 0 gives the last one.
        schedule: As of ``Scheduled``.
    """

    def __init__(self, *, r0, keep, **schedule):
        super().__init__(keep=keep, **schedule)
        self.r0 = Var(shape=r0.shape, init=r0)
        self.r = Var(shape=r0.shape, init=0)


class _ReadOutModel(ScheduledModel):
    def begin(self):
        self.r = self.r0.copy()

    def step(self, arriving):
        self.r = self.held(self.proc_params["keep"] * self.r + arriving + self.current)
        return self.r


@implements(proc=ReadOut, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ReadOutFixed(ScheduledFixed, _ReadOutModel):
    """24-bit integers."""

    r0: np.ndarray = FIXED_STATE
    r: np.ndarray = FIXED_STATE


@implements(proc=ReadOut, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class ReadOutFloat(ScheduledFloat, _ReadOutModel):
    """Floating point."""

    r0: np.ndarray = FLOAT_STATE
    r: np.ndarray = FLOAT_STATE
