"""How much work it is to make and to simulate a program, known before it is made.

The unit is one step of one integrate-and-fire unit at one point. What a search may spend is a
number of these, not of seconds, so that the same options give the same program on every machine.
"""

from __future__ import annotations

from dataclasses import replace

from pinnir.neurons.membranes.conversion import CONVERSIONS
from pinnir.passes.calibration.fit_neurons import FitNeurons
from pinnir.passes.calibration.refit import Refit
from pinnir.passes.calibration.refit_spikes import RefitSpikes
from pinnir.passes.lowering.hard_reset import HardReset
from pinnir.pipeline.manager import Pass
from pinnir.program.frontier import Candidate
from pinnir.search.job import Job

# What a search of one family may spend, by effort, and the measurement of one program.
BUDGETS = (1e9, 7e9, 7e9, 7e11)
_MEASURED = 2e9
# Multiply-accumulates that take as long as a step of a unit.
_MACS = 150
# A glance fits on an eighth of the points, but not on fewer than these.
_SHARE, _FEWEST = 8, 512


def per_point(job: Job, candidate: Candidate) -> float:
    """Of one point of a program of spikes over time."""
    neurons = [CONVERSIONS[one.neuron] for one in candidate.passes if isinstance(one, FitNeurons)]
    units = candidate.units or 1
    own = units * job.cost.activations * (neurons[0].work if neurons else 1.0)
    # Ramps of a neuron share its synapses, until they are multiplied out.
    whole = any(isinstance(one, HardReset) for one in candidate.passes)
    macs = job.cost.core_macs * units * (units if whole else 1)
    return candidate.steps * (own + macs / _MACS)


def of_making(job: Job, candidate: Candidate) -> float:
    """Of the passes of a pipeline that fit to spikes."""
    return sum(map(_simulations, candidate.passes)) * per_point(job, candidate)


def points_for(job: Job, candidate: Candidate, most: int) -> int:
    """On how many points a program is measured: fewer where that takes too long."""
    return min(most, max(1, int(_MEASURED / per_point(job, candidate))))


def at_a_glance(candidate: Candidate) -> Candidate:
    """A somewhat worse program, made in an eighth of the time; the same if there is none."""
    passes = tuple(map(_quicker, candidate.passes))
    return candidate if passes == candidate.passes else replace(candidate, passes=passes)


def _quicker(one: Pass) -> Pass:
    if not isinstance(one, Refit | RefitSpikes | HardReset) or not _simulations(one):
        return one
    return replace(one, points=max(_FEWEST, one.points // _SHARE))


def _simulations(one: Pass) -> int:
    """How many points a pass simulates."""
    if isinstance(one, Refit):
        return one.points if one.steps else 0
    if isinstance(one, RefitSpikes):
        return 2 * one.points
    # Every share of a threshold is tried on a quarter of the points.
    return 6 * one.points if isinstance(one, HardReset) else 0
