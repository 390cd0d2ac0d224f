"""What a search may propose: families of programs, and what makes one cheaper than another.

A family is one way to write a program for a given size: a named pipeline with numbers put in. The
search tries every family whose coding the target runs, so a new one is one line in FAMILIES, or in
``trained_families`` if its passes take minutes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from pinnir.base.errors import PinnirError
from pinnir.base.targets import Target
from pinnir.passes import pipelines
from pinnir.program.frontier import CRITERIA, Candidate

MAX_LEVELS = 256**2
# Of the population program beside a sign-gradient program.
FOLLOWING_LEVELS = 256
_STEPS = (8, 16, 32, 64, 128, 256)
# Sign-gradient programs are shorter, and each step is worth more.
_FOLLOWING_STEPS = (8, 12, 16, 24, 32, 48, 64, 96, 128)
_UNITS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Family:
    """Programs of one kind in several sizes.

    Attributes:
        name: As the frontier shows it.
        coding: Of its programs; targets list the codings that they run.
        members: Its candidates in order of their size; given a number of steps, only those.
        staircase: Pipeline of the staircase network that a candidate equals level for level. None
            if only a simulation tells a candidate's error.
        slow: Whether candidates of very different sizes each take minutes to make.
        features: Whether it is for networks of images and patches, and not for others.
    """

    name: str
    coding: str
    members: Callable[[int | None], tuple[Candidate, ...]]
    staircase: Callable[[Candidate], str] | None = None
    slow: bool = False
    features: bool = False

    def within(self, target: Target) -> Family:
        """The same programs for a target, with its integers and its kind of reset."""
        stairs = self.staircase
        return replace(
            self,
            members=lambda steps: tuple(for_target(one, target) for one in self.members(steps)),
            staircase=stairs and (lambda one: pipelines.for_target(stairs(one), target)),
        )


def for_target(candidate: Candidate, target: Target) -> Candidate:
    """The same candidate with the target's integers and its kind of reset."""
    return replace(candidate, pipeline=pipelines.for_target(candidate.pipeline, target))


def population(levels: int) -> Candidate:
    """A population program of ``levels`` levels per neuron."""
    return Candidate("population", "population", 1, levels, pipelines.population(levels))


def population_refitted(levels: int) -> Candidate:
    """A population program of uneven levels, as many units as ``levels`` for each would take."""
    pipeline = pipelines.population_refitted(levels)
    return Candidate("population-refitted", "population", 1, levels, pipeline)


def population_trained(levels: int, iterations: int) -> Candidate:
    """The same of a network trained to bear about as many levels."""
    pipeline = pipelines.population_refitted(levels, iterations, _trained_for(levels))
    return Candidate("population-trained", "population", 1, levels, pipeline)


def _trained_for(levels: int) -> int:
    """A power of four: few sizes are trained for, and none is far from what is asked."""
    return int(max(16, 4 ** round(math.log(levels, 4))))


def delta(levels: int) -> Candidate:
    """A delta program of ``levels`` levels per neuron."""
    return Candidate("delta", "delta", 1, levels, pipelines.delta(levels))


def delta_refitted(levels: int) -> Candidate:
    """A delta program of uneven levels."""
    return Candidate("delta-refitted", "delta", 1, levels, pipelines.delta_refitted(levels))


def phase(levels: int) -> Candidate:
    """A phase program of ``levels`` levels per neuron; its steps follow from them."""
    return Candidate("phase", "phase", 1, levels, pipelines.phase(levels))


def phase_refitted(levels: int) -> Candidate:
    """A phase program of uneven levels."""
    return Candidate("phase-refitted", "phase", 1, levels, pipelines.phase_refitted(levels))


def rate(steps: int, units: int) -> Candidate:
    """A rate program of ``units`` clipped ramps per neuron."""
    levels = units * steps + 1
    return Candidate("rate", "rate", steps, levels, pipelines.rate(steps, units), units)


def membranes(neuron: str, steps: int, units: int) -> Candidate:
    """A rate program of so many membranes per neuron."""
    pipeline = pipelines.membranes(neuron, steps, units)
    return Candidate(f"rate-{neuron}", "rate", steps, units * steps + 1, pipeline, units)


def membrane_family(neuron: str) -> Family:
    """Rate programs of one membrane model."""
    make = partial(membranes, neuron)
    return Family(f"rate-{neuron}", "rate", _of_slots(make), slow=True)


def rate_signed(steps: int) -> Candidate:
    """A rate program of one signed neuron per neuron, lightly calibrated."""
    levels = 2 * steps + 1
    return Candidate("rate-signed", "rate", steps, levels, pipelines.rate_signed(steps), 1)


def rate_refitted(steps: int, units: int) -> Candidate:
    """A rate program whose maps are fitted to the spikes that arrive."""
    pipeline = pipelines.rate_refitted(steps, units)
    return Candidate("rate-refitted", "rate", steps, units * steps + 1, pipeline, units)


