"""Sign-gradient coding: every neuron follows its activation, of one value or of several, in steps.

A neuron holds an estimate ``y`` of its activation and in every step spikes to say whether it moves
it down (a spike) or up (none); whoever reads it moves along, because all know the schedule
(``neurons/sign_gradient.py``, ``step_schedules.py``). So at the end

    m = W y + b,    |y - f(m)| about the last step,

for any ``f``: nothing is rounded to levels, and products, maxima and quotients of two values are
neurons like any other. The paper's form is refined in four ways:

1. ``y`` starts in the middle of the neuron's range on the calibration points, and its steps are
   scaled by half that range (``scale=neuron``; ``none`` is the paper's: ``y`` starts at zero, and
   one step is the same for all).
2. Layers start one after the other (``step_schedules.py``).
3. Analog inputs enter exactly, once, in the first step (``inputs=exact``). The paper's codec lets
   neurons follow them (``inputs=spikes``), which leaves a residual of about the last step.
4. The read-out is the last map of the last ``y``; as a mean over the steps of scheduled synapses.

What the schedule leaves open is chosen on the calibration points (``schedule_search.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pinnir.codings.coding import Coding
from pinnir.codings.followers import Layers, Scale, with_input_neurons
from pinnir.codings.schedule_search import Wish, choose
from pinnir.ir.graph import Graph, Level
from pinnir.numerics.step_schedules import Kind
from pinnir.pipeline.context import Context


@dataclass(frozen=True)
class SignGradientCoding(Coding):
    """Neurons that follow the activations themselves, over T steps.

    Attributes:
        schedule: How steps become shorter.
        eta: The first step of a layer, in units of a neuron's scale; 0 to choose it.
        decay: Of an exponential schedule; 0 to choose it.
        delay: Steps between the starts of a layer and the next; -1 to choose it.
        scale: Of steps: half of each ``neuron``'s range; or 1, with estimates from 0 on (``none``);
            case 1 above.
        inputs: Whether analog inputs enter ``exact``, or neurons follow them (``spikes``); case 3.
        levels: Of the population program beside it; 0 for none.
    """

    name = "signgd"
    takes = Level.TENSOR
    length = ""
    neurons_must = "follow functions"
    limits = (("eta", 0, 1e6), ("decay", 0, 1), ("delay", -1, 2**20), ("levels", 0, 2**20))

    schedule: Kind = "exponential"
    eta: float = 0.0
    decay: float = 0.0
    delay: float = -1.0
    scale: Scale = "neuron"
    inputs: Literal["exact", "spikes"] = "exact"
    levels: int = 256

    @property
    def levels_beside(self) -> int:
        """Levels of the population program beside it; 0 if there is none."""
        return self.levels

    def lower(self, graph: Graph, context: Context, steps: int) -> Graph:
        """Give every activation of the cores neurons that follow it.

        Raises:
            LegalizeError: If no such schedule reaches the range of every neuron.
        """
        followed = with_input_neurons(graph) if self.inputs == "spikes" else graph
        layers = Layers(followed, context.calibration, self.scale)
        delay = None if self.delay < 0 else self.delay
        wish = Wish(self.schedule, self.eta or None, self.decay or None, delay)
        return layers.lower(choose(layers, wish, steps, context.progress), steps)
