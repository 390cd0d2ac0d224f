"""Keeps what a population sent, on the host."""

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess
from processes.schedule import models


class Recorder(AbstractProcess):
    """Writes the events of a run to a file at its last step.

    Reading them as a variable instead would take a message for every single number.

    Args:
        units: How many send.
        steps: Chip steps of the run.
        path: Of the ``.npy`` file, ``(steps, units)``.
    """

    def __init__(self, *, units, steps, path):
        super().__init__(steps=steps, path=path)
        self.s_in = InPort(shape=(units,))


class _RecorderModel(PyLoihiProcessModel):
    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.seen = []

    def run_spk(self):
        """One chip step."""
        self.seen.append(self.s_in.recv().astype(np.int64))
        if self.time_step == self.proc_params["steps"]:
            np.save(self.proc_params["path"], np.stack(self.seen))


RecorderFixed, RecorderFloat = models(Recorder, _RecorderModel, (), ("s_in",), ())
