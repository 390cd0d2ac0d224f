"""Named pipelines, as the strings that the pass manager reads."""

from __future__ import annotations

SPLIT = "fold-constants,drop-identity,fuse-affine,fuse-activations,split-host"
GATHER = "gather-synapses"
TIDY = f"{SPLIT},{GATHER}"


def population(levels: int) -> str:
    """Exact population program of a staircase network with ``levels`` levels per neuron."""
    return f"{staircase(levels)},lower{{coding=population}},legalise"


def staircase(levels: int) -> str:
    """The staircase network itself."""
    return f"{TIDY},quantise-activations{{levels={levels}}}"


def rate(steps: int, units: int) -> str:
    """Rate program of ``units`` clipped ramps per neuron over ``steps`` steps."""
    return (
        f"{TIDY},split-thresholds{{units={units}}},quantise-activations{{levels={steps + 1}}},"
        f"lower{{coding=rate,steps={steps}}},legalise"
    )


def rate_signed(steps: int, *, method: str = "mmse", light: bool = True) -> str:
    """The published converter: one signed IF neuron per neuron, thresholds balanced.

    Args:
        steps: Time steps T.
        method: Of ``balance-thresholds``.
        light: Whether light calibration follows.
    """
    calibrate = "calibrate-light," if light else ""
    return (
        f"{TIDY},balance-thresholds{{method={method},steps={steps}}},"
        f"quantise-activations{{levels={2 * steps + 1},rounding=zero}},"
        f"lower{{coding=rate,steps={steps}}},{calibrate}legalise"
    )
