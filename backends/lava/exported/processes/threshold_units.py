"""Memoryless threshold units."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from processes.schedule import Scheduled, ScheduledModel


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
class ThresholdUnitsFixed(_ThresholdUnitsModel):
    """24-bit integers."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    bias: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    current: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    threshold: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)


@implements(proc=ThresholdUnits, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class ThresholdUnitsFloat(_ThresholdUnitsModel):
    """Floating point."""

    saturates = False

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    bias: np.ndarray = LavaPyType(np.ndarray, float)
    current: np.ndarray = LavaPyType(np.ndarray, float)
    threshold: np.ndarray = LavaPyType(np.ndarray, float)
