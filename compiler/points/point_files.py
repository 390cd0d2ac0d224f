"""Files of points and of reference solutions, as numpy writes them."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from pinnir.base.errors import DomainError
from pinnir.numerics.matrix import Array


def as_numbers(values: Any, what: str) -> Array:
    """``values`` as a float64 array.

    Raises:
        DomainError: If they are not real numbers.
    """
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{what} holds no real numbers ({error})", hint="save floats") from error


def load_points(path: str | Path, keys: tuple[str, ...] = ("points",)) -> dict[str, Any]:
    """Arrays of an ``.npz`` file, or the array of an ``.npy`` file under ``keys[0]``.

    Raises:
        DomainError: If the file cannot be read or lacks one of ``keys``.
    """
    try:
        with Path(path).open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            arrays = {keys[0]: loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except FileNotFoundError:
        raise DomainError(
            f"the file {path} does not exist", hint="give an .npy or .npz file"
        ) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        # Of what is no numpy file at all, numpy says that it may be a pickle.
        why = "it holds no arrays of numbers" if "pickle" in str(error) else error
        raise DomainError(
            f"{path} is not a readable .npy or .npz file ({why})", hint="save it with numpy"
        ) from error
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise DomainError(
            f"{path} has no array {', '.join(map(repr, missing))}; it holds "
            f"{', '.join(arrays) or 'nothing'}",
            hint=f"save the arrays {', '.join(keys)}",
        )
    return arrays


def load_reference(path: str | Path) -> tuple[Array, Array]:
    """Points and reference solution of an ``.npz`` file with ``points`` and ``outputs``.

    Raises:
        DomainError: If the file cannot be read or does not hold one row of outputs a point.
    """
    arrays = load_points(path, ("points", "outputs"))
    points = as_numbers(arrays["points"], f"points of {path}")
    outputs = as_numbers(arrays["outputs"], f"outputs of {path}")
    if not (points.ndim and outputs.ndim and outputs.size and len(outputs) == len(points)):
        raise DomainError(
            f"{path} has points of shape {points.shape} and outputs of shape {outputs.shape}",
            hint="save one row a point in both",
        )
    return points, outputs.reshape(len(outputs), -1)
