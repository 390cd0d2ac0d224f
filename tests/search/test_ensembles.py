"""Ensembles whose weights are stacks of matrices compile as one network of all members."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

import pinnir
from tests.helpers import onnx_model, save

MEMBERS, WIDTH = 3, 8


def ensemble(*ends: str):
    """Members ``(members, samples, 1)`` of two hidden layers, and what is made of them."""
    rng = np.random.default_rng(1)
    sizes = [(2, WIDTH), (WIDTH, WIDTH), (WIDTH, 1)]
    weights = {
        f"w{i}": rng.normal(size=(MEMBERS, *size)).astype(np.float32) / size[0] ** 0.5
        for i, size in enumerate(sizes)
    } | {"axis": np.array([0]), "numbers": np.array([MEMBERS], np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["p0"]),
        helper.make_node("Tanh", ["p0"], ["t0"]),
        helper.make_node("MatMul", ["t0", "w1"], ["p1"]),
        helper.make_node("Tanh", ["p1"], ["t1"]),
        helper.make_node("Einsum", ["t1", "w2"], ["members"], equation="eni,eio->eno"),
        helper.make_node("ReduceMean", ["members", "axis"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["members", "mean"], ["rest"]),
        helper.make_node("ReduceSumSquare", ["rest", "axis"], ["square"], keepdims=0),
        helper.make_node("Div", ["square", "numbers"], ["variance"]),
        helper.make_node("Sqrt", ["variance"], ["std"]),
    ]
    proto = onnx_model(nodes, weights, outputs=ends)
    if "members" in ends:
        shape = proto.graph.output[ends.index("members")].type.tensor_type.shape
        shape.dim.add()
    return proto


@pytest.mark.parametrize(
    ("ends", "coding", "share"),
    [
        (("mean",), "auto", 1.0),
        (("members",), "auto", 1.0),
        (("mean", "std"), "population", 0.9),
        (("members", "mean"), "delta", 0.9),
        (("members", "mean"), "signgd", 0.9),
    ],
    ids=str,
)
def test_an_ensemble_is_one_core(ends, coding, share, tmp_path):
    target = "programmable" if coding in ("delta", "signgd") else "nir"
    path = save(tmp_path, ensemble(*ends))
    program = pinnir.compile(path, domain="-1:1", coding=coding, rtol=3e-2, target=target, effort=1)
    assert program.metrics["core_mac_share"] >= share
    program.save(tmp_path / "program.nir")
    result = pinnir.read(tmp_path / "program.nir").run(
        np.random.default_rng(0).uniform(-1, 1, (500, 2))
    )
    error = np.linalg.norm(result.outputs - result.source) / np.linalg.norm(result.source)
    assert error < 4e-2
    assert result.outputs.shape[1] == sum(MEMBERS if end == "members" else 1 for end in ends)
