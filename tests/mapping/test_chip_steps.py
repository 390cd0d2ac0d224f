"""When populations run on a chip whose spikes take a step."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Node
from pinnir.mapping.chip_steps import after, first_steps, waiting
from pinnir.mapping.flat_units import FlatCore, FlatPopulation
from pinnir.neurons import IF

NOTHING = np.zeros((1, 1), np.int64)


def population(name: str, *sources: FlatPopulation) -> FlatPopulation:
    synapses = {source.node: NOTHING for source in sources}
    ends = np.ones(1, np.int64)
    node = Node(name, IF(np.ones(1)))
    return FlatPopulation(node, ends, ends, NOTHING, ends, synapses, None)


def test_a_population_begins_after_all_that_it_listens_to() -> None:
    coarse = population("coarse")
    fine = population("fine", coarse)
    deep = population("deep", coarse, fine)
    flat = FlatCore((coarse, fine, deep), (), 1)
    begin = first_steps(flat)
    assert [begin[one.node] for one in flat.populations] == [0, 1, 2]
    assert after(begin, [coarse.node, deep.node]) == 3
    assert after(begin, []) == 0


def test_early_spikes_wait() -> None:
    node = population("deep").node
    assert waiting(2, 1, 5, node) == 0
    assert waiting(7, 1, 5, node) == 5


def test_a_synapse_that_would_wait_for_too_long_is_named() -> None:
    with pytest.raises(LegalizeError) as error:
        waiting(8, 1, 5, population("deep").node)
    assert str(error.value) == (
        "IF 'deep': listens to a population 7 steps before it, and the target's synapses delay a "
        "spike by 6 steps at most\n"
        "hint: compile with --coding rate, whose populations follow each other more closely, or "
        "for another target"
    )
