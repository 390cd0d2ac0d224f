"""What the error of every output is measured against."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.metrics.confidence import upper_bound
from pinnir.metrics.field_errors import errors_on_sets, field_errors, normalised_errors
from pinnir.metrics.output_scales import LEAST_SHARE, column_names, output_scales

SIZES = st.lists(st.floats(-6, 6), min_size=1, max_size=4)


def fields(seed: int, exponents: list[float], offset: float = 0.0) -> np.ndarray:
    """Columns whose standard deviations are powers of ten."""
    drawn = np.random.default_rng(seed).normal(size=(400, len(exponents)))
    drawn = (drawn - drawn.mean(axis=0)) / drawn.std(axis=0)
    return offset + drawn * 10.0 ** np.array(exponents)


def scales_of(truth: np.ndarray, dtype: str = "float64"):
    return output_scales(truth, [f"y{i}" for i in range(truth.shape[1])], dtype)


@given(st.integers(0, 99), SIZES)
def test_outputs_are_judged_by_how_much_they_vary(seed, exponents):
    truth = fields(seed, exponents)
    largest = 10.0 ** max(exponents)
    for one, exponent in zip(scales_of(truth), exponents, strict=True):
        assert one.std == pytest.approx(10.0**exponent)
        assert one.scale == pytest.approx(max(10.0**exponent, LEAST_SHARE * largest))
        assert one.against == ("variation" if one.scale == one.std else "least")


@given(st.integers(0, 99), SIZES, st.floats(1e-4, 1.0), st.floats(0, 300))
def test_what_is_within_the_tolerance_is_so_in_relative_l2_as_well(seed, exponents, error, offset):
    """All outputs together up to the thousandth that is granted to small ones."""
    truth = fields(seed, exponents, offset)
    scales = scales_of(truth)
    off = error * np.random.default_rng(seed).normal(size=truth.shape)
    value = truth + off * np.array([one.scale for one in scales])
    found = field_errors(value, truth, scales)
    assert found["nrmse"] == max(found["nrmse_per_output"])
    assert found["rel_l2"] <= found["nrmse"] * np.sqrt(1 + len(exponents) * LEAST_SHARE**2)
    told = zip(scales, found["nrmse_per_output"], found["rel_l2_per_output"], strict=True)
    for scale, normalised, relative in told:
        assert relative <= normalised * (1 + 1e-9) or scale.against == "least"


def test_what_varies_less_than_its_numbers_resolve():
    """A temperature in kelvin that hardly moves, beside a velocity."""
    truth = fields(0, [-5, -1]) + np.array([300, 0])
    single, double = (scales_of(truth, dtype)[0] for dtype in ("float32", "float64"))
    assert (single.against, double.against) == ("rounding", "least")
    assert single.scale == pytest.approx(300 * 64 * np.finfo("float32").eps)
    assert double.scale == pytest.approx(0.1 * LEAST_SHARE)


@pytest.mark.parametrize(("value", "scale"), [(300.0, 300.0), (0.0, 1.0)])
def test_where_nothing_varies_errors_are_relative_to_the_size(value, scale):
    (one,) = scales_of(np.full((50, 1), value), "float32")
    assert (one.against, one.scale) == ("size", pytest.approx(scale))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_rounding_of_a_large_constant_does_not_hide_a_small_output(dtype):
    truth = np.hstack([np.full((400, 1), 1e4), fields(0, [-4])])
    constant, small = scales_of(truth, dtype)
    assert small.against == "variation"
    assert constant.against == ("rounding" if dtype == "float32" else "least")


def test_bounds_are_on_every_output_and_say_which_decides():
    rng = np.random.default_rng(3)
    truths = [fields(seed, [0, -2]) for seed in range(4)]
    pairs = [(truth + rng.normal(size=truth.shape) * [0.01, 0.002], truth) for truth in truths]
    scales = scales_of(np.concatenate(truths))
    found = errors_on_sets(pairs, scales)
    by_set = [normalised_errors(*pair, scales) for pair in pairs]
    bounds = [upper_bound([float(row[column]) for row in by_set]) for column in range(2)]
    assert found["nrmse_upper_per_output"] == bounds
    assert found["nrmse_upper"] == bounds[1] > bounds[0]
    assert found["nrmse_decided_by"] == "y1"
    assert found["rel_l2_upper"] == upper_bound(found["rel_l2_seeds"])


def test_names_of_columns():
    assert column_names([("u", 1), ("v", 2)]) == ["u", "v[0]", "v[1]"]
