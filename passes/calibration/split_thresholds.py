"""split-thresholds: one activation as several clipped ramps, each an IF neuron can count.

``f(z)`` becomes ``f_0 + sum_j a_j r_j(z)`` with ramps ``r_j = (clip(z, z_j, z_{j+1}) - z_j)`` over
consecutive intervals: a piecewise-linear fit with ``units`` pieces. The knots lie where the
function bends and the pre-activations are dense, with density ``(p f''^2)^(1/5)``, which is optimal
for the mean square error (de Boor, A Practical Guide to Splines, ch. XII); the slopes are the
least-squares fit over the calibration points. One ramp alone, which has no knots inside, begins
and ends where it fits best, so that saturated ends need no levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from pinnir.ir.evaluate import apply_activation, preactivations
from pinnir.ir.graph import Activation, Affine, Graph, Level, Node
from pinnir.ir.names import Names
from pinnir.numerics.matrix import Array, BlockDiagonal, apply, product
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass

# Points of the fine grid on which the knot density is integrated.
_GRID = 512
# Places where one ramp alone may begin or end.
_ENDS = 17
# Share of the knots spread evenly, so that no interval becomes uselessly long or short.
_EVEN = 0.2


@dataclass(frozen=True)
class SplitThresholds(Pass):
    """Split every activation of the core into several clipped ramps.

    Attributes:
        units: Ramps, and so IF neurons, per source neuron.
        margin: How far the ramps reach beyond the calibration points, as a share of their width.
    """

    name = "split-thresholds"
    accepts = (Level.TENSOR,)
    spelled = ("units",)
    limits = (("units", 1, 4096), ("margin", 0, 10))

    units: int = 16
    margin: float = 0.01

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Fit per neuron on the calibration points' pre-activations."""
        values = preactivations(graph, graph.bind(context.calibration))
        fits: dict[str, tuple[Array, BlockDiagonal, Array]] = {}
        names = Names.of(graph)

        def change(node: Node) -> Node:
            source = node.operands[0] if node.operands else None
            if node.in_core and isinstance(node.op, Activation):
                knots, slopes, base = self._fit(node.op, values[node.name])
                fits[node.name] = knots, BlockDiagonal(slopes[:, None, :]), base
                return _ramps(node, knots, names)
            if source is not None and source.name in fits and isinstance(node.op, Affine):
                _, slopes_of, base = fits[source.name]
                weight = node.op.weight
                bias = node.op.bias + apply(weight, base)
                op = replace(node.op, weight=product(weight, slopes_of), bias=bias)
                return node.with_op(op)
            return node

        return graph.rewrite(change)

    def _fit(self, op: Activation, z: Array) -> tuple[Array, Array, Array]:
        """Knots ``(neurons, units + 1)``, slopes ``(neurons, units)``, value at the first knot."""
        knots = self._knots(op, z)
        at_knots, at_points = apply_activation(op, knots.T).T, apply_activation(op, z)
        slopes = np.empty((len(knots), self.units))
        base = np.empty(len(knots))
        for i, row in enumerate(knots):
            ramps = np.clip(z[:, i, None], row[:-1], row[1:]) - row[:-1]
            # Interpolation is the anchor: intervals without points keep its slope.
            anchor = np.diff(at_knots[i]) / np.diff(row)
            rest = at_points[:, i] - at_knots[i, 0] - ramps @ anchor
            design = np.column_stack([np.ones(len(z)), ramps])
            ridge = 1e-6 * len(z) * np.diag(np.append(1e-6, np.diff(row) ** 2))
            change = np.linalg.solve(design.T @ design + ridge, design.T @ rest)
            base[i], slopes[i] = at_knots[i, 0] + change[0], anchor + change[1:]
        # The ramps start at their knots: shift the constant accordingly.
        return knots, slopes, base - (slopes * knots[:, :-1]).sum(axis=1)

    def _knots(self, op: Activation, z: Array) -> Array:
        """Ends of the ramps, ``(neurons, units + 1)``, ascending."""
        reach = self.margin * np.ptp(z, axis=0) + 1e-9
        low, high = z.min(axis=0) - reach, z.max(axis=0) + reach
        if self.units == 1:
            return _best_ramp(np.linspace(low, high, _ENDS), z, apply_activation(op, z))
        grid = np.linspace(low, high, _GRID)
        h = grid[1] - grid[0]
        slope = np.gradient(apply_activation(op, grid), axis=0) / h
        bend = np.abs(np.gradient(slope, axis=0) / h)
        return np.stack([self._place(*row) for row in zip(z.T, grid.T, bend.T, strict=True)])

    def _place(self, z: Array, grid: Array, bend: Array) -> Array:
        """Ends of one neuron's ramps, ``(units + 1,)``."""
        density, _ = np.histogram(z, bins=_GRID // 8, range=(grid[0], grid[-1]), density=True)
        near = np.repeat(density, 8) + 1e-3 * density.max()
        share = (near * bend**2) ** 0.2
        share = share / share.sum() + _EVEN / _GRID if share.sum() > 0 else np.ones(_GRID)
        mass = np.concatenate([[0.0], np.cumsum(0.5 * (share[1:] + share[:-1]))])
        return np.interp(np.linspace(0, mass[-1], self.units + 1), mass, grid)


def _best_ramp(ends: Array, z: Array, y: Array) -> Array:
    """Ends ``(neurons, 2)``, out of ``(candidates, neurons)``, between which a clip fits best.

    Up to a factor and a constant, that is, so the clip of the largest correlation.
    """
    centred = y - y.mean(axis=0)
    most = np.full(z.shape[1], -1.0)
    best = np.stack([ends[0], ends[-1]], axis=1)
    # The whole range first: where nothing fits better, nothing is cut off.
    pairs = sorted(combinations(range(len(ends)), 2), key=lambda pair: pair[0] - pair[1])
    for first, last in pairs:
        ramp = np.clip(z, ends[first], ends[last])
        ramp -= ramp.mean(axis=0)
        size = np.maximum((ramp**2).sum(axis=0), np.finfo(np.float64).tiny)
        fit = (ramp * centred).sum(axis=0) ** 2 / size
        better = fit > most * (1 + 1e-9)
        most = np.where(better, fit, most)
        best[better] = np.stack([ends[first], ends[last]], axis=1)[better]
    return best


def _ramps(node: Node, knots: Array, names: Names) -> Node:
    """Expand every neuron to its ramps: clip between consecutive knots."""
    neurons, units = knots.shape[0], knots.shape[1] - 1
    if units == 1:
        return node.with_op(Activation("clip", (knots[:, 0], knots[:, 1])))
    expand = Affine(BlockDiagonal(np.ones((neurons, units, 1))), np.zeros(neurons * units))
    entry = Node(names.fresh(f"{node.name}_in"), expand, node.operands, node.segment)
    clip = Activation("clip", (knots[:, :-1].reshape(-1), knots[:, 1:].reshape(-1)))
    return Node(node.name, clip, (entry,), node.segment)
