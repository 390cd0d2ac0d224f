"""A program as a folder of C99 that needs nothing else.

The cores are in ``network.c``, over the few functions of ``spiking.c``; ``samples.h`` holds 16
points and what the oracle says of them, and ``check.c`` compares. Host parts stay ONNX models.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pinnir.backends.c.network import CoreSource, cores_of, header, source
from pinnir.backends.c.tables import table
from pinnir.backends.exported_parts import (
    folder_files,
    recorded_samples,
    sums_that_leave,
    value_of_sums,
)
from pinnir.backends.recording import CoreRecord
from pinnir.mapping.integer_cores import Whole
from pinnir.program.program import Program

_SCRIPTS = ("spiking.h", "spiking.c", "check.c", "stream.c")


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If a core has no C form, or its sums are too large.
    """
    cores = cores_of(program)
    rows = {
        core.label: {"function": f"{core.name}_run", "unit": value_of_sums(core.whole).tolist()}
        for core in cores
    }
    return folder_files(program, "c", _README, rows, _SCRIPTS) | {
        "network.h": header(cores).encode(),
        "network.c": source(cores).encode(),
        "samples.h": _samples(cores, recorded_samples(program)).encode(),
        "Makefile": _MAKEFILE.encode(),
    }


def _samples(cores: Sequence[CoreSource], records: Sequence[CoreRecord]) -> str:
    """``samples.h``: points, expected events and outputs."""
    bits = 16 if any(core.streams for core in cores) else 8
    inputs, outputs = max(core.inputs for core in cores), max(core.outputs for core in cores)
    tables: list[str] = []
    rows: list[str] = []
    for core, seen in zip(cores, records, strict=True):
        name, sums = core.name, sums_that_leave(core.whole, seen)
        tables.append(table(f"int32_t {name}_input", seen.inputs.astype(np.int64)))
        tables.append(table(f"int64_t {name}_output", sums))
        tables.append(table(f"sample_event {name}_events", in_running_order(seen)))
        numbers = f"{core.inputs}, {core.outputs}, {len(seen.inputs)}"
        arrays = f"{name}_input, {name}_output, {name}_events"
        rows.append(f"    {{{name}_reset, {name}_run, {numbers}, {arrays}}},")
    sizes = f"CORES = {len(cores)}, MOST_INPUTS = {inputs}, MOST_OUTPUTS = {outputs}"
    return _SAMPLES % (bits, sizes, "\n".join(tables), "\n".join(rows))


def in_running_order(seen: CoreRecord) -> Whole:
    """Events as they are observed: ``(samples, steps x populations x units)``."""
    samples, steps = len(seen.inputs), max(1, seen.core.steps)
    parts = [found.reshape(samples, steps, -1) for found in seen.events.values()]
    return np.concatenate(parts, axis=2).reshape(samples, -1).astype(np.int64)


_SAMPLES = """#ifndef SAMPLES_H
#define SAMPLES_H
#include "network.h"
typedef int%d_t sample_event;
enum { %s };
struct sample_core {
    void (*reset)(void);
    void (*run)(const int32_t *, int64_t *, sp_observer);
    int inputs, outputs, samples;
    const int32_t *input;
    const int64_t *output;
    const sample_event *events;
};
%s
static const struct sample_core sample_cores[CORES] = {
%s
};
#endif
"""

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
