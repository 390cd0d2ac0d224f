"""Small programs in whole numbers, for chips."""

from __future__ import annotations

from functools import cache

import pytest

import pinnir
from pinnir.backends.environments import ENVIRONMENTS
from pinnir.program.program import Program
from tests.backends.networks import DOMAIN, mlp, model

# Signed neurons become pairs that feed each other back.
SIGNED = (
    "fold-constants,drop-identity,fuse-affine,fuse-activations,split-host,gather-synapses,"
    "quantise-inputs{{bits={bits}}},balance-thresholds{{steps=4}},"
    "quantise-activations{{levels=9,rounding=signed}},quantise{{steps=4}},"
    "lower{{coding=rate,steps=4}},legalise"
)


@cache
def whole_program(coding: str, target: str) -> Program:
    """A small network for a target: ``population``, ``rate`` or ``signed``."""
    ask: dict[str, int | str] = {"coding": coding, "levels": 16}
    if coding == "rate":
        ask |= {"steps": 4, "levels": 9}
    elif coding == "signed":
        integers = pinnir.base.targets.find_target(target).integers
        assert integers is not None
        ask = {"pipeline": SIGNED.format(bits=integers.input_bits)}
    network = mlp(sizes=(2, 6, 6, 1), function="Sin")
    return pinnir.compile(model(network), DOMAIN, target=target, **ask)  # type: ignore[arg-type]


def needs(name: str) -> pytest.MarkDecorator:
    """Skip where a target's environment is missing."""
    problem = ENVIRONMENTS[name].problem
    return pytest.mark.skipif(bool(problem), reason=f"{problem}; run: pinnir install {name}")
