"""What was measured: one file of figures by key, which a measurement that was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pinnir.base.files import write_atomic

FILE = Path(__file__).parent / "results.json"
# Cells between two writings.
_OFTEN = 15


def load() -> dict[str, Any]:
    """Figures by key."""
    found: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return found


def missing(cells: Iterable[tuple[str, Callable[[], dict[str, Any]]]]) -> None:
    """Measure what is missing of these, given as key and measurement, and keep it."""
    results, new = load(), 0
    for key, measure in cells:
        if key not in results:
            results[key], new = measure(), new + 1
            if new % _OFTEN == 0:
                _save(results)
    if new:
        _save(results)


def _save(results: dict[str, Any]) -> None:
    text = json.dumps(dict(sorted(results.items())), separators=(",", ":"))
    write_atomic(FILE, (text.replace('},"', '},\n"') + "\n").encode())
