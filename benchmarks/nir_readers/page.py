"""The page of the readers: a table, the messages of those that refuse, and the spikes compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.common import table, write_page
from benchmarks.nir_readers.cases import Case
from benchmarks.nir_readers.costs import costs
from benchmarks.nir_readers.verdict import ROUNDED, WRONG, Verdict
from pinnir.backends.environments import READERS

Found = Mapping[str, Mapping[str, Verdict]]

_HEAD = f"""# Readers of NIR

Measured by `python -m benchmarks.nir_readers`, which installs every reader in an environment of its
own: the importers as they are on PyPI, run on the same files. Their output is compared with NIR's
documented equations (upper table) or with the oracle in `compiler/ir/evaluate.py` (lower table).

| | |
|---|---|
| exact | every output is equal, to the last bit; so are all spikes that the reader shows |
| exact to 1e-6 | relative L2 error below {ROUNDED:g}: single precision |
| differs | relative L2 error of the outputs, up to {100 * WRONG:g} % |
| **wrong** | further off, or another shape, without any error or warning that says so |
| refuses | raises an exception; the messages are below |
| hangs | no result within 90 s of work on this graph alone |

Some importers keep nodes in sets, whose order differs from process to process, and so does what
they get wrong and what they refuse. Everything that ends was run three times: "or" joins what was
seen.

Plain files say what NIR documents, and what it does not say (soft reset, `>=`) in their metadata,
which no reader looks at. **Stock** files are for these importers as they are: see
[stock NIR](nir_stock.md).
"""


def write(kinds: Sequence[Case], programs: Sequence[Case], found: Found) -> None:
    """Write ``docs/nir_readers.md``.

    Args:
        kinds: Cases of the upper table.
        programs: Cases of the lower table.
        found: Verdicts by reader and case.
    """
    write_page(
        "nir_readers.md",
        _HEAD,
        "## Neurons and shapes of graphs\n",
        _table(kinds, found),
        "## Programs\n",
        _table(programs, found),
        _spikes(programs, found),
        "## What readers raise\n",
        _messages([*kinds, *programs], found),
        costs(),
    )


def _table(cases: Sequence[Case], found: Found) -> str:
    headings = ["", *(f"{name} {READERS[name].version}" for name in found)]
    rows = [[case.about, *(of[case.name].cell for of in found.values())] for case in cases]
    return table(headings, rows)


def _spikes(cases: Sequence[Case], found: Found) -> str:
    lines = []
    for reader, of in found.items():
        own = [of[case.name] for case in cases if of[case.name].spikes]
        if own:
            compared = sum(one.spikes for one in own)
            different = sum(one.spikes_different for one in own)
            lines.append(
                f"- {reader}: {compared:,} spikes of stock files compared, {different:,} differ."
            )
    return "Spikes of every unit, in every step that counts, where the reader shows them:\n\n" + (
        "\n".join(lines) + "\n"
    )


def _messages(cases: Sequence[Case], found: Found) -> str:
    """Every message once, with the cases that it is about."""
    lines = []
    for reader, of in found.items():
        told: dict[str, list[str]] = {}
        for case in cases:
            if of[case.name].kind == "refuses":
                told.setdefault(of[case.name].message, []).append(case.about)
        lines += [f"- {reader}: `{text}` ({'; '.join(about)})" for text, about in told.items()]
    return "\n".join(lines) + "\n"
