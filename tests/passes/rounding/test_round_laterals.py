"""Lateral synapses in few bits times a power of two."""

from __future__ import annotations

import numpy as np
import pytest

import pinnir
from pinnir.base.targets import TARGETS
from pinnir.ir.graph import Affine, Graph
from pinnir.neurons import Threshold
from pinnir.numerics.matrix import entries
from pinnir.passes.pipelines import in_integers, population
from pinnir.passes.rounding.round_laterals import RoundLaterals
from tests.backends.networks import DOMAIN, mlp, model


def program(bits: int | None) -> pinnir.Program:
    integers = TARGETS["c"].integers
    assert integers is not None
    pipeline = in_integers(population(16), integers)
    if bits is not None:
        *before, legalise = pipeline
        pipeline = (*before, RoundLaterals(bits), legalise)
    return pinnir.compile(model(mlp(sizes=(2, 6, 6, 1))), DOMAIN, pipeline=pipeline)


def laterals(core: Graph) -> list[np.ndarray]:
    return [
        entries(node.op.weight)
        for node in core.nodes
        if isinstance(node.op, Affine)
        and all(isinstance(operand.op, Threshold) for operand in node.operands)
        and core.users[node]
        and all(isinstance(user.op, Threshold) for user in core.users[node])
        and entries(node.op.weight).ndim == 3
    ]


@pytest.mark.parametrize("bits", [6, 14])
def test_what_may_reach_a_unit_fits_into_the_bits(bits: int) -> None:
    wide, narrow = program(None), program(bits)
    for before, after in zip(laterals(wide.cores[0]), laterals(narrow.cores[0]), strict=True):
        any_bit = int(np.bitwise_or.reduce(np.abs(after).astype(np.int64), axis=None))
        unit = any_bit & -any_bit
        sums = max(np.maximum(sign * after, 0).sum(axis=2).max() for sign in (1, -1))
        assert sums / unit <= 2**bits
        assert np.abs(after - before).max() <= unit / 2
    assert laterals(narrow.cores[0])


def test_few_bits_cost_little() -> None:
    errors = [program(bits).metrics["rel_l2"] for bits in (None, 14, 6)]
    assert errors[1] == pytest.approx(errors[0], rel=0.02)
    assert errors[2] < 1.5 * errors[0]


def test_what_fits_is_left_alone() -> None:
    for one, other in zip(
        laterals(program(None).cores[0]), laterals(program(52).cores[0]), strict=True
    ):
        assert np.array_equal(one, other)
