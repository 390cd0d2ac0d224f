"""The search over families, on programs whose errors and costs are made up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.errors import LegalizeError, PipelineError
from pinnir.passes.calibration.refit import Refit
from pinnir.passes.pipelines import anticipating
from pinnir.program.frontier import CRITERIA, DEFAULT_NORM, Candidate, Errors, Point, Record
from pinnir.search.candidates import (
    FAMILIES,
    cheapest_first,
    level_counts,
    slow_families,
    trained_families,
)
from pinnir.search.cheapest_search import CheapestSearch, Fixed, over_families
from pinnir.search.faults import FamilyError
from pinnir.search.simulated_search import SimulatedSearch
from pinnir.search.staircase_search import smallest, sufficient
from tests.strategies import SEEDS

# One family of each kind is enough to search over.
PLAIN = [
    family
    for family in FAMILIES
    if family.coding in ("population", "rate") and family.name != "population-refitted"
]
TRAINING = anticipating(64, 100)
TRAINED = next(one for one in trained_families(TRAINING) if one.name == "population-trained")
BY_NAME = {family.name: family for family in (*PLAIN, TRAINED)}


def law(candidate: Candidate) -> float:
    return 2.5 / candidate.levels


def measured(points: int, error: float, upper: float | None = None) -> Errors:
    told = {"nrmse": error} if upper is None else {"nrmse": error, "nrmse_upper": upper}
    return Errors(points, DEFAULT_NORM, told)


@dataclass
class Fake:
    """Programs whose error and cost are functions of the candidate.

    Attributes:
        error: On all selection points.
        synops: Per slot of a rate program.
        refuses: Families that the target cannot run.
        breaks: Families with a fault in pinnir.
        later: Error of staircase networks on the evaluation points; None if nobody looks there.
        norm: Of all errors.
        seen: What was measured, in order.
    """

    error: Callable[[Candidate], float] = law
    synops: float = 1.0
    refuses: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    later: Callable[[Candidate], float] | None = None
    norm: str = DEFAULT_NORM
    seen: list[Candidate] = field(default_factory=list)

    def on_evaluation(self, candidate: Candidate) -> Errors | None:
        if self.later is None:
            return None
        return measured(8000, self.later(candidate))

    def staircase(self, candidate: Candidate) -> Errors:
        assert BY_NAME[candidate.family].exact
        return measured(4000, self.error(candidate))

    def few(self, candidate: Candidate) -> Point:
        if candidate.family in self.refuses:
            raise LegalizeError(f"no {candidate.family}")
        if candidate.family in self.breaks:
            raise ZeroDivisionError(f"in {candidate.family}\nas it is")
        self.seen.append(candidate)
        return self.point(candidate)

    def more(self, candidate: Candidate) -> Point:
        return self.point(candidate)

    def work(self, candidate: Candidate) -> float:
        """One for each slot, and one for each point that a pass fits to spikes on."""
        slots = candidate.steps * (candidate.units or 1)
        return slots * (1 + sum(one.points for one in candidate.passes if isinstance(one, Refit)))

    def point(self, candidate: Candidate, upper: float | None = None) -> Point:
        units = 2 * candidate.levels**0.5 if candidate.units is None else candidate.units
        slots = units * candidate.steps * (1 if candidate.units is None else self.synops)
        costs = {
            "synops_per_mac": slots,
            "neurons": units,
            "spikes": slots,
            "steps": candidate.steps,
            "energy": slots,
        }
        return Point(candidate, "selection", measured(256, self.error(candidate), upper), costs)

    def simulated(self) -> list[str]:
        return [str(one) for one in self.seen if one.units is not None]


def search(
    fake: Fake, wanted: float = 0.1, criterion: str = "synops_per_mac", **ask
) -> CheapestSearch:
    families = ask.get("families", PLAIN)
    return over_families(families, ask.get("steps"), wanted, criterion, fake)


@given(
    size=st.integers(1, 60),
    start=st.integers(0, 59),
    first=st.integers(0, 60),
    law=st.sampled_from((-2.0, -1.0, -0.5, 0.0)),
)
def test_smallest_finds_the_smallest_sufficient_size(size, start, first, law):
    """Whatever the errors' law; never asks twice, and little more often than bisection."""
    sizes = list(range(100, 100 + size))
    asked: list[int] = []

    def error(index: int) -> float:
        assert index not in asked
        asked.append(index)
        above = (sizes[index] / (100 + first)) ** law
        return min(above, 1.0) if index >= first else max(above, 1.0) + 1e-9

    found = smallest(sizes, min(start, size - 1), error, 1.0)
    assert found == min(first, size - 1)
    assert len(asked) <= 2 * np.log2(size + 1) + 7


