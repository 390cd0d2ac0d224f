"""pinnir: compile trained physics-informed networks (ONNX) to spiking programs (NIR).

``pinnir.compile`` gives a :class:`Program`; ``program.save`` and ``pinnir.read`` write and read
it; ``program.run`` runs it. Heavy libraries are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pinnir.driver import compile as compile
    from pinnir.errors import PinnirError as PinnirError
    from pinnir.errors import ToleranceError as ToleranceError
    from pinnir.program import Program as Program
    from pinnir.program import RunResult as RunResult
    from pinnir.program_file import read as read

_WHERE = {
    "compile": "pinnir.driver",
    "read": "pinnir.program_file",
    "Program": "pinnir.program",
    "RunResult": "pinnir.program",
    "PinnirError": "pinnir.errors",
    "ToleranceError": "pinnir.errors",
}

__all__ = ["PinnirError", "Program", "RunResult", "ToleranceError", "compile", "read"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("pinnir")
    if name not in _WHERE:
        raise AttributeError(f"module 'pinnir' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
