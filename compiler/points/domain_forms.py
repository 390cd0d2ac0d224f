"""The forms that a domain is given in: text, a dict of ranges, or an array of bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from reprlib import repr as shortened
from typing import Any, TypeAlias

import numpy as np

from pinnir.base.errors import DomainError
from pinnir.numerics.matrix import Array
from pinnir.points.domain_text import parse_ranges
from pinnir.points.ranges import Bounds, Ranges, as_range

# One value, or a lower and an upper bound.
ColumnRange: TypeAlias = float | Sequence[float] | Array
DomainSource: TypeAlias = str | Mapping[str, ColumnRange] | Sequence[Sequence[float]] | Array

_HINT = (
    'give text such as "x=-1:1,t=0:1", a dict such as {"x": (-1, 1), "t": (0, 1)}, or an array of '
    "bounds (columns, 2)"
)


def read_ranges(source: DomainSource) -> Ranges:
    """The ranges that a domain gives its columns.

    Args:
        source: Text, as :func:`parse_ranges` reads it; a dict from names to ``(low, high)``, or to
            a number, which is a column's only value; or an array of bounds ``(columns, 2)``, in
            the order of the model's columns.

    Raises:
        DomainError: If it is something else, or a range is none.
    """
    if isinstance(source, str):
        return parse_ranges(source)
    if isinstance(source, Mapping):
        return Ranges.named(
            {_name(key): _range(key, value) for key, value in source.items()}, _HINT
        )
    bounds = _numbers(source)
    if bounds is None:
        problem = f"of type {type(source).__name__} holds something else than numbers"
        raise DomainError(f"the domain {problem}", hint=_HINT)
    if bounds.ndim != 2 or bounds.shape[1] != 2 or not len(bounds):
        shape = f"an array of shape {bounds.shape}" if bounds.ndim else "a single number"
        raise DomainError(f"the domain is {shape}, not (columns, 2)", hint=_HINT)
    for row, (low, high) in enumerate(bounds.tolist()):
        as_range(low, high, f"row {row} of the domain, [{low:g}, {high:g}],", _HINT)
    return Ranges(bounds)


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise DomainError(f"the key {shortened(key)} of the domain is not a name", hint=_HINT)
    return key


def _range(name: str, value: Any) -> Bounds:
    what = f"{name!r}: {shortened(value)} in the domain"
    bounds = _numbers(value)
    if bounds is None or bounds.shape not in ((), (2,)):
        raise DomainError(f"{what} is neither a number nor a pair (low, high)", hint=_HINT)
    low, high = np.broadcast_to(bounds, 2).tolist()
    return as_range(low, high, what, _HINT)


def _numbers(value: Any) -> Array | None:
    """``value`` as float64 of any shape; None if it is no array of real numbers."""
    try:
        found = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # ragged, or a tensor that needs its gradient
        return None
    return found.astype(np.float64) if found.dtype.kind in "iuf" else None