@given(wanted=st.floats(1e-4, 0.3), start=st.integers(0, 400), seed=SEEDS)
def test_errors_that_follow_the_law_are_found_in_few_steps(wanted, start, seed):
    """With jumps of a tenth from size to size: what is found will do, the one before will not."""
    sizes = list(level_counts())
    jumps = np.random.default_rng(seed).uniform(0.9, 1.1, len(sizes))
    errors = 2.5 * jumps / np.array(sizes)
    asked: list[int] = []

    def error(index: int) -> float:
        asked.append(index)
        return float(errors[index])

    found = smallest(sizes, start, error, wanted)
    assert errors[found] <= wanted
    assert found == 0 or errors[found - 1] > wanted
    assert len(asked) <= 12


def test_level_counts():
    counts = tuple(level_counts())
    assert list(counts) == sorted(set(counts))
    assert counts[:6] == (4, 6, 9, 12, 16, 20)
    assert counts[-1] == 2**16


@pytest.mark.parametrize("criterion", CRITERIA)
def test_members_are_tried_by_what_they_cost(criterion):
    members = cheapest_first(BY_NAME["rate"].members(None), criterion)
    assert len({member.pipeline for member in members}) == len(members) == 36
    weights = [member.weight(criterion) for member in members]
    assert weights == sorted(weights)
    assert [m.units for m in cheapest_first(BY_NAME["rate"].members(16), "neurons")] == [
        1,
        2,
        4,
        8,
        16,
        32,
    ]


@pytest.mark.parametrize(
    "family",
    (*FAMILIES, *trained_families(TRAINING), *slow_families(100)),
    ids=lambda family: family.name,
)
def test_families_are_what_their_members_say(family):
    members = family.members(None)
    assert len({member.pipeline for member in members}) == len(members)
    assert {member.family for member in members} == {family.name}
    assert {member.coding for member in members} == {family.coding}
    assert all(f"lower{{coding={family.coding}" in member.pipeline for member in members)


def test_the_smallest_sufficient_staircase_is_proposed():
    found = search(Fake(), 0.01).next()
    counts = tuple(level_counts())
    assert law(found) <= 0.98 * 0.01
    assert law(BY_NAME["population"].members(None)[counts.index(found.levels) - 1]) > 0.98 * 0.01


def test_a_trained_family_is_trained_once():
    fake = Fake(lambda one: law(one) / (3 if one.family == TRAINED.name else 1))
    at = search(fake, 0.01, families=[BY_NAME["population"], TRAINED])
    found = at.next()
    assert found.family == TRAINED.name
    assert law(found) / 3 <= 0.98 * 0.01
    probed = [one for one in fake.seen if one.family == TRAINED.name]
    assert len({one.pipeline.partition("quantise")[0] for one in probed}) == 1


def test_dear_families_are_simulated_once():
    fake = Fake(synops=10.0)
    assert search(fake).next().coding == "population"
    assert fake.simulated() == ["rate, 8 steps, 1 units", "rate-signed, 8 steps, 1 units"]


def test_a_cheap_family_is_simulated_until_it_suffices():
    fake = Fake(synops=0.1)
    found = search(fake).next()
    assert found.coding == "rate"
    assert law(found) <= 0.1
    assert all(one.steps * (one.units or 1) <= 256 for one in fake.seen)


def test_too_few_levels_are_not_simulated():
    """But one, which says what the family costs."""
    fake = Fake(synops=0.1)
    search(fake, 0.01).next()
    first, *others = (one.levels for one in fake.seen if one.family == "rate")
    assert first == 9
    assert min(others) > 60


def test_few_neurons_take_the_fewest_steps_that_suffice():
    fake = Fake(refuses=("rate-signed",))
    found = search(fake, 0.1, "neurons").next()
    assert (found.family, found.units, found.steps) == ("rate", 1, 32)


def test_steps_restrict_the_simulated_families():
    fake = Fake()
    families = [family for family in FAMILIES if family.coding == "rate"]
    found = search(fake, 0.1, families=families, steps=5).next()
    assert {one.steps for one in fake.seen} == {5}
    assert found.steps == 5


