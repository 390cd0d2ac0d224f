"""Small networks of the kinds that people reported, where they are there: every one is right.

Errors are against ONNX Runtime on points of one's own, each point alone in a batch of its own.
"""

from __future__ import annotations

import os
import shlex
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from click.testing import CliRunner

import pinnir
from benchmarks.common import MODELS
from pinnir import cli
from pinnir.base.errors import PinnirError
from pinnir.program.program import Program

FOLDER = Path(os.environ.get(MODELS, "")).parent / "cases"
pytestmark = pytest.mark.skipif(MODELS not in os.environ, reason=f"{MODELS} is not set")

POINTS = 60
# Those that compile at default options, and the error that is allowed in every output, relative to
# its variation, on a few points.
COMPILE = (
    "fp16_all",
    "minA_sin_and_cos_hidden",
    "minB_log_r",
    "name_comma",
    "ops_batchnorm_ts",
    "ops_ensemble_batched_weights",
    "ops_inplace_bc_ts",
    "ops_int_input",
    "ops_normaliser_T_kelvin",
    "opset08",
    "quant_ort_optimised_tanh",
    "quant_qdq",
    "shape_1d_state",
    "shape_3d_b1",
    "shape_scalar_time",
    "skl_std_mlp",
    "two_heads_of_the_last_layer",
    "two_inputs",
)
REFUSED = {
    "fuzz166": "empty",
    "ops_lstm": "LSTM",
}


def case(name: str) -> Path:
    return FOLDER / f"{name}.onnx"


@cache
def compiled(name: str) -> Program:
    return pinnir.compile(case(name), "-1:1", effort=1)


def as_the_file_takes_it(name: str, point: np.ndarray) -> list[np.ndarray]:
    """ONNX Runtime's outputs at one point, which fills the batch if that is fixed."""
    proto = onnx.load(case(name))
    options = ort.SessionOptions()
    # The extended optimisations multiply what is quantised in whole numbers, which saturate.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    data, providers = proto.SerializeToString(), ["CPUExecutionProvider"]
    session = ort.InferenceSession(data, options, providers=providers)
    feeds, first = {}, 0
    for declared in session.get_inputs():
        kind = {"tensor(float16)": "e", "tensor(double)": "d"}.get(declared.type, "f")
        kind = "q" if "int" in declared.type else kind
        shape = [dim if isinstance(dim, int) else 1 for dim in declared.shape]
        columns = shape[-1] if shape else 1
        own = point[first : first + columns].astype(kind)
        feeds[declared.name] = np.broadcast_to(own, shape).copy()
        first += columns
    found = session.run(None, feeds)
    return [value.reshape(-1, value.shape[-1])[0] for value in found]


@pytest.mark.parametrize("name", COMPILE)
def test_what_compiles_is_right_on_points_of_ones_own(name):
    program = compiled(name)
    drawn = np.random.default_rng(7).uniform(-1, 1, (POINTS, len(program.domain.columns)))
    if name == "ops_int_input":
        drawn = np.round(drawn)
    truth = np.array([np.concatenate(as_the_file_takes_it(name, point)) for point in drawn])
    found = program.run(drawn).outputs
    scales = np.array([scale.scale for scale in program.scales])
    assert np.all(np.sqrt(np.mean((found - truth) ** 2, axis=0)) / scales <= 2e-2)
    assert program.metrics["nrmse_upper"] <= 1e-2


@pytest.mark.parametrize("name", COMPILE)
def test_what_is_written_can_be_read(name, tmp_path):
    path = tmp_path / "p.nir"
    compiled(name).save(path)
    again = pinnir.read(path)
    points = np.random.default_rng(8).uniform(-1, 1, (8, len(again.domain.columns)))
    np.testing.assert_array_equal(again.run(points).outputs, compiled(name).run(points).outputs)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compiled_says_why(name):
    with pytest.raises(PinnirError, match=REFUSED[name]):
        compiled(name)


@pytest.mark.parametrize("name", ["two_heads_of_the_last_layer", "two_inputs"])
def test_sign_gradient_programs_have_every_output_right(name):
    program = pinnir.compile(case(name), "-1:1", coding="signgd", steps=32)
    assert program.metrics["nrmse"] < 1e-5


@pytest.mark.parametrize("name", ["name_comma", "shape_1d_state", "shape_scalar_time"])
def test_what_check_proposes_works_as_it_is(name, tmp_path):
    run = CliRunner().invoke
    told = run(cli.main, ["check", str(case(name))]).output
    (line,) = [line for line in told.splitlines() if "--domain" in line]
    words = shlex.split(line)
    given = words[words.index("--domain") + 1].replace("LO:HI", "-1:1")
    asked = ["compile", str(case(name)), "--domain", given, "-o", str(tmp_path / "p.nir")]
    assert run(cli.main, [*asked, "--levels", "16"]).exit_code == 0


def test_every_case_is_listed():
    names = {path.stem for path in FOLDER.glob("*.onnx")}
    assert names == {*COMPILE, *REFUSED}
