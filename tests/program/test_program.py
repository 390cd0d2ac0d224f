"""The program: what it says of itself, the file that holds it, and running it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from onnx import TensorProto, helper

import pinnir
from pinnir.base.errors import BackendError, DomainError, LegalizeError, ProgramFileError
from pinnir.base.files import check_writable, seal, unseal, write_atomic
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.ir.graph import Neuron
from pinnir.points.domain import Domain
from pinnir.points.streaming_order import Streaming
from pinnir.program import running
from pinnir.program.program import Program
from pinnir.program.reading import from_bytes, read
from pinnir.program.running import SourceNetwork
from pinnir.program.simulators import find_backend
from pinnir.program.writing import seconds_path
from pinnir.search.job import EVALUATION_POINTS, SETS, covering
from tests.backends.networks import (
    DOMAIN,
    command,
    constrained,
    example_program,
    fourier,
    mlp,
    model,
    run_core,
    same_structure,
    small_program,
    two_inputs,
)
from tests.helpers import onnx_model, save

CODINGS = ("population", "rate")
COMPILE_AGAIN = "hint: compile it again"
NO_PROGRAM = "is not a program file\nhint: give a .nir file that pinnir compile wrote"
COPY_AGAIN = "hint: copy or compile it again"


def same_run(one: Program, other: Program) -> None:
    """The two programs give the same outputs, spikes and figures."""
    points = one.domain.sample(64, 9)
    a, b = one.run(points), other.run(points)
    np.testing.assert_array_equal(a.outputs, b.outputs)
    assert a.spikes.keys() == b.spikes.keys()
    for name, spikes in a.spikes.items():
        np.testing.assert_array_equal(spikes, b.spikes[name])
    assert a.layers == b.layers
    costs = a.metrics.keys() - {"rel_l2", "max_abs", "rel_l2_per_output"}
    assert {key: a.metrics[key] for key in costs} == {key: b.metrics[key] for key in costs}


def failure(path: Path) -> str:
    with pytest.raises(ProgramFileError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("coding", CODINGS)
def test_save_and_read(tmp_path, coding):
    program = small_program(coding)
    program.save(tmp_path / "p.nir")
    again = read(tmp_path / "p.nir")
    same_run(program, again)
    for one, other in zip(program.cores, again.cores, strict=True):
        same_structure(one, other)
    for name in ("inputs", "outputs", "cost", "manifest", "source", "initial", "passes", "seconds"):
        if name == "seconds":
            np.testing.assert_allclose(again.seconds, program.seconds, atol=1e-6)
        elif name == "manifest":
            assert again.manifest == json.loads(json.dumps(program.manifest))
        else:
            assert getattr(again, name) == getattr(program, name), name
    assert str(again.domain) == str(program.domain)
    assert [(s.label, s.inputs, s.outputs) for s in again.segments] == [
        (s.label, s.inputs, s.outputs) for s in program.segments
    ]


@pytest.mark.parametrize("coding", CODINGS)
def test_what_was_read_is_written_again_as_it_was(coding):
    data = small_program(coding).to_bytes()
    assert from_bytes(data).to_bytes() == data


def test_the_file_is_plain_nir_with_a_private_group(tmp_path):
    small_program().save(tmp_path / "p.nir")
    graph = nir.read(tmp_path / "p.nir")
    kinds = {type(node) for node in graph.nodes.values()}
    assert kinds == {nir.Input, nir.Output, nir.Affine, nir.Linear, nir.Threshold}
    with h5py.File(tmp_path / "p.nir") as file:
        assert set(file) == {"node", "pinnir", "version"}
        manifest = json.loads(file["pinnir/manifest"][()].tobytes())
    assert "format" not in manifest
    assert (tmp_path / "p.nir").read_bytes().startswith(b"pinnir program 4\nbytes ")
    assert manifest["metrics"] == small_program().metrics


@pytest.mark.parametrize("coding", CODINGS)
def test_the_same_compilation_gives_the_same_bytes(coding):
    ask = {"levels": 16} if coding == "population" else {"steps": 8, "levels": 33}
    again = pinnir.compile(model(mlp()), DOMAIN, coding=coding, **ask)
    assert again.to_bytes() == small_program(coding).to_bytes()


def test_other_seeds_give_other_bytes():
    other = pinnir.compile(model(mlp()), DOMAIN, levels=16, seed=1)
    assert other.to_bytes() != small_program().to_bytes()


@pytest.mark.parametrize("ask", [["--levels", "16"], ["--coding", "rate", "--rtol", "0.1"]])
def test_the_same_command_gives_the_same_bytes(tmp_path, ask):
    """Two processes, other names, more than a second apart: nothing of that is in the file."""
    source = save(tmp_path, mlp())
    for name in ("a.nir", "b.nir"):
        run = command("compile", source, "--domain", DOMAIN, "-o", tmp_path / name, *ask)
        run["env"]["PYTHONHASHSEED"] = "1" if name == "a.nir" else "2"
        subprocess.run(**run, check=True, capture_output=True)
    assert (tmp_path / "a.nir").read_bytes() == (tmp_path / "b.nir").read_bytes()


def test_seconds_are_in_the_side_file_only(tmp_path):
    program = small_program()
    program.save(tmp_path / "p.nir")
    side = seconds_path(tmp_path / "p.nir")
    assert side == tmp_path / "p.nir.seconds.json"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.nir", "p.nir.seconds.json"]
    named = json.loads(side.read_text())
    assert [row["pass"] for row in named] == [record.call for record in program.passes]
    assert all(row["seconds"] >= 0 for row in named)
    slower = replace(program, seconds=tuple(1.0 + s for s in program.seconds))
    assert slower.to_bytes() == program.to_bytes()
    assert b"seconds" not in program.to_bytes()
    assert "seconds" not in json.dumps(program.manifest)


def test_without_the_side_file_seconds_are_unknown(tmp_path):
    small_program().save(tmp_path / "p.nir")
    seconds_path(tmp_path / "p.nir").unlink()
    assert read(tmp_path / "p.nir").seconds == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "belongs to another program"),
        ('[{"seconds": 1}]', "belongs to another program"),
        ("not json", "is damaged: Expecting value: line 1 column 1 (char 0)"),
        ('[{"pass": "lower"}]', "is damaged: 'seconds'"),
        ("[1]", "is damaged: 'int' object is not subscriptable"),
    ],
)
def test_damaged_side_file(tmp_path, text, problem):
    small_program().save(tmp_path / "p.nir")
    side = seconds_path(tmp_path / "p.nir")
    side.write_text(text)
    assert failure(tmp_path / "p.nir") == f"{side} {problem}\nhint: delete it"


def test_saving_over_another_program_leaves_no_foreign_seconds(tmp_path):
    """A program without known seconds takes the place of one that had some."""
    small_program("rate").save(tmp_path / "p.nir")
    replace(small_program(), seconds=()).save(tmp_path / "p.nir")
    assert read(tmp_path / "p.nir").seconds == ()


@pytest.mark.parametrize("coding", CODINGS)
def test_short_repr(coding):
    program = small_program(coding)
    text = repr(program)
    assert text == (
        f"<Program {coding} for nir: {program.metrics['neurons']} neurons, "
        f"{program.manifest['steps']} steps, rel_l2 {program.metrics['rel_l2']:.2e}>"
    )
    assert len(text) < 100


def test_repr_before_it_was_measured():
    program = replace(small_program(), manifest={"coding": "rate", "target": "nir", "steps": 3})
    assert repr(program) == "<Program rate for nir: None neurons, 3 steps>"


def test_strip_source():
    program = pinnir.compile(model(mlp()), DOMAIN, levels=16, strip_source=True)
    kept = small_program()
    assert program.source is None
    assert kept.source is not None
    assert from_bytes(program.to_bytes()).source is None
    assert kept.source not in program.to_bytes()
    assert len(program.to_bytes()) < len(kept.to_bytes())
    assert program.metrics == kept.metrics
    assert program.metrics["rel_l2"] > 0
    assert program.manifest["source_sha256"] == kept.manifest["source_sha256"]
    same_run(program, kept)
    result = program.run(program.domain.sample(16, 0))
    assert result.source is None
    assert result.metrics.keys().isdisjoint({"rel_l2", "max_abs", "rel_l2_per_output"})


def test_stripped_program_against_a_reference():
    program = pinnir.compile(model(mlp()), DOMAIN, levels=16, strip_source=True)
    points = program.domain.sample(16, 0)
    metrics = program.run(points, reference=np.ones((16, 1))).metrics
    assert "rel_l2_reference" in metrics
    assert "source_rel_l2_reference" not in metrics


def test_run_gives_outputs_source_spikes_and_figures():
    program = small_program()
    points = program.domain.sample(128, 1)
    result = program.run(points)
    assert result.source is not None
    (network,) = OnnxRunner(program.source)([points])
    np.testing.assert_array_equal(result.source, network)
    np.testing.assert_array_equal(program.run_source(points), network)
    error = np.linalg.norm(result.outputs - result.source) / np.linalg.norm(result.source)
    assert result.metrics["rel_l2"] == error
    assert result.metrics["points"] == 128
    assert result.metrics["backend"] == "fast"
    (core,) = program.cores
    populations = [node for node in core.nodes if isinstance(node.op, Neuron)]
    assert list(result.spikes) == [node.name for node in populations]
    assert list(result.layers) == list(result.spikes)
    total = sum(spikes.sum() for spikes in result.spikes.values())
    assert result.metrics["spikes"] == total / 128 > 0


def test_measured_metrics_are_those_of_runs():
    """One run a set of evaluation points: sums, and means that the sets' equal sizes allow."""
    program = small_program()
    told = program.metrics
    seeds = np.random.SeedSequence(0).generate_state(1 + 2 * SETS)[1 + SETS :]
    sets = [covering(program.domain, EVALUATION_POINTS, int(seed)) for seed in seeds]
    runs = [program.run(points).metrics for points in sets]
    assert (told["coding"], told["levels"]) == ("population", 16)
    assert told["points"] == told["samples"] == sum(len(points) for points in sets)
    assert told["rel_l2_seeds"] == [run["rel_l2"] for run in runs]
    assert told["max_abs"] == max(run["max_abs"] for run in runs)
    assert min(told["rel_l2_seeds"]) <= told["rel_l2"] <= max(told["rel_l2_seeds"])
    same = {"neurons", "synapses", "steps", "depth", "analog_macs", "core_mac_share", "backend"}
    assert all(run[name] == told[name] for run in runs for name in same)
    for name in ("spikes", "synops", "spiking_rate", "energy_ratio"):
        assert told[name] == pytest.approx(np.mean([run[name] for run in runs]), rel=1e-12)


