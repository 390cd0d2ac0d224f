"""Every training script runs, and every committed network solves its problem."""

from __future__ import annotations

import json
import logging
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from ir_examples.runs import relative_l2, run_onnx
from tests.ir_examples.test_digits import CLASSIFIERS

ROOT = Path(__file__).resolve().parents[2] / "ir_examples"
BOUNDS = {
    "beltrami_pinn": 1e-2,
    "beltrami_spinn": 1e-2,
    "burgers": 1e-3,
    "burgers_spinn": 1e-2,
    "deep_regression": 1e-3,
    "diffusion_reaction": 5e-3,
    "function_regression": 1e-3,
    "poisson": 1e-3,
    "wave": 2e-2,
}
OUTPUT_BOUNDS = {"beltrami_spinn": {"u": 5e-3, "v": 5e-3, "p": 2e-2}}
INPUTS = {
    "burgers_spinn": {"x": ["n_x", 1], "t": ["n_t", 1]},
    "beltrami_spinn": {"x": ["n_x", 1], "y": ["n_y", 1], "t": ["n_t", 1]},
}


def shapes(values: list[onnx.ValueInfoProto]) -> dict[str, list[str | int]]:
    return {
        value.name: [
            dimension.dim_param or dimension.dim_value
            for dimension in value.type.tensor_type.shape.dim
        ]
        for value in values
    }


def axes_and_outputs(name: str) -> tuple[list[np.ndarray], np.ndarray]:
    with np.load(ROOT / name / "reference.npz") as arrays:
        points, outputs, grid = arrays["points"], arrays["outputs"], arrays["grid"]
    axes = [np.unique(column) for column in points.T]
    assert [len(axis) for axis in axes] == list(grid)
    return axes, outputs


def test_every_example_has_a_bound() -> None:
    found = {path.parent.name for path in ROOT.glob("*/train.py")}
    assert sorted(found - set(CLASSIFIERS)) == sorted(BOUNDS)


@pytest.mark.parametrize("name", BOUNDS)
def test_network_meets_its_bound(name: str) -> None:
    axes, truth = axes_and_outputs(name)
    outputs = run_onnx(ROOT / name / "model.onnx", axes).reshape(truth.shape)
    told = json.loads((ROOT / name / "training.json").read_text())
    assert relative_l2(outputs, truth) <= BOUNDS[name]
    assert relative_l2(outputs, truth) == pytest.approx(told["rel_l2_reference"], rel=1e-2)
    assert told["zero_rel_l2_reference"] == pytest.approx(1.0)
    for index, (output, error) in enumerate(told.get("rel_l2_outputs", {}).items()):
        found = relative_l2(outputs[:, index], truth[:, index])
        assert found == pytest.approx(error, rel=1e-2)
        assert found <= OUTPUT_BOUNDS.get(name, {}).get(output, np.inf)


@pytest.mark.parametrize("name", BOUNDS)
def test_files_are_small_and_complete(name: str) -> None:
    model = onnx.load(ROOT / name / "model.onnx", load_external_data=False)
    onnx.checker.check_model(model)
    told = json.loads((ROOT / name / "training.json").read_text())
    sizes = [np.prod(tensor.dims) for tensor in model.graph.initializer]
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    assert sum(sizes) >= told["parameters"]
    assert (ROOT / name / "reference.npz").stat().st_size <= 300_000
    columns = len(axes_and_outputs(name)[0])
    inputs = INPUTS.get(name, {"points": ["batch", columns]})
    assert shapes(list(model.graph.input)) == inputs
    if name in INPUTS:
        assert any(node.op_type == "Einsum" for node in model.graph.node)


@pytest.mark.parametrize("name", BOUNDS)
def test_training_script_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, level = torch.get_num_threads(), logging.root.level
    monkeypatch.setattr(sys, "argv", ["train.py", "--quick", "--output", str(tmp_path)])
    try:
        import_module(f"ir_examples.{name}.train").main()
    finally:
        torch.set_num_threads(threads)
        logging.root.setLevel(level)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["model.onnx", "reference.npz", "training.json"]
    told = json.loads((tmp_path / "training.json").read_text())
    assert told["curve"]["loss_evaluations"][-1] == told["loss_evaluations"] > 0
    assert np.isfinite(told["rel_l2_reference"])
    # The committed reference is the one that the script computes.
    with (
        np.load(tmp_path / "reference.npz") as fresh,
        np.load(ROOT / name / "reference.npz") as old,
    ):
        np.testing.assert_allclose(fresh["points"], old["points"], atol=1e-12)
        np.testing.assert_allclose(fresh["outputs"], old["outputs"], atol=1e-9)
