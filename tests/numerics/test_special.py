"""Special functions that are our own equal the library's."""

from __future__ import annotations

import pytest
from scipy.special import stdtrit

from pinnir.numerics.special import student_quantile


@pytest.mark.parametrize("degrees", range(1, 40))
@pytest.mark.parametrize("probability", [0.5, 0.6, 0.9, 0.95, 0.99, 0.9999])
def test_student_quantiles(degrees, probability):
    wanted = stdtrit(degrees, probability)
    assert student_quantile(degrees, probability) == pytest.approx(wanted, rel=1e-11, abs=1e-14)