@pytest.mark.parametrize("coding", CODINGS)
def test_chunks_do_not_change_results(monkeypatch, coding):
    program = small_program(coding)
    points = program.domain.sample(256, 2)[:251]
    whole = program.run(points)
    monkeypatch.setattr(running, "_CHUNK_VALUES", 1)
    assert running.chunk_of(program.running) == 128
    parts = program.run(points)
    np.testing.assert_allclose(parts.outputs, whole.outputs, rtol=0, atol=1e-14)
    for name, spikes in whole.spikes.items():
        np.testing.assert_array_equal(parts.spikes[name], spikes)
    assert parts.metrics["spikes"] == whole.metrics["spikes"]
    assert parts.layers == whole.layers


@pytest.mark.parametrize("coding", [*CODINGS, "delta"])
def test_cores_run_without_measuring(coding):
    program = small_program(coding)
    points = program.domain.sample(64, 2)
    streaming = Streaming("given") if program.streams else None
    outputs, counters = program.run_cores(points, find_backend("reference"), streaming)
    whole = program.run(points, "reference", streaming=streaming)
    np.testing.assert_array_equal(outputs, whole.outputs)
    assert len(counters) == len(program.running)
    for name, spikes in whole.spikes.items():
        (found,) = (one.spikes[name] for one in counters if name in one.spikes)
        np.testing.assert_array_equal(found, spikes)


