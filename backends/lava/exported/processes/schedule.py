"""When a population works: layers run one after the other, as a wave through the chip.

A synapse takes one chip step, so what arrives at layer ``d`` is ``d`` steps late. A population of
depth ``d`` therefore begins the inference of sample ``n`` at chip step ``n * period + d + 1``, when
the events of that sample begin to arrive, and computes ``steps`` steps. With ``period = steps``
samples follow each other without a gap; where a population feeds itself, one more step lets the
last events of a sample pass before the next one begins.
"""

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

# A state has 24 bits. The compiler has proven that no sum reaches the end.
LARGEST = 2**23 - 1


class Scheduled(AbstractProcess):
    """A population with constant currents.

    Args:
        depth: Synapses in a row from the input to it, the longest way.
        steps: Of one inference.
        period: Chip steps from one inference to the next.
        bias: Current of every step, ``(units,)``.
        settings: Other parameters of the model.

    Ports:
        a_in: Sums over the synapses' events, used in the step in which they arrive.
        c_in: Sums over the input's graded events, which come in the first step of an inference and
            are a constant current from there on.
        s_out: Events.
    """

    def __init__(self, *, depth, steps, period, bias, **settings):
        super().__init__(depth=depth, steps=steps, period=period, **settings)
        self.a_in = InPort(shape=bias.shape)
        self.c_in = InPort(shape=bias.shape)
        self.s_out = OutPort(shape=bias.shape)
        self.bias = Var(shape=bias.shape, init=bias)
        self.current = Var(shape=bias.shape, init=0)


class ScheduledModel(PyLoihiProcessModel):
    """What all models share: one chip step, with silence where no inference runs."""

    saturates = True

    def run_spk(self):
        """One chip step."""
        arriving, entering = self.a_in.recv(), self.c_in.recv()
        events = np.zeros_like(self.bias)
        passed = self.time_step - 1 - self.proc_params["depth"]
        if passed >= 0:
            place = passed % self.proc_params["period"]
            if place == 0:
                self.current = self.held(self.bias + entering)
                self.begin()
            if place < self.proc_params["steps"]:
                events = self.step(arriving)
        self.s_out.send(events)

    def held(self, values):
        """Values as the state holds them: saturated in fixed point."""
        return np.clip(values, -LARGEST, LARGEST) if self.saturates else values

    def begin(self):
        """Forget the last sample."""

    def step(self, arriving):
        """Events of one step of an inference."""
        raise NotImplementedError


# What models of either kind hold: a state, a port that listens, a port that sends.
FIXED_STATE = LavaPyType(np.ndarray, np.int32, precision=24)
FIXED_IN = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
FIXED_OUT = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
FLOAT_STATE = LavaPyType(np.ndarray, float)
FLOAT_IN = LavaPyType(PyInPort.VEC_DENSE, float)
FLOAT_OUT = LavaPyType(PyOutPort.VEC_DENSE, float)


class Fixed:
    """24-bit integers: the ports that every population has."""

    a_in: PyInPort = FIXED_IN
    s_out: PyOutPort = FIXED_OUT


class Float:
    """Floating point: the ports that every population has."""

    saturates = False

    a_in: PyInPort = FLOAT_IN
    s_out: PyOutPort = FLOAT_OUT


class ScheduledFixed(Fixed):
    """What a ``Scheduled`` population has besides, in 24-bit integers."""

    c_in: PyInPort = FIXED_IN
    bias: np.ndarray = FIXED_STATE
    current: np.ndarray = FIXED_STATE


class ScheduledFloat(Float):
    """What a ``Scheduled`` population has besides, in floating point."""

    c_in: PyInPort = FLOAT_IN
    bias: np.ndarray = FLOAT_STATE
    current: np.ndarray = FLOAT_STATE
