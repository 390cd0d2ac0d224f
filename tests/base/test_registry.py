"""Tables by name."""

from __future__ import annotations

import json

import pytest

from pinnir.base.errors import PinnirError, PipelineError
from pinnir.base.registry import imported, look_up, summary


def test_an_entry_is_found() -> None:
    assert look_up({"one": 1, "two": 2}, "two", "number") == 2


@pytest.mark.parametrize("error", [PinnirError, PipelineError])
def test_an_unknown_name_is_told_with_those_that_are_known(error: type[PinnirError]) -> None:
    with pytest.raises(PinnirError) as caught:
        look_up({"one": 1, "two": 2}, "three", "number", error)
    assert type(caught.value) is error
    assert str(caught.value) == "'three': unknown number\nhint: known are one, two"


def test_what_stands_at_a_place_is_imported() -> None:
    assert imported("json:dumps") is json.dumps


def test_a_summary_is_the_first_line_of_a_docstring() -> None:
    assert summary(look_up) == "The entry of that name."
    assert summary(PinnirError("x")) == summary(PinnirError)
