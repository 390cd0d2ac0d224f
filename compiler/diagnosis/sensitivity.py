"""How far an error of one neuron moves the outputs: the weights of an error budget.

To first order, errors ``e_i`` of the activations move the outputs by ``sum_i (du/dy_i) e_i``, and
rounding errors of different neurons are as good as independent. So the relative L2 error of a
staircase network is about

    sqrt(sum_i w_i^2 q_i^2 / 12),    w_i^2 = E |du/dy_i|^2 / E |u|^2,

where ``q_i`` is the distance of neuron ``i``'s levels: a weighted sum of local errors, as in the
theorem of Zhang et al. (arXiv 2308.16372), with weights computed from the network. Inside a core,
derivatives are propagated backwards through maps and activations; behind it, through host parts
and later cores, they are differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pinnir.diagnosis.derivatives import difference
from pinnir.ir.evaluate import add, evaluate
from pinnir.ir.graph import Activation, Affine, Constant, Graph, Input, Node
from pinnir.ir.sample_axes import Layout, columns_in, layouts, side_by_side
from pinnir.metrics.output_scales import output_scales
from pinnir.numerics.matrix import Array, dense

# Points that derivatives are averaged over, and entries of the largest array of derivatives.
_POINTS = 256
_COMBINATIONS = 2**13
_ENTRIES = 2**24
# Steps of differences, relative to the size of what they change.
_STEP = 1e-4


def sensitivities(graph: Graph, points: Array, *, of_each_output: bool = False) -> dict[str, Array]:
    """Weights ``w`` of the neurons of every spiking activation.

    Args:
        graph: A tensor graph after ``gather-synapses``.
        points: Calibration points, ``(samples, columns)``.
        of_each_output: Whether the error is that of every output relative to its own variation,
            and its mean square over the outputs, instead of the relative L2 error of all of them.
            It is what a tolerance is on: an output that varies little needs as many levels.

    Returns:
        ``(neurons,)`` for each activation of the cores, by its name.
    """
    found = _Derivatives.on(graph, points, of_each_output=of_each_output)
    labels = [label for label in graph.segments if label.startswith("core")]
    squares = {name: s for label in labels for name, s in found.of_core(label).items()}
    return {name: np.sqrt(square / found.size) for name, square in squares.items()}


def metric(graph: Graph, label: str, points: Array) -> Array:
    """How errors of the values that leave a core add up to an error of the outputs.

    Args:
        graph: A tensor graph after ``gather-synapses``.
        label: Of the core.
        points: Calibration points, ``(samples, columns)``.

    Returns:
        ``M``, ``(columns, columns)``, of all values that leave, side by side: an error ``e`` moves
        the outputs by a mean square of ``E e^T M e``, relative to theirs, to first order.
    """
    found = _Derivatives.on(graph, points)
    leaving = [node for node in graph.segments[label] if graph.leaves(node)]
    behind = np.concatenate([found.behind(node) for node in leaving])
    gram: Array = np.einsum("csm,dsm->cd", behind, behind, optimize=True)
    return np.asarray(gram / (behind.shape[1] * found.size))


@dataclass(frozen=True, eq=False)
class _Derivatives:
    """Derivatives of one graph's outputs on some points."""

    graph: Graph
    layouts: Mapping[Node, Layout]
    inputs: Mapping[str, Array]
    sizes: tuple[int, ...]
    of_each_output: bool = False

    @classmethod
    def on(cls, graph: Graph, points: Array, *, of_each_output: bool = False) -> _Derivatives:
        """On some of the points; of several sample axes, on all combinations of a few."""
        axes = 1 + max(node.op.axis for node in graph.inputs if isinstance(node.op, Input))
        count = _POINTS if axes == 1 else round(_COMBINATIONS ** (1 / axes))
        chosen = points[np.unique(np.linspace(0, len(points) - 1, count).astype(int))]
        return cls(graph, layouts(graph), graph.bind(chosen), (len(chosen),) * axes, of_each_output)

    @cached_property
    def values(self) -> dict[Node, Array]:
        """Value of every node."""
        found = {node: self.inputs[node.name] for node in self.graph.inputs}
        found |= {n: n.op.value for n in self.graph.nodes if isinstance(n.op, Constant)}

        def keep(step: int, node: Node, value: Array) -> None:
            found[node] = value

        evaluate(self.graph, self.inputs, keep)
        return found

    @property
    def size(self) -> float:
        """Mean square of the outputs at a point; 1 if they vanish."""
        grid = self._side_by_side([self.values[output] for output in self.graph.outputs])
        if self.of_each_output:
            return float(grid.shape[-1])
        return float((grid**2).sum(axis=-1).mean()) or 1.0

    @cached_property
    def scales(self) -> Array:
        """What the outputs are divided by, ``(outputs,)``."""
        grid = self._side_by_side([self.values[output] for output in self.graph.outputs])
        table = grid.reshape(-1, grid.shape[-1])
        if not self.of_each_output:
            return np.ones(table.shape[1])
        names = [""] * table.shape[1]
        return np.array([one.scale for one in output_scales(table, names, "float64")])

    def of_core(self, label: str) -> dict[str, Array]:
        """Mean square of the derivatives by every neuron of a core, by activation."""
        nodes = self.graph.segments[label]
        leaving = [node for node in nodes if self.graph.leaves(node)]
        behind = np.concatenate([self.behind(node) for node in leaving])
        # What leaves first, then backwards: derivative of all leaving columns by each node's value.
        columns = np.cumsum([0, *(columns_in(self.layouts[node]) for node in leaving)])
        samples = behind.shape[1]
        widest = max(columns_in(self.layouts[node]) for node in nodes)
        samples = max(1, min(samples, _ENTRIES // (columns[-1] * widest)))
        pick = np.unique(np.linspace(0, behind.shape[1] - 1, samples).astype(int))
        gram = np.einsum("csm,dsm->scd", behind[:, pick], behind[:, pick], optimize=True)
        own = np.split(np.eye(columns[-1])[None], columns[1:-1], axis=2)
        by = dict(zip(leaving, own, strict=True))
        found: dict[str, Array] = {}
        for node in reversed(nodes):
            if node not in by:
                continue
            inner = by.pop(node)
            if isinstance(node.op, Affine):
                inner = inner @ dense(node.op.weight)
            elif isinstance(node.op, Activation):
                square = np.einsum("scn,scd,sdn->sn", inner, gram, inner, optimize=True)
                found[node.name] = square.mean(axis=0)
                z = add([self.values[operand] for operand in node.operands])
                inner = inner * difference(node.op, z, _STEP)[pick, None, :]
            for operand in node.operands:
                if operand in nodes:
                    by[operand] = by[operand] + inner if operand in by else inner
        return found

    def behind(self, node: Node) -> Array:
        """Derivative of the outputs by each column of a value that leaves a core.

        Returns:
            ``(columns, samples, everything else)``; the sum of squares over everything else is the
            sum over the outputs and the mean over the other axes.
        """
        order = self.layouts[node][0]  # of the rows, one sample axis or all combinations of several
        assert isinstance(order, tuple)
        part = self._part_behind(node)
        samples = len(self.values[node])
        others = np.prod(self.sizes) / samples
        rows = []
        for column in range(columns_in(self.layouts[node])):
            step = _STEP * (np.abs(self.values[node][:, column]).max() + _STEP)
            change = np.zeros_like(self.values[node])
            change[:, column] = step
            up = self._grid(part, {node.name: self.values[node] + change})
            down = self._grid(part, {node.name: self.values[node] - change})
            moved = np.moveaxis((up - down) / (2 * step), order, range(len(order)))
            rows.append(moved.reshape(samples, -1) / np.sqrt(others))
        return np.stack(rows)

    def _part_behind(self, node: Node) -> Graph:
        """What other segments compute from ``node``, its input; all else is fixed.

        What its own core computes from it is propagated backwards through the core.
        """
        new = {
            one: Node(one.name, Constant(self.values[one]), (), one.segment)
            for one in self.graph.nodes
        }
        new[node] = Node(node.name, Input(columns_in(self.layouts[node])))
        behind = {node}
        for one in self.graph.nodes:
            if one.segment != node.segment and not behind.isdisjoint(one.operands):
                behind.add(one)
                new[one] = one.with_operands(*(new[operand] for operand in one.operands))
        outputs = tuple(new[one] for one in self.graph.outputs)
        return replace(self.graph, inputs=(new[node],), outputs=outputs)

    def _grid(self, part: Graph, given: Mapping[str, Array]) -> Array:
        """All outputs, divided by their scales, ``(*sizes, outputs)``."""
        return self._side_by_side(evaluate(part, given)) / self.scales

    def _side_by_side(self, values: list[Array]) -> Array:
        shapes = [self.layouts[node] for node in self.graph.outputs]
        return side_by_side(values, shapes, self.sizes)
