"""The folder of the target: what is in it, and norse, which is installed here, runs it exactly."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import networkx
import nir
import numpy as np
import pytest

import pinnir
from pinnir.backends.environments import EXACT, READERS, find_reader
from pinnir.backends.export import export
from pinnir.backends.nir import reader_process as running
from pinnir.backends.nir.environments import find_python
from pinnir.backends.nir.network import stock_program
from pinnir.backends.nir.reader_process import READERS_FOLDER, ReaderJob, run_reader
from pinnir.backends.nir.verify import in_reader
from pinnir.backends.nir.write import write_stock
from pinnir.backends.recording import probe_points
from pinnir.backends.verify import Comparison
from pinnir.base.errors import BackendError
from pinnir.program.program import Program
from tests.backends.networks import DOMAIN, mlp, model
from tests.networks import family

NETWORK = mlp(11, (2, 7, 6, 2))
ASKED = ({"levels": 30}, {"coding": "rate", "steps": 8, "levels": 17})


def program(**ask) -> Program:
    return pinnir.compile(model(NETWORK), DOMAIN, strip_source=True, **ask)


def in_norse(written: Program, files: dict[str, bytes], folder: Path) -> dict[str, Comparison]:
    """Compare with Norse as it is installed here; the folder holds no environments."""
    pytest.importorskip("norse")
    points = probe_points(written, 16)
    return in_reader("norse", stock_program(written), files, points, folder)


@pytest.mark.parametrize("ask", ASKED)
def test_norse_runs_the_folder_exactly(tmp_path, ask):
    written = program(**ask)
    (found,) = in_norse(written, write_stock(written), tmp_path).values()
    assert found.equal, found
    assert found.events == 16 * written.metrics["neurons"] * (8 if "coding" in ask else 1) - (
        # The start units of the two layers are clocks here.
        16 * 8 * 2 if "coding" in ask else 0
    )


def test_several_cores_in_norse(tmp_path):
    written = pinnir.compile(family("spinn"), "-1:1", levels=6)
    found = in_norse(written, write_stock(written), tmp_path)
    assert list(found) == ["stock.core.1.nir", "stock.core.2.nir"]
    assert all(one.equal for one in found.values())


def test_files():
    files = write_stock(program(levels=12))
    plain = {"README.md", "core.1.nir", "program.json"}
    stock = {"points.npz", "stock.core.1.nir", "stock.core.1.npz", "stock.json"}
    scripts = {"harness.py", "norse.py", "norse.txt", "spikingjelly.py", "spikingjelly.txt"}
    assert files.keys() == plain | stock | {f"readers/{name}" for name in scripts}
    told = json.loads(files["stock.json"])
    core = told["cores"]["stock.core.1.nir"]
    assert (core["steps"], core["read_out"], told["dt"]) == (3, "last", 1e-4)
    assert 0 < told["rel_l2_of_rounding"] < 0.1
    assert "norse==1.1.0" in files["readers/norse.txt"].decode()
    with np.load(io.BytesIO(files["stock.core.1.npz"])) as kept:
        assert kept["x"].shape == (16, 2)
        assert kept["output"].shape == (16, 2)
        assert {f"spikes.{name}" for name in core["populations"]} < set(kept.files)


def test_the_same_program_gives_the_same_bytes():
    assert write_stock(program(levels=12)) == write_stock(program(levels=12))


@pytest.mark.parametrize("ask", ASKED)
def test_stock_files_are_what_readers_ask_for(ask):
    """One chain, loops' edges first, the same threshold and time constants in every unit."""
    files = write_stock(program(**ask))
    graph = nir.read(io.BytesIO(files["stock.core.1.nir"]))
    kinds = {type(node) for node in graph.nodes.values()}
    assert kinds <= {nir.Input, nir.Output, nir.Affine, nir.Linear, nir.CubaLIF}
    forward = [e for e in graph.edges if not {*e}.intersection(loops_of(graph))]
    assert graph.edges[-len(forward) :] == forward
    row = networkx.DiGraph(forward)
    assert max(degree for _, degree in row.in_degree()) == 1
    assert max(degree for _, degree in row.out_degree()) == 1
    for node in graph.nodes.values():
        if isinstance(node, nir.CubaLIF):
            assert np.unique(node.v_threshold).tolist() == [0.5]
            assert np.unique([node.tau_mem, node.tau_syn]).tolist() == [1e-4]


def loops_of(graph: nir.NIRGraph) -> set[str]:
    return {name for name in graph.nodes if name.endswith(("_loop", "_keep"))}


