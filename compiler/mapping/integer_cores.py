"""A core in whole numbers: what a chip's integers have to hold.

After ``quantise`` every number of a core between its inputs and its read-out is whole, and the
oracle, in float64, adds and compares them exactly as integers would be. This module finds the
integers out, with the power of two that all weights of a map share, and the largest magnitude that
any sum can have for any input: so nothing that fits can overflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import LegalizeError
from pinnir.base.targets import Integers
from pinnir.ir.graph import Affine, Graph, Input, Neuron, Node
from pinnir.neurons import IF, Delta, FlooredIF, HardResetIF, Threshold
from pinnir.neurons.start_units import START
from pinnir.numerics.matrix import Array, BlockDiagonal, dense, entries

Whole = NDArray[np.int64]

# Sums of whole numbers up to this are exact in float64.
_EXACT = 2.0**53


@dataclass(frozen=True, eq=False)
class IntegerMap:
    """An affine map of whole numbers, ``y = 2^shift (weight x) + bias``.

    Attributes:
        node: The map.
        weight: Entries as of ``matrix.entries``: ``(outputs, inputs)`` or blocks.
        shift: Exponent that all entries share.
        bias: ``(outputs,)``.
    """

    node: Node
    weight: Whole
    shift: int
    bias: Whole

    @property
    def is_blocks(self) -> bool:
        """Whether the weights are blocks, one a neuron."""
        return self.weight.ndim == 3


@dataclass(frozen=True, eq=False)
class Leaving:
    """A value that leaves a core.

    Attributes:
        maps: Whose sums add up to it.
        unit: Value of one in these sums, ``(columns,)``; of one in their mean over the steps,
            where that is what leaves.
    """

    maps: tuple[Node, ...]
    unit: Array


@dataclass(frozen=True, eq=False)
class IntegerCore:
    """A core whose numbers are whole.

    Attributes:
        core: The spiking graph.
        maps: All maps but the last one, by node.
        thresholds: Of threshold and integrate-and-fire units ``(units,)``, by node; a unit fires
            at or above it. Delta neurons have boundaries ``(neurons, boundaries)`` instead. Where
            a chip's integers end, so does what is infinite.
        leaving: What leaves, side by side.
        reach: Largest magnitude of every map's value and of every neuron's potential.
    """

    core: Graph
    maps: Mapping[Node, IntegerMap]
    thresholds: Mapping[Node, Whole]
    leaving: tuple[Leaving, ...]
    reach: Mapping[Node, float]


def bits_of(values: Whole) -> int:
    """Bits of the widest of some integers, with its sign."""
    return int(max(-values.min(initial=0) - 1, values.max(initial=0))).bit_length() + 1


def check_range(whole: IntegerCore, integers: Integers) -> None:
    """Find out whether the integers of a target hold every sum, for any input.

    Raises:
        LegalizeError: If not.
    """
    for node, most in whole.reach.items():
        if most >= 2.0 ** (integers.state_bits - 1):
            raise node.error(
                LegalizeError,
                f"has sums of up to {most:.3g}, and the target holds {integers.state_bits} bits",
                "quantise with fewer weight bits or input bits, or compile with fewer levels",
            )


def integer_core(core: Graph, largest_input: float) -> IntegerCore:
    """The integers of a core.

    Args:
        core: A core of one input and one output.
        largest_input: Largest magnitude of what enters.

    Raises:
        LegalizeError: If a number is not whole, or sums may be too large to be exact.
    """
    ends = _ends(core)
    maps: dict[Node, IntegerMap] = {}
    thresholds: dict[Node, Whole] = {}
    for node in core.nodes:
        if isinstance(node.op, Affine) and node not in ends and node is not core.outputs[0]:
            maps[node] = _whole_map(node, node.op)
        elif isinstance(node.op, Neuron):
            thresholds[node] = _thresholds(node)
    leaving = tuple(Leaving(node.operands, _unit(node)) for node in ends)
    return IntegerCore(core, maps, thresholds, leaving, _reach(core, maps, largest_input))


def _ends(core: Graph) -> tuple[Node, ...]:
    """The maps that multiply sums by their units; several stand side by side in a last one."""
    (last,) = core.outputs
    if last.operands and all(_joins(operand) for operand in last.operands):
        return last.operands
    if not _joins(last):
        raise _not_whole(last, "has no units at its end")
    return (last,)


def _joins(node: Node) -> bool:
    return isinstance(node.op, Affine) and all(isinstance(o.op, Affine) for o in node.operands)


def _unit(end: Node) -> Array:
    """The one weight of every column of a map that multiplies by units."""
    op = end.op_as(Affine)
    weight = dense(op.weight)
    if np.any((weight != 0).sum(axis=0) > 1) or op.bias.any():
        raise _not_whole(end, "is no map that multiplies sums by their units")
    unit: Array = weight.sum(axis=0)
    return unit


def _not_whole(node: Node, problem: str) -> LegalizeError:
    return node.error(
        LegalizeError,
        f"{problem}, and this target computes with integers",
        "compile for this target, or with the passes quantise-inputs and quantise",
    )


def _whole(node: Node, values: Array, what: str) -> Whole:
    whole = np.rint(values)
    if not np.array_equal(whole, values):
        raise _not_whole(node, f"has {what} that are not whole numbers")
    return whole.astype(np.int64)


def _whole_map(node: Node, op: Affine) -> IntegerMap:
    weight = _whole(node, entries(op.weight), "weights")
    any_bit = int(np.bitwise_or.reduce(np.abs(weight), axis=None, initial=0))
    shift = (any_bit & -any_bit).bit_length() - 1 if any_bit else 0
    return IntegerMap(node, weight >> shift, shift, _whole(node, op.bias, "biases"))


def _thresholds(node: Node) -> Whole:
    op = node.op
    if isinstance(op, Delta):
        return _saturated(np.ceil(op.staircase.boundaries))
    if isinstance(op, Threshold):
        return _saturated(np.ceil(op.threshold))
    if not isinstance(op, IF | HardResetIF):
        raise _not_whole(node, "is a neuron without integers")
    if isinstance(op, IF) and np.any(op.bias):
        raise _not_whole(node, "has a constant current of its own")
    if isinstance(op, FlooredIF):
        _whole(node, op.potential, "potentials")
    return _whole(node, op.threshold, "thresholds")


def _saturated(values: Array) -> Whole:
    """What is infinite becomes larger than any sum."""
    return np.clip(values, -_EXACT, _EXACT).astype(np.int64)


def _reach(core: Graph, maps: Mapping[Node, IntegerMap], largest_input: float) -> dict[Node, float]:
    """Largest magnitudes: of a map's value, and of a neuron's potential."""
    most: dict[Node, Array] = {}
    reach: dict[Node, float] = {}
    for node in core.nodes:
        op = node.op
        if isinstance(op, Input):
            most[node] = np.full(op.width or 1, largest_input)
            continue
        if isinstance(op, Affine) and node not in maps:
            continue  # it multiplies by units
        arriving = np.sum([most[operand] for operand in node.operands], axis=0)
        if isinstance(op, Affine):
            most[node] = _through(op, arriving)
        elif isinstance(op, Delta):
            most[node] = np.abs(op.staircase.level_table).max(axis=1).astype(np.float64)
        else:
            most[node] = np.ones(arriving.size)
        if isinstance(op, IF):
            # Soft reset brings a potential nearer to zero; feedback adds its own.
            loop = 0.0 if op.feedback is None else np.abs(entries(op.feedback)).sum(axis=2)
            reach[node] = float((core.steps * (arriving + np.reshape(loop, -1))).max())
        elif isinstance(op, FlooredIF):
            reach[node] = float((np.maximum(op.potential, op.threshold) + arriving).max())
        elif isinstance(op, HardResetIF):
            # What start units bring comes once.
            starts = [most[o] for o in node.operands if o.name.endswith(START)]
            once = np.sum(starts, axis=0) if starts else 0.0
            reach[node] = float((core.steps * (arriving - once) + once).max())
        else:
            reach[node] = float((most[node] if isinstance(op, Affine) else arriving).max())
        if reach[node] >= _EXACT:
            raise _not_whole(node, "has sums that float64 does not hold exactly")
    return reach


def _through(op: Affine, most: Array) -> Array:
    """Bound on a map's values from bounds of its input."""
    if isinstance(op.weight, BlockDiagonal):
        neurons, _, columns = op.weight.blocks.shape
        sums = np.einsum("nrc,nc->nr", np.abs(op.weight.blocks), most.reshape(neurons, columns))
        return np.asarray(sums.reshape(-1) + np.abs(op.bias))
    return np.asarray(np.abs(dense(op.weight)) @ most + np.abs(op.bias))
