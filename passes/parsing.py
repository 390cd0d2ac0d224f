"""Pipelines and passes as text, at the command line and in manifests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pinnir.base.errors import PipelineError
from pinnir.base.registry import imported, look_up
from pinnir.pipeline.manager import Pass

_ITEM = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\{([^{}]*)\})?\s*(,|$)")


def parse_pipeline(text: str) -> tuple[Pass, ...]:
    """Passes of a pipeline string such as ``"fuse-affine,lower{coding=rate}"``.

    Raises:
        PipelineError: If the text is malformed or names an unknown pass or option.
    """
    passes: list[Pass] = []
    position = 0
    while position < len(text):
        match = _ITEM.match(text, position)
        if match is None:
            raise PipelineError(
                f"malformed pipeline at character {position}: {text[position : position + 20]!r}",
                hint='write "pass{option=value},pass"',
            )
        passes.append(make_pass(match[1], _parse_options(match[1], match[2] or "")))
        position = match.end()
    if not passes:
        raise PipelineError("the pipeline is empty", hint='write "pass{option=value},pass"')
    return tuple(passes)


def _parse_options(name: str, text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = item.partition("=")
        if not equals:
            raise PipelineError(f"option {item!r} has no value", node=name, op="pass")
        options[key.strip().replace("-", "_")] = value.strip()
    return options


def pass_class(name: str) -> type[Pass]:
    """The pass of that name, imported on demand.

    Raises:
        PipelineError: If there is none.
    """
    from pinnir.passes import PASSES

    found: type[Pass] = imported(look_up(PASSES, name, "pass", PipelineError))
    return found


def make_pass(name: str, options: dict[str, str]) -> Pass:
    """A pass from its name and its options as text.

    Raises:
        PipelineError: If the pass or an option is unknown, or a value cannot be read.
    """
    cls = pass_class(name)
    hints = get_type_hints(cls)
    known = [one.name for one in fields(cls)]
    values: dict[str, Any] = {}
    for key, text in options.items():
        if key not in known:
            raise PipelineError(
                f"has no option {key!r}", node=name, op="pass",
                hint=f"its options are {', '.join(known) or 'none'}",
            )  # fmt: skip
        values[key] = _convert(name, key, text, hints[key])
    return cls(**values)


def _convert(name: str, key: str, text: str, kind: Any) -> Any:
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
    raise PipelineError(f"option {key}={text!r} must be {expected}", node=name, op="pass")


def describe(name: str) -> tuple[str, Sequence[str]]:
    """First line of a pass's docstring and its options as ``name=default``, for listings."""
    cls = pass_class(name)
    summary = (cls.__doc__ or "").strip().splitlines()[0]
    return summary, [f"{one.name}={one.default}" for one in fields(cls)]
