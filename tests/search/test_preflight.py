"""The pre-flight: what it says agrees with what compiling does."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import helper

import pinnir
from pinnir.base.errors import CoreShareError, FrontendError
from pinnir.cli.app import main
from pinnir.program.reading import from_bytes, read
from pinnir.search import preflight as preflight_module
from pinnir.search.preflight import CORE, FOLDED, HOST, preflight, preflight_folder
from tests.backends.networks import EXAMPLES
from tests.frontend.test_any_rank import CASES
from tests.helpers import onnx_model, save
from tests.networks import FAMILIES, family


def written(folder, name: str):
    path = folder / f"{name}.onnx"
    path.write_bytes(family(name).data)
    return path


def invoke(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", FAMILIES)
def test_says_what_compiling_does(tmp_path, name):
    report = preflight(written(tmp_path, name))
    program = pinnir.compile(family(name), "-1:1", levels=4)
    assert report.compiles
    assert report.core_mac_share == program.metrics["core_mac_share"]
    assert {(n, c) for n, c, _ in report.inputs} == set(program.inputs)
    assert len({axis for _, _, axis in report.inputs}) == program.domain.axis_count
    labels = {segment.label for segment in program.segments}
    assert {node.segment for node in report.nodes if node.segment} == labels
    for node in report.nodes:
        assert node.where in (CORE, HOST, FOLDED)
        assert node.segment.startswith(node.where) or node.where == FOLDED
        assert bool(node.reason) == (node.where == HOST)


@pytest.mark.parametrize("name", ["pfnn", "mionet", "spinn3d"])
def test_the_domain_it_suggests_is_taken(tmp_path, name):
    path = written(tmp_path, name)
    domain = preflight(path).domain.replace("LO", "-1").replace("HI", "1")
    program = pinnir.compile(path, domain, levels=4)
    assert (program.domain.low == -1).all()


def named_inputs(names):
    """``y = tanh(sum of all inputs) W`` of inputs with these names, one column each."""
    first = [helper.make_node("MatMul", [name, "w"], [f"#{i}"]) for i, name in enumerate(names)]
    total = helper.make_node("Sum", [f"#{i}" for i in range(len(names))], ["#s"])
    rest = [
        helper.make_node("Tanh", ["#s"], ["#t"]),
        helper.make_node("MatMul", ["#t", "#v"], ["#y"]),
    ]
    weights = {"w": np.ones((1, 3), "f"), "#v": np.ones((3, 1), "f")}
    inputs = dict.fromkeys(names, ("n", 1))
    return onnx_model([*first, total, *rest], weights, inputs=inputs, outputs=("#y",))


@pytest.mark.parametrize(
    "names", [["x,t"], ["a=b", "x:0"], ["it's", " x "], ["'", 'q"', "$HOME"], ["u'", "''=", ","]]
)
def test_the_command_it_proposes_works_as_it_is(tmp_path, names):
    path = save(tmp_path, named_inputs(names))
    report = preflight(path)
    domain = report.domain.replace("LO", "-1").replace("HI", "1")
    assert pinnir.compile(path, domain, levels=4).domain.columns == tuple(names)
    shown = invoke("check", path).output
    command = shlex.split(shown[shown.index("pinnir compile") :])
    assert command[command.index("--domain") + 1] == report.domain


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("state", ["input x (samples, 4): in the file [4], 1 sample a run"]),
        (
            "points in a batch of one",
            ["input x (samples, 2): in the file [1, 16, 2], 16 samples a run"],
        ),
        (
            "fixed batches of open points",
            ["input x (samples, 2): in the file [4, p, 2], samples in multiples of 4"],
        ),
        ("matlab in batches", ["input x (samples, 5): in the file [n, 1, 1, 5], any number of"]),
        (
            "a time of two dimensions",
            [
                "input x (samples, 1)",
                "input t (samples, 1): in the file [1, 1], one for all samples of a run",
            ],
        ),
    ],
)
def test_inputs_of_any_shape_are_told_and_compile(tmp_path, name, lines):
    case = CASES[name]
    path = save(tmp_path, case.proto)
    shown = invoke("check", path).output.splitlines()
    told = [line for line in shown if line.startswith("input ")]
    assert all(one.startswith(other) for one, other in zip(told, lines, strict=True))
    domain = preflight(path).domain.replace("LO", "-1").replace("HI", "1")
    program = from_bytes(pinnir.compile(path, domain, levels=16).to_bytes())
    tables = case.tables(11)
    result = program.run(np.concatenate(list(tables.values()), axis=1))
    np.testing.assert_allclose(
        result.source, np.concatenate(case.one_by_one(tables), axis=1), atol=1e-6
    )
    assert result.metrics["rel_l2"] < 0.3


def test_every_refused_node_is_listed(tmp_path):
    nodes = [
        helper.make_node("NonZero", ["x"], ["a"], "first"),
        helper.make_node("Relu", ["x"], ["b"], "good"),
        helper.make_node("Hardmax", ["b"], ["c"], "second"),
        helper.make_node("Add", ["a", "c"], ["y"], "third"),
    ]
    report = preflight(save(tmp_path, onnx_model(nodes)))
    assert not report.compiles
    assert report.readable
    assert [(node.name, node.op) for node in report.nodes] == [
        ("first", "NonZero"),
        ("second", "Hardmax"),
    ]


def test_exit_codes(tmp_path):
    good = written(tmp_path, "resnet")
    assert invoke("check", good).exit_code == 0
    (tmp_path / "bad").mkdir()
    nodes = [helper.make_node("Hardmax", ["x"], ["y"])]
    refused = save(tmp_path / "bad", onnx_model(nodes))
    result = invoke("check", refused)
    assert result.exit_code == 1
    assert "error: 1 node uses operators that pinnir does not compile:" in result.output
    assert invoke("check", tmp_path).exit_code == 1
    (tmp_path / "broken.onnx").write_bytes(b"\xff" * 64)
    assert invoke("check", tmp_path / "broken.onnx").exit_code == 2
    assert invoke("check", tmp_path).exit_code == 2
    assert invoke("check", tmp_path / "none.onnx").exit_code == 2


def test_json(tmp_path):
    path = written(tmp_path, "spinn")
    told = json.loads(invoke("check", path, "--json").output)
    assert told["compiles"]
    assert told["inputs"] == [["x", 1, 0], ["y", 1, 1]]
    both = json.loads(invoke("check", tmp_path, "--json").output)
    assert [one["model"] for one in both] == [str(path)]


def test_tables(tmp_path):
    path = written(tmp_path, "modified_mlp")
    text = invoke("check", path).output
    assert "of its multiply-accumulates spike" in text
    assert "multiplies or transforms what cores give to each other" in text
    assert "1 of 1 models compile" in invoke("check", tmp_path).output


def test_networks_of_images_name_their_coding(tmp_path):
    path = tmp_path / "classifier.onnx"
    path.write_bytes((EXAMPLES / "digits_mixer" / "model.onnx").read_bytes())
    report = preflight(path)
    assert (report.compiles, report.coding, report.domain) == (True, "signgd", "LO:HI")
    assert report.core_mac_share == 1.0
    assert {node.where for node in report.nodes} == {CORE}
    assert "compiles with --coding signgd" in invoke("check", path).output
    assert "with signgd" in invoke("check", tmp_path).output


def test_networks_of_images_are_refused_by_node(tmp_path):
    """Where signgd has no neurons either, the node that is why is named."""
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["a"], "square"),
        helper.make_node("MatMul", ["a", "w"], ["b"], "map"),
        helper.make_node("ReduceProd", ["b", "axes"], ["c"], "product", keepdims=0),
        helper.make_node("MatMul", ["c", "w"], ["y"], "last"),
    ]
    constants = {"shape": np.array([-1, 2, 2]), "axes": np.array([2]), "w": np.eye(2, dtype="f")}
    report = preflight(save(tmp_path, onnx_model(nodes, constants, inputs={"x": (None, 4)})))
    assert not report.compiles
    assert report.nodes[0].name == "product"


def test_empty_folder(tmp_path):
    with pytest.raises(FrontendError) as caught:
        preflight_folder(tmp_path)
    assert str(caught.value) == (
        f"the folder {tmp_path} holds no .onnx file\nhint: give a model or a folder of models"
    )


def test_least_core_share(tmp_path):
    path = written(tmp_path, "modified_mlp")
    share = preflight(path).core_mac_share
    assert share is not None
    assert pinnir.compile(path, "-1:1", levels=4, min_core_share=share - 1e-6)
    with pytest.raises(CoreShareError, match=r"can spike, .* was asked for"):
        pinnir.compile(path, "-1:1", levels=4, min_core_share=share + 1e-6)
    out = tmp_path / "out.nir"
    ask = ("--domain=-1:1", "--levels", "4", "--min-core-share", "0.999", "-o", out)
    result = invoke("compile", path, *ask)
    assert result.exit_code == 1
    assert not out.exists()


def without_macs():
    """``y = sum(tanh(sum(x)))``, which multiplies nothing."""
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["a"]),
        helper.make_node("ReduceSum", ["a", "axes"], ["b"], keepdims=0),
        helper.make_node("Tanh", ["b"], ["c"]),
        helper.make_node("ReduceSum", ["c", "axes"], ["y"], keepdims=1),
    ]
    constants = {"shape": np.array([-1, 2, 2]), "axes": np.array([1])}
    return onnx_model(nodes, constants, inputs={"x": (None, 4)})


def test_networks_without_multiply_accumulates(tmp_path):
    path = save(tmp_path, without_macs())
    report = preflight(path)
    assert (report.compiles, report.macs, report.core_mac_share) == (True, 0, 0.0)
    assert "has no multiply-accumulates that spikes could take over" in invoke("check", path).output
    program = pinnir.compile(path, "-1:1", coding="signgd", steps=16)
    assert program.metrics["core_mac_share"] == 0.0
    assert np.isfinite(program.metrics["energy_ratio"])
    program.save(tmp_path / "out.nir")
    assert read(tmp_path / "out.nir").cost == program.cost


def test_a_bug_in_one_file_is_that_files_row(tmp_path, monkeypatch):
    good, bad = written(tmp_path, "resnet"), written(tmp_path, "pfnn")
    real = preflight_module.read_model

    def read_or_fail(path):
        if path == bad:
            raise KeyError("lost")
        return real(path)

    monkeypatch.setattr(preflight_module, "read_model", read_or_fail)
    one, other = sorted(preflight_folder(tmp_path), key=lambda report: report.fault)
    assert (one.model, one.compiles) == (str(good), True)
    assert (other.model, other.compiles, other.fault) == (str(bad), False, True)
    assert other.reason == "internal error: KeyError: 'lost'"
    assert other.hint == f"this is a bug in pinnir; run 'pinnir --debug check {bad}' and report it"
    result = invoke("check", tmp_path)
    assert result.exit_code == 3
    assert "1 of 2 models compile" in result.output
    assert "KeyError" in result.output
    told = json.loads(invoke("check", tmp_path, "--json").output)
    assert [report["fault"] for report in told].count(True) == 1


@pytest.mark.parametrize(("axis", "shape"), [(1, "(samples, 0)"), (0, "(0, 2)")])
def test_an_empty_output_is_named(tmp_path, axis, shape):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "v"], ["c"]),
        helper.make_node("Slice", ["c", "beyond", "beyond", "axis"], ["y"]),
    ]
    constants = {"beyond": np.array([9]), "axis": np.array([axis])}
    constants |= {"w": np.ones((2, 3), "f"), "v": np.ones((3, 2), "f")}
    path = save(tmp_path, onnx_model(nodes, constants, outputs=("c", "y")))
    message = (
        f"error: Slice 'y': this output is empty: its shape is {shape}\n"
        "hint: take it off the model's outputs, or mend the slice that leaves nothing of it\n"
    )
    assert invoke("check", path).output == message
    result = invoke("compile", path, "--domain=-1:1", "-o", tmp_path / "out.nir")
    assert (result.exit_code, result.output) == (2, message)
