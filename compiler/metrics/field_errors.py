"""Errors of a field against the network and the reference solution; scores of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pinnir.base.errors import DomainError
from pinnir.metrics.confidence import upper_bound
from pinnir.metrics.output_scales import OutputScale
from pinnir.numerics.matrix import Array
from pinnir.points.held_out import Labels


def relative_l2(value: Array, truth: Array) -> float:
    """``||value - truth||_2 / ||truth||_2`` over all entries (absolute if the truth is zero)."""
    norm = float(np.linalg.norm(truth))
    return float(np.linalg.norm(value - truth)) / (norm or 1.0)


def normalised_errors(value: Array, truth: Array, scales: Sequence[OutputScale]) -> Array:
    """Root mean square error of every column divided by its scale (NRMSE), ``(outputs,)``."""
    rms = np.sqrt(np.mean((value - truth) ** 2, axis=0))
    found: Array = rms / np.array([one.scale for one in scales])
    return found


def field_errors(
    value: Array, truth: Array, scales: Sequence[OutputScale] = ()
) -> dict[str, object]:
    """``rel_l2``, ``max_abs`` and ``rel_l2_per_output`` of ``(samples, outputs)`` fields.

    With scales also ``nrmse_per_output`` and the largest of these, ``nrmse``.
    """
    columns = [relative_l2(v, t) for v, t in zip(value.T, truth.T, strict=True)]
    errors: dict[str, object] = {
        "rel_l2": relative_l2(value, truth),
        "max_abs": float(np.abs(value - truth).max()),
        "rel_l2_per_output": columns,
    }
    if scales:
        normalised = normalised_errors(value, truth, scales)
        errors |= {"nrmse": float(normalised.max()), "nrmse_per_output": normalised.tolist()}
    return errors


def errors_on_sets(
    fields: Sequence[tuple[Array, Array]], scales: Sequence[OutputScale]
) -> dict[str, Any]:
    """:func:`field_errors` of all sets of points together, and bounds above those on each.

    ``rel_l2_upper`` bounds the joint error, ``nrmse_upper_per_output`` that of every output;
    ``nrmse_upper`` is the largest of these, and ``nrmse_decided_by`` names its output.

    Args:
        fields: For each set the outputs and the network's, ``(samples, outputs)``.
        scales: One an output.
    """
    value, truth = (np.concatenate(side) for side in zip(*fields, strict=True))
    joint = [relative_l2(*one) for one in fields]
    normalised = np.array([normalised_errors(*one, scales) for one in fields])
    bounds = [upper_bound(column) for column in normalised.T.tolist()]
    return field_errors(value, truth, scales) | {
        "rel_l2_seeds": joint,
        "rel_l2_upper": upper_bound(joint),
        "nrmse_upper_per_output": bounds,
        "nrmse_upper": max(bounds),
        "nrmse_decided_by": scales[int(np.argmax(bounds))].name,
    }


def reference_errors(value: Array, source: Array | None, truth: Array) -> dict[str, float]:
    """Errors of program and source network against the reference solution, apart.

    Raises:
        DomainError: If the reference solution does not fit the outputs or is not finite.
    """
    if truth.shape != value.shape or not np.isfinite(truth).all():
        raise DomainError(
            f"the reference solution has shape {truth.shape}, the network gives {value.shape}"
            if truth.shape != value.shape
            else "the reference solution holds NaN or infinite values",
            hint="save points and outputs with one row a point and one column an output",
        )
    errors = {"rel_l2_reference": relative_l2(value, truth)}
    if source is not None:
        errors["source_rel_l2_reference"] = relative_l2(source, truth)
    return errors


def all_errors(
    value: Array,
    source: Array | None,
    reference: Array | None,
    scales: Sequence[OutputScale] = (),
) -> dict[str, object]:
    """Errors against the source network and the reference solution, where they are known."""
    errors = {} if source is None else field_errors(value, source, scales)
    return errors if reference is None else errors | reference_errors(value, source, reference)


def class_scores(scores: Array, source: Array | None, labels: Labels) -> dict[str, float]:
    """``accuracy`` of program and source network: share of points whose highest score is right.

    Args:
        scores: ``(samples, classes)``.
        source: The source network's, if they are known.
        labels: Number of the right class, ``(samples,)``.

    Raises:
        DomainError: If there is no class of that number, or not one label a point.
    """
    if labels.shape != scores.shape[:1] or labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise DomainError(
            f"the labels have shape {labels.shape} and reach from {labels.min()} to "
            f"{labels.max()}, the network gives {scores.shape[1]} scores on {len(scores)} points",
            hint="save one whole number from 0 on for each point",
        )
    found = {"accuracy": float((scores.argmax(axis=1) == labels).mean())}
    if source is not None:
        found["source_accuracy"] = float((source.argmax(axis=1) == labels).mean())
    return found
