"""The command line: what it prints, writes and returns."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import nir
import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import asdict
from onnx import helper

import pinnir
from pinnir.base.errors import PinnirError
from pinnir.base.targets import TARGETS
from pinnir.cli import app as cli
from pinnir.frontend.reader import IMPORTERS
from pinnir.metrics.field_errors import relative_l2
from pinnir.passes import PASSES
from pinnir.passes.pipelines import TIDY
from pinnir.pipeline.manager import pipeline_text
from pinnir.program.simulators import BACKENDS
from pinnir.program.smoothing import smooth_run
from tests.backends.networks import (
    DOMAIN,
    EXAMPLES,
    command,
    constrained,
    layers,
    mlp,
    small_program,
    two_inputs,
)
from tests.helpers import onnx_model, save

SYNTAX = 'write "x=-1:1,t=0:1", one range a column in order, or "-1:1" for all columns'
PROMISED = {
    "rel_l2",
    "max_abs",
    "rel_l2_per_output",
    "nrmse",
    "nrmse_upper",
    "nrmse_decided_by",
    "coding",
    "steps",
    "levels",
    "neurons",
    "synapses",
    "spikes_per_activation",
    "spiking_rate",
    "synops_per_mac",
    "energy_45nm_pj",
    "source_energy_45nm_pj",
    "core_mac_share",
    "seconds",
}
ERRORS = {"rel_l2", "max_abs", "rel_l2_per_output", "nrmse", "nrmse_per_output"}
AGAINST_REFERENCE = {"rel_l2_reference", "source_rel_l2_reference"}


def pinnir_(*arguments: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def good(*arguments: object) -> str:
    """What a command prints that must succeed."""
    result = pinnir_(*arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def refused(*arguments: object, code: int = 2) -> str:
    """The message of a command that must be refused, without a traceback."""
    result = pinnir_(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: ")
    return result.stderr.removeprefix("error: ").removesuffix("\n")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with ``model.onnx``, ``p.nir`` and nothing else."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path, mlp())
    Path("p.nir").write_bytes(small_program().to_bytes())
    return tmp_path


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"model.onnx", "p.nir"}


def compile_(*more: object, domain: str = DOMAIN) -> tuple[object, ...]:
    return ("compile", "model.onnx", "--domain", domain, "-o", "out.nir", *more)


# ---------------------------------------------------------------------------------------- compile


def test_compile_writes_the_program_and_its_seconds(folder):
    text = good(*compile_("--levels", 16))
    assert written(folder) == {"out.nir", "out.nir.seconds.json"}
    assert (folder / "out.nir").read_bytes() == small_program().to_bytes()
    assert "out.nir: population program for nir" in text
    assert f"{small_program().metrics['rel_l2']:.3e}" in text


def test_compile_meets_the_tolerance(folder):
    good(*compile_("--rtol", "5e-2"))
    program = pinnir.read("out.nir")
    assert program.metrics["rel_l2"] <= program.manifest["rtol"] == 5e-2


def test_compile_json(folder):
    told = json.loads(good(*compile_("--levels", 16, "--json")))
    assert told.keys() >= PROMISED
    assert told.keys().isdisjoint(AGAINST_REFERENCE)
    metrics = small_program().metrics
    assert {key: told[key] for key in metrics} == metrics
    assert told.keys() - metrics.keys() == {"rtol", "norm", "seconds", "output", "frontier"}
    (only,) = told["frontier"]["points"]
    assert (only["levels"], only["chosen"], only["rel_l2"]) == (16, True, told["rel_l2"])
    assert (told["rtol"], told["output"]) == (None, "out.nir")
    assert told["seconds"] > 0


def test_compile_json_with_a_reference(folder):
    points = np.random.default_rng(0).uniform([-1, 0], [1, 1], (200, 2))
    truth = small_program().run(points).source * 1.1
    np.savez("ref.npz", points=points, outputs=truth)
    told = json.loads(good(*compile_("--rtol", "auto", "--reference", "ref.npz", "--json")))
    assert told.keys() >= PROMISED | AGAINST_REFERENCE
    assert told["source_rel_l2_reference"] == pytest.approx(0.1 / 1.1)
    assert told["nrmse_upper"] <= told["rtol"]
    joint = compile_("--rtol", "auto", "--norm", "l2", "--reference", "ref.npz", "--json")
    told = json.loads(good(*joint))
    assert told["rtol"] == pytest.approx(told["source_rel_l2_reference"] / 3)
    assert told["rel_l2_upper"] <= told["rtol"]


def test_compile_options_reach_the_compiler(folder):
    good(
        *compile_(
            "--coding",
            "rate",
            "--steps",
            8,
            "--levels",
            33,
            "--target",
            "norse",
            "--seed",
            3,
            "--strip-source",
        )
    )
    program = pinnir.read("out.nir")
    told = program.manifest
    assert (told["coding"], told["steps"], told["levels"]) == ("rate", 8, 33)
    assert (told["target"], told["seed"]) == ("norse", 3)
    assert program.source is None


def test_compile_with_calibration_points_and_a_pipeline(folder):
    points = small_program().domain.sample(64, 5)
    np.savez("cal.npz", points=points)
    pipeline = small_program().manifest["pipeline"]
    good(*compile_("--calibration", "cal.npz", "--pipeline", pipeline))
    expected = pinnir.compile("model.onnx", DOMAIN, calibration=points, pipeline=pipeline)
    assert pinnir.read("out.nir").to_bytes() == expected.to_bytes()
    assert expected.to_bytes() != small_program().to_bytes()


def test_compile_dump(folder):
    good(*compile_("--levels", 16, "--dump", "dumps"))
    names = ["frontend", *(record.name for record in small_program().passes)]
    assert sorted(path.name for path in Path("dumps").iterdir()) == [
        f"{number:02d}-{name}.txt" for number, name in enumerate(names)
    ]
    assert Path("dumps/00-frontend.txt").read_text() == small_program().initial


TRAINED = (
    f"{pipeline_text(TIDY)},anticipate-rounding{{levels=16,iterations=6,rounds=2,points=64,least=0}},"
    "quantise-activations{levels=16},distill{iterations=6,checks=3,points=64,batch=16},"
    "lower{coding=population},legalise"
)


def test_compile_goes_on_from_where_it_was(folder):
    """The program is the same, however often the work was stopped."""
    ask = compile_("--pipeline", TRAINED)
    good(*ask)
    expected = Path("out.nir").read_bytes()
    for _ in range(2):
        good(*ask, "--resume", "new/state")
        assert Path("out.nir").read_bytes() == expected
    files = sorted(Path("new/state").iterdir())
    assert [path.suffix for path in files] == [".npz"] * 4  # two rounds, their result, one core


def test_an_interrupted_compilation_is_finished(folder, monkeypatch):
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    good(*compile_("--pipeline", TRAINED))
    expected = Path("out.nir").read_bytes()
    Path("out.nir").unlink()
    ask = compile_("--pipeline", TRAINED, "--resume", "state")
    with monkeypatch.context() as patch:
        patch.setattr("pinnir.passes.calibration.distill.Distill.apply", stop)
        result = pinnir_(*ask)
    assert (result.exit_code, result.stderr) == (130, "interrupted; nothing was written\n")
    assert not Path("out.nir").exists()
    assert len(list(Path("state").iterdir())) == 3
    with monkeypatch.context() as patch:
        patch.setattr(
            "pinnir.passes.calibration.anticipate_rounding.minimum", stop
        )  # there is no need to
        good(*ask)
    assert Path("out.nir").read_bytes() == expected


def test_a_damaged_state(folder):
    ask = compile_("--pipeline", TRAINED, "--resume", "state")
    good(*ask)
    states = {path: path.read_bytes() for path in Path("state").iterdir()}
    for path, data in states.items():  # alone: a result stands for all before it
        for other in Path("state").iterdir():
            other.unlink()
        path.write_bytes(data[:50])
        message = refused(*ask)
        assert message.startswith(f"the state {path} cannot be read (")
        assert "hint: remove it, and run again\nin pass " in message


def test_a_state_folder_that_cannot_be_written(folder, monkeypatch):
    """It is said before the work."""
    monkeypatch.setattr("pinnir.search.compile.prepare", None)
    Path("file").write_text("")
    for path in ("file", "file/state"):
        message = refused(*compile_("--resume", path))
        assert re.fullmatch(rf"cannot write {path}/state: .+\nhint: give a writable path", message)
    assert written(folder) == {"file"}


def test_training_is_told(folder, monkeypatch):
    """By the same line that tells what is compiled."""
    told: list[str] = []

    @contextmanager
    def progress(quiet: bool):
        yield told.append

    monkeypatch.setattr("pinnir.cli.compile.progress_line", progress)
    good(*compile_("--pipeline", TRAINED))
    assert sum(text.startswith("anticipating rounding, ") for text in told) == 2
    assert sum(text.startswith("distilling core.1, ") for text in told) == 3


def test_compile_two_inputs(folder):
    save(folder, two_inputs())
    good(*compile_("--levels", 16, domain="t=0:1,x=-1:1"))
    assert pinnir.read("out.nir").inputs == (("x", 1), ("t", 1))


def test_compile_an_example(folder):
    network = EXAMPLES / "burgers/model.onnx"
    ask = ("compile", network, "--domain", DOMAIN, "-o", "out.nir", "--levels", 64, "--json")
    told = json.loads(good(*ask))
    assert told["rel_l2"] < 0.1
    assert told["core_mac_share"] == 1.0


def test_tolerance_not_met(folder):
    metrics = small_program().metrics
    told = (
        "the tolerance 0.001 was not reached; the best program has an error of "
        f"{metrics['nrmse']:.3g} of the variation in output 'fc2', up to "
        f"{metrics['nrmse_upper']:.3g} on other points (population, 1 steps, 16 levels)"
    )
    hint = "hint: allow a larger --rtol, --effort 3, more --levels or --steps, or another --coding"
    assert refused(*compile_("--levels", 16, "--rtol", "1e-3"), code=1) == f"{told}\n{hint}"
    result = pinnir_(*compile_("--levels", 16, "--rtol", "1e-3", "--json"))
    assert result.exit_code == 1
    assert result.stderr == f"error: {told}\n{hint}\n"
    found = json.loads(result.stdout)
    frontier = found.pop("frontier")
    assert found == {"error": told, "reached": metrics}
    assert [(p["levels"], p["meets"], p["chosen"]) for p in frontier["points"]] == [
        (16, False, False)
    ]
    assert written(folder) == set()


def test_the_frontier_is_printed_and_written(folder):
    text = good(*compile_("--rtol", "5e-2", "--frontier", "f.json"))
    told = json.loads(Path("f.json").read_text())
    assert (told["minimise"], told["rtol"]) == ("synops_per_mac", 0.05)
    assert f"of {len(told['points'])} measured programs" in text
    (line,) = [line for line in text.splitlines() if "chosen" in line]
    (chosen,) = [point for point in told["points"] if point["chosen"]]
    assert f"{chosen['nrmse']:.3e}" in line
    assert f"{chosen['nrmse_upper']:.3e}" in line
    assert {point["coding"] for point in told["points"]} == {"population", "rate"}
    assert written(folder) == {"out.nir", "out.nir.seconds.json", "f.json"}


def test_what_is_minimised_reaches_the_compiler(folder):
    told = json.loads(
        good(*compile_("--rtol", "5e-2", "--minimise", "neurons", "--effort", 1, "--json"))
    )
    assert told["coding"] == "rate"
    assert told["frontier"]["minimise"] == "neurons"


@pytest.mark.parametrize("name", ["f.json", "f.png"])
def test_the_frontier_is_written_when_the_tolerance_is_not_met(folder, name):
    pytest.importorskip("matplotlib")
    refused(*compile_("--levels", 16, "--rtol", "1e-3", "--frontier", name), code=1)
    assert written(folder) == {name}


# ----------------------------------------------------------------------------- bad input: models


def test_missing_model(folder):
    assert refused("compile", "no.onnx", "--domain", DOMAIN, "-o", "out.nir") == (
        "the model file no.onnx does not exist\nhint: give the path of an .onnx file"
    )
    assert refused("compile", ".", "--domain", DOMAIN, "-o", "out.nir") == (
        "the model file . is a folder\nhint: give the path of an .onnx file"
    )


NOT_ONNX = re.compile(
    r"model\.onnx is not a readable ONNX model \(.+\)\n"
    r"hint: the file may be truncated or of another format; export it again",
    re.DOTALL,
)


@pytest.mark.parametrize("data", [b"", b"hello world", b"\x89PNG" + bytes(100)])
def test_not_onnx(folder, data):
    Path("model.onnx").write_bytes(data)
    assert NOT_ONNX.fullmatch(refused(*compile_()))
    assert written(folder) == set()


def test_truncated_model(folder):
    data = Path("model.onnx").read_bytes()
    for length in (10, len(data) // 2, len(data) - 1):
        Path("model.onnx").write_bytes(data[:length])
        assert NOT_ONNX.fullmatch(refused(*compile_())), length


def test_unsupported_operators_are_all_listed(folder):
    nodes, weights = layers(0, (2, 4, 1), "Tanh", "v", "w")
    nodes = [
        helper.make_node("LpNormalization", ["x"], ["v"], "first"),
        *nodes,
        helper.make_node("Hardmax", ["w"], ["s"], "second"),
        helper.make_node("LpNormalization", ["s"], ["y"]),
    ]
    save(folder, onnx_model(nodes, weights))
    assert refused(*compile_()) == (
        "3 nodes use operators that pinnir does not compile:\n"
        "  LpNormalization 'first'\n  Hardmax 'second'\n  LpNormalization 'y'\n"
        "hint: pinnir compiles " + ", ".join(sorted(IMPORTERS))
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(folder, value):
    nodes, weights = layers(0, (2, 4, 1), "Tanh", "x", "y")
    weights["W1"][2, 0] = weights["W1"][3, 0] = value
    save(folder, onnx_model(nodes, weights))
    assert refused(*compile_()) == (
        "initializer 'W1': holds 2 NaN or infinite values\n"
        "hint: the training diverged, or the file is damaged"
    )


def test_zero_size_layer(folder):
    nodes, weights = layers(0, (2, 4, 1), "Tanh", "x", "y")
    weights |= {
        "W0": np.zeros((2, 0), np.float32),
        "b0": np.zeros(0, np.float32),
        "W1": np.zeros((0, 1), np.float32),
    }
    save(folder, onnx_model(nodes, weights))
    assert refused(*compile_()) == (
        "initializer 'W0': has a zero-size shape (2, 0)\n"
        "hint: every layer needs at least one neuron"
    )


# -------------------------------------------------------------------------- bad input: arguments


def test_missing_domain(folder):
    result = pinnir_("compile", "model.onnx", "-o", "out.nir")
    assert result.exit_code == 2
    assert "Error: Missing option '--domain'." in result.stderr


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("", "the domain is empty"),
        ("x=-1:1,t=a:b", "'t=a:b' in the domain is not lo:hi"),
        (
            "x=1:-1,t=0:1",
            "'x=1:-1' in the domain is not a range of finite bounds, the lower one first",
        ),
        ("x=-1:1", "the domain gives 1 columns (x), the model's input 'x' has 2"),
        ("x=-1:1,y=0:1,t=0:1", "the domain gives 3 columns (x, y, t), the model's input 'x' has 2"),
        ("x=-1:1,x=0:1", "the domain gives 'x' twice"),
    ],
)
def test_wrong_domain(folder, domain, message):
    assert refused(*compile_(domain=domain)) == f"{message}\nhint: {SYNTAX}"


def test_domain_with_a_column_that_has_no_range(folder):
    assert refused(*compile_(domain="x=-1:1,t")) == (
        "'t' in the domain is not NAME=lo:hi\n"
        f"hint: {SYNTAX}; a name with a comma or an equals sign stands in single quotes: 'x,t'=0:1"
    )


def test_domain_of_another_width_than_an_open_model(folder):
    """Exit code 2 and a message, whoever finds it out."""
    save(folder, mlp(width=None))
    refused(*compile_("--levels", 16, domain="x=-1:1,y=0:1,t=0:1"))


CALIBRATION = "the calibration points"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"points": np.zeros((5, 3))},
            f"{CALIBRATION} has shape (5, 3), not (samples, 2)\n"
            "hint: give the columns x, t, one row a point",
        ),
        (
            {"points": np.full((5, 2), np.nan)},
            f"{CALIBRATION} holds NaN or infinite values\nhint: remove them",
        ),
        (
            {"points": np.full((5, 2), 2.0)},
            f"5 of the 5 points of {CALIBRATION} lie outside the domain x=-1:1,t=0:1; the first is "
            "(2, 2)\nhint: compile with a wider --domain, or leave these points out",
        ),
        (
            {"inputs": np.zeros((5, 2))},
            "cal.npz has no array 'points'; it holds inputs\nhint: save the arrays points",
        ),
    ],
)
def test_wrong_calibration_file(folder, arrays, message):
    np.savez("cal.npz", **arrays)
    assert refused(*compile_("--calibration", "cal.npz")) == message


def test_missing_files_of_points(folder):
    message = "the file no.npz does not exist\nhint: give an .npy or .npz file"
    assert refused(*compile_("--calibration", "no.npz")) == message
    assert refused(*compile_("--reference", "no.npz")) == message
    assert refused("run", "p.nir", "--points", "no.npz", "-o", "f.npz") == message


def test_wrong_reference_file(folder):
    np.savez("ref.npz", points=np.zeros((5, 2)))
    assert refused(*compile_("--reference", "ref.npz")) == (
        "ref.npz has no array 'outputs'; it holds points\nhint: save the arrays points, outputs"
    )
    np.savez("ref.npz", points=np.zeros((5, 2)), outputs=np.zeros((5, 2)))
    assert refused(*compile_("--reference", "ref.npz")) == (
        "the reference solution has shape (5, 2), the network gives (5, 1)\n"
        "hint: save points and outputs with one row a point and one column an output"
    )


@pytest.mark.parametrize("name", ["cal.npz", "cal.npy"])
def test_damaged_files_of_points(folder, name):
    save_points = np.savez if name.endswith("z") else np.save
    save_points(name, np.zeros((50, 2)))
    data = Path(name).read_bytes()
    Path(name).write_bytes(data[: len(data) // 2])
    for arguments in (
        compile_("--calibration", name),
        compile_("--reference", name),
        ("run", "p.nir", "--points", name, "-o", "f.npz"),
    ):
        assert refused(*arguments).startswith(f"{name} is not a readable .npy or .npz file (")


def test_points_that_are_no_numbers(folder):
    np.save("p.npy", np.array([["a", "b"]]))
    refused("run", "p.nir", "--points", "p.npy", "-o", "f.npz")
    refused(*compile_("--calibration", "p.npy"))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--target", "loihi9", "'loihi9': unknown target\nhint: known are " + ", ".join(TARGETS)),
        (
            "--coding",
            "morse",
            "target nir does not run the coding 'morse'\nhint: it runs auto, population, rate",
        ),
        (
            "--minimise",
            "money",
            "programs cannot be minimised in 'money'\n"
            "hint: known are synops_per_mac, neurons, spikes, steps, energy",
        ),
        ("--rtol", "small", "the tolerance small is not a positive number\nhint: try 1e-2"),
        ("--steps", 0, "0 steps are too few\nhint: give --steps 1 or more"),
        (
            "--steps",
            2,
            "population coding takes one step, not 2\n"
            "hint: leave --steps out, or use --coding rate",
        ),
        ("--levels", 1, "1 levels are out of range\nhint: give --levels from 2 to 65536"),
        ("--pipeline", "morse", "'morse': unknown pass\nhint: known are " + ", ".join(PASSES)),
        (
            "--pipeline",
            "lower",
            "pass 'lower': coding population takes a staircase graph, not "
            "a tensor graph\n"
            "hint: check the order of the pipeline\n"
            "in pass lower after the frontend",
        ),
    ],
)
def test_wrong_option(folder, option, value, message):
    assert refused(*compile_(option, value)) == message
    assert written(folder) == set()


def test_values_click_refuses(folder):
    for arguments in (compile_("--levels", "many"), compile_("--colour", "red"), ("compile",)):
        result = pinnir_(*arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("Usage: ")


# ----------------------------------------------------------------- outputs are checked beforehand


@pytest.fixture
def no_work(monkeypatch):
    """Nothing may be compiled or run."""

    def started(*arguments, **options):
        raise AssertionError("the work was started")

    monkeypatch.setattr("pinnir.search.compile.compile", started)
    monkeypatch.setattr("pinnir.program.program.Program.run", started)


def test_the_no_work_fixture_notices_work(folder, no_work):
    assert pinnir_(*compile_()).exit_code == 3
    assert "the work was started" in refused("run", "p.nir", "--grid", "3x3", "-o", "f.npz")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("no/out.nir", "No such file or directory"),
        ("folder", "it is a folder"),
        ("file/out.nir", "Not a directory"),
    ],
)
def test_unwritable_output(folder, no_work, path, problem):
    Path("folder").mkdir()
    Path("file").write_text("")
    message = f"cannot write {path}: {problem}\nhint: give a writable path"
    assert refused("compile", "model.onnx", "--domain", DOMAIN, "-o", path) == message
    assert refused("run", "p.nir", "--grid", "3x3", "-o", path) == message
    assert refused("run", "p.nir", "--grid", "3x3", "-o", "f.npz", "--plot", path) == message
    assert written(folder) == {"folder", "file"}


def test_wrong_frontier_file(folder, no_work):
    assert refused(*compile_("--frontier", "f.svg")) == (
        "cannot write the frontier to f.svg: it is neither .json nor .png\n"
        "hint: give --frontier FILE.json or --frontier FILE.png"
    )
    for name in ("no/f.json", "no/f.png"):
        assert refused(*compile_("--frontier", name)) == (
            f"cannot write {name}: No such file or directory\nhint: give a writable path"
        )
    assert written(folder) == set()


def test_unwritable_dump(folder, no_work):
    Path("file").write_text("")
    assert refused(*compile_("--dump", "file")) == (
        "cannot write file/dump: File exists\nhint: give a writable path"
    )


# -------------------------------------------------------------------------------------------- run


def test_run_on_a_grid(folder):
    text = good("run", "p.nir", "--grid", "9x5", "-o", "f.npz")
    assert written(folder) == {"f.npz"}
    points = small_program().domain.grid((9, 5))
    result = small_program().run(points, "fast")
    with np.load("f.npz", allow_pickle=False) as field:
        names = {"points", "outputs", "columns", "source", "grid", "line_0", "line_1"}
        assert set(field) == names
        np.testing.assert_array_equal(field["points"], points)
        np.testing.assert_array_equal(field["outputs"], result.outputs)
        np.testing.assert_array_equal(field["source"], result.source)
        assert field["columns"].tolist() == ["x", "t"]
        assert field["grid"].tolist() == [9, 5]
    assert "45 points on fast" in text
    assert text.rstrip().endswith("written: f.npz")


@pytest.mark.parametrize("name", ["at.npy", "at.npz"])
def test_run_on_points(folder, name):
    points = small_program().domain.sample(64, 5)
    np.save(name, points) if name.endswith("npy") else np.savez(name, points=points, more=points)
    good("run", "p.nir", "--points", name, "-o", "f.npz")
    with np.load("f.npz") as field:
        assert set(field) == {"points", "outputs", "columns", "source"}
        np.testing.assert_array_equal(field["points"], points)
        np.testing.assert_array_equal(field["outputs"], small_program().run(points, "fast").outputs)


def test_run_json(folder):
    told = json.loads(good("run", "p.nir", "--grid", "9x5", "-o", "f.npz", "--json"))
    result = small_program().run(small_program().domain.grid((9, 5)), "fast")
    assert {key: told[key] for key in result.metrics} == result.metrics
    assert told["layers"] == result.layers
    assert told.keys() == result.metrics.keys() | {"layers", "seconds"}
    assert told["seconds"] > 0


def test_run_says_what_the_fast_backend_hands_over(folder):
    hysteresis = "lower{coding=delta,hysteresis=0.5}"
    pipeline = (
        small_program("delta").manifest["pipeline"].replace("lower{coding=delta}", hysteresis)
    )
    good(*compile_("--pipeline", pipeline, "--target", "programmable"))
    run = ("run", "out.nir", "--grid", "9x5", "-o", "f.npz")
    assert "delta neurons with hysteresis" in good(*run)
    assert json.loads(good(*run, "--json"))["handed_over"] == ["delta neurons with hysteresis"]
    assert "handed_over" not in json.loads(good(*run, "--json", "--backend", "reference"))


def test_run_on_norse(folder):
    pytest.importorskip("norse")
    told = json.loads(
        good("run", "p.nir", "--grid", "9x5", "--backend", "norse", "-o", "f.npz", "--json")
    )
    expected = small_program().run(small_program().domain.grid((9, 5)))
    assert told["backend"] == "norse"
    assert told["spikes"] == expected.metrics["spikes"]
    assert told["layers"] == expected.layers


def test_run_a_stripped_program(folder):
    good(*compile_("--levels", 16, "--strip-source"))
    told = json.loads(good("run", "out.nir", "--grid", "9x5", "-o", "f.npz", "--json"))
    assert "rel_l2" not in told
    with np.load("f.npz") as field:
        assert "source" not in field


PICTURES = [
    (1, "x=-1:1", ["--grid", "40"]),
    (2, "x=-1:1,t=0:1", ["--grid", "12x9"]),
    (3, "x=-1:1,y=-1:1,t=0:1", ["--grid", "8x7x3"]),
    (2, "x=-1:1,t=0:1", ["--points", "at.npy"]),
]


@pytest.mark.parametrize(("columns", "domain", "where"), PICTURES)
def test_run_with_a_picture(folder, columns, domain, where):
    image = pytest.importorskip("matplotlib.image")
    save(folder, mlp(1, (columns, 6, 1)))
    good(*compile_("--levels", 16, domain=domain))
    np.save("at.npy", pinnir.read("out.nir").domain.sample(64, 0))
    text = good("run", "out.nir", *where, "-o", "f.npz", "--plot", "f.png")
    pixels = image.imread("f.png")
    assert min(pixels.shape[:2]) > 200
    assert 0.01 < (pixels[..., :3] < 0.99).any(axis=2).mean() < 0.99
    assert pixels[..., :3].std(axis=(0, 1)).min() > 0.01
    assert text.rstrip().endswith("written: f.npz, f.png")


def test_run_with_a_picture_of_an_unknown_format(folder):
    pytest.importorskip("matplotlib")
    refused("run", "p.nir", "--grid", "3x3", "-o", "f.npz", "--plot", "f.xyz")


def test_run_smooth(folder):
    good(*compile_("--coding", "rate", "--steps", 8, "--levels", 129))
    asked = ("run", "out.nir", "--grid", "24x20", "-o", "f.npz")
    text = good(*asked, "--smooth")
    told = json.loads(good(*asked, "--smooth", "auto", "--json"))
    expected = pinnir.read("out.nir").run_grid((24, 20), "fast")
    assert told["rel_l2_unsmoothed"] == expected.metrics["rel_l2"]
    assert told["rel_l2"] < 0.9 * told["rel_l2_unsmoothed"]
    assert told["smooth"] == "auto"
    with np.load("f.npz") as field:
        np.testing.assert_array_equal(field["outputs_unsmoothed"], expected.outputs)
        np.testing.assert_array_equal(field["outputs"], smooth_run(expected, (24, 20)).outputs)
        assert relative_l2(field["outputs"], field["source"]) == told["rel_l2"]
    lines = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    cells = {line[1].strip(): line[2].strip() for line in lines}
    after = "relative L2 error against the network after smoothing"
    assert cells[after] == f"{told['rel_l2']:.3e}"
    assert cells["the same before smoothing"] == f"{told['rel_l2_unsmoothed']:.3e}"


def test_run_smooth_with_a_cutoff(folder):
    asked = ("run", "p.nir", "--grid", "24x20", "-o", "f.npz", "--json")
    plain = json.loads(good(*asked))
    told = json.loads(good(*asked, "--smooth", "0.5"))
    assert told["smooth"] == 0.5
    same = plain.keys() - ERRORS - {"seconds"}
    assert {key: told[key] for key in same} == {key: plain[key] for key in same}
    everything = json.loads(good(*asked, "--smooth", "1"))
    assert everything["rel_l2"] == pytest.approx(plain["rel_l2"], rel=1e-6)


def test_run_smooth_a_stripped_program(folder):
    good(*compile_("--levels", 16, "--strip-source"))
    text = good("run", "out.nir", "--grid", "9x8", "-o", "f.npz", "--smooth")
    assert "smoothing" not in text
    with np.load("f.npz") as field:
        assert "outputs_unsmoothed" in field


def test_run_smooth_with_a_picture(folder):
    pytest.importorskip("matplotlib")
    text = good("run", "p.nir", "--grid", "12x9", "-o", "f.npz", "--plot", "f.png", "--smooth")
    assert text.rstrip().endswith("written: f.npz, f.png")


def test_smooth_needs_a_grid(folder):
    np.save("at.npy", small_program().domain.sample(64, 0))
    result = pinnir_("run", "p.nir", "--points", "at.npy", "-o", "f.npz", "--smooth")
    assert result.exit_code == 2
    assert "Error: --smooth needs a --grid: points have no frequencies" in result.stderr
    assert written(folder) == {"at.npy"}


@pytest.mark.parametrize(
    ("grid", "cutoff", "message"),
    [
        (
            "7x3",
            "auto",
            "the grid 7x3 is too coarse to be smoothed\n"
            "hint: give at least 8 points along some axis",
        ),
        (
            "9x9",
            "2",
            "the cutoff '2' of --smooth is not a share of the frequencies\n"
            "hint: write --smooth auto, or a number above 0 and up to 1",
        ),
        (
            "9x9",
            "low",
            "the cutoff 'low' of --smooth is not a share of the frequencies\n"
            "hint: write --smooth auto, or a number above 0 and up to 1",
        ),
        (
            "9x9x9",
            "auto",
            "the grid 9x9x9 does not fit 2 columns (x, t)\n"
            "hint: give one size a column, for example 64x64",
        ),
    ],
)
def test_wrong_smooth(folder, grid, cutoff, message):
    asked = ("run", "p.nir", "--grid", grid, "-o", "f.npz", "--smooth", cutoff)
    assert refused(*asked) == message
    assert written(folder) == set()


@pytest.mark.parametrize("where", [[], ["--grid", "3x3", "--points", "at.npy"]])
def test_run_needs_points_or_a_grid(folder, where):
    result = pinnir_("run", "p.nir", *where, "-o", "f.npz")
    assert result.exit_code == 2
    assert "Error: give either --points or --grid" in result.stderr


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("3x", "'3x' is not a grid\nhint: write sizes such as 256x101"),
        (
            "3",
            "the grid 3 does not fit 2 columns (x, t)\n"
            "hint: give one size a column, for example 64x64",
        ),
        (
            "0x3",
            "the grid 0x3 does not fit 2 columns (x, t)\n"
            "hint: give one size a column, for example 64x64",
        ),
    ],
)
def test_wrong_grid(folder, grid, message):
    assert refused("run", "p.nir", "--grid", grid, "-o", "f.npz") == message


def test_points_outside_the_domain(folder):
    np.save("at.npy", np.array([[0, 0.5], [0, 1.5], [3, 0]]))
    assert refused("run", "p.nir", "--points", "at.npy", "-o", "f.npz") == (
        "2 of the 3 points of points lie outside the domain x=-1:1,t=0:1; "
        "the first is (0, 1.5)\n"
        "hint: compile with a wider --domain, or leave these points out"
    )
    assert written(folder) == {"at.npy"}


def test_points_of_another_shape(folder):
    np.save("at.npy", np.zeros((4, 3)))
    assert refused("run", "p.nir", "--points", "at.npy", "-o", "f.npz") == (
        "points has shape (4, 3), not (samples, 2)\nhint: give the columns x, t, one row a point"
    )


def test_unknown_backend(folder):
    assert refused("run", "p.nir", "--grid", "3x3", "--backend", "abacus", "-o", "f.npz") == (
        "'abacus': unknown backend\nhint: known are fast, reference, norse"
    )


# ---------------------------------------------------------------------------- bad program files


RUN = ("--grid", "3x3", "-o", "f.npz")


def both(path: str) -> str:
    """What ``run`` and ``inspect`` both say of a file."""
    message = refused("run", path, *RUN)
    assert refused("inspect", path) == message
    return message


def test_missing_program(folder):
    assert both("no.nir") == (
        "cannot read the program file no.nir: No such file or directory\n"
        "hint: compile one with: pinnir compile MODEL.onnx --domain ... -o OUT.nir"
    )


def test_program_that_is_no_program(folder):
    nir.write("plain.nir", nir.NIRGraph.from_list(nir.Affine(np.ones((1, 2)), np.ones(1))))
    assert both("plain.nir") == (
        "plain.nir is an HDF5 file without pinnir's seal\n"
        "hint: pinnir runs programs that this version compiled; read plain NIR files with nir.read"
    )
    assert both("model.onnx") == (
        "model.onnx is not a program file\nhint: give a .nir file that pinnir compile wrote"
    )


def test_damaged_program(folder):
    data = Path("p.nir").read_bytes()
    Path("cut.nir").write_bytes(data[: len(data) // 2])
    assert both("cut.nir") == (
        f"cut.nir is damaged: it holds {len(data) // 2 - 512} of {len(data) - 512} bytes\n"
        "hint: copy or compile it again"
    )
    with h5py.File("p.nir", "r+") as file:
        del file["pinnir/manifest"]
    assert both("p.nir").startswith("p.nir is damaged: it")


# ---------------------------------------------------------------------------------------- inspect


def test_inspect(folder):
    text = good("inspect", "p.nir")
    assert "p.nir: what each pass did" in text
    for number, record in enumerate(small_program().passes, 1):
        (line,) = [line for line in text.splitlines() if f" {record.call} " in line]
        found = [cell.strip() for cell in line.strip("│").split("│")]
        assert found[:3] == [str(number), record.call, "unknown"]
        assert found[3] == f"{record.neurons:,}"
        assert found[6] == f"{record.error_after:.3e}"


def test_inspect_json(folder):
    good(*compile_("--levels", 16))
    rows = json.loads(good("inspect", "out.nir", "--json"))
    keys = {"pass", "seconds", "neurons", "synapses", "error_before", "error_after"}
    assert all(row.keys() == keys for row in rows)
    assert [row["pass"] for row in rows] == [record.call for record in small_program().passes]
    assert all(row["seconds"] >= 0 for row in rows)
    assert [row["seconds"] for row in json.loads(good("inspect", "p.nir", "--json"))] == [
        None
    ] * len(rows)


def test_inspect_one_pass(folder):
    passes = small_program().passes
    number = [record.name for record in passes].index("quantise-activations") + 1
    text = good("inspect", "p.nir", "--pass", "quantise-activations")
    assert text == good("inspect", "p.nir", "--pass", number)
    assert text.startswith("quantise-activations{levels=16}\n--- before\n+++ after\n")
    assert "-  %act0 = Activation(%fc0) function=tanh" in text
    assert "+  %act0 = Staircase(%fc0)" in text
    (told,) = json.loads(good("inspect", "p.nir", "--pass", number, "--json"))
    assert told.keys() == {"pass", "call", "diff"}
    assert text == f"{told['call']}\n{told['diff']}\n"


@pytest.mark.parametrize("name", ["split-signs", "0", "99"])
def test_inspect_a_pass_that_did_not_run(folder, name):
    ran = ", ".join(record.name for record in small_program().passes)
    assert refused("inspect", "p.nir", "--pass", name) == (
        f"pass '{name}': did not run in this program\nhint: these ran: {ran}"
    )


def test_inspect_errors(folder):
    text = good("inspect", "p.nir", "--errors")
    found = small_program().budget
    assert "p.nir: error budget on 2,048 points" in text
    assert f"{found.largest.name} *" in text
    assert f"all layers: measured {found.measured:.3e}; predicted {found.predicted:.3e}" in text
    assert text.endswith(f"{found.advice()}\n")


def test_inspect_errors_json(folder):
    told = json.loads(good("inspect", "p.nir", "--errors", "--json"))
    found = small_program().budget
    first = found.layers[0]
    assert told["layers"][0] == asdict(first) | {"share": found.share(first)}
    assert (told["predicted"], told["identity"]) == (found.predicted, found.identity)
    assert (told["largest"], told["best"]) == (found.largest.name, found.best.name)
    assert (told["measured"], told["caution"]) == (found.measured, None)


def test_inspect_errors_of_a_program_without_them(folder):
    old = small_program()
    manifest = {key: value for key, value in old.manifest.items() if key != "budget"}
    Path("p.nir").write_bytes(replace(old, manifest=manifest).to_bytes())
    assert refused("inspect", "p.nir", "--errors") == (
        "p.nir holds no error budget\nhint: compile it again with this pinnir"
    )


def test_inspect_either_errors_or_a_pass(folder):
    result = pinnir_("inspect", "p.nir", "--errors", "--pass", "lower")
    assert result.exit_code == 2
    assert "give either --errors or --pass" in result.stderr


# --------------------------------------------------------------------------------------- listings


@pytest.mark.parametrize(
    ("listing", "table"), [("passes", PASSES), ("targets", TARGETS), ("backends", BACKENDS)]
)
def test_listings_have_one_line_each(listing, table):
    lines = good(listing).splitlines()
    assert [line.split()[0] for line in lines] == list(table)
    rows = json.loads(good(listing, "--json"))
    assert [row["name"] for row in rows] == list(table)
    starts = {len(re.match(r"\S+ +", line)[0]) for line in lines}
    assert starts == {max(map(len, table)) + 2}
    for row, line in zip(rows, lines, strict=True):
        assert row["is"] in line
        assert len(row["is"]) > 20


def test_passes_tell_their_options():
    told = {row["name"]: row for row in json.loads(good("passes", "--json"))}
    options = [
        "coding=population",
        "steps=1",
        "hysteresis=0.0",
        "events=unit",
        "schedule=exponential",
        "eta=0.0",
        "decay=0.0",
        "delay=-1.0",
        "scale=neuron",
        "inputs=exact",
        "levels=256",
    ]
    assert told["lower"]["options"] == options
    assert told["legalise"]["options"] == []
    line = next(line for line in good("passes").splitlines() if line.startswith("lower "))
    assert line.endswith(f"  [options: {', '.join(options)}]")


def test_targets_tell_what_they_can():
    told = {row["name"]: row for row in json.loads(good("targets", "--json"))}
    assert told["nir"]["codings"] == ["population", "rate"]
    assert told["nir"]["signed-spikes"] is False
    line = good("targets").splitlines()[0]
    assert "codings: population, rate; neurons: Threshold, IF, LIF, HardResetIF; " in line
    assert "; no signed-spikes; " in line


def test_backends_tell_whether_they_are_installed(monkeypatch):
    rows = json.loads(good("backends", "--json"))
    assert rows[0]["installed"] == "yes"
    monkeypatch.setitem(BACKENDS, "norse", "pinnir.backends.no_such_module:Backend")
    line = good("backends").splitlines()[2]
    assert line.startswith("norse")
    assert "which is not installed" in line
    assert line.endswith("[installed: no; pip install 'pinnir[norse]']")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(flag):
    text = good(flag)
    for name in ("compile", "run", "inspect", "passes", "targets", "backends"):
        assert re.search(rf"^  {name} +\S", text, re.MULTILINE)
        assert good(name, flag).startswith("Usage: ")


def test_version():
    assert pinnir.__version__ in good("--version")


def test_unknown_command():
    result = pinnir_("compyle")
    assert result.exit_code == 2
    assert "Error: No such command 'compyle'." in result.stderr


# ---------------------------------------------------------------------------- processes and bugs


def test_a_bug_is_called_a_bug(folder, monkeypatch):
    def broken(*arguments, **options):
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr("pinnir.search.compile.compile", broken)
    result = pinnir_(*compile_())
    assert result.exit_code == 3
    assert result.stderr == (
        "internal error: ZeroDivisionError: by chance\n"
        "this is a bug in pinnir; run again with 'pinnir --debug ...' and report it\n"
    )
    shown = pinnir_("--debug", *compile_())
    assert isinstance(shown.exception, ZeroDivisionError)


def test_debug_shows_the_traceback(folder):
    for options, traced in (((), False), (("--debug",), True)):
        result = subprocess.run(
            **command(*options, "inspect", "no.nir"), capture_output=True, text=True
        )
        assert ("Traceback (most recent call last)" in result.stderr) == traced
        assert "cannot read the program file no.nir" in result.stderr
        assert result.stdout == ""
        assert result.returncode == (1 if traced else 2)


def test_debug_raises_the_error_itself(folder):
    result = pinnir_("--debug", "inspect", "no.nir")
    assert isinstance(result.exception, PinnirError)


TELL = """
import contextlib, signal
import pinnir.cli

signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be inherited as ignored

@contextlib.contextmanager
def told(quiet):
    yield lambda text: print(text, flush=True)

pinnir.cli.compile.progress_line = told
"""


def test_interrupt(folder):
    """Control-C while the search runs: exit code 130, a line, and no file."""
    ask = (
        "compile",
        EXAMPLES / "burgers/model.onnx",
        "--domain",
        DOMAIN,
        "-o",
        "out.nir",
        "--rtol",
        "1e-4",
        "--dump",
        "dumps",
    )
    process = subprocess.Popen(
        **command(*ask, code=TELL), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert " levels may do: about " in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors == "interrupted; nothing was written\n"
    assert written(folder) <= {"dumps"}
    assert list(folder.glob("dumps/*")) == []


def test_interrupt_in_this_process(folder, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pinnir.search.compile.compile", interrupted)
    result = pinnir_(*compile_())
    assert result.exit_code == 130
    assert result.stderr == "interrupted; nothing was written\n"
    assert written(folder) == set()


def test_a_reader_that_stops_reading_is_no_bug():
    """``pinnir passes | head -n 0``."""
    process = subprocess.Popen(
        **command("passes"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() != 3
    assert "internal error" not in errors


LOADED = """
import atexit, sys
atexit.register(lambda: print("loaded", *sorted(sys.modules), file=sys.stderr))
"""


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], {"torch", "norse", "onnx", "onnxruntime", "scipy", "matplotlib", "nir"}),
        (["compile", "--help"], {"torch", "norse", "onnx", "onnxruntime", "scipy", "matplotlib"}),
        (["run", "--help"], {"torch", "norse", "onnx", "onnxruntime", "scipy", "matplotlib"}),
        (["targets"], {"torch", "norse", "onnx", "onnxruntime", "matplotlib"}),
        (["passes"], {"torch", "norse", "onnxruntime", "matplotlib"}),
    ],
)
def test_what_a_command_imports(arguments, unwanted):
    result = subprocess.run(
        **command(*arguments, code=LOADED), capture_output=True, text=True, check=True
    )
    (line,) = result.stderr.splitlines()
    loaded = set(line.split())
    assert "pinnir.cli.app" in loaded
    assert loaded & unwanted == set()


def test_constrained_network_from_file_to_field(folder):
    """Everything together: a hard constraint holds exactly in the saved field."""
    onnx.checker.check_model(constrained())
    save(folder, constrained())
    good(*compile_("--rtol", "2e-2"))
    good("run", "out.nir", "--grid", "9x5", "-o", "f.npz")
    with np.load("f.npz") as field:
        outputs = field["outputs"].reshape(9, 5)
    np.testing.assert_array_equal(outputs[0], 0)
    np.testing.assert_array_equal(outputs[-1], 0)
    np.testing.assert_array_equal(outputs[:, 0], 0)
    assert np.all(outputs[1:-1, 1:] != 0)
