"""The spiking cores in the program file: a plain NIR graph, written and read node by node.

What is written is what ``nir.write`` would write of the same graph, in less room, and without
holding all of it densely.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import nir
import numpy as np

from pinnir.base.hdf5 import Writer
from pinnir.ir.graph import Affine, Graph, Node
from pinnir.program.nir_graph import StoredMap, nir_parts
from pinnir.program.nir_weights import Metadata, forms, write_weight


def write_nir(file: h5py.File, cores: Mapping[str, Graph], writer: Writer) -> dict[str, Metadata]:
    """Write cores into an empty file.

    Args:
        file: Open for writing.
        cores: As for :func:`nir_graph.to_nir`, errors likewise.
        writer: Of the file.

    Returns:
        The forms of weights by node, which NIR cannot say.
    """
    parts, edges = nir_parts(cores)
    writer.put(file, "version", nir.version)
    graph = file.create_group("node")
    writer.put(graph, "type", "NIRGraph")
    writer.put(graph, "edges", np.array(edges, np.bytes_))
    nodes = graph.create_group("nodes")
    for name, one in parts.items():
        group = nodes.create_group(name)
        if isinstance(one, Node):
            op = one.op_as(Affine)
            biased = bool(np.any(op.bias))
            write_weight(group, op.weight, writer)
            rest = {"type": "Affine", "bias": op.bias} if biased else {"type": "Linear"}
            _write(group, rest, writer)
        else:
            _write(group, one.to_dict(), writer)
    return forms(parts)


def _write(group: h5py.Group, values: Mapping[str, Any], writer: Writer) -> None:
    for name, value in values.items():
        if not isinstance(value, dict):
            writer.put(group, name, value)
        elif value:  # NIR leaves out metadata that say nothing
            _write(group.create_group(name), value, writer)


def read_nir(
    file: h5py.File, told: Mapping[str, Metadata]
) -> tuple[dict[str, StoredMap | nir.NIRNode], list[tuple[str, str]]]:
    """The nodes of the NIR graph of a file by name, weights still in it, and its edges.

    Args:
        file: Open.
        told: Forms of weights by node.
    """
    graph = file["node"]
    nodes = {name: _read(group, told.get(name)) for name, group in graph["nodes"].items()}
    edges = [(before.decode(), after.decode()) for before, after in graph["edges"][()]]
    return nodes, edges


def _read(group: h5py.Group, form: Metadata | None) -> StoredMap | nir.NIRNode:
    kind = group["type"][()]
    if kind not in (b"Linear", b"Affine"):
        return nir.dict2NIRNode(_values(group))
    bias = group["bias"][()] if kind == b"Affine" else None
    return StoredMap(group["weight"], bias, form or {})


def _values(group: h5py.Group) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            found[name] = _values(item)
        else:
            value = item[()]
            found[name] = value.decode() if isinstance(value, bytes) else value
    return found
