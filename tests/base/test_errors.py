"""Errors say what, where and what to do."""

from __future__ import annotations

import pytest

from pinnir.base import errors
from pinnir.base.errors import PinnirError
from pinnir.program.frontier import Frontier, ToleranceError


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "is wrong"),
        ({"node": "a"}, "'a': is wrong"),
        ({"op": "Gemm"}, "Gemm: is wrong"),
        ({"op": "Gemm", "node": "a"}, "Gemm 'a': is wrong"),
        ({"hint": "do this"}, "is wrong\nhint: do this"),
        ({"op": "Gemm", "node": "a", "hint": "do this"}, "Gemm 'a': is wrong\nhint: do this"),
    ],
)
def test_text(fields, text):
    error = PinnirError("is wrong", **fields)
    assert str(error) == text
    assert error.message == "is wrong"
    assert (error.node, error.op, error.hint) == tuple(
        fields.get(key, "") for key in ("node", "op", "hint")
    )


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("FrontendError", ValueError),
        ("DomainError", ValueError),
        ("GraphError", ValueError),
        ("PipelineError", ValueError),
        ("LegalizeError", ValueError),
        ("BackendError", RuntimeError),
        ("ProgramFileError", OSError),
    ],
)
def test_errors_are_builtins_too(name, builtin):
    error = getattr(errors, name)("is wrong", node="a", op="Gemm", hint="do this")
    assert isinstance(error, PinnirError)
    assert isinstance(error, builtin)
    assert str(error) == "Gemm 'a': is wrong\nhint: do this"


def test_tolerance_error_holds_what_was_reached():
    frontier = Frontier(rtol=0.01)
    error = ToleranceError(
        "not reached", reached={"rel_l2": 0.1}, frontier=frontier, hint="allow more levels"
    )
    assert error.reached == {"rel_l2": 0.1}
    assert error.frontier is frontier
    assert str(error) == "not reached\nhint: allow more levels"