def test_chunks_shrink_with_the_widest_population(monkeypatch):
    program = example_program("burgers", 64)
    nodes = [node for core in program.cores for node in core.nodes]
    widest = max(node.op.units for node in nodes if isinstance(node.op, Neuron))
    monkeypatch.setattr(running, "_CHUNK_VALUES", 2**18)
    assert running.chunk_of(program.running) == 2**18 // widest
    monkeypatch.setattr(running, "_CHUNK_VALUES", 2**60)
    assert running.chunk_of(program.running) == 8192


def test_one_point():
    program = small_program()
    points = program.domain.sample(16, 3)
    np.testing.assert_allclose(
        program.run(points[:1]).outputs, program.run(points).outputs[:1], rtol=0, atol=1e-14
    )


def test_host_part_behind_the_core():
    """A hard constraint holds exactly, and the rest is the core's output times its factor."""
    program = pinnir.compile(model(constrained()), DOMAIN, rtol=1e-2)
    labels = [segment.label for segment in program.segments]
    assert labels == ["core.1", "host.2"]
    again = from_bytes(program.to_bytes())
    same_run(program, again)
    grid = program.domain.grid((9, 5))
    outputs = again.run(grid).outputs[:, 0]
    x, t = grid.T
    edge = (np.abs(x) == 1) | (t == 0)
    np.testing.assert_array_equal(outputs[edge], 0.0)
    network, _ = run_core(program.cores[0], find_backend("reference"), grid)
    np.testing.assert_allclose(outputs, (1 - x**2) * t * network[:, 0], atol=1e-6)
    assert np.abs(outputs).max() > 0.05
    assert program.metrics["rel_l2"] <= 1e-2


