"""Pipelines and passes as text, at the command line and in manifests."""

from __future__ import annotations

import re

from pinnir.base.errors import PipelineError
from pinnir.base.registry import imported, look_up
from pinnir.passes import PASSES
from pinnir.pipeline.manager import Pass, Passes

_ITEM = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\{([^{}]*)\})?\s*(,|$)")
_FORM = 'write "pass{option=value},pass"'


def parse_pipeline(text: str) -> Passes:
    """Passes of a pipeline such as ``"fuse-affine,lower{coding=rate}"``.

    Raises:
        PipelineError: If the text is malformed or names an unknown pass or option.
    """
    passes: list[Pass] = []
    position = 0
    while position < len(text):
        match = _ITEM.match(text, position)
        if match is None:
            part = text[position : position + 20]
            message = f"malformed pipeline at character {position}: {part!r}"
            raise PipelineError(message, hint=_FORM)
        passes.append(pass_class(match[1]).of(_parse_options(match[1], match[2] or "")))
        position = match.end()
    if not passes:
        raise PipelineError("the pipeline is empty", hint=_FORM)
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
    found: type[Pass] = imported(look_up(PASSES, name, "pass", PipelineError))
    return found
