"""Compile an export for this machine or for a Cortex-M4, run it, and compare.

The Cortex-M4 is QEMU's board mps2-an386. Its clock counts instructions there (``-icount``), so a
timer of the board tells how many an inference takes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from pinnir.backends.c.network import CoreSource, cores_of
from pinnir.backends.c.tables import table
from pinnir.backends.c.write import in_running_order, write
from pinnir.backends.exported_parts import SAMPLES, sums_that_leave
from pinnir.backends.recording import CoreRecord, probe_points, record
from pinnir.backends.verify import Comparison, Verification
from pinnir.base.errors import BackendError
from pinnir.base.files import write_files
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

# Points of the line that streamed programs' instructions are counted on.
LINE = 256
_SECONDS = 900
_HOST_HINT = "install a C compiler; on Debian: apt install gcc make"
_ARM_HINT = "on Debian: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
_ARM = ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm")
_WARNINGS = ("-Wall", "-Wextra", "-Werror")
_MACHINE = ("-mcpu=cortex-m4", "-mthumb", "-ffunction-sections", "-fdata-sections")
_ARM_FLAGS = ("-std=c99", "-O2", *_WARNINGS, *_MACHINE)
_LINK_FLAGS = ("-T", "board.ld", "-nostartfiles", "--specs=rdimon.specs", "-Wl,--gc-sections")
_SEMIHOSTING = ("-semihosting-config", "enable=on,target=native")
_BOARD_FLAGS = ("-M", "mps2-an386", "-nographic", *_SEMIHOSTING, "-icount", "shift=0")
# Instructions a tick of the board's timer, which runs at 25 MHz while one takes a nanosecond.
_PER_TICK = 40


def on_host(program: Program, points: Array) -> Verification:
    """Compile with all warnings and sanitizers for this machine, and compare on any points.

    Raises:
        BackendError: If there is no compiler, or what it makes fails.
    """
    _need(("cc", "make"), _HOST_HINT)
    cores, records = cores_of(program), record(program, points)
    with tempfile.TemporaryDirectory(prefix="pinnir-c-") as name:
        folder = Path(name)
        write_files(folder, write(program))
        _call(["make", "--quiet", "stream", "check"], folder)
        found = [
            _compared(core, seen, _streamed(folder, number, seen))
            for number, (core, seen) in enumerate(zip(cores, records, strict=True))
        ]
    return Verification("c", Comparison.total(found), {})


def on_cortex_m4(program: Program, points: Array) -> Verification:
    """Compile for a Cortex-M4, run the export's own 16 points under QEMU, and count instructions.

    Raises:
        BackendError: If the cross compiler or QEMU is missing, or what they make fails.
    """
    _need(_ARM, _ARM_HINT)
    board = files("pinnir.backends.c") / "cortex_m4"
    parts = {name: (board / name).read_bytes() for name in ("startup.c", "count.c", "board.ld")}
    parts["points.h"] = _points(program).encode()
    with tempfile.TemporaryDirectory(prefix="pinnir-arm-") as name:
        folder = Path(name)
        write_files(folder, write(program) | parts)
        told = _on_board(folder, "check.c")
        match = re.search(r"(\d+) events compared, (\d+) differ; (\d+) outputs differ", told)
        if match is None:
            raise BackendError(f"the program on the board printed {told.strip()!r}")
        figures = {"instructions": _instructions(folder)}
        if program.streams:
            figures["instructions_plain"] = _instructions(folder, "-DSP_PLAIN")
        figures |= _sizes(folder)
    return Verification("cortex-m4", Comparison(*map(int, match.groups())), figures)


def _need(tools: Sequence[str], hint: str) -> None:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise BackendError(f"{', '.join(missing)} is not installed", hint=hint)


def _call(command: Sequence[str], folder: Path, data: bytes | None = None) -> bytes:
    try:
        done = subprocess.run(
            command, cwd=folder, input=data, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"{command[0]} did not end within {_SECONDS} s") from error
    if done.returncode:
        told = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise BackendError(f"{' '.join(command)} failed with {done.returncode}:\n{told[-2000:]}")
    return done.stdout


def _streamed(folder: Path, number: int, seen: CoreRecord) -> bytes:
    inputs = np.ascontiguousarray(seen.inputs.astype("<i4"))
    return _call([str(folder / "stream"), str(number)], folder, inputs.tobytes())


def _compared(core: CoreSource, seen: CoreRecord, told: bytes) -> Comparison:
    """What the C program gave against the oracle: events and outputs, sample after sample."""
    events, outputs = in_running_order(seen), sums_that_leave(core.whole, seen)
    kind = np.dtype([("events", "<i2", events.shape[1]), ("outputs", "<i8", outputs.shape[1])])
    if len(told) != len(events) * kind.itemsize:
        raise BackendError(f"the C program gave {len(told)} bytes for {len(events)} samples")
    found = np.frombuffer(told, kind)
    wanted = {"events": events, "outputs": outputs}
    return Comparison.of("the C program", wanted, {name: found[name] for name in wanted})


def _points(program: Program) -> str:
    """``points.h``: what enters every core at the points that instructions are counted on."""
    seen = record(program, probe_points(program, LINE if program.streams else SAMPLES))
    count = min(len(one.inputs) for one in seen)
    tables = [
        table(f"int32_t points_{number}", one.inputs[:count].astype(np.int64))
        for number, one in enumerate(seen)
    ]
    names = ", ".join(f"points_{number}" for number in range(len(seen)))
    listed = f"static const int32_t *const points[CORES] = {{{names}}};"
    return "\n".join(['#include "samples.h"', f"enum {{ POINTS = {count} }};", *tables, listed, ""])


def _instructions(folder: Path, *options: str) -> int:
    """Instructions an inference takes, on average over the samples."""
    told = _on_board(folder, "count.c", *options)
    return _PER_TICK * sum(int(one) for one in re.findall(r"ticks (\d+)", told))


def _on_board(folder: Path, main: str, *options: str) -> str:
    """Compile with one of the main programs, and run under QEMU."""
    binary = folder / f"{main}.elf"
    sources = [main, "network.c", "spiking.c", "startup.c"]
    _call([_ARM[0], *_ARM_FLAGS, *options, *sources, *_LINK_FLAGS, "-o", str(binary)], folder)
    return _call([_ARM[2], *_BOARD_FLAGS, "-kernel", str(binary)], folder).decode()


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of flash and of RAM that the network takes."""
    _call([_ARM[0], *_ARM_FLAGS, "-c", "network.c", "spiking.c"], folder)
    rows = _call([_ARM[1], "network.o", "spiking.o"], folder).decode().splitlines()[1:]
    text, data, bss = (sum(int(row.split()[i]) for row in rows) for i in range(3))
    return {"flash_bytes": text + data, "ram_bytes": data + bss}
