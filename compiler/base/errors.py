"""Every error pinnir raises: what went wrong, where, and what to do about it."""

from __future__ import annotations


class PinnirError(Exception):
    """Base of all errors that pinnir raises on purpose.

    Args:
        message: What is wrong, in one sentence.
        node: Name of the graph or ONNX node concerned, if there is one.
        op: Kind of that node, if known.
        hint: What the user can do about it.
    """

    def __init__(self, message: str, *, node: str = "", op: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.node = node
        self.op = op
        self.hint = hint

    def __str__(self) -> str:
        where = " ".join(part for part in (self.op, f"'{self.node}'" if self.node else "") if part)
        text = f"{where}: {self.message}" if where else self.message
        return f"{text}\nhint: {self.hint}" if self.hint else text


class FrontendError(PinnirError, ValueError):
    """The ONNX model cannot be read or holds something that cannot be compiled.

    Args:
        message: As for every error.
        node: As for every error.
        op: As for every error.
        hint: As for every error.
        problems: One error for each node of a readable model that cannot be compiled.
    """

    def __init__(
        self,
        message: str,
        *,
        node: str = "",
        op: str = "",
        hint: str = "",
        problems: tuple[FrontendError, ...] = (),
    ) -> None:
        super().__init__(message, node=node, op=op, hint=hint)
        self.problems = problems


class DomainError(PinnirError, ValueError):
    """A domain, or points that should lie in it, is missing, malformed or of the wrong width."""


class GraphError(PinnirError, ValueError):
    """A graph breaks a rule of its level: a pass made something that is not allowed."""


class PipelineError(PinnirError, ValueError):
    """A pipeline string names an unknown pass or option, or orders passes impossibly."""


class LegalizeError(PinnirError, ValueError):
    """The target cannot run what the graph asks for, and no lowering exists."""


class BackendError(PinnirError, RuntimeError):
    """A backend is unknown, not installed, or cannot run the program."""


class ProgramFileError(PinnirError, OSError):
    """A program file is missing, damaged, not written by pinnir, or cannot be written."""


class RequirementError(PinnirError):
    """What was asked for cannot be had, though nothing is wrong with the input."""


class SizeError(RequirementError):
    """A program is predicted to need more memory, room or time than there is."""


class CoreShareError(RequirementError):
    """Less of the network can spike than was asked for."""


class VerificationError(RequirementError):
    """What a target ran differs from the oracle."""
