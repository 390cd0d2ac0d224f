"""fit-neurons: clipped ramps as what a membrane model makes of a current in so many steps.

An integrate-and-fire neuron's count is a straight line between two thresholds. A membrane's is its
f-I curve, over the time that a program has and from rest. Every ramp of ``split-thresholds``
becomes the curve that was measured: the ramp's ends are two currents of the membrane, and spikes
weigh what fits the ramp best. ``refit`` behind it then fits the maps to the curves themselves, and
``refit-spikes``, behind ``lower``, to what the membranes do in the network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pinnir.base.errors import LegalizeError, PipelineError
from pinnir.base.registry import look_up
from pinnir.ir.graph import Graph, Level
from pinnir.neurons.membranes.conversion import CONVERSIONS, Conversion
from pinnir.neurons.membranes.integrators import Scheme
from pinnir.neurons.membranes.response import Response, measured
from pinnir.neurons.membranes.stability import check_scheme
from pinnir.passes.fitting.operations import activations, with_ops
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class FitNeurons(Pass):
    """Put the measured f-I curve of a membrane model in the place of every clipped ramp.

    Attributes:
        neuron: Name in the CONVERSIONS table.
        steps: Time steps of the program.
        integrator: ``euler`` or ``rk4``; empty for the one that the table gives.
        time: Of a step, in the model's unit; 0 for the table's.
        substeps: Parts that a step is integrated in; 0 for the table's.
        tau: Time constant of the synapses in steps; 0 for the table's.
    """

    name = "fit-neurons"
    accepts = (Level.TENSOR,)
    spelled = ("neuron", "steps")
    limits = (("steps", 1, 2**20), ("time", 0, 1e6), ("substeps", 0, 2**16), ("tau", 0, 2**20))

    neuron: str = "lif"
    steps: int = 64
    integrator: str = ""
    time: float = 0.0
    substeps: int = 0
    tau: float = 0.0

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Replace all activations of the core.

        Raises:
            PipelineError: If there is no such neuron, or activations that are no ramps.
            LegalizeError: If the target computes with integers.
            PinnirError: If a step blows up; it names the largest stable one.
        """
        conversion = self._conversion()
        if context.target.integers is not None:
            raise LegalizeError(
                f"target {context.target.name} computes with integers, and membranes are "
                "integrated in floating point",
                node=self.neuron,
                op="neuron",
                hint="compile with --target programmable, or lif with --target nir",
            )
        check_scheme(conversion.model, conversion.scheme)
        curves: dict[str, Response] = {}
        for node, op in activations(graph).items():
            if op.function != "clip":
                hint = "run split-thresholds before fit-neurons"
                raise node.error(PipelineError, f"{op.function} is no clipped ramp", hint)
            low, high = np.broadcast_arrays(*(np.atleast_1d(end) for end in op.parameters))
            curves[node.name] = measured(conversion, (low, high), self.steps)
        return with_ops(graph, curves, level=Level.STAIRCASE)

    def _conversion(self) -> Conversion:
        known = look_up(CONVERSIONS, self.neuron, "neuron", PipelineError)
        scheme = Scheme(
            self.integrator or known.scheme.integrator,
            self.time or known.scheme.step,
            self.substeps or known.scheme.substeps,
        )
        return replace(known, scheme=scheme, tau=self.tau or known.tau)
