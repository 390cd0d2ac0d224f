"""quantise: the staircase network in a chip's integers.

1. A staircase's values become its level numbers; the maps that read it take over base and step.
2. Layer after layer, with all earlier ones already in integers, a map is fitted anew to the
   numbers that really arrive, and rounded to integers of ``weight_bits`` bits times a unit of its
   row, so that its sums stay rather than its weights (``integer_weights.py``). Of maps that add up,
   those with larger weights are multiplied by a power of two besides.
3. The boundaries of the neurons behind it become whole numbers of that unit. Neurons that will be
   counted over steps get evenly spaced ones, which is all that an integrate-and-fire neuron has.
   Where sums leave the core, a last map multiplies them by the units.

Every coding of the result computes with whole numbers between its inputs and that last map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pinnir.base.errors import LegalizeError
from pinnir.ir.exact_sums import (
    countable_unit,
    counted_in,
    in_units,
    numbered_network,
    short,
    spacing,
)
from pinnir.ir.graph import Affine, Graph, Level, Node, Op, Primitive, Staircase
from pinnir.ir.names import Names
from pinnir.numerics.integer_weights import Moments, best_units, fitted_integers
from pinnir.numerics.matrix import Array, BlockDiagonal, Matrix, apply, dense
from pinnir.numerics.ridge import regression
from pinnir.passes.fitting.teaching import teacher_values
from pinnir.passes.fitting.trainable_core import TrainableCore, core_labels
from pinnir.passes.rounding.summed_maps import SumLayer, sum_layers
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass

# How much more than what sums reach on the points there is room for.
_ROOM = 4.0


@dataclass(frozen=True)
class Quantise(Pass):
    """Write the staircase network in integers of few bits, fitted to what arrives.

    Attributes:
        weight_bits: Of a synapse's weight, with its sign.
        state_bits: Of the sums; where they would need more, weights are rounded coarser.
        steps: Time steps of the integrate-and-fire neurons that the staircases stand for, where
            rate coding follows; 0 is the staircases themselves.
        points: How many points to fit on.
        ridge: As of ``refit``.
    """

    name = "quantise"
    accepts = (Level.STAIRCASE,)
    spelled = ("weight_bits", "state_bits")
    limits = (
        ("weight_bits", 2, 32),
        ("state_bits", 8, 53),
        ("steps", 0, 2**20),
        ("points", 16, 2**20),
        ("ridge", 0, 1),
    )

    weight_bits: int = 8
    state_bits: int = 31
    steps: int = 0
    points: int = 8192
    ridge: float = 1e-7

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Apply cases 1 to 3 to every core.

        Raises:
            LegalizeError: If values enter a core that are not whole numbers, or a map of the core
                is none that integers have a scale for.
        """
        _refuse_analog(graph)
        graph = numbered_network(graph)
        for label in core_labels(graph):
            core = TrainableCore.of(graph, label, context.source, self.steps)
            entering, wanted = teacher_values(core, context, self.points)
            for layer in sum_layers(core):
                graph = _with(graph, self._rounded(layer, core, entering, wanted))
                core = TrainableCore.of(graph, label, context.source, self.steps)
        return graph

    def _rounded(
        self,
        layer: SumLayer,
        core: TrainableCore,
        entering: Mapping[Node, Array],
        wanted: Mapping[str, Array],
    ) -> dict[str, tuple[Op, ...]]:
        """The operations of a layer in integers, by name; two for a map whose value leaves."""
        limit = 2 ** (self.weight_bits - 1) - 1
        maps = [node for node in core.nodes if node.name in layer.maps]
        run = core.forward(core.parameters, entering, until=maps[-1])
        fits: list[_Fit] = []
        for node in maps:
            x, aim = run.arriving(node), wanted.get(node.name, run.values[node])
            fit = _Fit.of(run.maps[node].weight, x, aim)
            fits.append(fit.refitted(self.ridge))
        own = [one.units(limit) for one in fits]
        unit = np.min(own, axis=0)
        reach = np.sum([one.reach for one in fits], axis=0) + self._thresholds(layer, unit.size)
        finest = max(1, self.steps) * reach / 2.0 ** (self.state_bits - 1)
        # A row without weights is a constant: if it leaves the core, only its unit rounds it.
        constant = np.ones_like(unit) if layer.stairs else np.where(finest > 0, finest, 1.0)
        unit = np.maximum(np.where(np.isfinite(unit), unit, constant), finest)
        unit = countable_unit(unit, layer.stairs) if self.steps and layer.stairs else short(unit)
        found: dict[str, tuple[Op, ...]] = {}
        missing = np.zeros_like(fits[0].aim)
        for node, fit, wide in zip(maps, fits, own, strict=True):
            # What the maps before it lost is this one's to make up for.
            fit = fit.missing(missing).refitted(self.ridge)
            scale = _power(wide / unit)
            whole = fit.integers(scale, unit, limit)
            rest = fit.aim - apply(whole, fit.x) * unit
            bias = np.rint(rest.mean(axis=0) / unit)
            missing = rest - bias * unit
            found[node.name] = (Affine(whole, bias),)
        for node in layer.stairs:
            op = node.op_as(Staircase)
            units = np.repeat(unit, op.base.size // unit.size)
            counted = counted_in(op, units, self.steps) if self.steps else in_units(op, units)
            found[node.name] = (counted,)
        if not layer.stairs:
            units_of = Affine(BlockDiagonal(unit[:, None, None]), np.zeros(unit.size))
            (last,) = layer.joins or maps
            found[last.name] = (*found.get(last.name, ()), units_of)
        return found

    def _thresholds(self, layer: SumLayer, rows: int) -> Array:
        """The largest threshold of each row's neurons, which signed ones add to their sums."""
        found = np.zeros(rows)
        for node in layer.stairs if self.steps else ():
            own = self.steps * spacing(node.op_as(Staircase))
            found = np.maximum(found, own.reshape(rows, -1).max(axis=1))
        return found


def _power(ratios: Array) -> float:
    """The power of two, at least 1, that none of these exceeds, of those that are finite."""
    most = float(ratios[np.isfinite(ratios)].max(initial=1.0))
    return float(2.0 ** np.ceil(np.log2(max(1.0, most))))


@dataclass(frozen=True, eq=False)
class _Fit:
    """A map's weights, and what they are fitted to.

    Attributes:
        weight: Of the map, ``(outputs, inputs)``.
        x: What arrives, ``(samples, inputs)``.
        aim: What the map should give, ``(samples, outputs)``.
        moments: Of what arrives.
        parts: The same of every block, if the map has several.
    """

    weight: Array
    x: Array
    aim: Array
    moments: Moments
    parts: tuple[_Fit, ...] = ()

    @classmethod
    def of(cls, weight: Matrix, x: Array, aim: Array) -> _Fit:
        """That of a map with this weight."""
        parts: tuple[_Fit, ...] = ()
        if isinstance(weight, BlockDiagonal):
            ends = (np.split(values, len(weight.blocks), axis=1) for values in (x, aim))
            parts = tuple(cls.of(*one) for one in zip(weight.blocks, *ends, strict=True))
        return cls(dense(weight), x, aim, Moments.of(x), parts)

    @property
    def reach(self) -> Array:
        """What sums may reach and more: with their bias, and offsets of the neurons behind."""
        most = np.abs(self.x).max(0) @ np.abs(self.weight).T
        return np.asarray(_ROOM * (most + np.abs(self.aim).max(axis=0)))

    def refitted(self, ridge: float) -> _Fit:
        """With the weights that the regression of what is missing adds."""
        if self.parts:
            parts = tuple(one.refitted(ridge) for one in self.parts)
            weight = dense(BlockDiagonal(np.stack([one.weight for one in parts])))
            return replace(self, weight=weight, parts=parts)
        slope, _ = regression(self.x, self.aim - self.x @ self.weight.T, ridge)
        return replace(self, weight=self.weight + slope)

    def missing(self, rest: Array) -> _Fit:
        """With so much more to give."""
        split = np.split(rest, max(1, len(self.parts)), axis=1)
        parts = tuple(one.missing(own) for one, own in zip(self.parts, split, strict=False))
        return replace(self, aim=self.aim + rest, parts=parts)

    def integers(self, scale: float, unit: Array, limit: int) -> Matrix:
        """The weights in whole numbers times ``scale``, of these units."""
        if self.parts:
            units = zip(self.parts, np.split(unit, len(self.parts)), strict=True)
            return BlockDiagonal(np.stack([dense(p.integers(scale, u, limit)) for p, u in units]))
        return scale * fitted_integers(self.weight, self.moments, scale * unit, limit)

    def units(self, limit: int) -> Array:
        """The best unit of every row, ``(outputs,)``; any will do where all weights are 0."""
        if self.parts:
            return np.concatenate([one.units(limit) for one in self.parts])
        found = best_units(self.weight, self.moments, limit)
        return np.where(self.weight.any(axis=1), found, np.inf)


def _with(graph: Graph, ops: Mapping[str, tuple[Op, ...]]) -> Graph:
    """The graph with other operations; of two, the first becomes a node of its own."""
    names = Names.of(graph)

    def change(node: Node) -> Node:
        if node.name not in ops:
            return node
        *before, last = ops[node.name]
        for op in before:
            inner = Node(names.fresh(f"{node.name}:whole"), op, node.operands, node.segment)
            return Node(node.name, last, (inner,), node.segment)
        return node.with_op(last)

    return graph.rewrite(change)


def _refuse_analog(graph: Graph) -> None:
    for node in graph.nodes:
        for operand in node.operands:
            enters = node.in_core and operand.segment != node.segment
            if enters and not (isinstance(operand.op, Primitive) and operand.op.kind == "Clip"):
                problem = f"takes '{operand.name}', which is not rounded to whole numbers"
                hint = "run quantise-inputs before quantise-activations"
                raise node.error(LegalizeError, problem, hint)
