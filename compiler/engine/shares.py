"""Samples in blocks, and blocks on as many threads as are worth it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np

Done = TypeVar("Done")


def block_of(numbers: int, widest: int, limits: tuple[int, int]) -> int:
    """Samples of a block: a power of two.

    Args:
        numbers: That the widest layer may have for one block.
        widest: Numbers of that layer for one sample.
        limits: Samples at least and at most.
    """
    size = int(np.clip(numbers // widest, *limits))
    return 1 << (size.bit_length() - 1)


def in_shares(
    work: Callable[[range], Done], samples: int, block: int, workers: int, worth: int
) -> list[Done]:
    """What threads did, in the order of samples.

    Args:
        work: Given where its blocks begin.
        samples: In all.
        block: Samples of a block. Blocks begin at the same samples however many threads there are.
        workers: Threads, at most.
        worth: Blocks that are worth a thread.
    """
    blocks = -(-samples // block)
    workers = max(1, min(workers, blocks // worth))
    ends = np.linspace(0, blocks, workers + 1).astype(int) * block
    shares = [range(first, min(end, samples), block) for first, end in pairwise(ends)]
    if workers == 1:
        return [work(shares[0])]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, shares))
