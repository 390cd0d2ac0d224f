"""Smoothed fields: what passes, what is taken off, and what programs gain."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnir
from pinnir.base.errors import DomainError, PinnirError
from pinnir.metrics.field_errors import field_errors, reference_errors, relative_l2
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program
from pinnir.program.smoothing import check_grid, parse_cutoff, smooth, smooth_run
from tests.backends.networks import EXAMPLES, small_program

SHAPES = [(64,), (41, 30), (16, 12, 9)]
SEEDS = st.integers(0, 2**32 - 1)
CUTOFFS = st.sampled_from([None, 0.3, 0.7, 1.0])

shapes = st.sampled_from(SHAPES)
# Enough, as every example is a whole field.
few = settings(max_examples=40)


def lines(shape: tuple[int, ...]) -> list[Array]:
    return np.meshgrid(*(np.linspace(0, 1, size) for size in shape), indexing="ij")


def waves(seed: int, shape: tuple[int, ...], outputs: int = 2) -> Array:
    """Sums of slow waves of any phase, which are not flat at the ends."""
    rng = np.random.default_rng(seed)
    fields = []
    for _ in range(outputs):
        speeds, phases = rng.uniform(0, 2.5, (3, len(shape))), rng.uniform(0, 2 * np.pi, 3)
        angles = [sum(s * x for s, x in zip(row, lines(shape), strict=True)) for row in speeds]
        fields.append(sum(np.sin(a + p) for a, p in zip(angles, phases, strict=True)))
    return np.stack(fields, axis=-1)


def noise(seed: int, shape: tuple[int, ...], size: float = 0.1) -> Array:
    return size * np.random.default_rng(seed).normal(size=shape)


@few
@given(shapes, CUTOFFS, st.floats(-1e3, 1e3))
def test_constants_pass(shape, cutoff, value):
    field = np.full((*shape, 1), value)
    np.testing.assert_allclose(smooth(field, cutoff), field, rtol=1e-10, atol=1e-10)


@few
@given(shapes, CUTOFFS, SEEDS)
def test_polynomials_of_low_degree_pass(shape, cutoff, seed):
    factors = np.random.default_rng(seed).normal(size=(len(shape), 5))
    polynomial = np.ones(shape)
    for x, row in zip(lines(shape), factors, strict=True):
        polynomial = polynomial * np.polynomial.polynomial.polyval(x, row)
    field = polynomial[..., None]
    assert relative_l2(smooth(field, cutoff), field) < 1e-9


@few
@given(shapes, SEEDS)
def test_slow_waves_pass(shape, seed):
    field = waves(seed, shape)
    assert relative_l2(smooth(field), field) < 2e-3


@few
@given(shapes, SEEDS)
def test_white_noise_is_reduced(shape, seed):
    field = waves(seed, shape)
    noisy = field + noise(seed, field.shape)
    assert relative_l2(smooth(noisy), field) < 0.75 * relative_l2(noisy, field)


@few
@given(SEEDS)
def test_noise_along_one_axis_is_reduced(seed):
    """As a separable network has it: smooth along the other axis."""
    field = waves(seed, (64, 48), 1)
    noisy = field + noise(seed, (64, 1, 1)) * np.cos(lines((64, 48))[1])[..., None]
    assert relative_l2(smooth(noisy), field) < 0.8 * relative_l2(noisy, field)


@pytest.mark.parametrize("shape", [(128, 32), (48, 20), (200,)])
@pytest.mark.parametrize("width", [1e-3, 0.01, 0.03, 0.1])
def test_a_steep_front_stays(shape, width):
    """Even one between two points of the grid, whose frequencies fall no faster than noise."""
    x = lines(shape)[0]
    field = (np.tanh((x - 0.5) / width) * np.exp(-lines(shape)[-1]))[..., None]
    assert relative_l2(smooth(field), field) < 1e-6


@few
@given(st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(1, 3), CUTOFFS, SEEDS)
def test_shape_and_input_stay(shape, outputs, cutoff, seed):
    field = noise(seed, (*shape, outputs))
    kept = field.copy()
    smoothed = smooth(field, cutoff)
    assert smoothed.shape == field.shape
    assert np.isfinite(smoothed).all()
    np.testing.assert_array_equal(field, kept)


@few
@given(shapes, st.sampled_from([0.3, 0.7]), SEEDS)
def test_a_cutoff_is_a_linear_map(shape, cutoff, seed):
    a, b = noise(seed, (*shape, 2)), noise(seed + 1, (*shape, 2))
    together = smooth(2 * a - 3 * b, cutoff)
    np.testing.assert_allclose(
        together, 2 * smooth(a, cutoff) - 3 * smooth(b, cutoff), rtol=0, atol=1e-12
    )


@few
@given(shapes, SEEDS)
def test_a_cutoff_of_one_keeps_everything(shape, seed):
    field = noise(seed, (*shape, 2))
    np.testing.assert_allclose(smooth(field, 1.0), field, rtol=0, atol=1e-12)


@few
@given(shapes, SEEDS, st.floats(1e-3, 1e3))
def test_scales_with_the_field(shape, seed, scale):
    field = waves(seed, shape) + noise(seed, (*shape, 2))
    expected = scale * smooth(field)
    np.testing.assert_allclose(smooth(scale * field), expected, rtol=1e-6, atol=1e-9 * scale)


@settings(max_examples=10)
@given(SEEDS)
def test_outputs_and_slices_of_short_axes_are_fields_of_their_own(seed):
    field = noise(seed, (20, 5, 12, 3))
    smoothed = smooth(field)
    for slice_ in range(5):
        for output in range(3):
            alone = smooth(field[:, slice_, :, output, None])
            np.testing.assert_allclose(smoothed[:, slice_, :, output, None], alone, atol=1e-14)


@pytest.mark.parametrize("shape", [(7, 2), (1, 1), (7, 7, 3), (5, 1, 2, 4)])
def test_short_axes_alone_leave_the_field(shape):
    field = noise(0, shape)
    np.testing.assert_array_equal(smooth(field), field)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "nan", "much", ""])
def test_wrong_cutoff(text):
    with pytest.raises(PinnirError) as caught:
        parse_cutoff(text)
    assert str(caught.value) == (
        f"the cutoff {text!r} of --smooth is not a share of the frequencies\n"
        "hint: write --smooth auto, or a number above 0 and up to 1"
    )


def test_cutoffs():
    assert parse_cutoff("auto") is None
    assert parse_cutoff("0.25") == 0.25
    assert parse_cutoff("1") == 1
    with pytest.raises(PinnirError, match="the cutoff '2' of --smooth is not a share"):
        smooth(np.zeros((9, 1)), 2.0)


def test_grids_that_are_too_coarse():
    check_grid((8,))
    check_grid((1, 8))
    with pytest.raises(DomainError) as caught:
        smooth_run(small_program().run_grid((7, 3)), (7, 3))
    assert str(caught.value) == (
        "the grid 7x3 is too coarse to be smoothed\nhint: give at least 8 points along some axis"
    )


# ------------------------------------------------------------------------------------- of programs


@cache
def program(name: str, domain: str, coding: str, levels: int) -> Program:
    steps = 8 if coding == "rate" else None
    model = EXAMPLES / name / "model.onnx"
    return pinnir.compile(model, domain, coding=coding, steps=steps, levels=levels)


# 16 units at T = 8, and 256 levels: examples that are compiled and run in a second. Burgers' front
# lies between two points of its grid.
RUNS = [
    ("function_regression", "x=-1:1", (401,)),
    ("burgers_spinn", "x=-1:1,t=0:1", (64, 64)),
]


@pytest.mark.parametrize(("name", "domain", "grid"), RUNS)
def test_rate_programs_gain(name, domain, grid):
    smoothed = smooth_run(program(name, domain, "rate", 129).run_grid(grid), grid)
    assert smoothed.metrics["rel_l2"] < smoothed.metrics["rel_l2_unsmoothed"]


@pytest.mark.parametrize(("name", "domain", "grid"), RUNS)
def test_population_programs_do_not_lose(name, domain, grid):
    smoothed = smooth_run(program(name, domain, "population", 256).run_grid(grid), grid)
    assert smoothed.metrics["rel_l2"] < 1.01 * smoothed.metrics["rel_l2_unsmoothed"]


def test_errors_are_measured_again():
    result = small_program().run_grid((12, 9))
    truth = result.source + 0.1
    smoothed = smooth_run(result, (12, 9), 0.4, truth)
    expected = smooth(result.outputs.reshape(12, 9, -1), 0.4).reshape(result.outputs.shape)
    np.testing.assert_array_equal(smoothed.outputs, expected)
    np.testing.assert_array_equal(smoothed.unsmoothed, result.outputs)
    assert smoothed.source is result.source
    after = field_errors(expected, result.source, result.scales)
    after |= reference_errors(expected, result.source, truth)
    before = field_errors(result.outputs, result.source, result.scales)
    told = smoothed.metrics
    assert {key: told[key] for key in after} == after
    assert {key: told[f"{key}_unsmoothed"] for key in before} == before
    assert told["rel_l2_reference_unsmoothed"] == relative_l2(result.outputs, truth)
    assert told["smooth"] == 0.4
    same = result.metrics.keys() - before.keys()
    assert {key: told[key] for key in same} == {key: result.metrics[key] for key in same}


def test_without_the_source():
    result = replace(small_program(), source=None).run_grid((12, 9))
    smoothed = smooth_run(result, (12, 9))
    assert smoothed.metrics == result.metrics | {"smooth": "auto"}
    assert smoothed.unsmoothed is result.outputs