def test_host_part_before_the_core():
    program = pinnir.compile(model(fourier()), DOMAIN, rtol=1e-2)
    first, second = program.segments
    assert (first.label, second.label) == ("host.0", "core.1")
    assert first.host is not None
    points = program.domain.sample(64, 4)
    features = OnnxRunner(first.host)([points])[0]
    assert features.shape == (64, 6)
    np.testing.assert_allclose((features[:, :3] ** 2 + features[:, 3:] ** 2), 1.0, atol=1e-6)
    outputs, _ = run_core(program.cores[0], find_backend("reference"), features)
    result = from_bytes(program.to_bytes()).run(points, "reference")
    np.testing.assert_array_equal(result.outputs, outputs)
    assert result.metrics["rel_l2"] <= 1.1e-2
    assert program.metrics["rel_l2"] <= 1e-2
    assert 0 < program.metrics["core_mac_share"] < 1


def test_several_inputs_run_by_their_columns():
    """Columns of the points are the model's inputs in its order."""
    program = pinnir.compile(model(two_inputs()), DOMAIN, levels=16)
    assert program.inputs == (("x", 1), ("t", 1))
    result = from_bytes(program.to_bytes()).run(program.domain.sample(64, 5))
    joined = small_program().run(program.domain.sample(64, 5))
    np.testing.assert_allclose(result.source, joined.source, atol=1e-6)
    assert result.metrics["rel_l2"] < 0.2


def test_points_that_do_not_fit():
    with pytest.raises(DomainError, match=r"^points has shape \(4, 3\), not \(samples, 2\)"):
        small_program().run(np.zeros((4, 3)))
    with pytest.raises(DomainError, match="1 of the 2 points of points lie outside the domain"):
        small_program().run(np.array([[0.0, 0.5], [0.0, 1.5]]))


def test_a_reference_that_does_not_fit_is_refused():
    """A solution of another shape must not be broadcast against the outputs."""
    points = small_program().domain.sample(16, 0)
    with pytest.raises(DomainError):
        small_program().run(points, reference=np.ones(16))


@pytest.mark.parametrize("factor", [1e120, 1e308])
def test_source_network_that_is_not_finite(tmp_path, factor):
    nodes = [helper.make_node("Mul", ["x", "f"], ["a"]), helper.make_node("Mul", ["a", "g"], ["y"])]
    weights = {"f": np.array(factor), "g": np.array(10.0)}
    proto = onnx_model(nodes, weights, inputs={"x": (None, 1)}, kind=TensorProto.DOUBLE)
    source, domain = proto.SerializeToString(), Domain(("x",), np.zeros(1), np.ones(1))
    layouts = {"x": ((0,), 1), "y": ((0,), 1)}
    with pytest.raises(BackendError) as caught:
        SourceNetwork(source, domain, (("x", 1),), layouts, ("y",))(np.array([[0.0], [1.0]]))
    assert str(caught.value) == (
        "the source network gives NaN or values beyond 1e+100 on 1 of 2 points; the first is (1)\n"
        "hint: give a domain on which it is finite; the training may have diverged"
    )


def test_unknown_backend():
    with pytest.raises(BackendError) as caught:
        small_program().run(small_program().domain.sample(16, 0), "abacus")
    assert str(caught.value) == "'abacus': unknown backend\nhint: known are fast, reference, norse"


def test_dump(tmp_path):
    program = small_program()
    program.dump(tmp_path / "deep" / "dumps")
    found = sorted((tmp_path / "deep" / "dumps").iterdir())
    names = ["frontend", *(record.name for record in program.passes)]
    assert [path.name for path in found] == [f"{i:02d}-{n}.txt" for i, n in enumerate(names)]
    texts = [program.initial, *(record.text for record in program.passes)]
    assert [path.read_text() for path in found] == texts


