"""verify: what is compared, and what is said."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from pinnir.backends import verify as verification
from pinnir.backends.environments import Environment
from pinnir.backends.recording import probe_points, record
from pinnir.backends.verify import Comparison, Verification, run_exported, verify
from pinnir.base.errors import BackendError, PinnirError, VerificationError
from tests.integer_programs import STEPS, program


def test_totals():
    total = Comparison.total([Comparison(3, 0, 0), Comparison(4, 1, 2)])
    assert total == Comparison(7, 1, 2)
    assert not total.equal
    assert Comparison(7, 0, 0).equal


def test_what_differs_is_counted():
    expected = {"core.1.p0": np.array([0, 1, 1]), "core.1.outputs": np.array([5, 6])}
    found = {"core.1.p0": np.array([0, 1, 0]), "core.1.outputs": np.array([5, 7])}
    comparison = Comparison.of("Lava", expected, found)
    assert (comparison.events, comparison.differing, comparison.outputs) == (3, 1, 1)
    with pytest.raises(BackendError, match=r"Lava gave core\.1\.p0 as \(2,\), not \(3,\)"):
        Comparison.of("Lava", expected, {**found, "core.1.p0": np.zeros(2)})


@given(arrays(np.int64, (3, 4)), arrays(np.int64, (3, 4)))
def test_any_difference_is_counted_and_no_other(wanted, found):
    count = int((wanted != found).sum())
    both = {"p0": wanted, "outputs": wanted}, {"p0": found, "outputs": found, "more": wanted}
    assert Comparison.of("it", *both) == Comparison(12, count, count)


def test_outputs_may_be_rounded_and_events_may_not():
    wanted = {"p0": np.ones(2), "outputs": np.ones(2)}
    found = {name: np.array([1.0, 1.0 + 1e-12]) for name in wanted}
    assert Comparison.of("it", wanted, found, rounding=1e-9) == Comparison(2, 1, 0)
    assert Comparison.of("it", wanted, found) == Comparison(2, 1, 1)


RUNNER = """
import sys
import numpy as np
with np.load("samples.npz") as given:
    np.savez(sys.argv[-1], more=1 + given["x"], told=" ".join(sys.argv[1:-1]))
"""


def test_an_exported_folder_runs_on_what_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("PINNIR_SMALL", str(tmp_path))
    small = Environment("small", (), shown_by="bin/python")
    with pytest.raises(BackendError, match="run: pinnir install small"):
        run_exported(small, {}, {})
    small.python.parent.mkdir()
    small.python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    small.python.chmod(0o755)
    contents = {"runner.py": RUNNER.encode(), "samples.npz": b"others"}
    found = run_exported(small, contents, {"x": np.arange(3)}, "--fast", seconds=60)
    assert found["more"].tolist() == [1, 2, 3]
    assert found["told"].item() == "--fast --output"


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
    return Verification("broken", Comparison(10, 1, 0), {})


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
