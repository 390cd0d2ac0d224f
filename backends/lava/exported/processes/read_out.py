"""What leaves the network: sums without a threshold."""

from lava.magma.core.process.variable import Var
from processes.schedule import ScheduledModel, ScheduledProcess, models


class ReadOut(ScheduledProcess):
    """Sums that leave, sent in every step as graded events.

    In the first step of an inference ``u = bias + c_in`` and ``r = r0``; in every step

        r <- keep r + a_in + u,    s = r.

    Args:
        r0: Sum before the first step, ``(outputs,)``.
        keep: 1 adds up all steps, 0 gives the last one.
        schedule: As of ``ScheduledProcess``.
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


ReadOutFixed, ReadOutFloat = models(ReadOut, _ReadOutModel, ("bias", "current", "r0", "r"))
