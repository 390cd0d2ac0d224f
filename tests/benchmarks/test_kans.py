"""Kolmogorov-Arnold networks in five forms, as torch writes them."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

pytest.importorskip("torch")
import pinnir
from benchmarks.kans.networks import FORMS, export, network
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend import Model, read_model
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Primitive
from pinnir.metrics.source_cost import source_cost
from pinnir.passes import pipelines
from tests.helpers import compiled, points

SIZES = (2, 3, 1)
SINGLE = ("ChebyKAN",)  # ONNX Runtime has no arc cosine of doubles


@cache
def exported(form: str) -> Model:
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = network(form, SIZES)
        module = module if form in SINGLE else module.double()
        path = export(module, 2, Path(folder) / "kan.onnx")
        return read_model(path)


@pytest.mark.parametrize("form", FORMS)
def test_basis_functions_are_neurons(form):
    """Values are ONNX Runtime's, beyond the knots as well; only a normalisation is the host's."""
    model = exported(form)
    graph = compiled(model.graph, pipelines.SPLIT)
    at = 3 * points(graph, 400, 1)
    (truth,) = OnnxRunner(model.data)([at])
    np.testing.assert_allclose(
        evaluate(graph, graph.bind(at))[0], truth, atol=2e-5 if form in SINGLE else 1e-9
    )
    spiking = [n for n in graph.nodes if n.in_core and isinstance(n.op, Activation)]
    assert len(spiking) >= 2
    host = [n for n in graph.nodes if n.operands and not n.in_core]
    kinds = {n.op.kind for n in host if isinstance(n.op, Primitive)}
    assert "LayerNormalization" in kinds if form == "FastKAN" else not host
    assert source_cost(graph).core_mac_share > 0.9


@pytest.mark.parametrize("form", FORMS)
def test_programs_are_near_the_network(form):
    model = exported(form)
    program = pinnir.compile(model, "-1:1", coding="population", levels=256)
    program = pinnir.program.reading.from_bytes(program.to_bytes())
    result = program.run(np.random.default_rng(3).uniform(-1, 1, (300, 2)))
    wrong = result.outputs - result.source
    assert np.sqrt(np.mean(wrong**2)) < 1e-2 * np.std(result.source)
    assert program.metrics["core_mac_share"] > 0.9
