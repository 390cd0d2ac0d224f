"""How sure a measured error is: errors on several sets of points, and a bound above them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from pinnir.metrics import field_errors
from pinnir.program import RunResult

CONFIDENCE = 0.95
# Figures that differ from set to set; the sets are equally large, so their mean is the figure of
# all points.
_AVERAGED = (
    "spikes", "spikes_per_activation", "spiking_rate", "synops", "synops_per_mac",
    "energy_45nm_pj", "energy_ratio", "spikes_per_point",
)  # fmt: skip


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
    quantile = float(stdtrit(count - 1, CONFIDENCE))
    bound = float(np.mean(errors)) + quantile * spread
    return max(bound, *errors)


def pooled(results: Sequence[RunResult]) -> dict[str, Any]:
    """Figures of one program over several sets of points, as if they were one.

    Besides those of ``metrics.py`` there are ``rel_l2_seeds``, the error on each set, and
    ``rel_l2_upper``, the bound above them.

    Args:
        results: Of runs on equally many points, with the source network's outputs.
    """
    outputs = np.concatenate([result.outputs for result in results])
    source = np.concatenate([result.source for result in results if result.source is not None])
    told = [result.metrics for result in results]
    errors = [float(one["rel_l2"]) for one in told]
    metrics = dict(told[0])
    metrics |= {name: float(np.mean([one[name] for one in told])) for name in _AVERAGED}
    metrics |= {name: sum(one[name] for one in told) for name in ("points", "samples")}
    metrics |= field_errors(outputs, source)
    return metrics | {"rel_l2_seeds": errors, "rel_l2_upper": upper_bound(errors)}
