"""Points that were kept apart to measure a program on, such as the test images of a classifier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import DomainError
from pinnir.numerics.matrix import Array
from pinnir.points.domain import Domain
from pinnir.points.point_files import as_numbers, load_points

# Selection and evaluation points come in sets of different seeds, so that the spread between
# sets says how far the error on other points may lie from the measured one.
SETS = 4

Labels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Points, and the class of each if a classifier is measured.

    Attributes:
        points: ``(samples, columns)``.
        labels: Number of each point's class, ``(samples,)``, or None.
    """

    points: Array
    labels: Labels | None = None

    def check(self, box: Domain, calibration: Array) -> HeldOut:
        """The same, if they fit the domain and a program can honestly be measured on them.

        Raises:
            DomainError: If they do not fit, are too few, or some are calibration points.
        """
        points = box.check(self.points, "the evaluation points")
        if len(points) < 2 * SETS:
            raise DomainError(
                f"{len(points)} evaluation points are too few", hint=f"give {2 * SETS} or more"
            )
        known = {row.tobytes() for row in calibration}
        seen = sum(row.tobytes() in known for row in points)
        if seen:
            raise DomainError(
                f"{seen} of the {len(points)} evaluation points are calibration points",
                hint="measure on points that nothing was fitted to",
            )
        if self.labels is not None and self.labels.shape != (len(points),):
            raise DomainError(
                f"there are {self.labels.size} labels and {len(points)} evaluation points",
                hint="save one label a point",
            )
        return replace(self, points=points)


def load_held_out(path: str | Path) -> HeldOut:
    """Points, and labels if there are any, of an ``.npz`` file.

    Raises:
        DomainError: If the file cannot be read, or its labels are no whole numbers.
    """
    points = as_numbers(load_points(path)["points"], f"points of {path}")
    return HeldOut(points, load_labels(path))


def load_labels(path: str | Path) -> Labels | None:
    """The labels of a file of points, if it has any.

    Raises:
        DomainError: If the file cannot be read, or they are no whole numbers.
    """
    labels = load_points(path).get("labels")
    if labels is None:
        return None
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DomainError(
            f"labels of {path} are {labels.dtype} of shape {labels.shape}",
            hint="save one whole number a point",
        )
    found: Labels = labels.astype(np.int64)
    return found
