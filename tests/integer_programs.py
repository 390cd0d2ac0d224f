"""Small programs in whole numbers, of every coding that integers run."""

from __future__ import annotations

from functools import cache

import pinnir
from pinnir.base.targets import TARGETS
from pinnir.passes import pipelines
from pinnir.program.program import Program
from tests.networks import family

STEPS = 6
PIPELINES = {
    "population": pipelines.population(12),
    "delta": pipelines.delta(12),
    "rate": pipelines.rate(STEPS, 2),
    "signed": pipelines.rate_signed(STEPS),
}


@cache
def program(name: str, coding: str, target: str = "c") -> Program:
    """A program of a family of ``tests/networks.py`` for a target that computes with integers."""
    integers = TARGETS[target].integers
    assert integers is not None
    pipeline = pipelines.in_integers(PIPELINES[coding], integers)
    return pinnir.compile(family(name), "-1:1", target=target, pipeline=pipeline)
