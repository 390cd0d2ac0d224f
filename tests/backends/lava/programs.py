"""Small programs for Lava, one of every coding."""

from __future__ import annotations

from functools import cache

import pinnir
from pinnir import pipelines
from pinnir.program import Program
from pinnir.target import TARGETS
from tests.networks import family

FORMS = {
    "rate": pipelines.rate(4, 2),
    "signed rate": pipelines.rate_signed(4),  # which feeds itself, once its signs are split
    "population": pipelines.population(12),
    "delta": pipelines.delta(12),
}


@cache
def program(network: str, form: str) -> Program:
    integers = TARGETS["lava"].integers
    assert integers is not None
    pipeline = pipelines.in_integers(FORMS[form], integers)
    return pinnir.compile(family(network), "-1:1", target="lava", pipeline=pipeline)