def test_a_failed_program_is_followed_by_a_larger_one():
    fake = Fake(synops=10.0)
    at = search(fake, 0.01)
    first = at.next()
    assert at.next() == first
    at.failed(fake.point(first, upper=0.015))
    second = at.next()
    assert second.levels >= 1.5 * first.levels


def test_a_refuted_staircase_is_not_proposed():
    fake = Fake(synops=10.0, later=lambda one: 1.5 * law(one))
    at = search(fake, 0.01)
    found = at.next()
    assert 1.5 * law(found) <= 0.01
    assert found.levels <= 1.6 * 250
    refuted = [p for p in at.record.points.values() if p.measured_on == "evaluation"]
    assert {p.candidate for p in refuted if p.error > 0.01}


def test_a_staircase_family_that_is_always_refuted_ends():
    fake = Fake(later=lambda one: 1.0)
    at = search(fake, 0.01, families=[BY_NAME["population"]])
    assert at.next() is not None, "the most accurate"
    assert at.next() is None


def test_another_family_is_proposed_when_the_cheapest_failed():
    """Rate programs were left out because population was cheaper; they no longer are."""
    fake = Fake(synops=0.9)
    at = search(fake, 0.1)
    first = at.next()
    assert first.coding == "population"
    at.failed(fake.point(first, upper=1e9))
    assert at.next().coding == "rate"


def test_simulated_programs_that_fail_raise_the_bar():
    fake = Fake()
    at = search(fake, 0.1, families=[BY_NAME["rate"]])
    first = at.next()
    at.failed(fake.point(first, upper=4 * law(first)))
    second = at.next()
    assert 4 * law(second) <= 0.1
    while second is not None:
        at.failed(fake.point(second, upper=1e9))
        second = at.next()


def test_the_most_accurate_is_proposed_where_none_suffices():
    fake = Fake(error=lambda one: 1.0 + law(one))
    at = search(fake)
    found = at.next()
    assert found.levels == 2**16
    at.failed(fake.point(found, upper=2.0))
    assert at.next() is None


def test_refused_families_are_left_out():
    fake = Fake(refuses=("population", "rate-signed"))
    assert search(fake).next().family == "rate"
    with pytest.raises(LegalizeError, match="no population"):
        search(Fake(refuses=tuple(BY_NAME))).next()


def test_families_with_faults_are_left_out():
    at = search(Fake(breaks=("population",), refuses=("rate-signed",)))
    assert at.next().family == "rate"
    assert at.record.left_out == {
        "population": "internal error: ZeroDivisionError: in population",
        "rate-signed": "no rate-signed",
    }
    frontier = at.record.frontier("synops_per_mac", 0.1, None)
    assert frontier.faults == ("population",)
    assert frontier.left_out == at.record.left_out


def test_a_fault_tells_more_than_a_refusal_where_nothing_is_left():
    fake = Fake(breaks=("rate",), refuses=("population", "rate-signed"))
    with pytest.raises(FamilyError, match="family rate: ZeroDivisionError: in rate\nas it is"):
        search(fake).next()


@pytest.mark.parametrize("error", [MemoryError(), PipelineError("bad options")])
def test_other_errors_end_the_search(error):
    fake = Fake(error=lambda one: (_ for _ in ()).throw(error))
    with pytest.raises(type(error)):
        search(fake).next()


def test_a_proposal_that_cannot_be_made():
    """The other families are asked; then the most accurate of them."""
    at = search(Fake(), families=[BY_NAME["population"], BY_NAME["rate"]])
    first = at.next()
    at.leave_out(first, FamilyError(first.family, first.pipeline, ValueError("no")))
    second = at.next()
    assert second.family != first.family
    at.leave_out(second, LegalizeError("too large"))
    with pytest.raises(FamilyError, match=f"family {first.family}, pipeline .*: ValueError: no"):
        at.next()
    assert at.record.left_out[second.family] == "too large"
    hopeless = Fake(error=lambda one: 1.0 + law(one))
    at = search(hopeless, families=[BY_NAME["population"], BY_NAME["rate"]])
    best = at.next()
    at.leave_out(best, LegalizeError("too large"))
    assert at.next().family not in ("", best.family)


def test_after_a_program_was_made_a_fault_asks_for_no_second_choice():
    fake = Fake(error=lambda one: 1.0 + law(one))
    at = search(fake)
    found = at.next()
    at.failed(fake.point(found, upper=2.0))
    at.leave_out(found, LegalizeError("too large"))
    assert at.next() is None


