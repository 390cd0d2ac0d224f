"""The text of a domain or a grid, as a user writes it."""

from __future__ import annotations

import re

import numpy as np

from pinnir.base.errors import DomainError
from pinnir.points.ranges import SYNTAX, Bounds, Ranges, as_range

_QUOTES = "; a name with a comma or an equals sign stands in single quotes: 'x,t'=0:1"
# An item ends at a comma; commas in a quoted name end none.
_ITEM = re.compile(r"\s*(?:'(?:[^']|'')*'\s*=)?[^,]*")
_QUOTED = re.compile(r"'((?:[^']|'')*)'\s*=(.*)", re.DOTALL)
_PI = re.compile(r"([+-]?)(\d*\.?\d*)\*?pi", re.IGNORECASE)


def parse_ranges(text: str) -> Ranges:
    """Read the text of a domain.

    Args:
        text: ``x=-1:1,t=0:1``, one range a column, or ``lo:hi`` alone for every column. Bounds are
            numbers or multiples of ``pi``. A name with a comma or an equals sign stands in single
            quotes: ``'x,t.0'=-1:1``. A column that is to have one value only is written ``t=0.5``
            or ``t=0.5:0.5``.

    Raises:
        DomainError: If the text is empty or malformed.
    """
    items = [item.strip() for item in _split(text) if item.strip()]
    if len(items) == 1 and "=" not in items[0]:
        return Ranges(np.array(_range(items[0], items[0])))
    ranges: dict[str, Bounds] = {}
    for item in items:
        name, bounds = _named(item)
        if name is None:
            raise DomainError(f"{item!r} in the domain is not NAME=lo:hi", hint=SYNTAX + _QUOTES)
        if name in ranges:
            raise DomainError(f"the domain gives {name!r} twice", hint=SYNTAX)
        ranges[name] = _range(bounds if ":" in bounds else f"{bounds}:{bounds}", item)
    return Ranges.named(ranges, SYNTAX)


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


def _range(text: str, item: str) -> Bounds:
    low, _, high = text.partition(":")
    hint = SYNTAX + _QUOTES if "=" in text else SYNTAX
    try:
        bounds = _number(low), _number(high)
    except ValueError:
        raise DomainError(f"{item!r} in the domain is not lo:hi", hint=hint) from None
    return as_range(*bounds, f"{item!r} in the domain", hint)


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
