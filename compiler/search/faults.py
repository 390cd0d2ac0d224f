"""Faults of one family of programs: the search goes on without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pinnir.base.errors import GraphError, PinnirError


class FamilyError(Exception):
    """Something in pinnir is wrong with the programs of one family; a bug, not bad input.

    Args:
        family: Its name.
        pipeline: Of the program that was being made, if one was.
        error: What was raised.
    """

    def __init__(self, family: str, pipeline: str, error: Exception) -> None:
        self.why = f"internal error: {type(error).__name__}: {first_line(error)}"
        made = f"family {family}" + (f", pipeline {pipeline}" if pipeline else "")
        super().__init__(f"{made}: {type(error).__name__}: {error}")


class CallersError(BaseException):
    """What a function raised that the caller gave; it ends the search, whatever it is.

    Args:
        error: That.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def callers(function: Callable[..., None]) -> Callable[..., None]:
    """The caller's function, whose errors are no fault of a family."""

    def call(*arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:
            raise CallersError(error) from error

    return call


@contextmanager
def faults_of(family: str, pipeline: str = "") -> Iterator[None]:
    """What goes wrong inside is a fault of the family.

    Errors that say what to do differently stay what they are, but for broken rules of a graph,
    which a pass has to keep; so does running out of memory.

    Raises:
        FamilyError: From anything else.
    """
    try:
        yield
    except (FamilyError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, PinnirError) and not isinstance(error, GraphError):
            raise
        raise FamilyError(family, pipeline, error) from error


def first_line(error: Exception) -> str:
    """Of its message."""
    return str(error).partition("\n")[0]
