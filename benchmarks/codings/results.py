"""What was measured, kept in a file, so that the page can be written again without measuring."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.codings.streams import Row

FILE = Path(__file__).parent / "results.json"


def load() -> dict[str, Any]:
    """Everything that was measured so far, by kind and network."""
    found: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return found


def rows(kind: str) -> list[Row]:
    """The rows of one kind, of all networks."""
    return [Row(**row) for of in load().get(kind, {}).values() for row in of]


def keep(kind: str, network: str, measured: Iterable[Row]) -> None:
    """Keep the rows of one kind and network in place of what was known of them."""
    put(kind, network, [asdict(row) for row in measured])


def put(kind: str, network: str, value: object) -> None:
    """Keep any value of one kind and network."""
    found = load()
    found.setdefault(kind, {})[network] = value
    FILE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
