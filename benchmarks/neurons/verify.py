"""``python -m benchmarks.neurons.verify`` measures the models in Brian2 and keeps the figures.

They go to ``brian2.json`` beside this file, which the tests compare pinnir's own figures with.
Brian2 is no dependency of pinnir: ``pip install brian2``. Models may be named.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.neurons.protocols import SETTINGS, measure

FILE = Path(__file__).parent / "brian2.json"


def load() -> dict[str, Any]:
    """What Brian2 measured: its version, and the figures by model."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def differences(
    found: Mapping[str, Any], expected: Mapping[str, Any], path: str = ""
) -> Iterator[tuple[str, float]]:
    """How far every figure is from the expected one, relative to that, by its path."""
    for key, value in expected.items():
        here = f"{path}/{key}"
        if isinstance(value, Mapping):
            yield from differences(found[key], value, here)
        else:
            yield here, abs(found[key] - value) / abs(value)


def main() -> None:
    """Measure the models that were named, or all, and keep the figures."""
    from benchmarks.neurons import in_brian2

    known = load() if FILE.exists() else {"models": {}}
    for name in sys.argv[1:] or SETTINGS:
        known["models"][name] = measure(name, in_brian2.simulate)
        known["brian2"] = in_brian2.version()
        FILE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
