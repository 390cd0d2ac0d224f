"""What a reader made of a case, in one word or two."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.nir_readers.cases import Case
from pinnir.backends.nir.reader_process import ReaderResult, run_reader
from pinnir.metrics.field_errors import relative_l2

# Relative L2 error of the outputs. Single precision is good for the first; what is further off than
# the second is another function, given without a word.
ROUNDED, WRONG = 1e-6, 0.05
# Some readers keep nodes in sets, whose order differs from process to process.
RUNS = 3


@dataclass(frozen=True)
class Verdict:
    """What a reader made of a case.

    Attributes:
        kind: ``exact``, ``rounded``, ``differs``, ``wrong``, ``refuses``, ``hangs``, ``crashes``.
        error: Relative L2 error of the outputs, where there are some of the right shape.
        spikes: Values of units compared.
        spikes_different: How many are wrong.
        message: What the reader raised, or what is wrong with the shape.
        others: Cells of the table that other runs would give.
    """

    kind: str
    error: float = 0.0
    spikes: int = 0
    spikes_different: int = 0
    message: str = ""
    others: frozenset[str] = frozenset()

    @property
    def cell(self) -> str:
        """For the table."""
        return " or ".join([self._own, *sorted(self.others - {self._own})])

    @property
    def _own(self) -> str:
        if self.kind in ("exact", "refuses", "hangs", "crashes"):
            return self.kind
        if self.kind == "rounded":
            return f"exact to {ROUNDED:g}"
        told = self.message or (f"{100 * self.error:.2g} %" if self.error < 10 else "> 1000 %")
        return f"differs {told}" if self.kind == "differs" else f"**wrong** {told}"


def verdicts(reader: str, cases: Mapping[str, Case], folder: Path | None) -> dict[str, Verdict]:
    """Run a reader on all cases, several times on those that it ends."""
    found = _once(reader, cases, folder)
    ended = {name: case for name, case in cases.items() if found[name].kind != "hangs"}
    for _ in range(RUNS - 1):
        for name, other in _once(reader, ended, folder).items():
            found[name] = replace(found[name], others=found[name].others | {other.cell})
    return found


def _once(reader: str, cases: Mapping[str, Case], folder: Path | None) -> dict[str, Verdict]:
    results = run_reader(reader, {name: case.job for name, case in cases.items()}, folder)
    return {name: verdict(case, results[name]) for name, case in cases.items()}


def verdict(case: Case, result: ReaderResult) -> Verdict:
    """Compare what a reader gives with the truth."""
    if result.output is None:
        message = _first_line(result.error)
        own = message.partition(":")[0]
        kind = own if own in ("hangs", "crashes") else "refuses"
        return Verdict(kind, message=message)
    found = case.decode(result.output)
    if found.shape != case.truth.shape:
        given, wanted = found.shape[-1], case.truth.shape[-1]
        return Verdict("wrong", np.inf, message=f"{given} outputs for {wanted}")
    if not np.isfinite(found).all():
        return Verdict("wrong", np.inf, message="NaN")
    error = relative_l2(found, case.truth)
    compared, different = _spikes(case, result)
    kind = "wrong"
    if error == 0.0 and different == 0:
        kind = "exact"
    elif error <= ROUNDED and different == 0:
        kind = "rounded"
    elif error <= WRONG:
        kind = "differs"
    return Verdict(kind, error, compared, different)


def _spikes(case: Case, result: ReaderResult) -> tuple[int, int]:
    compared = different = 0
    for node, units, truth in case.spikes.values():
        if node in result.spikes:
            # A population program settles; its spikes are those of the last steps.
            fired = result.spikes[node][-len(truth) :, :, units]
            compared += truth.size
            different += int((fired != truth).sum())
    return compared, different


def _first_line(text: str) -> str:
    line = text.strip().splitlines()[0] if text.strip() else "no message"
    return re.sub(r"\s+", " ", line)[:160]
