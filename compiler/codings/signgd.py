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

from pinnir.codings.followers import Inputs, Layers, Scale, with_input_neurons
from pinnir.ir.graph import Graph
from pinnir.numerics.step_schedules import Kind
from pinnir.pipeline.context import Context


def lower(
    graph: Graph,
    context: Context,
    steps: int,
    *,
    schedule: Kind = "exponential",
    eta: float = 0.0,
    decay: float = 0.0,
    delay: float = -1.0,
    scale: Scale = "neuron",
    inputs: Inputs = "exact",
) -> Graph:
    """Give every activation of the cores neurons that follow it.

    Args:
        graph: Tensor graph after ``gather-synapses``.
        context: On its calibration points ranges are measured and the schedule is chosen.
        steps: Time steps of one inference.
        schedule: How steps become shorter.
        eta: First step of a layer; 0 to choose it.
        decay: Of an exponential schedule; 0 to choose it.
        delay: Steps between layers; -1 to choose it.
        scale: See case 1 above.
        inputs: See case 3.

    Returns:
        The program of these neurons.

    Raises:
        LegalizeError: If no such schedule reaches the range of every neuron.
    """
    from pinnir.codings.schedule_search import Wish, choose

    followed = with_input_neurons(graph) if inputs == "spikes" else graph
    layers = Layers(followed, context.calibration, scale)
    wish = Wish(schedule, eta or None, decay or None, None if delay < 0 else delay)
    return layers.lower(choose(layers, wish, steps, context.progress), steps)
