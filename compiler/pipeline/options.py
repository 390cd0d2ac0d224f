"""Options as text: what a dataclass of options is made from, and how it is written."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pinnir.base.errors import PipelineError

# (name, smallest, largest value) of numeric options.
Limits = tuple[tuple[str, float, float], ...]


def check_limits(options: object, limits: Limits, node: str) -> None:
    """Find out whether numeric options lie where they must.

    Raises:
        PipelineError: If one does not; of the pass ``node``.
    """
    for key, low, high in limits:
        value = getattr(options, key)
        if not low <= value <= high:
            message = f"option {key}={value} must lie between {low:g} and {high:g}"
            raise PipelineError(message, node=node, op="pass")


def read_options(cls: type, texts: Mapping[str, str], node: str) -> dict[str, Any]:
    """Values of some options of a dataclass, from text.

    Raises:
        PipelineError: If a value cannot be read; of the pass ``node``.
    """
    hints = get_type_hints(cls)
    return {key: _converted(node, key, text, hints[key]) for key, text in texts.items()}


def _converted(node: str, key: str, text: str, kind: Any) -> Any:
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if choices:
        if text in choices:
            return text
        expected = "one of " + ", ".join(choices)
    elif kind is bool:
        if text in ("true", "false"):
            return text == "true"
        expected = "true or false"
    else:
        try:
            return kind(text)
        except ValueError:
            expected = {int: "a whole number", float: "a number"}.get(kind, str(kind))
    raise PipelineError(f"option {key}={text!r} must be {expected}", node=node, op="pass")


def no_such_option(node: str, key: str, known: Iterable[str]) -> PipelineError:
    """The error of an option that a pass does not have."""
    hint = f"its options are {', '.join(known) or 'none'}"
    return PipelineError(f"has no option {key!r}", node=node, op="pass", hint=hint)


def defaults(cls: Any) -> list[str]:
    """Options of a dataclass as ``name=default``."""
    return [f"{one.name}={one.default}" for one in fields(cls)]


def written_options(options: Any, always: Container[str] = ()) -> list[tuple[str, Any]]:
    """Name and value of options that differ from their default, and of those of ``always``."""
    values = [(one, getattr(options, one.name)) for one in fields(options)]
    return [(o.name, value) for o, value in values if value != o.default or o.name in always]
