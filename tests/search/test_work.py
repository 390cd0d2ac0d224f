"""Work is known before a program is made, and runs of passes are shared."""

from __future__ import annotations

import pytest

from pinnir.search.candidates import (
    find_family,
    membrane_family,
    of_levels,
    of_slots,
    slow_families,
)
from pinnir.search.compile import prepare
from pinnir.search.pass_runs import PassRuns
from pinnir.search.work import at_a_glance, of_making, per_point, points_for
from tests.backends.networks import DOMAIN, mlp, model

SMALL = model(mlp())

JOB = prepare(SMALL, DOMAIN)
RATE, REFITTED = find_family("rate"), slow_families(10)[0]


def test_work_grows_with_steps_units_and_the_neuron():
    plain, longer, wider = (
        per_point(JOB, RATE.candidate(of_slots(*size))) for size in ((8, 2), (16, 2), (8, 4))
    )
    assert longer == wider == 2 * plain
    membrane = membrane_family("hodgkin-huxley").candidate(of_slots(8, 2))
    assert per_point(JOB, membrane) > 100 * plain


def test_what_fits_to_spikes_simulates_its_points():
    plain, fitted = (one.candidate(of_slots(8, 2)) for one in (RATE, REFITTED))
    assert of_making(JOB, plain) == 0
    assert of_making(JOB, fitted) == 8192 * per_point(JOB, fitted)
    assert of_making(JOB, at_a_glance(fitted)) == 1024 * per_point(JOB, fitted)


def test_what_is_made_at_once_needs_no_glance():
    for one in (RATE.candidate(of_slots(8, 2)), find_family("delta").candidate(of_levels(64))):
        assert at_a_glance(one) is one


def test_programs_that_take_long_are_measured_on_fewer_points():
    short = RATE.candidate(of_slots(8, 1))
    long = membrane_family("hodgkin-huxley").candidate(of_slots(256, 32))
    assert points_for(JOB, short, 2048) == 2048
    assert 1 <= points_for(JOB, long, 2048) < 2048


def test_passes_that_pipelines_share_run_once():
    seen: list[str] = []
    job = prepare(SMALL, DOMAIN)
    for levels in (16, 64, 16):
        family = find_family("population")
        passes = family.candidate(of_levels(levels)).passes
        graphs = job.graphs(passes, [lambda one, *_: seen.append(str(one))])
        assert len(graphs) == len(passes) + 1
        # Observers see every pass, run or known.
        assert seen[-len(passes) :] == [str(one) for one in passes]
    first, second = (
        job.runs.begun(find_family("population").candidate(of_levels(n)).passes) for n in (16, 64)
    )
    assert first[5].graph is second[5].graph
    assert first[-1].graph is graphs[-1]


@pytest.mark.parametrize("most", [0, 2**25])
def test_the_oldest_runs_make_room(monkeypatch, most):
    monkeypatch.setattr("pinnir.search.pass_runs._MOST_KEPT", most)
    runs = PassRuns()
    job = prepare(SMALL, DOMAIN)
    pipelines = [find_family("population").candidate(of_levels(n)).passes for n in (16, 64)]
    for passes in pipelines:
        job.graphs(passes)
        runs.keep(passes, job.runs.begun(passes))
    assert len(runs.begun(pipelines[1])) == len(pipelines[1])
    known = len(runs.begun(pipelines[0]))
    assert known == (len(pipelines[0]) if most else known)
    assert (known < len(pipelines[0])) == (most == 0)
