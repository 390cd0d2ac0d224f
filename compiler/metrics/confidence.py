"""How sure a measured error is: a bound above the errors on several sets of points."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pinnir.numerics.special import student_quantile

CONFIDENCE = 0.95


def upper_bound(errors: Sequence[float]) -> float:
    """What the error stays below, by all that several independent sets of points say.

    The larger of two values. One is the one-sided 95 % bound on the mean of the errors,
    ``mean + t s / sqrt(n)`` with Student's t for n - 1 degrees of freedom: sets of differently
    scrambled Sobol points are independent and identically distributed (A. B. Owen, "Monte Carlo
    variance of scrambled net quadrature", SIAM J. Numer. Anal. 34, 1997), so the t interval
    applies to them, though not to the points of one set. The other is the largest error, because
    a few sets can agree by chance, and nobody should be told a tolerance that a set did not meet.

    Args:
        errors: Relative L2 error on each set; two or more.
    """
    count = len(errors)
    spread = float(np.std(errors, ddof=1)) / math.sqrt(count)
    quantile = student_quantile(count - 1, CONFIDENCE)
    bound = float(np.mean(errors)) + quantile * spread
    return max(bound, *errors)