def rate_signed_trained(steps: int, iterations: int) -> Candidate:
    """A rate program of one signed neuron per neuron, of a network trained to bear it."""
    pipeline = pipelines.rate_signed_trained(steps, iterations)
    return Candidate("rate-signed-trained", "rate", steps, 2 * steps + 1, pipeline, 1)


def signgd(steps: int, levels: int = FOLLOWING_LEVELS) -> Candidate:
    """A sign-gradient program, beside a population program of ``levels`` levels."""
    return Candidate("signgd", "signgd", steps, 0, pipelines.signgd(steps, levels))


def signgd_features(steps: int) -> Candidate:
    """A sign-gradient program of a network of images and patches, which no staircase says."""
    return Candidate("signgd-features", "signgd", steps, 0, pipelines.signgd_features(steps))


def level_counts() -> tuple[int, ...]:
    """n^2 and n (n + 1): the numbers that coarse and fine units reach without waste."""
    largest = int(MAX_LEVELS**0.5)
    counts = (n * m for n in range(2, largest + 1) for m in (n, n + 1))
    return tuple(count for count in counts if count <= MAX_LEVELS)


def _steps(steps: int | None, usual: tuple[int, ...] = _STEPS) -> tuple[int, ...]:
    return usual if steps is None else (steps,)


def _of_slots(
    make: Callable[[int, int], Candidate],
) -> Callable[[int | None], tuple[Candidate, ...]]:
    return lambda steps: tuple(make(t, units) for t in _steps(steps) for units in _UNITS)


def _of_steps(
    make: Callable[[int], Candidate], usual: tuple[int, ...] = _STEPS
) -> Callable[[int | None], tuple[Candidate, ...]]:
    return lambda steps: tuple(make(t) for t in _steps(steps, usual))


def _of_levels(make: Callable[[int], Candidate]) -> Callable[[int | None], tuple[Candidate, ...]]:
    return lambda steps: tuple(make(count) for count in level_counts())


def _even(candidate: Candidate) -> str:
    return pipelines.staircase(candidate.levels, _tidy(candidate))


def _refitted(candidate: Candidate) -> str:
    return pipelines.refitted(candidate.levels, tidy=_tidy(candidate))


def _tidy(candidate: Candidate) -> str:
    return pipelines.STREAMED_TIDY if candidate.coding == "delta" else pipelines.TIDY


FAMILIES: tuple[Family, ...] = (
    Family("population", "population", _of_levels(population), _even),
    Family("population-refitted", "population", _of_levels(population_refitted), _refitted),
    Family("delta", "delta", _of_levels(delta), _even),
    Family("delta-refitted", "delta", _of_levels(delta_refitted), _refitted),
    Family("phase", "phase", _of_levels(phase), _even),
    Family("phase-refitted", "phase", _of_levels(phase_refitted), _refitted),
    Family("rate", "rate", _of_slots(rate)),
    Family("rate-signed", "rate", _of_steps(rate_signed)),
    Family("signgd", "signgd", _of_steps(signgd, _FOLLOWING_STEPS)),
    Family(
        "signgd-features",
        "signgd",
        _of_steps(signgd_features, _FOLLOWING_STEPS),
        features=True,
    ),
)


def families(train: int) -> tuple[Family, ...]:
    """All families: with training, those that take minutes as well.

    Args:
        train: Iterations of their training; 0 leaves them out.
    """
    return FAMILIES + trained_families(train) if train else FAMILIES


def trained_families(iterations: int) -> tuple[Family, ...]:
    """Families of programs that are calibrated for minutes."""
    return (
        Family(
            "population-trained",
            "population",
            _of_levels(lambda levels: population_trained(levels, iterations)),
            lambda one: pipelines.refitted(one.levels, iterations, _trained_for(one.levels)),
            slow=True,
        ),
        Family("rate-refitted", "rate", _of_slots(rate_refitted), slow=True),
        Family(
            "rate-signed-trained",
            "rate",
            _of_steps(lambda steps: rate_signed_trained(steps, iterations)),
            slow=True,
        ),
    )


def cheapest_first(candidates: Iterable[Candidate], criterion: str) -> list[Candidate]:
    """Candidates of a family in order of what they cost, as far as that is known beforehand."""
    return sorted(
        candidates, key=lambda one: (one.weight(criterion), one.weight("spikes"), one.steps)
    )


def check_criterion(name: str) -> None:
    """Find out whether programs can be compared by this cost.

    Raises:
        PinnirError: If it is unknown.
    """
    if name not in CRITERIA:
        raise PinnirError(
            f"programs cannot be minimised in {name!r}", hint=f"known are {', '.join(CRITERIA)}"
        )
