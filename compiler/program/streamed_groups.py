"""Cores for programmable neurons as HDF5 groups of plain arrays, and back.

A group holds ``graph``, JSON that says how the nodes hang together, and the parameters of every
node as datasets called ``NODE.PARAMETER``. Node names are those that NIR accepts, without dots.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import ProgramFileError
from pinnir.base.hdf5 import Writer
from pinnir.ir.exact_sums import is_whole
from pinnir.ir.graph import Affine, Graph, Input, Level, Node, Op, Scheduled, columns_of, width
from pinnir.ir.rules import check_rules
from pinnir.neurons import PROGRAMMABLE, Programmable
from pinnir.neurons.programmable import LevelNeuron
from pinnir.numerics.matrix import BlockDiagonal, Matrix, entries
from pinnir.program.manifest import MOST_STEPS

# Group of a core for programmable neurons: this and the label of its segment.
STREAMED = "streamed."
_GRAPH, _INPUT, _AFFINE, _SCHEDULED = "graph", "input", "Affine", "Scheduled"

Datasets = Mapping[str, NDArray[Any]]


def write_core(group: h5py.Group, core: Graph, writer: Writer) -> None:
    """Write a spiking core of one input and one output into an empty group."""
    (source,), (sink,) = core.inputs, core.outputs
    nodes = [node for node in core.nodes if node is not source]
    told = {
        "columns": width(source),
        "steps": core.steps,
        "read_out": core.read_out,
        "output": sink.name,
        "nodes": [
            [n.name, type(n.op).__name__, [_INPUT if o is source else o.name for o in n.operands]]
            for n in nodes
        ],
    }
    writer.put(group, _GRAPH, json.dumps(told, sort_keys=True).encode())
    for node in nodes:
        for name, value in _arrays(node.op).items():
            writer.put(group, f"{node.name}.{name}", value)


def _arrays(op: Op) -> dict[str, NDArray[Any]]:
    if isinstance(op, Affine):
        # A dense weight has two dimensions, the blocks of a block-diagonal one three.
        found: dict[str, NDArray[Any]] = {"weight": entries(op.weight), "bias": op.bias}
        if isinstance(op, Scheduled):
            found |= {"gains": op.gains, "centre": np.array([op.centre])}
        return found
    assert isinstance(op, Programmable)
    return op.to_arrays()


def read_core(datasets: Datasets, label: str) -> Graph:
    """The core that :func:`write_core` wrote, checked by the rules of its level.

    Args:
        datasets: All of the group, by name.
        label: Of the core's segment.

    Raises:
        ProgramFileError: If it is anything else.
    """
    try:
        core = _read(datasets, label)
        check_rules(core)
        _check_sums(core)
    except Exception as error:  # what is read may be anything, and so may be what goes wrong
        raise ProgramFileError(
            f"the streamed form of {label}: {type(error).__name__}: {error}"
        ) from error
    return core


def streamed_forms(
    groups: Mapping[str, Datasets], labels: Sequence[str], cores: Mapping[str, Graph]
) -> dict[str, Graph]:
    """Cores for programmable neurons by label: of every core or of none.

    Args:
        groups: What a file holds of them.
        labels: Of all cores.
        cores: Those that NIR can say.
    """
    if groups and set(groups) != {STREAMED + label for label in labels}:
        raise ProgramFileError("some cores have a streamed form and others have none")
    forms = {label: read_core(groups[STREAMED + label], label) for label in labels if groups}
    for label, form in forms.items():
        if label in cores and _ends(form) != _ends(cores[label]):
            raise ProgramFileError(f"the streamed form of {label} has other inputs or outputs")
    return forms


def _ends(core: Graph) -> tuple[int | None, ...]:
    return tuple(columns_of(node) for node in (*core.inputs, *core.outputs))


def _read(datasets: Datasets, label: str) -> Graph:
    told = json.loads(datasets[_GRAPH].tobytes())
    steps, read_out = told["steps"], told["read_out"]
    if type(steps) is not int or not 1 <= steps <= MOST_STEPS or read_out not in ("last", "mean"):
        raise ValueError("its steps or its read-out are wrong")
    if type(told["columns"]) is not int:
        raise ValueError("its input has no number of columns")
    source = Node(_INPUT, Input(told["columns"]))
    built = {_INPUT: source}
    for name, kind, operands in told["nodes"]:
        if name in built or not operands:
            raise ValueError(f"the node {name!r} is there twice, or reads nothing")
        own = {
            key.removeprefix(f"{name}."): value
            for key, value in datasets.items()
            if key.startswith(f"{name}.")
        }
        built[name] = Node(name, _op(kind, own), tuple(built[one] for one in operands), label)
    core = Graph(Level.SPIKING, (source,), (built[told["output"]],), steps, read_out)
    if len(core.nodes) != len(built):
        raise ValueError("it holds nodes that lead nowhere")
    return core


def _check_sums(core: Graph) -> None:
    for node in core.nodes:
        match (node.op, *(operand.op for operand in node.operands)):
            case (Affine() as op, LevelNeuron(staircase=read)) if not is_whole(op, read):
                raise ValueError(f"the sums of {node.name} would be rounded")


def _op(kind: str, arrays: Datasets) -> Op:
    if kind in (_AFFINE, _SCHEDULED):
        weight, bias = _matrix(arrays["weight"]), np.asarray(arrays["bias"], np.float64)
        if kind == _AFFINE:
            return Affine(weight, bias)
        gains = np.asarray(arrays["gains"], np.float64)
        return Scheduled(weight, bias, gains, float(arrays["centre"].item()))
    return PROGRAMMABLE[kind].from_arrays(arrays)


def _matrix(values: NDArray[Any]) -> Matrix:
    weight = np.asarray(values, np.float64)
    if weight.ndim not in (2, 3):
        raise ValueError("a weight is a matrix")
    return BlockDiagonal(weight) if weight.ndim == 3 else weight
