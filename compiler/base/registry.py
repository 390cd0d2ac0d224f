"""Tables by name: of things, or of where they are (``module:attribute``), to import on demand."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, TypeVar

from pinnir.base.errors import PinnirError

Thing = TypeVar("Thing")


def look_up(
    table: Mapping[str, Thing], name: str, kind: str, error: type[PinnirError] = PinnirError
) -> Thing:
    """The entry of that name.

    Args:
        table: By name.
        name: Asked for.
        kind: Of thing, for the message.
        error: That is raised if there is none.

    Raises:
        PinnirError: If there is none, as ``error``; it names those that there are.
    """
    if name not in table:
        raise error(f"unknown {kind}", node=name, hint=f"known are {', '.join(table)}")
    return table[name]


def imported(place: str) -> Any:
    """What stands at ``module:attribute``."""
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)


def summary(thing: object) -> str:
    """What a docstring says first, for listings."""
    return (thing.__doc__ or "").strip().splitlines()[0]
