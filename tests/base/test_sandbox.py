"""Child processes: whatever happens in them becomes one error."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys

import pytest

from pinnir.base import sandbox as isolate
from pinnir.base.errors import FrontendError, PinnirError
from pinnir.base.sandbox import run_isolated

AGAIN = "hint: the file is damaged or not meant to be read; make it again"


@pytest.fixture(params=[False, True], ids=["started", "forked"])
def forked(request, monkeypatch):
    """Whether children are copies of this process; on systems that say how many threads run."""
    if request.param and not hasattr(os, "pidfd_open"):
        pytest.skip("children are never copies here")
    monkeypatch.setattr(isolate, "can_fork", lambda: request.param)
    return request.param


@pytest.fixture
def run(tmp_path, monkeypatch, forked):
    """Runs the body of a function of ``data`` in a child."""
    monkeypatch.syspath_prepend(tmp_path)

    def run(body: str, data: bytes = b"", **options) -> bytes:
        lines = "\n    ".join(body.splitlines())
        (tmp_path / "made.py").write_text(f"import os, time\ndef work(data):\n    {lines}\n")
        return run_isolated("made:work", "FILE", FrontendError, data=data, **options)

    return run


def failure(run, body: str) -> str:
    with pytest.raises(PinnirError) as caught:
        run(body)
    return str(caught.value)


def test_bytes_go_in_and_come_out(run):
    data = os.urandom(2**20)
    assert run("return data[::-1]", data) == data[::-1]


def test_what_it_prints_is_not_the_answer(run):
    assert run("print('hello'); os.write(1, b'noise'); return b'1'") == b"1"


def test_crash(run):
    assert failure(run, "os.abort()") == (
        f"FILE crashes the library that reads it (SIGABRT)\n{AGAIN}"
    )


def test_hang(run, monkeypatch):
    monkeypatch.setattr(isolate, "_SECONDS", 0.5)
    message = failure(run, "while True: pass")
    assert message == f"FILE cannot be read within 0 s of work\n{AGAIN}"


def test_memory(run):
    assert failure(run, "return bytes(2**31)") == (
        f"FILE needs more than 1.2 GiB of memory to be read\n{AGAIN}"
    )


def test_larger_files_may_need_more(run):
    assert run("return str(len(bytes(2**31 - 1))).encode()", size=2**28) == (b"2147483647")


def test_other_errors(run):
    assert failure(run, "raise RuntimeError('line one\\nline two')") == (
        f"FILE is damaged (RuntimeError: line one)\n{AGAIN}"
    )


def test_errors_of_pinnir_arrive_whole(run):
    body = (
        "from pinnir.base.errors import GraphError\n"
        "raise GraphError('m', node='n', op='o', hint='h')"
    )
    with pytest.raises(PinnirError) as caught:
        run(body)
    error = caught.value
    assert (type(error).__name__, error.message, error.node, error.op, error.hint) == (
        "GraphError",
        "m",
        "n",
        "o",
        "h",
    )


@pytest.mark.parametrize("forked", [False], indirect=True)
def test_no_python_to_start(run, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert failure(run, "return b''") == (
        "cannot start /nowhere/python to read FILE: No such file or directory\n"
        "hint: pinnir reads files in a process of its own; allow it to start one"
    )


def test_a_child_leaves_no_core_and_no_zombie(run):
    failure(run, "os.kill(os.getpid(), 11)")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert signal.getsignal(signal.SIGCHLD) in (signal.SIG_DFL, None)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="children are never copies here")
def test_no_copy_of_a_process_with_threads():
    """In one of its own, as libraries that other tests import have threads."""
    code = (
        "import threading\n"
        "from pinnir.base.sandbox import can_fork\n"
        "alone, end = can_fork(), threading.Event()\n"
        "threading.Thread(target=end.wait).start()\n"
        "print(alone, can_fork())\n"
        "end.set()\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "True False\n"


def test_what_a_copy_does_leaves_its_parent_alone(run, capfd):
    """Nothing that the parent has not yet written is written twice, no exit handler runs."""
    atexit.register(print, "exit handler", flush=True)
    print("before")
    assert run("os.environ['PINNIR_COPY'] = '1'; print('noise'); return b'1'") == b"1"
    atexit.unregister(print)
    assert "PINNIR_COPY" not in os.environ
    assert capfd.readouterr() == ("before\n", "")


def test_too_long_by_the_clock(run, monkeypatch):
    monkeypatch.setattr(isolate, "_START_SECONDS", 0.5)
    monkeypatch.setattr(isolate, "_BUSY", 0)
    message = failure(run, "time.sleep(60)")
    assert message == f"FILE cannot be read within 8 s of work\n{AGAIN}"
