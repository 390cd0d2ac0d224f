"""What a search may propose: families of programs, each a pipeline of a size.

The search tries every family whose coding the target runs, so a new one is one row in FAMILIES, in
``trained_families`` if it begins with a training that families share, or in ``slow_families`` if
each of its programs takes minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from pinnir.base.errors import PinnirError
from pinnir.base.targets import Target
from pinnir.passes import pipelines
from pinnir.passes.lowering.lower import Lower
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from pinnir.pipeline.manager import Passes, pipeline_text
from pinnir.program.frontier import Candidate

MAX_LEVELS = 256**2
_STEPS = (8, 16, 32, 64, 128, 256)
# Sign-gradient programs are shorter, and each step is worth more.
_FOLLOWING_STEPS = (8, 12, 16, 24, 32, 48, 64, 96, 128)
_UNITS = (1, 2, 4, 8, 16, 32)


class Size(NamedTuple):
    """What a family's programs differ in.

    Attributes:
        steps: Time steps.
        levels: Levels per neuron; 0 if neurons have none.
        units: Rate-coding units per neuron, None for other codings.
        given: What a family's pipeline is made from.
    """

    steps: int
    levels: int
    units: int | None
    given: tuple[int, ...]


def of_levels(levels: int) -> Size:
    """The size of a program of one step."""
    return Size(1, levels, None, (levels,))


def of_slots(steps: int, units: int) -> Size:
    """The size of a rate program of ``units`` ramps per neuron."""
    return Size(steps, units * steps + 1, units, (steps, units))


def of_signed(steps: int) -> Size:
    """The size of a rate program of one signed unit per neuron."""
    return Size(steps, 2 * steps + 1, 1, (steps,))


def of_steps(steps: int) -> Size:
    """The size of a sign-gradient program, whose neurons have no levels."""
    return Size(steps, 0, None, (steps,))


def level_counts() -> Iterator[int]:
    """n^2 and n (n + 1): the numbers that coarse and fine units reach without waste."""
    largest = int(MAX_LEVELS**0.5)
    counts = (n * m for n in range(2, largest + 1) for m in (n, n + 1))
    return (count for count in counts if count <= MAX_LEVELS)


# Sizes of a family, in order; given a number of steps, those of it.
Sizes = Callable[[int | None], Iterable[Size]]


def _levels(steps: int | None) -> Iterable[Size]:
    return map(of_levels, level_counts())


def _slots(steps: int | None) -> Iterable[Size]:
    return (of_slots(t, units) for t in _chosen(steps, _STEPS) for units in _UNITS)


def _signed(steps: int | None) -> Iterable[Size]:
    return map(of_signed, _chosen(steps, _STEPS))


def _following(steps: int | None) -> Iterable[Size]:
    return map(of_steps, _chosen(steps, _FOLLOWING_STEPS))


def _chosen(steps: int | None, usual: tuple[int, ...]) -> tuple[int, ...]:
    return usual if steps is None else (steps,)


@dataclass(frozen=True)
class Family:
    """Programs of one kind in several sizes.

    Attributes:
        name: As the frontier shows it.
        coding: Of its programs; targets list the codings that they run.
        sizes: Of its candidates.
        passes: The pipeline of what a size gives.
        exact: Whether its programs equal their staircase networks level for level. Of others only
            a simulation tells the error.
        features: Whether it is for networks of images and patches, and not for others.
        target: Whose integers and kind of reset its programs have; None for no target.
    """

    name: str
    coding: str
    sizes: Sizes
    passes: Callable[..., Passes]
    exact: bool = False
    features: bool = False
    target: Target | None = None

    def candidate(self, size: Size) -> Candidate:
        """Its program of that size."""
        passes = self.passes(*size.given)
        passes = passes if self.target is None else pipelines.for_target(passes, self.target)
        text = pipeline_text(passes)
        return Candidate(self.name, self.coding, size.steps, size.levels, text, size.units, passes)

    def members(self, steps: int | None = None) -> tuple[Candidate, ...]:
        """Its candidates in order of their size; given a number of steps, only those."""
        return tuple(map(self.candidate, self.sizes(steps)))

    def within(self, target: Target) -> Family:
        """The same programs for a target."""
        return replace(self, target=target)


def _exact(name: str, make: Callable[[int], Passes]) -> Family:
    return Family(name, name.partition("-")[0], _levels, make, exact=True)


# Of one coding those first that take fewer levels: the others then show soon that they are dearer.
FAMILIES: tuple[Family, ...] = (
    _exact("population-refitted", pipelines.population_refitted),
    _exact("population", pipelines.population),
    _exact("delta-refitted", pipelines.delta_refitted),
    _exact("delta", pipelines.delta),
    _exact("phase-refitted", pipelines.phase_refitted),
    _exact("phase", pipelines.phase),
    Family("rate", "rate", _slots, pipelines.rate),
    Family("rate-signed", "rate", _signed, pipelines.rate_signed),
    Family("signgd", "signgd", _following, pipelines.signgd),
    Family("signgd-features", "signgd", _following, pipelines.signgd_features, features=True),
)


def trained_families(training: Passes) -> tuple[Family, ...]:
    """Families of one training that comes before the rounding, and is done once for all of them."""
    made = {
        "population-trained": pipelines.population_refitted,
        "delta-trained": pipelines.delta_refitted,
        "phase-trained": pipelines.phase_refitted,
    }
    return tuple(_exact(name, partial(make, training=training)) for name, make in made.items())


def slow_families(iterations: int) -> tuple[Family, ...]:
    """Families of which every program takes minutes to make."""
    signed = partial(pipelines.rate_signed_trained, iterations=iterations)
    return (
        Family("rate-refitted", "rate", _slots, pipelines.rate_refitted),
        Family("rate-signed-trained", "rate", _signed, signed),
    )


def membrane_family(neuron: str) -> Family:
    """Rate programs of one membrane model."""
    membranes = partial(pipelines.membranes, neuron)
    return Family(f"rate-{neuron}", "rate", _slots, membranes)


def find_family(name: str) -> Family:
    """The family of that name in FAMILIES; every coding has one of its own name."""
    return next(one for one in FAMILIES if one.name == name)


def given(passes: Passes, text: str | None = None) -> Candidate:
    """The program of a pipeline that belongs to no family.

    Args:
        passes: The pipeline.
        text: As somebody wrote it, if somebody did.

    Raises:
        PinnirError: If the pipeline makes no spiking program.
    """
    lower = next((one for one in passes if isinstance(one, Lower)), None)
    if lower is None:
        raise PinnirError(
            "the pipeline makes no spiking program: it has no pass 'lower'",
            hint="a complete pipeline is " + pipeline_text(pipelines.population(256)),
        )
    levels = next((one.levels for one in passes if isinstance(one, QuantiseActivations)), 0)
    text = pipeline_text(passes) if text is None else text
    return Candidate("given", lower.coding.name, lower.steps, levels, text, None, passes)


def cheapest_first(candidates: Iterable[Candidate], criterion: str) -> list[Candidate]:
    """Candidates of a family in order of what they cost, as far as that is known beforehand."""
    return sorted(
        candidates, key=lambda one: (one.weight(criterion), one.weight("spikes"), one.steps)
    )