def test_a_fixed_program_is_proposed_once():
    candidate = BY_NAME["population"].members(None)[3]
    fixed = Fixed(candidate)
    assert fixed.next() == candidate
    fixed.failed(Fake().point(candidate))
    assert fixed.next() is None


@given(
    wanted=st.floats(1e-3, 0.5),
    synops=st.floats(1e-2, 10),
    criterion=st.sampled_from(list(CRITERIA)),
    floors=st.tuples(st.floats(0, 0.3), st.floats(0, 0.3)),
)
def test_no_cheaper_sufficient_program_was_measured(wanted, synops, criterion, floors):
    """Whatever the families' floors and costs; and every proposal is on the frontier."""
    kinds = dict(zip(("rate", "rate-signed"), floors, strict=True))
    fake = Fake(lambda one: law(one) + kinds.get(one.family, 0.0), synops)
    at = search(fake, wanted, criterion)
    found = at.next()
    frontier = at.record.frontier(criterion, wanted, found.pipeline)
    (chosen,) = (point for point in frontier.points if frontier.is_chosen(point))
    assert chosen.error <= 0.98 * wanted
    for point in frontier.points:
        if point.error <= 0.98 * wanted:
            assert chosen.rank(criterion) <= point.rank(criterion)


REFITTED = next(one for one in slow_families(100) if one.name == "rate-refitted")


def refitted(fake: Fake, budget: float) -> SimulatedSearch:
    """A search of programs that are fitted to their spikes, which is slow."""
    members = tuple(cheapest_first(REFITTED.members(None), "synops_per_mac"))
    record = Record(DEFAULT_NORM)
    return SimulatedSearch(members, "synops_per_mac", 0.01, fake, record, budget=budget, effort=2)


def fits_on(candidate: Candidate) -> int:
    return next(one.points for one in candidate.passes if isinstance(one, Refit))


def test_what_shows_at_a_glance_to_be_too_coarse_is_not_made():
    """Programs that are fitted to spikes are made on few points first."""
    fake = Fake(lambda one: 0.5 / one.weight("spikes") ** 0.5)  # too slow for the law to tell
    assert refitted(fake, math.inf).propose(None) is not None
    first, *others = fake.seen
    whole = {str(one) for one in others if fits_on(one) == fits_on(first)}
    glanced = {str(one) for one in others if fits_on(one) < fits_on(first)}
    assert glanced - whole
    assert whole <= glanced
    for one in others:
        if fits_on(one) < fits_on(first):
            assert (str(one) in whole) == (0.5 * fake.error(one) <= 0.01)


@pytest.mark.parametrize("budget", [0.0, 1e5, 1e6, 1e7])
def test_a_budget_ends_a_search_and_the_record_says_so(budget):
    """The first program is made whatever the budget, so that the frontier has one."""
    fake = Fake(lambda one: 0.5 / one.weight("spikes") ** 0.5)
    found = refitted(fake, budget)
    assert found.propose(None) is None
    first, *others = fake.seen
    assert sum(map(fake.work, others)) <= max(0.0, budget - fake.work(first))
    assert " were not made: effort 2 ends here" in found.record.left_out["rate-refitted"]


def test_a_budget_that_is_not_used_up_is_not_told():
    found = refitted(Fake(), math.inf)
    assert found.propose(None) is not None
    assert not found.record.left_out


@given(
    size=st.integers(1, 60),
    start=st.integers(0, 59),
    first=st.integers(0, 60),
    law=st.sampled_from((-2.0, -1.0, -0.5)),
)
def test_sufficient_finds_a_size_that_will_do_in_few_steps(size, start, first, law):
    sizes = list(range(100, 100 + size))
    asked: list[int] = []

    def error(index: int) -> float:
        assert index not in asked
        asked.append(index)
        return (sizes[index] / (100 + first)) ** law

    found = sufficient(sizes, min(start, size - 1), error, 1.0)
    assert found == size - 1 or error_law(sizes[found], first, law) <= 1.0
    assert len(asked) <= 4


def error_law(size: int, first: int, law: float) -> float:
    return (size / (100 + first)) ** law


def test_without_effort_the_first_family_that_does_is_taken():
    fake = Fake()
    found = over_families(PLAIN, None, 0.1, "synops_per_mac", fake, effort=0)
    candidate = found.next()
    assert law(candidate) <= 0.098
    found.survey(candidate)
    assert fake.seen == [candidate]
