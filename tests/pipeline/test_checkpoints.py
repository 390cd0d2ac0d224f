"""States on disk: what is saved is found again, by what it belongs to."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.base.errors import ProgramFileError
from pinnir.ir.graph import Activation, Graph, Input, Level, Node
from pinnir.passes.fitting.operations import with_parameters
from pinnir.passes.fitting.trainable_core import TrainableCore
from pinnir.pipeline.checkpoints import Checkpoints
from tests.helpers import core_graph, direction, moved, staircase_graph
from tests.networks import cores_of

GRAPH = core_graph(0, (2, 3, 1), ("tanh",))
STATE = {"/layer/Gemm 0": np.arange(6.0).reshape(2, 3), "numbers": np.array([1.5])}


def test_what_is_saved_is_loaded(tmp_path):
    checkpoints = Checkpoints(tmp_path / "new" / "folder")
    assert checkpoints.load("key", GRAPH) is None
    for state in (STATE, {"numbers": np.zeros(2)}):
        checkpoints.save("key", GRAPH, state)
        found = checkpoints.load("key", GRAPH)
        assert found is not None
        assert found.keys() == state.keys()
        for name, value in state.items():
            np.testing.assert_array_equal(found[name], value)
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 1


def test_without_a_folder_nothing_is_kept():
    Checkpoints().save("key", GRAPH, STATE)
    assert Checkpoints().load("key", GRAPH) is None


def with_other_weights():
    core = TrainableCore.of(GRAPH, "core.1", GRAPH)
    return with_parameters(GRAPH, moved(core.parameters, direction(core.parameters, 0), 1))


def wide(number: int) -> Graph:
    """A layer of very many clips, of which one in the middle differs by little."""
    high = np.ones(2000)
    high[1000] += 1e-12 * number
    x = Node("x", Input(2000))
    return Graph(Level.TENSOR, (x,), (Node("clip", Activation("clip", (-high, high)), (x,)),))


def test_long_parameters_are_told_apart(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save("key", wide(0), STATE)
    assert checkpoints.load("key", wide(0)) is not None
    assert checkpoints.load("key", wide(1)) is None


OTHERS = [
    ("other", GRAPH),
    ("key", with_other_weights()),
    ("key", core_graph(0, (2, 3, 1), ("sin",))),
    ("key", staircase_graph(GRAPH, 0, 8)),
    ("key", staircase_graph(GRAPH, 1, 8)),
    ("key", cores_of("pfnn")),
]


@pytest.mark.parametrize("place", range(len(OTHERS)))
def test_a_state_belongs_to_a_key_and_a_graph(tmp_path, place):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save("key", GRAPH, STATE)
    key, graph = OTHERS[place]
    assert checkpoints.load(key, graph) is None
    same = GRAPH.rewrite(lambda node: node)
    assert checkpoints.load("key", same) is not None
    assert any(isinstance(node.op, Activation) for node in same.nodes)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped"])
def test_a_damaged_state_is_refused(tmp_path, damage):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save("key", GRAPH, STATE)
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[data.index(np.float64(5).tobytes())] ^= 1
    else:
        data = {"empty": b"", "text": b"nothing", "cut": data[: len(data) // 2]}[damage]
    path.write_bytes(data)
    with pytest.raises(ProgramFileError) as caught:
        checkpoints.load("key", GRAPH)
    assert caught.value.message.startswith(f"the state {path} cannot be read (")
    assert caught.value.hint == "remove it, and run again"
