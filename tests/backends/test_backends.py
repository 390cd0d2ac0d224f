"""The table of backends, and the reference backend."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder

import numpy as np
import pytest

from pinnir.backends.reference import ReferenceBackend
from pinnir.base.errors import BackendError
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Node
from pinnir.numerics.matrix import Array
from pinnir.program.simulators import BACKENDS, describe, find_backend
from tests.backends.networks import RATE, neurons_of, population, run_core, small_program
from tests.helpers import compiled, core_graph, points, record


def test_unknown():
    with pytest.raises(BackendError) as caught:
        find_backend("abacus")
    assert str(caught.value) == "'abacus': unknown backend\nhint: known are " + ", ".join(BACKENDS)


class Missing(MetaPathFinder):
    """Finds nothing of the named packages."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.fixture(params=["norse", "torch"])
def missing(request, monkeypatch) -> str:
    """A package that is not installed, as far as imports can tell."""
    for name in list(sys.modules):
        if name == "pinnir.backends.norse.backend" or name.partition(".")[0] == request.param:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(request.param), *sys.meta_path])
    return request.param


def test_missing_package(missing):
    message = f"backend norse needs the package {missing}, which is not installed"
    with pytest.raises(BackendError) as caught:
        find_backend("norse")
    assert str(caught.value) == f"{message}\nhint: pip install 'pinnir[norse]'"
    assert describe("norse") == {"is": message, "installed": "no; pip install 'pinnir[norse]'"}
    with pytest.raises(BackendError, match="which is not installed"):
        small_program().run(small_program().domain.sample(16, 0), "norse")
    assert describe("reference")["installed"] == "yes"


def test_descriptions_are_one_line():
    assert describe("reference") == {
        "is": "The oracle in evaluate.py: numpy, float64, every step as the design defines it.",
        "installed": "yes",
    }
    assert describe("abacus")["installed"].startswith("no; known are ")


@pytest.mark.parametrize("pipeline", [population(12), RATE])
def test_reference_is_the_oracle(pipeline):
    core = compiled(core_graph(0, (2, 5, 4, 1), ("tanh", "sin")), pipeline)
    x = points(core, 30, 0)
    output, spikes = run_core(core, ReferenceBackend(), x)
    np.testing.assert_array_equal(output, evaluate(core, {"x": x})[0])
    seen = record(core, x)
    assert list(spikes) == [node.name for node in neurons_of(core)]
    for name, fired in spikes.items():
        np.testing.assert_array_equal(fired, np.stack(seen[name]))


@pytest.mark.parametrize("name", BACKENDS)
def test_loaded_once_and_run_often(name):
    """A run leaves nothing behind that the next one sees."""
    if name == "norse":
        pytest.importorskip(name)
    core = compiled(core_graph(0, (2, 5, 1), ("tanh",)), RATE)
    run = find_backend(name).load(core)
    x = points(core, 30, 0)

    def silent(step: int, node: Node, value: Array) -> None:
        pass

    first = run(x, silent)
    run(points(core, 7, 5), silent)
    np.testing.assert_array_equal(run(x, silent), first)