def test_missing_file(tmp_path):
    path = tmp_path / "no.nir"
    assert failure(path) == (
        f"cannot read the program file {path}: No such file or directory\n"
        "hint: compile one with: pinnir compile MODEL.onnx --domain ... -o OUT.nir"
    )


def test_folder_in_place_of_a_file(tmp_path):
    assert failure(tmp_path) == (
        f"cannot read the program file {tmp_path}: Is a directory\n"
        "hint: compile one with: pinnir compile MODEL.onnx --domain ... -o OUT.nir"
    )


@pytest.mark.parametrize("data", [b"", b"hello", b"pinnir program 4\n", bytes(5000)])
def test_no_program(tmp_path, data):
    path = tmp_path / "p.nir"
    path.write_bytes(data)
    assert failure(path) == f"{path} {NO_PROGRAM}"


def test_pipe_in_place_of_a_file(tmp_path):
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / "p.nir")
    assert failure(tmp_path / "p.nir") == (
        f"cannot read the program file {tmp_path / 'p.nir'}: it is not an ordinary file\n"
        "hint: compile one with: pinnir compile MODEL.onnx --domain ... -o OUT.nir"
    )


def test_plain_nir(tmp_path):
    path = tmp_path / "plain.nir"
    nir.write(path, nir.NIRGraph.from_list(nir.Affine(np.ones((1, 2)), np.ones(1))))
    assert failure(path) == (
        f"{path} is an HDF5 file without pinnir's seal\n"
        "hint: pinnir runs programs that this version compiled; read plain NIR files with nir.read"
    )
    path.write_bytes(seal(path.read_bytes()))
    assert failure(path) == (f"{path} is damaged (it has no group 'pinnir')\n{COMPILE_AGAIN}")


@pytest.mark.parametrize("coding", CODINGS)
def test_truncated_anywhere(tmp_path, coding):
    data = small_program(coding).to_bytes()
    path = tmp_path / "p.nir"
    for length in [512, len(data) - 1, *range(len(data) // 7, len(data), len(data) // 7)]:
        path.write_bytes(data[:length])
        held = f"it holds {length - 512} of {len(data) - 512} bytes"
        assert failure(path) == f"{path} is damaged: {held}\n{COPY_AGAIN}"
    path.write_bytes(data[:511])
    assert failure(path) == f"{path} {NO_PROGRAM}"


def test_one_bit_anywhere(tmp_path):
    data = small_program().to_bytes()
    path = tmp_path / "p.nir"
    for place in np.random.default_rng(0).integers(512, len(data), 50):
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(place % 8)
        path.write_bytes(damaged)
        assert failure(path) == f"{path} is damaged: its checksum does not match\n{COPY_AGAIN}"


@pytest.mark.parametrize("part", ["node/nodes/fc1_act0_fine/weight", "pinnir/source"])
def test_overwritten_data(tmp_path, part):
    """Compressed data that no longer unpack never escape as an error of a library below."""
    path = tmp_path / "p.nir"
    data = bytearray(unseal(small_program().to_bytes(), "p.nir")[1])
    path.write_bytes(data)
    with h5py.File(path) as file:
        chunk = file[part].id.get_chunk_info(0)
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(seal(bytes(data)))
    told = failure(path)
    assert told.startswith(f"{path} is damaged (OSError: ")


def rewritten(path: Path, name: str, data: bytes | None) -> None:
    """Put other bytes in the place of one part of the private group, and seal the file again."""
    with h5py.File(path, "r+") as file:
        del file[f"pinnir/{name}"]
        if data is not None:
            file.create_dataset(f"pinnir/{name}", data=np.frombuffer(data, np.uint8))
    path.write_bytes(seal(path.read_bytes()[512:]))


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("manifest", None, "(KeyError: 'manifest')"),
        (
            "manifest",
            b"{",
            "(JSONDecodeError: Expecting property name enclosed in "
            "double quotes: line 1 column 2 (char 1))",
        ),
        ("manifest", b"{}", "(the entry 'coding' of its manifest is missing or wrong)"),
        ("pass.03", None, "(KeyError: 'pass.03')"),
    ],
)
def test_damaged_parts(tmp_path, name, data, problem):
    path = tmp_path / "p.nir"
    path.write_bytes(small_program().to_bytes())
    rewritten(path, name, data)
    assert failure(path) == f"{path} is damaged {problem}\n{COMPILE_AGAIN}"