def test_the_folder_runs_by_itself(tmp_path):
    """As its README says, without pinnir."""
    pytest.importorskip("norse")
    export(program(levels=12), "nir-stock", tmp_path / "out")
    told = json.loads((tmp_path / "out/stock.json").read_text())
    core = told["cores"]["stock.core.1.nir"]
    kept = np.load(tmp_path / "out/stock.core.1.npz")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "a.nir").write_bytes((tmp_path / "out/stock.core.1.nir").read_bytes())
    np.savez(jobs / "a.in.npz", x=kept["x"], steps=core["steps"], dt=told["dt"])
    (jobs / "jobs.json").write_text('["a"]')
    readers = tmp_path / "out/readers"
    command = [sys.executable, "-I", readers / "harness.py", readers / "norse.py", jobs]
    subprocess.run(command, check=True)
    found = np.load(jobs / "a.out.npz")
    np.testing.assert_array_equal(found["output"][-1], kept["output"])
    for name, (node, first, end) in core["populations"].items():
        fired = found[f"spikes.{node}"][-1:, :, first:end]
        np.testing.assert_array_equal(fired, kept[f"spikes.{name}"])


def test_a_damaged_file_is_found_out(tmp_path):
    written = program(levels=12)
    files = write_stock(written)
    graph, damaged = nir.read(io.BytesIO(files["stock.core.1.nir"])), io.BytesIO()
    graph.nodes["read_out"].weight[:] *= 2
    nir.write(damaged, graph)
    files["stock.core.1.nir"] = damaged.getvalue()
    (found,) = in_norse(written, files, tmp_path).values()
    assert not found.equal
    assert (found.differing, found.outputs > 0) == (0, True)


def test_what_a_reader_raises_is_a_result(tmp_path):
    pytest.importorskip("norse")
    buffer = io.BytesIO()
    ones = np.ones(1)
    nodes = {"input": nir.Input(ones), "l": nir.LI(ones, ones, ones), "output": nir.Output(ones)}
    nir.write(buffer, nir.NIRGraph(nodes, [("input", "l"), ("l", "output")]))
    job = ReaderJob(buffer.getvalue(), np.ones((2, 1)), 3)
    found = run_reader("norse", {"li": job}, tmp_path)["li"]
    assert found.output is None
    assert found.error


SCRIPTED = """
import os, time
import numpy as np

def run(graph, x, steps, dt):
    if steps == 2:
        os._exit(7)
    if steps == 3:
        time.sleep(600)
    return np.zeros((steps, len(x), 1))
"""


def test_jobs_that_crash_or_hang_are_results(tmp_path, monkeypatch):
    """A reader of its own, whose second job ends the process and whose third never ends."""
    (tmp_path / "abacus.py").write_text(SCRIPTED)
    monkeypatch.setattr(running, "READERS_FOLDER", tmp_path)
    monkeypatch.setattr(running, "find_python", lambda name, folder: Path(sys.executable))
    monkeypatch.setattr(running, "_SECONDS", 5.0)
    graph = write_stock(program(levels=4))["stock.core.1.nir"]
    jobs = {f"job{n}": ReaderJob(graph, np.ones((2, 2)), n) for n in range(1, 5)}
    found = run_reader("abacus", jobs, tmp_path)
    assert [one.error for one in found.values()] == ["", "crashes: ", "hangs", ""]
    assert [one.output is None for one in found.values()] == [False, True, True, False]
    (tmp_path / "abacus.py").write_text("import nowhere")
    with pytest.raises(BackendError, match="abacus cannot be run: crashes: Traceback"):
        run_reader("abacus", jobs, tmp_path)


def test_readers_that_are_not_installed_are_named(tmp_path, monkeypatch):
    with pytest.raises(BackendError) as caught:
        find_python("spyx", tmp_path)
    assert str(caught.value) == (
        "spyx 1.0.0 is not installed\n"
        f"hint: run: python -m pinnir.backends.nir.environments spyx --folder {tmp_path}"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(BackendError, match=r"environments spyx$"):
        find_python("spyx")
    with pytest.raises(BackendError, match="'abacus': unknown reader"):
        find_python("abacus")


def test_an_installed_environment_is_used(tmp_path):
    reader = READERS["spyx"]
    home = tmp_path / "spyx-1.0.0"
    (home / "bin").mkdir(parents=True)
    (home / "bin/python").touch()
    told = "".join(f"{one}\n" for one in reader.packages)
    (home / "pinnir-requirements.txt").write_text(told)
    assert find_python("spyx", tmp_path) == home / "bin/python"
    assert find_reader("spyx", tmp_path).install() == home


def test_readers_have_scripts_and_pinned_versions():
    assert set(EXACT) <= set(READERS)
    for reader in READERS.values():
        assert (READERS_FOLDER / f"{reader.name}.py").is_file()
        assert f"{reader.name}=={reader.version}" in reader.packages
        assert all("==" in one for one in reader.packages)
