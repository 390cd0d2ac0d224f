"""A program as a folder of C99 that needs nothing else.

The cores are in ``network.c``, over the few functions of ``spiking.c``; ``samples.h`` holds 16
points and what the oracle says of them, and ``check.c`` compares. Host parts stay ONNX models.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import numpy as np

from pinnir.backends.c.network import CoreSource, header, source
from pinnir.backends.c.tables import table
from pinnir.backends.exported_parts import (
    host_files,
    program_json,
    sums_that_leave,
    value_of_sums,
    whole_cores,
)
from pinnir.backends.recording import CoreRecord, probe_points, record
from pinnir.mapping.integer_cores import Whole
from pinnir.program.program import Program

SAMPLES = 16
_PLAIN = ("spiking.h", "spiking.c", "check.c", "stream.c")


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If a core has no C form, or its sums are too large.
    """
    cores = core_sources(program)
    records = record(program, probe_points(program, SAMPLES))
    own = files("pinnir.backends.c")
    found = {name: (own / name).read_bytes() for name in _PLAIN}
    found["network.h"] = header(cores).encode()
    found["network.c"] = source(cores).encode()
    found["samples.h"] = _samples(cores, records).encode()
    found["Makefile"] = _MAKEFILE.encode()
    found["README.md"] = _README.encode()
    told = {
        core.label: {
            "function": f"{core.name}_run",
            "unit": value_of_sums(core.whole).tolist(),
        }
        for core in cores
    }
    found["program.json"] = program_json(program, told)
    return found | host_files(program)


def core_sources(program: Program) -> list[CoreSource]:
    """The cores as C.

    Raises:
        LegalizeError: As :func:`write`.
    """
    found = [CoreSource(label, whole) for label, (whole, _) in whole_cores(program).items()]
    for one in found:
        one.check()
    return found


def _samples(cores: Sequence[CoreSource], records: Sequence[CoreRecord]) -> str:
    """``samples.h``: points, expected events and outputs."""
    streams = any(core.streams for core in cores)
    lines = [
        "#ifndef SAMPLES_H", "#define SAMPLES_H", '#include "network.h"',
        f"typedef int{16 if streams else 8}_t sample_event;",
        f"enum {{ CORES = {len(cores)}, MOST_INPUTS = {max(c.inputs for c in cores)}, "
        f"MOST_OUTPUTS = {max(c.outputs for c in cores)} }};",
        "struct sample_core {",
        "    void (*reset)(void);",
        "    void (*run)(const int32_t *, int64_t *, sp_observer);",
        "    int inputs, outputs, samples;",
        "    const int32_t *input;",
        "    const int64_t *output;",
        "    const sample_event *events;",
        "};",
    ]  # fmt: skip
    rows = []
    for core, seen in zip(cores, records, strict=True):
        count = min(SAMPLES, len(seen.inputs))
        lines += _sample_tables(core, seen, count)
        rows.append(
            f"    {{{core.name}_reset, {core.name}_run, {core.inputs}, {core.outputs}, {count}, "
            f"{core.name}_input, {core.name}_output, {core.name}_events}},"
        )
    lines += ["static const struct sample_core sample_cores[CORES] = {", *rows, "};", "#endif", ""]
    return "\n".join(lines)


def _sample_tables(core: CoreSource, seen: CoreRecord, count: int) -> list[str]:
    sums = sums_that_leave(core.whole, seen)[:count]
    events = in_running_order(seen)[:count]
    return [
        table(f"int32_t {core.name}_input", seen.inputs[:count].astype(np.int64)),
        table(f"int64_t {core.name}_output", sums),
        table(f"sample_event {core.name}_events", events),
    ]


def in_running_order(seen: CoreRecord) -> Whole:
    """Events as they are observed: ``(samples, steps x populations x units)``."""
    samples, steps = len(seen.inputs), max(1, seen.core.steps)
    parts = [found.reshape(samples, steps, -1) for found in seen.events.values()]
    return np.concatenate(parts, axis=2).reshape(samples, -1).astype(np.int64)


_MAKEFILE = """# make check: compile with warnings and sanitizers for this machine, run, compare.
CC ?= cc
CFLAGS ?= -std=c99 -O2 -Wall -Wextra -Werror -pedantic
SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=all

check: check.c network.c spiking.c network.h spiking.h samples.h
\t$(CC) $(CFLAGS) $(SANITIZE) check.c network.c spiking.c -o check
\t./check

stream: stream.c network.c spiking.c network.h spiking.h samples.h
\t$(CC) $(CFLAGS) $(SANITIZE) stream.c network.c spiking.c -o stream

.PHONY: check
"""

_README = """# A spiking network in C99

Integers only, no allocation, no library. `network.h` has a function for each spiking core:

    int32_t input[CORE_1_INPUTS];      /* whole numbers, as the host part before it gives them */
    int64_t output[CORE_1_OUTPUTS];    /* times "unit" of program.json: what leaves the core */
    core_1_run(input, output, NULL);

Compile `network.c` and `spiking.c` into your program. Where `core_1_reset` is declared with a
comment on lines, the core streams: points that follow each other should be neighbours, and the
core keeps its state between them.

`program.json` lists the parts of the program in running order; host parts are ONNX models
(rounding of the inputs, what follows the cores). `make check` compiles everything with all
warnings and sanitizers, runs 16 points, and compares every event and every output with what the
compiler's oracle says of them.
"""
