"""What leaves the network: sums without a threshold."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from processes.schedule import Scheduled, ScheduledModel


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
class ReadOutFixed(_ReadOutModel):
    """24-bit integers."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    bias: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    current: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    r0: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    r: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)


@implements(proc=ReadOut, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class ReadOutFloat(_ReadOutModel):
    """Floating point."""

    saturates = False

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    bias: np.ndarray = LavaPyType(np.ndarray, float)
    current: np.ndarray = LavaPyType(np.ndarray, float)
    r0: np.ndarray = LavaPyType(np.ndarray, float)
    r: np.ndarray = LavaPyType(np.ndarray, float)
