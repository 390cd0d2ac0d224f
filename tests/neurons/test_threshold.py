"""Memoryless threshold units."""

from __future__ import annotations

import numpy as np

from pinnir.neurons import Threshold

UNITS = Threshold(
    threshold=np.array([0.5, np.inf, -1.0, 2.0]),
    level_weight=np.array([3, 1, -1, 1], np.int32),
    level_offset=np.array([0, 10], np.int32),
)


def test_step():
    below = np.nextafter(UNITS.threshold, -np.inf)
    current = np.array([UNITS.threshold, below, [9, 9, 9, 9]])
    spikes, state = UNITS.step(UNITS.initial_state(3), current)
    np.testing.assert_array_equal(spikes, [[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 1]])
    assert state == ()
    assert UNITS.units == 4


def test_levels():
    spikes = np.array([[0.0, 0, 0, 0], [1, 0, 0, 1], [1, 1, 1, 1]])
    np.testing.assert_array_equal(UNITS.levels(spikes), [[0, 10], [3, 11], [4, 10]])


def test_nir_compares_with_greater():
    """The same inputs fire, the threshold itself included."""
    node = UNITS.to_nir()
    for current in (UNITS.threshold, np.nextafter(UNITS.threshold, -np.inf)):
        fired = UNITS.step((), current[None])[0][0] > 0
        real = np.isfinite(current)
        np.testing.assert_array_equal((current > node.threshold)[real], fired[real])


def test_to_nir_and_back():
    node = UNITS.to_nir()
    assert node.metadata["pinnir"]["comparison"] == ">"
    assert node.metadata["pinnir"]["reset"] == "none"
    again = Threshold.from_nir(node)
    finite = np.isfinite(UNITS.threshold)
    np.testing.assert_array_equal(again.threshold[finite], UNITS.threshold[finite])
    assert not again.step((), np.full((1, 4), 1e300))[0][0, 1]
    np.testing.assert_array_equal(again.level_weight, UNITS.level_weight)
    np.testing.assert_array_equal(again.level_offset, UNITS.level_offset)
