"""Neurons that send what their level changed by."""

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from processes.schedule import ScheduledModel, models


class DeltaNeurons(AbstractProcess):
    """Neurons with a level table that keep their potential and level from point to point.

    Every chip step is another point of the line. Before the first point that reaches a neuron
    ``z = bias`` and ``k = 0``; at every point

        z <- z + a_in,    k' = levels[number of boundaries <= z],    s = k' - k,    k <- k'.

    The events ``s`` are graded: they carry the number of levels, with its sign.

    Args:
        depth: Synapses in a row from the input to it: points that it waits for the first one.
        bias: Potential without any event, ``(neurons,)``.
        boundaries: Ascending, ``(neurons, boundaries)``.
        levels: Level between the boundaries, ``(neurons, boundaries + 1)``.
    """

    def __init__(self, *, depth, bias, boundaries, levels):
        super().__init__(depth=depth)
        self.a_in = InPort(shape=bias.shape)
        self.s_out = OutPort(shape=bias.shape)
        self.z = Var(shape=bias.shape, init=bias)
        self.k = Var(shape=bias.shape, init=0)
        self.boundaries = Var(shape=boundaries.shape, init=boundaries)
        self.levels = Var(shape=levels.shape, init=levels)


class _DeltaNeuronsModel(ScheduledModel):
    def run_spk(self):
        """One chip step."""
        arriving = self.a_in.recv()
        events = np.zeros_like(self.z)
        if self.time_step > self.proc_params["depth"]:
            self.z = self.held(self.z + arriving)
            passed = (self.z[:, None] >= self.boundaries).sum(axis=1)
            level = self.levels[np.arange(passed.size), passed]
            events, self.k = level - self.k, level
        self.s_out.send(events)


DeltaNeuronsFixed, DeltaNeuronsFloat = models(
    DeltaNeurons, _DeltaNeuronsModel, ("z", "k", "boundaries", "levels"), ("a_in",)
)
