"""Spread mutants over worker processes, watch them, and sum up."""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from queue import Empty, Queue
from typing import Any

# By the clock; a mutant may be run by several commands, and the machine may be busy.
_PATIENCE = 150.0


def main(module: str, count: int) -> None:
    """Command line of a fuzzer.

    Args:
        module: Holds ``make``.
        count: Mutants unless told otherwise.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--count", type=int, default=count, help="how many mutants")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cold", action="store_true", help="a new interpreter for each file")
    parser.add_argument("--log", type=Path, help="one line of JSON a mutant; continued if there")
    ask = parser.parse_args()
    done = _logged(ask.log)
    numbers = [n for n in range(ask.first, ask.first + ask.count) if n not in done]
    results = list(done.values())
    started = time.perf_counter()
    with (ask.log or Path(os.devnull)).open("a", encoding="utf-8") as log:
        for result in _run(module, numbers, ask.seed, ask.workers, cold=ask.cold):
            results.append(result)
            log.write(json.dumps(result) + "\n")
            log.flush()
            if result["findings"]:
                print(json.dumps(result), flush=True)
    _sum_up(results, time.perf_counter() - started)
    sys.exit(any(result["findings"] for result in results))


def _logged(log: Path | None) -> dict[int, dict[str, Any]]:
    if log is None or not log.exists():
        return {}
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return {row["number"]: row for row in rows}


def _run(module: str, numbers: list[int], seed: int, workers: int, *, cold: bool) -> Any:
    waiting: Queue[int] = Queue()
    finished: Queue[dict[str, Any] | None] = Queue()
    for number in numbers:
        waiting.put(number)
    arguments = [module, str(seed), "cold" if cold else "warm"]
    threads = [
        threading.Thread(target=_feed, args=(arguments, waiting, finished), daemon=True)
        for _ in range(workers)
    ]
    for thread in threads:
        thread.start()
    running = workers
    while running:
        result = finished.get()
        if result is None:
            running -= 1
        else:
            yield result


def _feed(
    arguments: list[str], waiting: Queue[int], finished: Queue[dict[str, Any] | None]
) -> None:
    """Give one worker mutant after mutant; start another where it hangs or dies."""
    worker: subprocess.Popen[str] | None = None
    while True:
        try:
            number = waiting.get_nowait()
        except Empty:
            break
        worker = worker or _start(arguments)
        result = _ask(worker, number)
        if result is None:
            ended = worker.poll()
            problem = "hangs" if ended is None else f"the command's process ended with {ended}"
            result = {
                "number": number,
                "kind": "?",
                "codes": [],
                "seconds": _PATIENCE,
                "mib": 0,
                "messages": [],
                "findings": [problem],
            }
            _stop(worker)
            worker = None
        finished.put(result)
    if worker is not None:
        _stop(worker)
    finished.put(None)


def _start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fuzz.worker", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _ask(worker: subprocess.Popen[str], number: int) -> dict[str, Any] | None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        print(number, file=worker.stdin, flush=True)
    except BrokenPipeError:
        return None
    if not select.select([worker.stdout], [], [], _PATIENCE)[0]:
        return None
    line = worker.stdout.readline()
    return json.loads(line) if line else None


def _stop(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.close()
    try:
        worker.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def _sum_up(results: list[dict[str, Any]], seconds: float) -> None:
    codes = Counter(str(code) for result in results for code in result["codes"])
    bad = sum(bool(result["findings"]) for result in results)
    print(f"{len(results):,} mutants, {bad} with findings, {seconds:.0f} s")
    print("exit codes:", ", ".join(f"{code}: {n:,}" for code, n in sorted(codes.items())))
    print("slowest:", max((r["seconds"] for r in results), default=0), "s")
    print("most memory:", max((r["mib"] for r in results), default=0), "MiB")
    for kind, number in sorted(Counter(r["kind"] for r in results).items()):
        print(f"  {number:6,} {kind}")
