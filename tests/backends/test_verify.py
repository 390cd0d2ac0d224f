"""verify: what is compared, and what is said."""

from __future__ import annotations

import pytest

from pinnir.backends import verify as verification
from pinnir.backends.recording import probe_points, record
from pinnir.backends.verify import Comparison, Report, verify
from pinnir.base.errors import PinnirError, VerificationError
from tests.integer_programs import STEPS, program


def test_totals():
    total = Comparison.total([Comparison(3, 0, 0), Comparison(4, 1, 2)])
    assert total == Comparison(7, 1, 2)
    assert not total.equal
    assert Comparison(7, 0, 0).equal


def test_unknown():
    with pytest.raises(PinnirError) as caught:
        verify(program("resnet", "rate"), "abacus", 4)
    known = ", ".join(verification.VERIFIERS)
    assert str(caught.value) == f"target 'abacus': nothing runs it\nhint: known are {known}"


def test_differences_are_a_failed_requirement(monkeypatch):
    monkeypatch.setitem(verification.VERIFIERS, "broken", f"{__name__}:broken")
    with pytest.raises(VerificationError) as caught:
        verify(program("resnet", "rate"), "broken", 4)
    assert "1 of 10 events and 0 outputs differ from the oracle's" in str(caught.value)


def broken(program, points):
    assert points.shape == (4, 2)
    return Report("broken", Comparison(10, 1, 0), {})


@pytest.mark.parametrize("coding", ["population", "rate", "delta"])
@pytest.mark.parametrize("name", ["resnet", "spinn"])
def test_records_count_what_a_run_counts(name, coding):
    made = program(name, coding)
    points = probe_points(made, 24)
    seen = record(made, points)
    assert [one.core for one in seen] == made.running
    if name == "resnet":
        (one,) = seen
        steps = STEPS if coding == "rate" else 1
        assert all(found.shape[:2] == (24, steps) for found in one.events.values())
        from pinnir.points.streaming_order import Streaming

        order = Streaming("given") if made.streams else None
        spikes = made.run(points, streaming=order).spikes
        for node, found in one.events.items():
            assert abs(found).sum() == spikes[node.name].sum()


def test_probe_points_of_streams_are_a_line():
    line = probe_points(program("resnet", "delta"), 9)
    assert abs(line[1:-1] - (line[2:] + line[:-2]) / 2).max() < 1e-12
    cloud = probe_points(program("resnet", "rate"), 9)
    assert cloud.shape == line.shape == (9, 2)
