"""compile() takes a network and a domain in several forms, which give the same program."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from torch import nn

import pinnir
from tests.backends.networks import mlp
from tests.helpers import save

TEXT = "x=-1:1,t=0.5"


def small(model, domain) -> pinnir.Program:
    return pinnir.compile(model, domain, coding="population", levels=8)


def test_forms_of_one_network_and_one_domain_give_one_program(tmp_path):
    path = save(tmp_path, mlp())
    expected = small(path, TEXT).to_bytes()
    named = {"x": (-1, 1), "t": 0.5}
    assert small(str(path), named).to_bytes() == expected
    assert small(path.read_bytes(), TEXT).to_bytes() == expected
    assert small(onnx.load(path), named).to_bytes() == expected
    by_order = small(path, np.array([[-1, 1], [0.5, 0.5]]))
    np.testing.assert_array_equal(by_order.domain.high, [1, 0.5])


class Flow(nn.Module):
    """As `forward(x, t)` and in double precision."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1)).double()

    def forward(self, x, t):
        return self.layers(torch.cat([x, t], dim=1))


def test_a_module_is_compiled_without_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flow = Flow()
    program = pinnir.compile(
        flow, {"t": (0, 1), "x": (-1, 1)}, coding="population", rtol=1e-2, effort=1
    )
    assert not list(tmp_path.iterdir())
    assert program.domain.columns == ("x", "t")
    program.save("flow.nir")
    points = program.domain.sample(64, seed=1)
    found = pinnir.read("flow.nir").run(points)
    with torch.no_grad():
        own = flow(*torch.tensor(points).split(1, dim=1)).numpy()
    np.testing.assert_allclose(found.source, own, 1e-12, 1e-12)
    assert np.linalg.norm(found.outputs - own) < 1e-2 * np.linalg.norm(own)
    assert flow.training
    one = nn.Sequential(*flow.layers)
    again = pinnir.compile(one, TEXT, coding="population", levels=8)
    assert again.domain.columns == ("x", "t")
    assert again.manifest["source_sha256"] != program.manifest["source_sha256"]
