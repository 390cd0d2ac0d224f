"""Mutations that know nothing of a format."""

from __future__ import annotations

import numpy as np

# Numbers that lengths, sizes and indices are seldom meant to be.
NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    64,
    255,
    256,
    2**15,
    2**16,
    2**20,
    10**6,
    2**31 - 1,
    2**31,
    2**32,
    2**40,
    2**53,
    2**62,
    2**63 - 1,
    -2,
    -(2**31),
    -(2**63),
)
FLOATS = (0.0, -0.0, 1e-45, 1e-300, 1e30, 1e38, 1e300, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    "",
    " ",
    ".",
    "..",
    "/",
    "../decoy.bin",
    "a/b",
    "a.b",
    "input",
    "output",
    "x",
    "\x00",
    "\x1b[2J",
    "\n",
    "%s%n",
    "[/red]",
    "{0}",
    "é" * 50,
    "A" * 5000,
    "--help",
    "NaN",
    "host.0",
    "core.1",
)


def mutate_bytes(rng: np.random.Generator, data: bytes) -> tuple[str, bytes]:
    """A damaged copy, and how it was damaged."""
    result = bytearray(data)
    how = rng.choice(["flip", "random", "zeros", "ones", "cut", "insert", "remove", "repeat"])
    first = int(rng.integers(len(data)))
    length = int(min(2 ** rng.integers(0, 10), len(data) - first))
    part = slice(first, first + length)
    if how == "flip":
        for place in rng.integers(len(data), size=2 ** rng.integers(0, 6)):
            result[place] ^= 1 << int(rng.integers(8))
    elif how == "random":
        result[part] = rng.bytes(length)
    elif how == "zeros":
        result[part] = bytes(length)
    elif how == "ones":
        result[part] = b"\xff" * length
    elif how == "cut":
        del result[first:]
    elif how == "insert":
        result[first:first] = rng.bytes(length)
    elif how == "remove":
        del result[part]
    else:
        result[first:first] = result[part] * int(rng.integers(1, 50))
    return str(how), bytes(result)
