"""Frontiers and the bound above errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pinnir.metrics.confidence import upper_bound
from pinnir.program.frontier import (
    CRITERIA,
    EVALUATION,
    SELECTION,
    Candidate,
    Errors,
    Frontier,
    Point,
    Record,
    point,
)
from pinnir.search.candidates import find_family, of_levels, of_slots

ERRORS = st.floats(1e-6, 1.0)


def population(levels: int) -> Candidate:
    return find_family("population").candidate(of_levels(levels))


def place(levels: int, error: float, cost: float, upper: float | None = None) -> Point:
    told = {"nrmse": error} if upper is None else {"nrmse": error, "nrmse_upper": upper}
    errors = Errors(256, "nrmse", told)
    return Point(population(levels), SELECTION, errors, dict.fromkeys(CRITERIA, cost))


def frontier(*points: Point, **more) -> Frontier:
    return Frontier(points=points, **more)


def test_the_bound_by_hand():
    errors = [1.0, 1.1, 1.2, 1.3]
    spread = np.std(errors, ddof=1)
    assert upper_bound(errors) == pytest.approx(1.15 + stats.t.ppf(0.95, 3) * spread / 2)
    assert upper_bound([2.0] * 4) == 2.0


def test_the_largest_error_counts_where_it_is_above_the_bound_on_the_mean():
    errors = [1.0] * 15 + [2.0]
    assert upper_bound(errors) == 2.0


@given(st.lists(ERRORS, min_size=2, max_size=8))
def test_the_bound_is_above_every_error(errors):
    assert upper_bound(errors) >= max(errors)
    assert upper_bound([2 * e for e in errors]) == pytest.approx(2 * upper_bound(errors))


def test_the_bound_holds_as_often_as_it_says():
    """On normal errors the true mean lies below it in at least 95 % of 4,000 experiments."""
    drawn = np.random.default_rng(0).normal(1.0, 0.1, (4000, 4))
    assert np.mean([upper_bound(list(row)) >= 1.0 for row in drawn]) >= 0.95


@given(st.lists(st.tuples(ERRORS, ERRORS), min_size=1, max_size=20))
def test_non_dominated_points(pairs):
    points = [place(index + 2, error, cost) for index, (error, cost) in enumerate(pairs)]
    kept = frontier(*points).non_dominated()
    for one in points:
        beaten = any(
            (o.error <= one.error and o.costs["steps"] <= one.costs["steps"])
            and (o.error, o.costs["steps"]) != (one.error, one.costs["steps"])
            for o in points
        )
        twin = any((k.error, k.costs["steps"]) == (one.error, one.costs["steps"]) for k in kept)
        assert twin == (not beaten)
    assert [k.costs["steps"] for k in kept] == sorted(k.costs["steps"] for k in kept)


def test_the_bound_is_what_meets_a_tolerance():
    at = frontier(rtol=0.1)
    assert at.meets(place(4, 0.09, 1.0))
    assert not at.meets(place(4, 0.09, 1.0, upper=0.11))
    assert frontier(rtol=None).meets(place(4, 5.0, 1.0))


def test_rows_are_plain_values_cheapest_first():
    dear, cheap = place(9, 0.01, 3.0, upper=0.02), place(4, 0.1, 1.0)
    at = frontier(dear, place(6, 0.2, 2.0), cheap, rtol=0.05, chosen=dear.candidate.pipeline)
    rows = at.rows()
    assert rows == json.loads(json.dumps(rows))
    assert [row["levels"] for row in rows] == [4, 6, 9]
    assert [row["non_dominated"] for row in rows] == [True, False, True]
    assert [row["chosen"] for row in rows] == [False, False, True]
    assert [row["meets"] for row in rows] == [False, False, True]
    assert rows[0].keys() == {
        "family",
        "coding",
        "pipeline",
        "levels",
        "steps",
        "units",
        "rel_l2",
        "rel_l2_upper",
        "nrmse",
        "nrmse_upper",
        "nrmse_decided_by",
        "measured_on",
        "points",
        "synops_per_mac",
        "neurons",
        "spikes",
        "energy_45nm_pj",
        "meets",
        "chosen",
        "non_dominated",
    }


def test_what_was_measured_last_counts():
    record, rate = Record(), find_family("rate").candidate(of_slots(8, 2))
    record.add(place(4, 0.1, 1.0))
    metrics = dict.fromkeys(CRITERIA.values(), 2.0) | {"points": 9, "rel_l2": 0.2, "nrmse": 0.4}
    last = record.add(point(population(4), metrics, EVALUATION, "nrmse"))
    record.add(point(rate, metrics | {"rel_l2_upper": 0.3}, SELECTION, "l2"))
    found = record.frontier("spikes", 0.1, None).points
    assert len(found) == 2
    assert found[0] is last
    assert (found[0].errors.upper, found[0].error, found[1].error) == (None, 0.4, 0.3)
