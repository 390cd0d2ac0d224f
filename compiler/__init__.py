"""pinnir: compile trained physics-informed networks (ONNX) to spiking programs (NIR).

``pinnir.compile`` gives a :class:`Program`; ``program.save`` and ``pinnir.read`` write and read
it; ``program.run`` runs it. Heavy libraries are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pinnir.base.errors import PinnirError as PinnirError
    from pinnir.program.frontier import ToleranceError as ToleranceError
    from pinnir.program.program import Program as Program
    from pinnir.program.program import RunResult as RunResult
    from pinnir.program.reading import read as read
    from pinnir.search.compile import compile as compile

_WHERE = {
    "compile": "pinnir.search.compile",
    "read": "pinnir.program.reading",
    "Program": "pinnir.program.program",
    "RunResult": "pinnir.program.program",
    "PinnirError": "pinnir.base.errors",
    "ToleranceError": "pinnir.program.frontier",
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
