"""A low-pass filter over the grid: the output field of a spiking program is not smooth.

Levels and spike counts are integers, so the field jumps where the network's does not; a low-pass
filter over the grid takes much of that away (Q. Zhang et al., arXiv 2308.16372, who use an FFT).
How much to keep is read off the field alone, as a user of a chip has nothing else:

1. A polynomial trend of low degree is set aside. What is left hardly rises or falls at the ends.
2. The type-II discrete cosine transform, the FFT of the field mirrored at its ends, so that fields
   need not be periodic.
3. A Wiener gain ``1 - M N / P`` in each band of frequencies, with the mean power ``P`` of the
   band, the noise floor ``N`` and a margin ``M``. Rounding errors have most power at low
   frequencies, which is what the margin is for.

The noise floor along an axis is the power of fourth differences. It depends on the frequencies
along the other axes, as a separable network's errors along one coordinate are smooth along the
rest. Fourth differences see a steep front as well, but in few places, where rounding errors are
everywhere: the median over the places is taken, which a front does not move.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import DomainError, PinnirError
from pinnir.base.threads import one_thread
from pinnir.metrics.field_errors import all_errors
from pinnir.numerics.matrix import Array
from pinnir.program.program import RunResult

# Axes of fewer points have no high frequencies to speak of.
FEWEST = 8
_DEGREE = 4
# Each band ends at this multiple of where it begins.
_BAND = 1.5
_MARGIN = 3.0
# Median of the square of a standard normal variable.
_MEDIAN = 0.4549
# Beyond a cutoff the gain falls to zero over this share of it; a sudden end would ring.
_ROLL_OFF = 0.5


def smooth(field: Array, cutoff: float | None = None) -> Array:
    """A field without its noise.

    Args:
        field: Values on a uniform grid, ``(n1, ..., nk, outputs)``. Axes of fewer than 8 points
            are left alone: every slice across them is a field of its own.
        cutoff: Share of the frequencies along every axis to keep, 0 < cutoff <= 1; None finds out
            how much is noise. With a cutoff the map is linear.

    Returns:
        The smoothed field, of the same shape.

    Raises:
        PinnirError: If the cutoff is no such share.
    """
    if cutoff is not None:
        _check_cutoff(cutoff, f"{cutoff:g}")
    axes = range(field.ndim - 1)
    apart = [axis for axis in axes if field.shape[axis] < FEWEST]
    along = [axis for axis in axes if field.shape[axis] >= FEWEST]
    if not along or not field.size:
        return field.copy()
    order = [field.ndim - 1, *apart, *along]
    turned = field.transpose(order)
    slices = turned.reshape(-1, *(field.shape[axis] for axis in along))
    smoothed = np.stack([_smooth_one(values, cutoff) for values in slices])
    return smoothed.reshape(turned.shape).transpose(np.argsort(order))


def smooth_run(
    result: RunResult,
    shape: tuple[int, ...],
    cutoff: float | None = None,
    reference: Array | None = None,
) -> RunResult:
    """The result of a run on a grid with its outputs smoothed and its errors measured again.

    The errors before are kept in the metrics, their names ending in ``_unsmoothed``.

    Args:
        result: Of :meth:`pinnir.program.program.Program.run_grid`.
        shape: Of the grid.
        cutoff: As for :func:`smooth`.
        reference: Reference solution on the grid, ``(points, outputs)``.

    Raises:
        DomainError: If no axis of the grid has enough points, the field has points where the
            network is not finite, or the reference does not fit.
        PinnirError: If the cutoff is no share.
    """
    check_grid(shape)
    before = result.outputs
    if not np.isfinite(before).all():
        count = result.metrics["points_not_finite"]
        raise DomainError(
            f"a field cannot be smoothed around the {count} points where the network is not finite",
            hint="leave --smooth out, or give a grid without such points",
        )
    # One thread, as for the run: the same field on every machine.
    with one_thread():
        outputs = smooth(before.reshape(*shape, -1), cutoff).reshape(before.shape)
    measured = all_errors(before, result.source, reference, result.scales)
    metrics = {key: value for key, value in result.metrics.items() if key not in _ERRORS}
    metrics |= {f"{key}_unsmoothed": measured[key] for key in _ERRORS if key in measured}
    metrics |= all_errors(outputs, result.source, reference, result.scales)
    metrics["smooth"] = "auto" if cutoff is None else cutoff
    return replace(result, outputs=outputs, metrics=metrics, unsmoothed=before)


def check_grid(shape: tuple[int, ...]) -> None:
    """Find out before the run whether its field can be smoothed.

    Raises:
        DomainError: If no axis of the grid has enough points.
    """
    if max(shape) < FEWEST:
        raise DomainError(
            f"the grid {'x'.join(map(str, shape))} is too coarse to be smoothed",
            hint=f"give at least {FEWEST} points along some axis",
        )


def parse_cutoff(text: str) -> float | None:
    """What ``--smooth`` was given: None for ``auto``, otherwise a share.

    Raises:
        PinnirError: If it is neither.
    """
    if text == "auto":
        return None
    try:
        cutoff = float(text)
    except ValueError:
        cutoff = np.nan
    _check_cutoff(cutoff, text)
    return cutoff


# Figures that smoothing changes.
_ERRORS = (
    "rel_l2",
    "max_abs",
    "rel_l2_per_output",
    "nrmse",
    "nrmse_per_output",
    "rel_l2_reference",
)


def _check_cutoff(cutoff: float, told: str) -> None:
    if not 0 < cutoff <= 1:
        raise PinnirError(
            f"the cutoff {told!r} of --smooth is not a share of the frequencies",
            hint="write --smooth auto, or a number above 0 and up to 1",
        )


def _smooth_one(values: Array, cutoff: float | None) -> Array:
    """One output on a grid, ``(n1, ..., nk)``, without its noise."""
    from scipy.fft import dctn, idctn

    trend = _trend(values)
    spectrum = dctn(values - trend, norm="ortho")
    gain = _wiener_gain(spectrum) if cutoff is None else _cutoff_gain(values.shape, cutoff)
    return np.asarray(trend + idctn(gain * spectrum, norm="ortho"))


def _trend(values: Array) -> Array:
    """The least-squares polynomial, of degree 4 along every axis."""
    for axis, size in enumerate(values.shape):
        powers = np.polynomial.legendre.legvander(np.linspace(-1, 1, size), _DEGREE)
        basis, _ = np.linalg.qr(powers)
        coefficients = np.tensordot(basis.T, values, axes=(1, axis))
        values = np.moveaxis(np.tensordot(basis, coefficients, axes=(1, 0)), 0, axis)
    return values


def _cutoff_gain(shape: tuple[int, ...], cutoff: float) -> Array:
    """1 up to the cutoff along every axis, then half a cosine down to 0."""
    gain = np.ones(shape)
    for axis, size in enumerate(shape):
        beyond = np.clip((np.arange(size) / size / cutoff - 1) / _ROLL_OFF, 0, 1)
        gain *= _along(0.5 + 0.5 * np.cos(np.pi * beyond), axis, len(shape))
    return gain


def _wiener_gain(spectrum: Array) -> Array:
    """``1 - margin * noise / power``, or 0, in every band."""
    axes = range(spectrum.ndim)
    bands = [_bands(size) for size in spectrum.shape]
    signal = _band_means(spectrum**2, bands, axes)
    noise = np.zeros_like(signal)
    for axis in axes:
        noise = np.maximum(noise, _floor(spectrum, bands, axis))
    share = np.divide(_MARGIN * noise, signal, out=np.zeros_like(signal), where=signal > 0)
    gain = np.maximum(0.0, 1.0 - share)
    for axis, starts in enumerate(bands):
        gain = np.repeat(gain, _widths(starts, spectrum.shape[axis]), axis=axis)
    return gain


def _floor(spectrum: Array, bands: list[list[int]], axis: int) -> Array:
    """The power of noise along an axis, in the bands of the others; size 1 along the axis.

    It is ``median^2 / mean`` of the squared fourth differences: where the median over the places
    is far below the mean, what they see is in few places, and even the median has a part of it.
    """
    from scipy.fft import idct

    size = spectrum.shape[axis]
    response = np.sin(np.pi * np.arange(size) / size / 2) ** 4
    differences = idct(spectrum * _along(response, axis, spectrum.ndim), axis=axis, norm="ortho")
    others = [other for other in range(spectrum.ndim) if other != axis]
    power = _band_means(differences**2, bands, others) / np.mean(response**2)
    mean = power.mean(axis=axis, keepdims=True)
    median = np.minimum(mean, np.median(power, axis=axis, keepdims=True) / _MEDIAN)
    floor: Array = np.divide(median**2, mean, out=np.zeros_like(mean), where=mean > 0)
    return floor


def _bands(size: int) -> list[int]:
    """Where the bands of an axis' frequencies begin: 0, 1, 2, 3, 5, 8, 12, ..."""
    starts = [0]
    following = 1
    while following < size:
        starts.append(following)
        following = max(following + 1, int(np.ceil(_BAND * following)))
    return starts


def _band_means(power: Array, bands: list[list[int]], axes: Iterable[int]) -> Array:
    """Means over the bands along some axes."""
    for axis in axes:
        widths = _widths(bands[axis], power.shape[axis])
        sums = np.add.reduceat(power, bands[axis], axis=axis)
        power = sums / _along(widths, axis, power.ndim)
    return power


def _widths(starts: list[int], size: int) -> NDArray[np.int64]:
    return np.array([*starts[1:], size], np.int64) - np.array(starts, np.int64)


def _along(values: NDArray[Any], axis: int, dimensions: int) -> NDArray[Any]:
    """A vector as an array of many dimensions that varies along one."""
    return values.reshape([-1 if i == axis else 1 for i in range(dimensions)])
