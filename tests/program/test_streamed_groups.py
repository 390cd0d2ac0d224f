"""Streamed forms in program files: written as they are, and refused when they are not."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace

import h5py
import nir
import numpy as np
import pytest

from pinnir.base.errors import ProgramFileError
from pinnir.base.files import STREAMED_FORMAT, seal, unseal
from pinnir.ir.graph import Affine, Graph
from pinnir.neurons import Programmable
from pinnir.numerics.matrix import BlockDiagonal, entries
from pinnir.program.program import Program
from pinnir.program.reading import from_bytes, read
from tests.backends.networks import STREAMED, small_program

AGAIN = "hint: compile it again"
GROUP = "pinnir/streamed.core.1"
LAYER = f"{GROUP}/act0"
CODINGS = tuple(STREAMED)


def plain(program: Program) -> Program:
    """The population program beside the streamed form."""
    return replace(program, segments=tuple(replace(one, streamed=None) for one in program.segments))


def same_core(one: Graph, other: Graph) -> None:
    assert (one.steps, one.read_out) == (other.steps, other.read_out)
    names = [[(n.name, [o.name for o in n.operands]) for n in core.nodes] for core in (one, other)]
    assert names[0] == names[1]
    for a, b in zip(one.nodes[1:], other.nodes[1:], strict=True):
        assert type(a.op) is type(b.op)
        if isinstance(a.op, Affine) and isinstance(b.op, Affine):
            assert isinstance(a.op.weight, BlockDiagonal) == isinstance(b.op.weight, BlockDiagonal)
            np.testing.assert_array_equal(entries(a.op.weight), entries(b.op.weight))
            np.testing.assert_array_equal(a.op.bias, b.op.bias)
        else:
            assert isinstance(a.op, Programmable) and isinstance(b.op, Programmable)
            ours, theirs = a.op.to_arrays(), b.op.to_arrays()
            assert ours.keys() == theirs.keys()
            for key, value in ours.items():
                np.testing.assert_array_equal(value, theirs[key])


@pytest.mark.parametrize("coding", CODINGS)
def test_what_was_read_is_what_was_written(tmp_path, coding):
    program = small_program(coding)
    program.save(tmp_path / "p.nir")
    again = read(tmp_path / "p.nir")
    assert again.to_bytes() == program.to_bytes() == (tmp_path / "p.nir").read_bytes()
    assert again.is_streamed
    for one, other in zip(program.running, again.running, strict=True):
        same_core(one, other)


@pytest.mark.parametrize("coding", CODINGS)
def test_the_file_is_plain_nir_beside_the_streamed_form(tmp_path, coding):
    small_program(coding).save(tmp_path / "p.nir")
    assert (tmp_path / "p.nir").read_bytes().startswith(b"pinnir program 5\nbytes ")
    kinds = {type(node) for node in nir.read(tmp_path / "p.nir").nodes.values()}
    assert kinds == {nir.Input, nir.Output, nir.Affine, nir.Linear, nir.Threshold}


@pytest.mark.parametrize("coding", ["delta", "phase"])
def test_the_population_program_beside_it_gives_equal_values(coding):
    program = small_program(coding)
    points = program.domain.sample(256, 5)
    expected = plain(program).run(points).outputs
    np.testing.assert_array_equal(program.run(points).outputs, expected)


def test_programs_without_streamed_forms_keep_their_format():
    assert small_program().to_bytes().startswith(b"pinnir program 4\n")


def forged(change: Callable[[h5py.File], object]) -> bytes:
    """A delta program after a change, with a new seal."""
    data = io.BytesIO(unseal(small_program("delta").to_bytes(), "p")[1])
    with h5py.File(data, "r+") as file:
        change(file)
    return seal(data.getvalue(), STREAMED_FORMAT)


def refusal(data: bytes) -> str:
    with pytest.raises(ProgramFileError) as caught:
        from_bytes(data, "PROGRAM")
    return str(caught.value)


def put(path: str, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if path in file:
            del file[path]
        file[path] = value

    return change


def told(**entries: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        graph = json.loads(file[f"{GROUP}/graph"][()].tobytes()) | entries
        put(f"{GROUP}/graph", np.frombuffer(json.dumps(graph).encode(), np.uint8))(file)

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (put(f"{LAYER}.boundaries", np.ones(3)), "boundaries and directions do not fit each other"),
        (
            put(f"{LAYER}.boundaries", np.linspace(1, 0, 120).reshape(8, 15)),
            "boundaries do not ascend",
        ),
        (put(f"{LAYER}.directions", np.full((8, 15), 2, np.int8)), "directions are -1, 0 or 1"),
        (put(f"{LAYER}.start", np.zeros(8)), "levels are whole numbers"),
        (put(f"{LAYER}.base", np.full(8, np.inf)), "base and step are not finite"),
        (put(f"{LAYER}.step", np.ones(7)), "a staircase needs one start, base and step a neuron"),
        (put(f"{LAYER}.hysteresis", np.array([-1.0])), "hysteresis or graded is out of range"),
        (put(f"{LAYER}.graded", np.array([7])), "hysteresis or graded is out of range"),
        (
            put(f"{GROUP}/fc0.weight", np.ones((8, 3))),
            "Affine 'fc0': takes 3 columns, but 'input' has 2",
        ),
        (put(f"{GROUP}/fc0.weight", np.ones(16)), "a weight is a matrix"),
        (
            put(f"{GROUP}/fc0.bias", np.full(8, np.inf)),
            "Affine 'fc0': holds NaN or infinite values",
        ),
        (put(f"{GROUP}/graph", np.frombuffer(b"{}", np.uint8)), "KeyError: 'steps'"),
        (told(columns=1), "Affine 'fc0': takes 2 columns, but 'input' has 1"),
        (told(columns="2"), "its input has no number of columns"),
        (told(steps=0), "its steps or its read-out are wrong"),
        (told(read_out="first"), "its steps or its read-out are wrong"),
        (told(output="nothing"), "KeyError: 'nothing'"),
        (told(nodes=[["fc0", "Spike", ["input"]]], output="fc0"), "KeyError: 'Spike'"),
        (
            told(nodes=2 * [["fc0", "Affine", ["input"]]], output="fc0"),
            "the node 'fc0' is there twice, or reads nothing",
        ),
        (
            told(nodes=[["fc0", "Affine", []]], output="fc0"),
            "the node 'fc0' is there twice, or reads nothing",
        ),
        (put(f"{GROUP}/fc2.weight", np.full((1, 8), np.pi)), "the sums of fc2 would be rounded"),
        (lambda file: file.pop(f"{LAYER}.boundaries"), "KeyError: 'boundaries'"),
        (lambda file: file.pop(f"{GROUP}/graph"), "KeyError: 'graph'"),
    ],
)
def test_damage(change, problem):
    message = refusal(forged(change)).replace("ValueError: ", "").replace("GraphError: ", "")
    assert message == f"PROGRAM is damaged (the streamed form of core.1: {problem})\n{AGAIN}"


@pytest.mark.parametrize(
    "change",
    [
        put("pinnir/streamed.core.7/graph", np.frombuffer(b"{}", np.uint8)),
        lambda file: file.move(GROUP, "pinnir/streamed.core.7"),
    ],
)
def test_streamed_forms_of_other_cores(change):
    problem = "some cores have a streamed form and others have none"
    assert refusal(forged(change)) == f"PROGRAM is damaged ({problem})\n{AGAIN}"


def test_other_ends():
    narrow = told(nodes=[["fc0", "Affine", ["input"]]], output="fc0")
    problem = "the streamed form of core.1 has other inputs or outputs"
    assert refusal(forged(narrow)) == f"PROGRAM is damaged ({problem})\n{AGAIN}"