def older(path: Path, **changes: object) -> str:
    """What is said of a file of format 2, of another manifest."""
    path.write_bytes(small_program().to_bytes())
    with h5py.File(path, "r+") as file:
        told = json.loads(file["pinnir/manifest"][()].tobytes()) | changes
        del file["pinnir/manifest"]
        file["pinnir/manifest"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    path.write_bytes(seal(path.read_bytes()[512:], 2))
    return failure(path)


def test_an_older_format_is_refused_with_what_makes_it_anew(tmp_path):
    path = tmp_path / "p.nir"
    wrote = {"versions": {"pinnir": "0.3.1"}, "source_sha256": "0123456789abcdef"}
    written = f"{path} has format 2 and was written by pinnir 0.3.1"
    again = "hint: make it anew from the model whose SHA-256 begins with 0123456789ab: "
    command = "pinnir compile MODEL.onnx --domain x=-1:1,t=0:1 --target nir "
    searched = "--coding population --rtol 0.01 --norm nrmse --seed 3 -o p.nir"
    found = older(path, **wrote, rtol=0.01, norm="nrmse", seed=3)
    assert found == f"{written}; this pinnir reads formats 4 and 5\n{again}{command}{searched}"
    neuron = "fuse-affine,fit-neurons{neuron=lif},lower{coding=rate}"
    found = older(path, **wrote, rtol=0.05, norm="l2", seed=0, coding="rate", pipeline=neuron)
    assert found.endswith(f"{command}--coding rate --neuron lif --rtol 0.05 --norm l2 -o p.nir")
    found = older(path, **wrote, rtol=None, seed=0, pipeline="fuse-affine,lower")
    assert found.endswith(f"{command}--pipeline fuse-affine,lower -o p.nir")


def test_an_older_format_that_says_nothing_of_itself(tmp_path):
    path = tmp_path / "p.nir"
    found = older(path, coding="\x1b[2J")
    assert found.startswith(f"{path} is damaged (format 2, ")
    assert "\x1b" not in found


def test_a_newer_format(tmp_path):
    path = tmp_path / "p.nir"
    path.write_bytes(small_program().to_bytes().replace(b"program 4", b"program 9", 1))
    written = f"{path} has format 9 and was written by pinnir {version('pinnir')}; "
    assert failure(path).startswith(f"{written}this pinnir reads formats 4 and 5\nhint: make it ")


def test_a_core_with_several_inputs_is_refused():
    """Every core of a file has one input and one output."""
    program = small_program()
    (segment,) = program.segments
    core = replace(segment.core, inputs=segment.core.inputs * 2)
    with pytest.raises(LegalizeError):
        replace(program, segments=(replace(segment, core=core),)).to_bytes()


def unwritable(path: Path) -> str:
    with pytest.raises(ProgramFileError) as one:
        small_program().save(path)
    with pytest.raises(ProgramFileError) as other:
        check_writable(path)
    assert other.value.hint == one.value.hint == "give a writable path"
    return str(other.value)


def test_unwritable(tmp_path):
    (tmp_path / "file").write_text("")
    missing, folder, under = tmp_path / "no" / "p.nir", tmp_path, tmp_path / "file" / "p.nir"
    hint = "hint: give a writable path"
    assert unwritable(missing) == f"cannot write {missing}: No such file or directory\n{hint}"
    assert unwritable(folder) == f"cannot write {folder}: it is a folder\n{hint}"
    assert unwritable(under) == f"cannot write {under}: Not a directory\n{hint}"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_check_writable_leaves_nothing(tmp_path):
    check_writable(tmp_path / "p.nir")
    assert list(tmp_path.iterdir()) == []
    check_writable(tmp_path / "deep" / "er" / "p.nir", make_folder=True)
    assert list((tmp_path / "deep" / "er").iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_save_leaves_nothing(tmp_path, monkeypatch, error):
    def interrupted(handle: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", interrupted)
    path = tmp_path / "p.nir"
    if isinstance(error, OSError):
        with pytest.raises(ProgramFileError) as caught:
            small_program().save(path)
        assert str(caught.value) == (
            f"cannot write {path}: No space left on device\nhint: give a writable path"
        )
    else:
        with pytest.raises(KeyboardInterrupt):
            small_program().save(path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "p.nir"
    small_program("rate").save(path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def interrupted(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small_program().save(path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_written_files_have_ordinary_permissions(tmp_path):
    write_atomic(tmp_path / "a", b"data")
    (tmp_path / "b").write_bytes(b"data")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
    assert (tmp_path / "a").read_bytes() == b"data"
