"""The stock variant of a core: a NIR file that the unmodified importers of others run right.

Importers disagree about ``nir.IF`` (reset, comparison), drop ``Threshold``, run fan-in and skipping
edges in a wrong order, and compute in single precision; none of them runs a plain core as NIR
and pinnir mean it. What norse and SpikingJelly agree on is a chain of ``Affine``, ``Linear`` and
``CubaLIF`` nodes with loops that arrive one step later, if the loops' edges come first. With
``tau = dt`` and ``w_in = r = 1`` a ``CubaLIF`` forgets everything and compares its input with its
threshold. Inputs are whole numbers and the threshold is a half, one for all units, so that it does
not matter whether a reader compares with ``>`` or ``>=``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import nir
import numpy as np

from pinnir.backends.nir.stock.canonical import canonical
from pinnir.backends.nir.stock.chain import Chain, chain_of
from pinnir.backends.nir.stock.grid import OnGrid, on_grid
from pinnir.backends.nir.stock.stage import Stage
from pinnir.ir.graph import Graph
from pinnir.numerics.matrix import Array

# Seconds, the fixed or default time step of most importers. The others are told.
DT = 1e-4

_Edges = list[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Stock:
    """The stock variant of one core.

    Attributes:
        rounded: The core on its grid, which the oracle runs.
        chain: The same as a chain of stages.
    """

    rounded: OnGrid
    chain: Chain

    def to_bytes(self) -> bytes:
        """The NIR file."""
        buffer = io.BytesIO()
        nir.write(buffer, to_nir(self.chain))
        return buffer.getvalue()

    def places(self) -> dict[str, tuple[str, int, int]]:
        """For each population the NIR node that holds it, and its first unit and end there."""
        return {
            name: (stage_name(number), rows.start, rows.stop)
            for number, stage in enumerate(self.chain.stages)
            for name, rows in stage.populations.items()
        }


def stock(core: Graph, reach: Array) -> Stock:
    """The stock variant of a core.

    Args:
        core: Of unsigned integrate-and-fire and threshold units.
        reach: Largest size of every column of its input, ``(columns,)``.

    Raises:
        LegalizeError: If the core holds other neurons, or cannot be one chain.
    """
    rounded = on_grid(canonical(core), reach)
    return Stock(rounded, chain_of(rounded))


def stage_name(number: int) -> str:
    """Name of the NIR node whose output is the spikes of a stage."""
    return f"stage_{number}"


def to_nir(chain: Chain) -> nir.NIRGraph:
    """A chain as NIR: loops first, then the edges from the input to the output."""
    columns = chain.stages[0].maps[0][0].shape[1]
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input(input_type=np.array([columns]))}
    loops: _Edges = []
    forward: _Edges = []
    last = "input"
    for number, stage in enumerate(chain.stages):
        for name in _add_stage(stage, stage_name(number), nodes, loops):
            forward.append((last, name))
            last = name
    weight, bias = chain.read_out
    nodes["read_out"] = nir.Affine(weight=weight.copy(), bias=bias.copy())
    nodes["output"] = nir.Output(output_type=np.array([bias.size]))
    forward += [(last, "read_out"), ("read_out", "output")]
    return nir.NIRGraph(nodes=nodes, edges=loops + forward)


def _add_stage(stage: Stage, name: str, nodes: dict[str, nir.NIRNode], loops: _Edges) -> list[str]:
    """Add a stage's nodes and loops; gives the names of what stands one behind the other."""
    row = []
    for (weight, bias), suffix in zip(stage.maps, ("in", "copies"), strict=False):
        row.append(f"{name}_{suffix}")
        nodes[row[-1]] = nir.Affine(weight=weight.copy(), bias=bias.copy())
    sums, keep, loop = (f"{name}_{suffix}" for suffix in ("sums", "keep", "loop"))
    if stage.keep is not None or stage.loop is not None:
        # snnTorch takes a neuron and one map in a loop for a recurrent layer of its own, and fails.
        row.append(sums)
        nodes[sums] = nir.Linear(weight=np.eye(stage.units))
    if stage.keep is not None:
        nodes[keep] = nir.Linear(weight=np.diag(stage.keep))
        loops += [(sums, keep), (keep, sums)]
    if stage.loop is not None:
        nodes[loop] = nir.Linear(weight=stage.loop.copy())
        loops += [(name, loop), (loop, sums)]
    nodes[name] = threshold_units(np.full(stage.units, 0.5))
    return [*row, name]


def threshold_units(threshold: Array) -> nir.CubaLIF:
    """Units that compare their input with a threshold and remember nothing."""
    ones, zeros = np.ones_like(threshold), np.zeros_like(threshold)
    return nir.CubaLIF(
        tau_syn=DT * ones,
        tau_mem=DT * ones,
        r=ones,
        v_leak=zeros,
        v_threshold=threshold,
        w_in=ones.copy(),
        v_reset=zeros.copy(),
    )
