"""Programs as plain files for other tools."""

from __future__ import annotations

import io
import json

import nir
import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner

import pinnir
from pinnir.backends.export import EXPORTERS, export
from pinnir.backends.nir.write import write as plain_nir
from pinnir.base.errors import PinnirError, ProgramFileError
from pinnir.cli.app import main
from pinnir.ir.evaluate import evaluate
from pinnir.program.nir_graph import from_nir
from pinnir.program.program import Program
from tests.networks import family


def program(name: str) -> Program:
    return pinnir.compile(family(name), "-1:1", levels=6)


def run_files(files: dict[str, bytes], values: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Run the exported parts as their README says, without pinnir's own program."""
    told = json.loads(files["program.json"])
    for part in told["segments"]:
        given = [values[name] for name in part["inputs"]]
        if part["file"].endswith(".onnx"):
            session = onnxruntime.InferenceSession(files[part["file"]])
            kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64}
            types = [kinds[one.type] for one in session.get_inputs()]
            feed = {
                name: value.astype(kind)
                for name, value, kind in zip(part["inputs"], given, types, strict=True)
            }
            outputs = session.run(part["outputs"], feed)
        else:
            graph = nir.read(io.BytesIO(files[part["file"]]))
            assert {"input", "output"} <= set(graph.nodes)
            (core,) = from_nir(graph, ["core.1"], told["steps"], told["read_out"]).values()
            (joined,) = evaluate(core, {"input": np.concatenate(given, axis=1)})
            sizes = [told["layouts"][name][1] for name in part["outputs"]]
            outputs = np.split(joined, np.cumsum(sizes)[:-1], axis=1)
        values |= dict(zip(part["outputs"], outputs, strict=True))
    return [values[name] for name in told["outputs"]]


@pytest.mark.parametrize("name", ["resnet", "modified_mlp", "pfnn"])
def test_the_parts_give_what_the_program_gives(name):
    exported = program(name)
    points = exported.domain.sample(16, 0)
    ((only, _),) = exported.inputs
    outputs = run_files(plain_nir(exported), {only: points})
    expected = exported.run(points).outputs
    np.testing.assert_allclose(np.concatenate(outputs, axis=1), expected, rtol=0, atol=1e-6)


def test_separable_parts():
    exported = program("spinn")
    tables = exported.domain.grid_tables((5, 4))
    values = {name: table for (name, _), table in zip(exported.inputs, tables, strict=True)}
    (field,) = run_files(plain_nir(exported), values)
    expected = exported.run(tables).outputs
    np.testing.assert_allclose(np.asarray(field).reshape(-1, 1), expected, rtol=0, atol=1e-6)


def test_command(tmp_path):
    program("spinn").save(tmp_path / "p.nir")
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["export", str(tmp_path / "p.nir"), "-o", str(out), "--json"])
    assert result.exit_code == 0
    names = ["README.md", "core.1.nir", "core.2.nir", "host.3.onnx", "program.json"]
    assert json.loads(result.output) == [str(out / name) for name in names]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out",
        "p.nir",
        "p.nir.seconds.json",
    ]


def test_folders_that_cannot_be_written(tmp_path):
    exported = program("resnet")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("kept")
    with pytest.raises(ProgramFileError) as caught:
        export(exported, "nir", tmp_path / "full")
    assert (
        str(caught.value)
        == f"{tmp_path / 'full'} is not an empty folder\nhint: give a new one, or --force"
    )
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
    with pytest.raises(ProgramFileError, match=r"cannot write .*: File exists"):
        export(exported, "nir", tmp_path / "full" / "mine" / "out")
    with pytest.raises(PinnirError) as unknown:
        export(exported, "abacus", tmp_path / "out")
    assert str(unknown.value) == f"'abacus': unknown export\nhint: known are {', '.join(EXPORTERS)}"
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
