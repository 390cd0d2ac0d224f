"""Named pipelines, as the strings that the pass manager reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pinnir.base.targets import Integers, Target
    from pinnir.pipeline.manager import Pass

SPLIT = "fold-constants,drop-identity,fuse-affine,fuse-activations,split-host"
GATHER = "gather-synapses"
TIDY = f"{SPLIT},{GATHER}"
# Features as neurons: a delta program then multiplies what changes of the inputs, not all features.
STREAMED_TIDY = f"{SPLIT}{{features=core}},{GATHER}"
# Of what enters units that reset to zero: of more bits, weights that bring a unit near to its
# threshold would have few.
_COUNTED_INPUT_BITS = 10
# Of networks of images and patches: what is no affine map of columns becomes neurons of several
# arguments, which only sign-gradient coding has.
SPLIT_FEATURES = (
    "fold-constants,drop-identity,flatten-features,drop-identity,fuse-affine,fuse-activations,"
    "join-arguments,split-host"
)


def population(levels: int) -> str:
    """Exact population program of a staircase network with ``levels`` levels per neuron."""
    return f"{staircase(levels)},lower{{coding=population}},legalise"


def staircase(levels: int, tidy: str = TIDY) -> str:
    """The staircase network itself; ``tidy`` is what comes before the rounding."""
    return f"{tidy},quantise-activations{{levels={levels}}}"


def refitted(
    levels: int, iterations: int = 0, trained_for: int | None = None, tidy: str = TIDY
) -> str:
    """Staircase network with uneven levels, for as many units, and maps fitted to what arrives.

    Args:
        levels: Levels per neuron, if they were spent evenly.
        iterations: Of training before the rounding; 0 trains nothing.
        trained_for: Levels per neuron that the training expects, if not as many.
        tidy: What comes before all that.
    """
    levels_then = trained_for or levels
    train = f"anticipate-rounding{{levels={levels_then},iterations={iterations}}},"
    rounded = f"quantise-activations{{levels={levels},allocation=sensitivity}},refit"
    return f"{tidy},{train if iterations else ''}{rounded}"


def population_refitted(levels: int, iterations: int = 0, trained_for: int | None = None) -> str:
    """Exact population program of a refitted staircase network; arguments as there."""
    network = refitted(levels, iterations, trained_for)
    return f"{network},lower{{coding=population}},legalise"


def delta(levels: int, hysteresis: float = 0.0, events: str = "unit") -> str:
    """Delta program of a staircase network with ``levels`` levels per neuron."""
    return _delta(staircase(levels, STREAMED_TIDY), hysteresis, events)


def delta_refitted(
    levels: int, iterations: int = 0, hysteresis: float = 0.0, events: str = "unit"
) -> str:
    """Delta program of a refitted staircase network."""
    return _delta(refitted(levels, iterations, tidy=STREAMED_TIDY), hysteresis, events)


def _delta(rounded: str, hysteresis: float, events: str) -> str:
    options = f",hysteresis={hysteresis:g}" if hysteresis else ""
    options += f",events={events}" if events != "unit" else ""
    return f"{rounded},fixed-point,lower{{coding=delta{options}}},legalise"


def phase(levels: int) -> str:
    """Phase program of a staircase network with ``levels`` levels per neuron."""
    return f"{staircase(levels)},fixed-point,lower{{coding=phase}},legalise"


def phase_refitted(levels: int, iterations: int = 0) -> str:
    """Phase program of a refitted staircase network."""
    return f"{refitted(levels, iterations)},fixed-point,lower{{coding=phase}},legalise"


def signgd(steps: int, levels: int = 256, options: str = "") -> str:
    """Sign-gradient program over ``steps`` steps.

    Args:
        steps: Time steps T.
        levels: Of the population program beside it.
        options: More of ``lower``, such as ``"schedule=inverse,delay=0"``.
    """
    return f"{TIDY},{_following(steps, levels, options)}"


def signgd_features(steps: int, options: str = "") -> str:
    """Sign-gradient program of a network of images and patches.

    There is no population program beside it: of neurons of several values there is none, and of
    the others it would be very large.
    """
    return f"{SPLIT_FEATURES},{GATHER},{_following(steps, 0, options)}"


def _following(steps: int, levels: int, options: str) -> str:
    more = f",levels={levels}" if levels != 256 else ""
    more += f",{options}" if options else ""
    return f"lower{{coding=signgd,steps={steps}{more}}},legalise"


def rate_refitted(steps: int, units: int) -> str:
    """Rate program of ramps whose maps are fitted to the spikes that arrive."""
    return (
        f"{TIDY},split-thresholds{{units={units}}},quantise-activations{{levels={steps + 1}}},"
        f"refit{{steps={steps}}},{_counted(steps)}"
    )


def rate_signed_trained(steps: int, iterations: int = 1500) -> str:
    """One signed IF neuron per neuron, in a network trained to bear it."""
    levels = 2 * steps + 1
    return (
        f"{TIDY},split-thresholds{{units=1}},refit,"
        f"anticipate-rounding{{levels={levels},allocation=even,iterations={iterations}}},"
        f"quantise-activations{{levels={levels},rounding=signed}},refit{{steps={steps}}},"
        f"{_counted(steps)}"
    )


def rate_signed_distilled(steps: int, iterations: int = 1500, taught: int = 6000) -> str:
    """As :func:`rate_signed_trained`, then trained through the spikes of its neurons over time."""
    distill = f"distill{{steps={steps},iterations={taught},batch=256}}"
    plain, lower, rest = rate_signed_trained(steps, iterations).partition("lower{")
    return f"{plain}{distill},{lower}{rest}"


def rate(steps: int, units: int, calibration: str = "") -> str:
    """Rate program of ``units`` clipped ramps per neuron over ``steps`` steps.

    Args:
        steps: Time steps T.
        units: Of each neuron.
        calibration: Pass that follows, such as ``"calibrate-light"``; empty for none.
    """
    return (
        f"{TIDY},split-thresholds{{units={units}}},quantise-activations{{levels={steps + 1}}},"
        f"{_counted(steps, calibration)}"
    )


def membranes(neuron: str, steps: int, units: int) -> str:
    """Rate program of a membrane model; ``neuron`` is a name in the CONVERSIONS table."""
    return (
        f"{TIDY},split-thresholds{{units={units}}},"
        f"fit-neurons{{neuron={neuron},steps={steps}}},refit,{_counted(steps, 'refit-spikes')}"
    )


def rate_signed(
    steps: int,
    *,
    method: str = "mmse",
    per: str = "layer",
    calibration: Literal["none", "light", "advanced"] = "light",
) -> str:
    """The published converter: one signed IF neuron per neuron, thresholds balanced.

    Args:
        steps: Time steps T.
        method: Of ``balance-thresholds``.
        per: One threshold a ``layer`` or a ``channel``.
        calibration: Which calibration follows.
    """
    calibrate = "" if calibration == "none" else f"calibrate-{calibration}"
    return (
        f"{TIDY},balance-thresholds{{method={method},per={per},steps={steps}}},"
        f"quantise-activations{{levels={2 * steps + 1},rounding=zero}},"
        f"{_counted(steps, calibrate)}"
    )


def _counted(steps: int, calibration: str = "") -> str:
    """The end of a rate pipeline, with a pass that calibrates the lowered program, if any."""
    calibrate = f"{calibration}," if calibration else ""
    return f"lower{{coding=rate,steps={steps}}},{calibrate}legalise"


def in_integers(pipeline: str, integers: Integers) -> str:
    """A pipeline whose program computes with a target's integers.

    Inputs are rounded before anything is fitted, and the staircase network is written in integers
    as the last thing that is. That takes the place of ``fixed-point``, and of calibrations of the
    lowered program, whose parameters would not stay whole.
    """
    from pinnir.passes.lowering.lower import Lower
    from pinnir.passes.parsing import parse_pipeline

    passes = parse_pipeline(pipeline)
    lower = next((one for one in passes if isinstance(one, Lower)), None)
    steps = lower.steps if lower is not None and lower.coding == "rate" else 0
    counted = f",steps={steps}" if steps else ""
    bits = f"weight-bits={integers.weight_bits},state-bits={integers.state_bits}"
    quantise = f"quantise{{{bits}{counted}}}"
    found: list[str] = []
    for one in passes:
        if one is lower:
            found.append(quantise)
        if one.name == "fixed-point" or (quantise in found and one.name.startswith("calibrate-")):
            continue
        found.append(str(one))
        if one is lower and one.coding == "population" and integers.lateral_bits is not None:
            found.append(f"round-laterals{{bits={integers.lateral_bits}}}")
        if one.name == GATHER:
            found.append(f"quantise-inputs{{bits={integers.entering_bits(steps)}}}")
    return ",".join(found if lower is not None else [*found, quantise])


def for_target(pipeline: str, target: Target) -> str:
    """A pipeline for what a target can do: with its integers, and its kind of reset."""
    from pinnir.passes.parsing import parse_pipeline

    passes = parse_pipeline(pipeline)
    if not target.soft_reset and any(_is_rate(one) for one in passes):
        return _with_hard_reset(passes, target.integers)
    return pipeline if target.integers is None else in_integers(pipeline, target.integers)


def _with_hard_reset(passes: tuple[Pass, ...], integers: Integers | None) -> str:
    """Units that reset to zero behind ``lower``; that pass calibrates and rounds them."""
    options = ""
    if integers is not None:
        bits = integers.step_bits or integers.weight_bits
        step = f",step-bits={integers.step_bits}" if integers.step_bits else ""
        step += "" if integers.powers else ",powers=false"
        options = f"{{weight-bits={bits},state-bits={integers.state_bits}{step}}}"
    fitted = any(one.name == "refit" for one in passes)
    found: list[str] = []
    for one in passes:
        if _is_rate(one) and not fitted:
            # What hard reset costs is told from a program that was fitted to its spikes as well.
            found.append(f"refit{{steps={vars(one)['steps']}}}")
        if not one.name.startswith("calibrate-"):
            found.append(str(one))
        if one.name == GATHER and integers is not None:
            bits = min(integers.input_bits, _COUNTED_INPUT_BITS)
            found.append(f"quantise-inputs{{bits={bits}}}")
        if _is_rate(one):
            found.append(f"hard-reset{options}")
    return ",".join(found)


def _is_rate(one: Pass) -> bool:
    from pinnir.passes.lowering.lower import Lower

    return isinstance(one, Lower) and one.coding == "rate"
