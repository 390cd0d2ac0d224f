"""When a population works: layers run one after the other, as a wave through the chip.

A synapse takes one chip step, so what arrives at layer ``d`` is ``d`` steps late. A population of
depth ``d`` therefore begins the inference of sample ``n`` at chip step ``n * period + d + 1``, when
the events of that sample begin to arrive, and computes ``steps`` steps. With ``period = steps``
samples follow each other without a gap; where a population feeds itself, one more step lets the
last events of a sample pass before the next one begins.
"""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

# A state has 24 bits. The compiler has proven that no sum reaches the end.
LARGEST = 2**23 - 1
# Kinds of models by their tag: how their names end, and the numbers that they hold.
KINDS = {"fixed_pt": ("Fixed", np.int32, 24), "floating_pt": ("Float", float, None)}


class ScheduledProcess(AbstractProcess):
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


def models(process, shared, states, listens=("a_in", "c_in"), sends=("s_out",)):
    """A fixed-point and a floating-point model of a process, which differ by their types alone.

    ``shared`` is what both compute; the others name the process's variables, its ports that listen
    and those that send. Lava finds models by name in the process's module.
    """
    names = {np.ndarray: states, PyInPort.VEC_DENSE: listens, PyOutPort.VEC_DENSE: sends}
    found = []
    for kind, (suffix, number, bits) in KINDS.items():
        types = {n: LavaPyType(held, number, bits) for held, some in names.items() for n in some}
        own = {"__module__": process.__module__, "saturates": kind == "fixed_pt"}
        model = type(f"{process.__name__}{suffix}", (shared,), types | own)
        found.append(implements(process, LoihiProtocol)(requires(CPU)(tag(kind)(model))))
    return found
