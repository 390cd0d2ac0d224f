"""The text of a domain or a grid, as a user writes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from pinnir.base.errors import DomainError
from pinnir.points.domain import Domain

# (name, columns or None where the model leaves them open, sample axis) of each input.
ModelInputs: TypeAlias = Sequence[tuple[str, int | None, int]]

_SYNTAX = 'write "x=-1:1,t=0:1", one range a column in order, or "-1:1" for all columns'
_PI = re.compile(r"([+-]?)(\d*\.?\d*)\*?pi", re.IGNORECASE)


def parse_domain(text: str, inputs: ModelInputs) -> Domain:
    """Read a domain for the inputs of a model.

    Args:
        text: ``x=-1:1,t=0:1`` labels the columns in order if the model has one input; with
            several inputs ``NAME=lo:hi`` is for all columns of one and ``NAME.j=lo:hi`` for one;
            ``lo:hi`` alone is for every column. Bounds are numbers or multiples of ``pi``.
        inputs: Of the model, in order; they say how many columns there are.

    Raises:
        DomainError: If the text is missing, malformed or does not fit the inputs.
    """
    axes = tuple(axis for _, columns, axis in inputs for _ in range(columns or 0))
    domain = _parse(text, inputs)
    return replace(domain, axes=axes if any(axes) else ())


def _parse(text: str, inputs: ModelInputs) -> Domain:
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise DomainError("the domain is empty", hint=_SYNTAX)
    if "=" not in items[0] and len(items) == 1:
        columns = _default_names(inputs)
        low, high = _range(items[0], items[0])
        return Domain(columns, np.full(len(columns), low), np.full(len(columns), high))
    ranges: dict[str, tuple[float, float]] = {}
    for item in items:
        name, equals, bounds = item.partition("=")
        if not equals or not name.strip():
            raise DomainError(f"{item!r} in the domain is not NAME=lo:hi", hint=_SYNTAX)
        if name.strip() in ranges:
            raise DomainError(f"the domain gives {name.strip()!r} twice", hint=_SYNTAX)
        ranges[name.strip()] = _range(bounds, item)
    if len(inputs) == 1:
        return _one_input(inputs, ranges)
    return _several_inputs(inputs, ranges)


def _one_input(inputs: ModelInputs, ranges: dict[str, tuple[float, float]]) -> Domain:
    ((own, columns, _),) = inputs
    if columns is not None and len(ranges) != columns:
        raise DomainError(
            f"the domain gives {len(ranges)} columns ({', '.join(ranges)}), "
            f"the model's input '{own}' has {columns}",
            hint=_SYNTAX,
        )
    bounds = np.array(list(ranges.values()))
    return Domain(tuple(ranges), bounds[:, 0], bounds[:, 1])


def _several_inputs(inputs: ModelInputs, ranges: dict[str, tuple[float, float]]) -> Domain:
    left = dict(ranges)
    found: list[tuple[float, float]] = []
    columns = _default_names(inputs)
    for own, count, _ in inputs:
        whole = left.pop(own, None)
        for name in _columns_of(own, count):
            bounds = whole if name == own else left.pop(name, whole)
            if bounds is None:
                raise DomainError(
                    f"the domain says nothing of the model's input {name!r}",
                    hint=f"the inputs are {', '.join(columns)}; write NAME=lo:hi for each",
                )
            found.append(bounds)
    if left:
        raise DomainError(
            f"the model has no input {', '.join(map(repr, left))}",
            hint=f"its inputs are {', '.join(columns)}",
        )
    box = np.array(found)
    return Domain(columns, box[:, 0], box[:, 1])


def _default_names(inputs: ModelInputs) -> tuple[str, ...]:
    return tuple(name for own, columns, _ in inputs for name in _columns_of(own, columns))


def _columns_of(name: str, columns: int | None) -> list[str]:
    """Names of an input's columns: its own, or ``NAME.j`` where it has several."""
    if columns is None:
        raise DomainError(
            f"the model's input '{name}' leaves its number of columns open",
            hint="name every column: " + _SYNTAX,
        )
    return [name] if columns == 1 else [f"{name}.{j}" for j in range(columns)]


def _range(text: str, item: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    try:
        bounds = _number(low), _number(high)
    except ValueError:
        raise DomainError(f"{item!r} in the domain is not lo:hi", hint=_SYNTAX) from None
    if not colon or not np.isfinite(bounds).all() or bounds[0] >= bounds[1]:
        raise DomainError(f"{item!r} in the domain is not a range lo:hi with lo < hi", hint=_SYNTAX)
    return bounds


def _number(text: str) -> float:
    match = _PI.fullmatch(text.strip())
    if match is None:
        return float(text)
    factor = float(match[2]) if match[2] else 1.0
    return float(np.pi) * (-factor if match[1] == "-" else factor)


def parse_grid(text: str) -> tuple[int, ...]:
    """Sizes of a grid such as ``256x101``.

    Raises:
        DomainError: If the text is something else.
    """
    try:
        return tuple(int(size) for size in text.lower().split("x"))
    except ValueError:
        raise DomainError(f"{text!r} is not a grid", hint="write sizes such as 256x101") from None
