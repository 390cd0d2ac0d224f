"""A tolerance is on the variation of every output."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

import pinnir
from pinnir.base.errors import PinnirError
from pinnir.frontend import Model
from pinnir.program.frontier import ToleranceError
from pinnir.program.program import Program
from pinnir.report.tables import print_program
from tests.backends.networks import layers, model
from tests.helpers import onnx_model


def scaled(scale: list[float], offset: list[float], seed: int = 0) -> Model:
    """A network of two inputs whose outputs have these sizes."""
    nodes, weights = layers(seed, (2, 16, 16, len(scale)), "Tanh", "x", "u")
    weights |= {"scale": np.array(scale, "f"), "offset": np.array(offset, "f")}
    nodes += [
        helper.make_node("Mul", ["u", "scale"], ["su"]),
        helper.make_node("Add", ["su", "offset"], ["y"]),
    ]
    return model(onnx_model(nodes, weights))


def ensemble() -> Model:
    """Mean and spread of three networks that nearly agree."""
    nodes, weights = layers(0, (2, 16, 3), "Tanh", "x", "members")
    weights["W1"] = (weights["W1"][:, :1] + 0.02 * weights["W1"]).astype("f")
    weights["last"] = np.array([1])
    nodes += [
        helper.make_node("ReduceMean", ["members", "last"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["members", "mean"], ["apart"]),
        helper.make_node("Mul", ["apart", "apart"], ["squares"]),
        helper.make_node("ReduceMean", ["squares", "last"], ["variance"], keepdims=1),
        helper.make_node("Sqrt", ["variance"], ["spread"]),
        helper.make_node("Concat", ["mean", "spread"], ["y"], axis=1),
    ]
    return model(onnx_model(nodes, weights))


KELVIN = scaled([25.0], [300.0])
# Of a controller: a force in newtons and an angle in radians.
CONTROLLER = scaled([20.0, 0.05], [0.0, 0.0])


def by_variation(program: Program) -> np.ndarray:
    """Errors of all outputs on points that nobody saw, by standard deviations there."""
    points = np.random.default_rng(9).uniform(-1, 1, (4000, 2))
    result = program.run(points)
    assert result.source is not None
    off = np.sqrt(np.mean((result.outputs - result.source) ** 2, axis=0))
    return off / result.source.std(axis=0)


@pytest.mark.parametrize(
    "network", [KELVIN, CONTROLLER, ensemble()], ids=["kelvin", "controller", "ensemble"]
)
def test_every_output_keeps_its_variation(network):
    program = pinnir.compile(network, "-1:1", coding="population", effort=1)
    assert program.manifest["norm"] == "nrmse"
    assert program.metrics["nrmse_upper"] <= 1e-2
    assert program.metrics["rel_l2"] <= program.metrics["nrmse"]
    assert by_variation(program).max() <= 1.1e-2


@pytest.mark.parametrize("network", [KELVIN, CONTROLLER], ids=["kelvin", "controller"])
def test_the_old_rule_loses_it(network):
    """Which is why it has to be asked for."""
    program = pinnir.compile(network, "-1:1", coding="population", norm="l2", effort=1)
    assert program.manifest["norm"] == program.frontier.norm == "l2"
    assert program.metrics["rel_l2_upper"] <= 1e-2 < program.metrics["nrmse"]
    assert by_variation(program).max() > 1.2e-2


def test_an_output_that_is_nearly_zero_is_judged_against_the_largest(capsys):
    program = pinnir.compile(scaled([1.0, 1e-7], [0.0, 0.0]), "-1:1", coding="population", effort=1)
    first, second = program.scales
    assert (first.against, second.against) == ("variation", "least")
    assert second.scale == pytest.approx(1e-3 * first.std)
    assert program.metrics["nrmse_decided_by"] == "y[0]"
    assert program.metrics["nrmse_upper_per_output"][1] < 1e-4
    print_program(program, Path("p.nir"), 1.0)
    told = capsys.readouterr().out
    assert re.search(r"│ decides │ y\[0\] ", told)
    assert re.search(
        r"^y\[1\] varies by [\d.e-]+, less than 0\.001 of the largest variation, "
        r"which it is judged against$",
        told,
        re.MULTILINE,
    )


def test_a_run_on_a_few_points_is_judged_by_the_same_scales():
    program = pinnir.compile(KELVIN, "-1:1", levels=16)
    again = pinnir.program.reading.from_bytes(program.to_bytes())
    assert again.scales == program.scales
    result = again.run(np.zeros((1, 2)))
    off = abs(result.outputs - result.source).item()
    assert result.metrics["nrmse"] == pytest.approx(off / program.scales[0].scale)
    older = replace(again, scales=()).run(np.zeros((1, 2)))
    assert "nrmse" not in older.metrics


def test_messages_name_the_output_that_decides():
    with pytest.raises(ToleranceError) as caught:
        pinnir.compile(CONTROLLER, "-1:1", levels=16, rtol=1e-3)
    assert re.match(
        r"the tolerance 0.001 was not reached; the best program has an error of [\d.]+ of the "
        r"variation in output 'y\[\d\]', up to [\d.]+ on other points \(population, ",
        str(caught.value),
    )
    with pytest.raises(ToleranceError, match=r"has relative L2 error [\d.]+, up to [\d.]+ on "):
        pinnir.compile(CONTROLLER, "-1:1", levels=16, rtol=1e-3, norm="l2")


def test_a_norm_that_there_is_none_of():
    with pytest.raises(PinnirError) as caught:
        pinnir.compile(KELVIN, "-1:1", norm="max")
    assert str(caught.value) == "'max': unknown norm\nhint: known are nrmse, l2"
