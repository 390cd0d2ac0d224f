"""Small programs for Lava, one of every coding."""

from __future__ import annotations

from functools import cache

import pinnir
from pinnir.base.targets import TARGETS
from pinnir.passes import pipelines
from pinnir.program.program import Program
from tests.backends.targets import needs
from tests.networks import family

# Marks tests that run Lava itself.
lava = needs("lava")
FORMS = {
    "rate": pipelines.rate(4, 2),
    "signed rate": pipelines.rate_signed(4),  # which feeds itself, once its signs are split
    "population": pipelines.population(12),
    "delta": pipelines.delta(12),
}


@cache
def program(network: str, form: str, target: str = "lava") -> Program:
    pipeline = pipelines.for_target(FORMS[form], TARGETS[target])
    return pinnir.compile(family(network), "-1:1", target=target, pipeline=pipeline)
