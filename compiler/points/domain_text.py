"""The text of a domain or a grid, as a user writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from pinnir.base.errors import DomainError
from pinnir.points.domain import Domain, quoted

# (name, columns or None where the model leaves them open, sample axis) of each input.
ModelInputs: TypeAlias = Sequence[tuple[str, int | None, int]]

_SYNTAX = 'write "x=-1:1,t=0:1", one range a column in order, or "-1:1" for all columns'
# An item ends at a comma; commas in a quoted name end none.
_ITEM = re.compile(r"\s*(?:'(?:[^']|'')*'\s*=)?[^,]*")
_QUOTED = re.compile(r"'((?:[^']|'')*)'\s*=(.*)", re.DOTALL)
_PI = re.compile(r"([+-]?)(\d*\.?\d*)\*?pi", re.IGNORECASE)


def parse_domain(text: str, inputs: ModelInputs) -> Domain:
    """Read a domain for the inputs of a model.

    Args:
        text: ``x=-1:1,t=0:1`` labels the columns in order if the model has one input; with
            several inputs ``NAME=lo:hi`` is for all columns of one and ``NAME.j=lo:hi`` for one;
            ``lo:hi`` alone is for every column. Bounds are numbers or multiples of ``pi``. A name
            with a comma or an equals sign stands in single quotes: ``'x,t.0'=-1:1``. A column that
            is to have one value only is written ``t=0.5`` or ``t=0.5:0.5``.
        inputs: Of the model, in order; they say how many columns there are.

    Raises:
        DomainError: If the text is missing, malformed or does not fit the inputs.
    """
    axes = tuple(axis for _, columns, axis in inputs for _ in range(columns or 0))
    domain = _parse(text, inputs)
    return replace(domain, axes=axes if any(axes) else ())


def _parse(text: str, inputs: ModelInputs) -> Domain:
    items = [item.strip() for item in _split(text) if item.strip()]
    hint = _syntax(inputs)
    if not items:
        raise DomainError("the domain is empty", hint=hint)
    if "=" not in items[0] and len(items) == 1:
        columns = _default_names(inputs)
        low, high = _range(items[0], items[0], hint)
        return Domain(columns, np.full(len(columns), low), np.full(len(columns), high))
    ranges: dict[str, tuple[float, float]] = {}
    for item in items:
        name, bounds = _named(item)
        if name is None:
            raise DomainError(f"{item!r} in the domain is not NAME=lo:hi", hint=hint)
        if name in ranges:
            raise DomainError(f"the domain gives {name!r} twice", hint=hint)
        ranges[name] = _range(bounds if ":" in bounds else f"{bounds}:{bounds}", item, hint)
    if len(inputs) == 1:
        return _one_input(inputs, ranges)
    return _several_inputs(inputs, ranges)


def _split(text: str) -> list[str]:
    """The items between commas; of a quoted name they are part."""
    items: list[str] = []
    start = 0
    while start <= len(text):
        match = _ITEM.match(text, start)
        assert match is not None  # it matches nothing, too
        items.append(match[0])
        start = match.end() + 1
    return items


def _named(item: str) -> tuple[str | None, str]:
    """The name and the bounds of an item, without a name if it has none."""
    match = _QUOTED.fullmatch(item)
    if match:
        return match[1].replace("''", "'"), match[2]
    name, equals, bounds = item.partition("=")
    return (name.strip() or None) if equals else None, bounds


def _syntax(inputs: ModelInputs) -> str:
    """How domains are written, with quotes only where a model needs them."""
    odd = [quoted(name) for name, _, _ in inputs if quoted(name) != name]
    return f"{_SYNTAX}; write {odd[0]} for that name" if odd else _SYNTAX


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def _one_input(inputs: ModelInputs, ranges: dict[str, tuple[float, float]]) -> Domain:
    ((own, columns, _),) = inputs
    if columns is not None and len(ranges) != columns:
        raise DomainError(
            f"the domain gives {len(ranges)} columns ({_listed(ranges)}), "
            f"the model's input '{own}' has {columns}",
            hint=_syntax(inputs),
        )
    bounds = np.array(list(ranges.values()))
    return Domain(tuple(ranges), bounds[:, 0], bounds[:, 1])


def _several_inputs(inputs: ModelInputs, ranges: dict[str, tuple[float, float]]) -> Domain:
    left = dict(ranges)
    found: list[tuple[float, float]] = []
    columns = _default_names(inputs)
    names = {own for own, _, _ in inputs}
    for own, count, _ in inputs:
        whole = left.pop(own, None)
        for name in _columns_of(own, count):
            # A column called as another input is given by its own input's range.
            bounds = whole if name in names else left.pop(name, whole)
            if bounds is None:
                raise DomainError(
                    f"the domain says nothing of the model's input {name!r}",
                    hint=f"the inputs are {_listed(columns)}; write NAME=lo:hi for each",
                )
            found.append(bounds)
    if left:
        raise DomainError(
            f"the model has no input {', '.join(map(repr, left))}",
            hint=f"its inputs are {_listed(columns)}",
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


def _range(text: str, item: str, hint: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    try:
        bounds = _number(low), _number(high)
    except ValueError:
        raise DomainError(f"{item!r} in the domain is not lo:hi", hint=hint) from None
    if not colon or not np.isfinite(bounds).all() or bounds[0] > bounds[1]:
        raise DomainError(f"{item!r} in the domain is not a range lo:hi with lo < hi", hint=hint)
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
