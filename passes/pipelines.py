"""Named pipelines: tuples of passes; ``pipeline_text`` writes one down."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pinnir.base.targets import Integers, Target
from pinnir.codings.coding import Coding
from pinnir.codings.delta import DeltaCoding
from pinnir.codings.phase import PhaseCoding
from pinnir.codings.population import PopulationCoding
from pinnir.codings.rate import RateCoding
from pinnir.codings.signgd import SignGradientCoding
from pinnir.passes.calibration.anticipate_rounding import AnticipateRounding
from pinnir.passes.calibration.balance_thresholds import BalanceThresholds
from pinnir.passes.calibration.calibrate_advanced import CalibrateAdvanced
from pinnir.passes.calibration.calibrate_light import CalibrateLight
from pinnir.passes.calibration.distill import Distill
from pinnir.passes.calibration.fit_neurons import FitNeurons
from pinnir.passes.calibration.refit import Refit
from pinnir.passes.calibration.refit_spikes import RefitSpikes
from pinnir.passes.calibration.split_thresholds import SplitThresholds
from pinnir.passes.lowering.hard_reset import HardReset
from pinnir.passes.lowering.legalise import Legalise
from pinnir.passes.lowering.lower import Lower
from pinnir.passes.rounding.fixed_point import FixedPoint
from pinnir.passes.rounding.quantise import Quantise
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from pinnir.passes.rounding.quantise_inputs import QuantiseInputs
from pinnir.passes.rounding.round_laterals import RoundLaterals
from pinnir.passes.tidying.drop_identity import DropIdentity
from pinnir.passes.tidying.flatten_features import FlattenFeatures
from pinnir.passes.tidying.fold_constants import FoldConstants
from pinnir.passes.tidying.fuse_activations import FuseActivations
from pinnir.passes.tidying.fuse_affine import FuseAffine
from pinnir.passes.tidying.gather_synapses import GatherSynapses
from pinnir.passes.tidying.join_arguments import JoinArguments
from pinnir.passes.tidying.split_host import SplitHost
from pinnir.pipeline.manager import Pass, Passes

RECOGNISE: Passes = (FoldConstants(), DropIdentity(), FuseAffine(), FuseActivations())
SPLIT: Passes = (*RECOGNISE, SplitHost())
GATHER: Passes = (GatherSynapses(),)
TIDY: Passes = SPLIT + GATHER
# Features as neurons: a delta program then multiplies what changes of the inputs, not all features.
STREAMED_TIDY: Passes = (*RECOGNISE, SplitHost(features="core"), *GATHER)
# Of networks of images and patches: what is no affine map of columns becomes neurons of several
# arguments, which only sign-gradient coding has.
SPLIT_FEATURES: Passes = (
    FoldConstants(),
    DropIdentity(),
    FlattenFeatures(),
    DropIdentity(),
    FuseAffine(),
    FuseActivations(),
    JoinArguments(),
    SplitHost(),
)
# Of what enters units that reset to zero: of more bits, weights that bring a unit near to its
# threshold would have few.
_COUNTED_INPUT_BITS = 10
_DELTA, _SIGNGD = DeltaCoding(), SignGradientCoding()
_LIGHT, _FITTED = CalibrateLight(), RefitSpikes()
_CALIBRATIONS = (CalibrateLight, CalibrateAdvanced)


def staircase(levels: int, tidy: Passes = TIDY) -> Passes:
    """The staircase network of ``levels`` levels per neuron; ``tidy`` comes before the rounding."""
    return (*tidy, QuantiseActivations(levels=levels))


def refitted(levels: int, training: Passes = (), tidy: Passes = TIDY) -> Passes:
    """Staircase network with uneven levels, for as many units, and maps fitted to what arrives.

    Args:
        levels: Levels per neuron, if they were spent evenly.
        training: Before the rounding, such as :func:`anticipating`.
        tidy: What comes before all that.
    """
    rounded = QuantiseActivations(levels=levels, allocation="sensitivity")
    return (*tidy, *training, rounded, Refit())


def anticipating(levels: int, iterations: int) -> Passes:
    """Training for a rounding to about so many levels: a network trained once serves many."""
    trained = AnticipateRounding(
        levels=levels, iterations=iterations, rounds=2, points=8192, least=0.05, batch=128
    )
    return (trained,)


def staircase_of(passes: Passes) -> Passes:
    """The pipeline of the staircase network that a program of an exact coding equals."""
    end = next(i for i, one in enumerate(passes) if isinstance(one, Lower))
    return tuple(one for one in passes[:end] if not isinstance(one, FixedPoint))


def _lowered(coding: Coding, steps: int = 1) -> Passes:
    return Lower(coding, steps), Legalise()


def population(levels: int) -> Passes:
    """Exact population program of a staircase network with ``levels`` levels per neuron."""
    return staircase(levels) + _lowered(PopulationCoding())


def population_refitted(levels: int, training: Passes = ()) -> Passes:
    """Exact population program of a refitted staircase network; arguments as there."""
    return refitted(levels, training) + _lowered(PopulationCoding())


def delta(levels: int, coding: DeltaCoding = _DELTA) -> Passes:
    """Delta program of a staircase network with ``levels`` levels per neuron."""
    return (*staircase(levels, STREAMED_TIDY), FixedPoint(), *_lowered(coding))


def delta_refitted(levels: int, training: Passes = (), coding: DeltaCoding = _DELTA) -> Passes:
    """Delta program of a refitted staircase network; arguments as there."""
    rounded = refitted(levels, training, STREAMED_TIDY)
    return (*rounded, FixedPoint(), *_lowered(coding))


def phase(levels: int) -> Passes:
    """Phase program of a staircase network with ``levels`` levels per neuron."""
    return (*staircase(levels), FixedPoint(), *_lowered(PhaseCoding()))


def phase_refitted(levels: int, training: Passes = ()) -> Passes:
    """Phase program of a refitted staircase network; arguments as there."""
    return (*refitted(levels, training), FixedPoint(), *_lowered(PhaseCoding()))


def signgd(steps: int, coding: SignGradientCoding = _SIGNGD) -> Passes:
    """Sign-gradient program over ``steps`` steps."""
    return TIDY + _lowered(coding, steps)


def signgd_features(steps: int, coding: SignGradientCoding = _SIGNGD) -> Passes:
    """Sign-gradient program of a network of images and patches.

    There is no population program beside it: of neurons of several values there is none, and of
    the others it would be very large.
    """
    return SPLIT_FEATURES + GATHER + _lowered(replace(coding, levels=0), steps)


def _counted(steps: int, calibration: Pass | None = None) -> Passes:
    """The end of a rate pipeline, with a pass that calibrates the lowered program, if any."""
    lower, legalise = _lowered(RateCoding(), steps)
    return (lower, legalise) if calibration is None else (lower, calibration, legalise)


def rate(steps: int, units: int, calibration: Pass | None = None) -> Passes:
    """Rate program of ``units`` clipped ramps per neuron over ``steps`` steps.

    Args:
        steps: Time steps T.
        units: Of each neuron.
        calibration: Pass that follows, such as ``CalibrateLight()``, if any.
    """
    return _ramps(steps, units) + _counted(steps, calibration)


def rate_refitted(steps: int, units: int) -> Passes:
    """Rate program of ramps whose maps are fitted to the spikes that arrive."""
    return (*_ramps(steps, units), Refit(steps=steps), *_counted(steps))


def _ramps(steps: int, units: int) -> Passes:
    return (*TIDY, SplitThresholds(units=units), QuantiseActivations(levels=steps + 1))


def rate_signed(
    steps: int,
    calibration: Pass | None = _LIGHT,
    *,
    method: Literal["max", "percentile", "mmse"] = "mmse",
    per: Literal["layer", "channel"] = "layer",
) -> Passes:
    """The published converter: one signed IF neuron per neuron, thresholds balanced.

    Args:
        steps: Time steps T.
        calibration: Pass that follows, ``CalibrateLight`` or ``CalibrateAdvanced``, if any.
        method: Of ``balance-thresholds``.
        per: One threshold a ``layer`` or a ``channel``.
    """
    balanced = BalanceThresholds(method=method, per=per, steps=steps)
    rounded = QuantiseActivations(levels=2 * steps + 1, rounding="zero")
    return (*TIDY, balanced, rounded, *_counted(steps, calibration))


def rate_signed_trained(steps: int, iterations: int = 1500, *distilled: Distill) -> Passes:
    """One signed IF neuron per neuron, in a network trained to bear it.

    Args:
        steps: Time steps T.
        iterations: Of the training before the rounding.
        distilled: Training through the spikes over time, if any.
    """
    levels = 2 * steps + 1
    return (
        *TIDY,
        SplitThresholds(units=1),
        Refit(),
        AnticipateRounding(levels=levels, allocation="even", iterations=iterations),
        QuantiseActivations(levels=levels, rounding="signed"),
        Refit(steps=steps),
        *distilled,
        *_counted(steps),
    )


def rate_signed_distilled(steps: int, iterations: int = 1500, taught: int = 6000) -> Passes:
    """As :func:`rate_signed_trained`, then trained through the spikes of its neurons over time."""
    distill = Distill(steps=steps, iterations=taught, batch=256)
    return rate_signed_trained(steps, iterations, distill)


def membranes(neuron: str, steps: int, units: int, fitted: RefitSpikes = _FITTED) -> Passes:
    """Rate program of a membrane model; ``neuron`` is a name in the CONVERSIONS table."""
    split = SplitThresholds(units=units)
    responses = FitNeurons(neuron=neuron, steps=steps)
    return (*TIDY, split, responses, Refit(), *_counted(steps, fitted))


def for_target(passes: Passes, target: Target) -> Passes:
    """A pipeline for what a target can do: with its integers, and its kind of reset."""
    if not target.soft_reset and any(map(_rate_steps, passes)):
        return _with_hard_reset(passes, target.integers)
    return passes if target.integers is None else in_integers(passes, target.integers)


def in_integers(passes: Passes, integers: Integers) -> Passes:
    """A pipeline whose program computes with a target's integers.

    Inputs are rounded before anything is fitted, and the staircase network is written in integers
    as the last thing that is. That takes the place of ``fixed-point``, and of calibrations of the
    lowered program, whose parameters would not stay whole.
    """
    steps = max(map(_rate_steps, passes), default=0)
    rounded = Quantise(integers.weight_bits, integers.state_bits, steps)
    found: list[Pass] = []
    for one in passes:
        if isinstance(one, Lower):
            found.append(rounded)
        if isinstance(one, FixedPoint) or (rounded in found and isinstance(one, _CALIBRATIONS)):
            continue
        found.append(one)
        lowers = isinstance(one, Lower) and isinstance(one.coding, PopulationCoding)
        if lowers and integers.lateral_bits is not None:
            found.append(RoundLaterals(integers.lateral_bits))
        if isinstance(one, GatherSynapses):
            found.append(QuantiseInputs(integers.entering_bits(steps)))
    return tuple(found if rounded in found else [*found, rounded])


def _with_hard_reset(passes: Passes, integers: Integers | None) -> Passes:
    """Units that reset to zero behind ``lower``; that pass calibrates and rounds them."""
    reset = HardReset()
    if integers is not None:
        bits = integers.step_bits or integers.weight_bits
        reset = HardReset(bits, integers.state_bits, integers.step_bits or 0, integers.powers)
    fitted = any(isinstance(one, Refit) for one in passes)
    found: list[Pass] = []
    for one in passes:
        if isinstance(one, _CALIBRATIONS):
            continue
        steps = _rate_steps(one)
        if steps and not fitted:
            # What hard reset costs is told from a program that was fitted to its spikes as well.
            found.append(Refit(steps=steps))
        found.append(one)
        if isinstance(one, GatherSynapses) and integers is not None:
            found.append(QuantiseInputs(min(integers.input_bits, _COUNTED_INPUT_BITS)))
        if steps:
            found.append(reset)
    return tuple(found)


def _rate_steps(one: Pass) -> int:
    """Steps of a pass that lowers to rate coding; 0 of any other."""
    return one.steps if isinstance(one, Lower) and isinstance(one.coding, RateCoding) else 0
