"""The regression study measures what it says."""

from __future__ import annotations

import pytest

pytest.importorskip("norse")

from benchmarks.neurons.study import CLOCKS, FUNCTIONS, UNITS, cells
from pinnir.neurons import MEMBRANES
from pinnir.neurons.integrators import INTEGRATORS, Scheme
from pinnir.neurons.stability import check_scheme


@pytest.mark.parametrize("name", CLOCKS)
def test_all_steps_are_stable(name):
    for integrator in INTEGRATORS:
        for substeps in CLOCKS[name].substeps:
            check_scheme(MEMBRANES[name], Scheme(integrator, CLOCKS[name].step, substeps))


def test_a_cell():
    first = next(cells("lif", "euler", seeds=1, iterations=0))
    assert (first.function, first.noise, first.substep) == (next(iter(FUNCTIONS)), 0.0, 2.0)
    assert first.rel_l2 < 0.5
    assert first.spikes > UNITS
    assert first.evaluations == UNITS * CLOCKS["lif"].steps
