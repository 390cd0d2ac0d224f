"""Error of a core whose neurons will be rounded, and its derivatives by the parameters.

To first order the outputs' error is what the parameters do to the exact outputs, plus rounding
errors of variance ``s_i^2``, independent of each other, each carried by the derivative of the
outputs by its neuron:

    E |u - u*|^2 + E sum_i s_i^2 |du/dy_i|^2.

Both parts are smooth, so that a quasi-Newton method can minimise them, which fails on
straight-through gradients. The derivatives of the second part take a sweep backwards (of
``du/dy``), a sweep forwards (its adjoint), and join the backward sweep of the first part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.graph import Activation, Node
from pinnir.numerics.adam import Parameters
from pinnir.numerics.matrix import Array, BlockDiagonal, apply, by_weight
from pinnir.passes.fitting.level_allocation import Rounded, spreads_of
from pinnir.passes.fitting.runs import Run
from pinnir.passes.fitting.teaching import TeacherLoss, in_single

# Share of the mean eigenvalue that is added to each, before steps are scaled by their roots.
_DAMPING = 0.1


@dataclass(frozen=True, eq=False)
class RoundedLoss:
    """Expected square error of one core, relative to the outputs' mean square.

    Attributes:
        exact: Loss of the core with exact activations.
        signs: Random signs, ``(samples, columns)``: with them one sweep a sample stands for one a
            column of what leaves.
        variances: ``s^2`` of the neurons of each activation, ``(neurons,)``.
    """

    exact: TeacherLoss
    signs: Array
    variances: Mapping[str, Array] = field(default_factory=dict)

    def batch(self, rows: NDArray[np.int64]) -> RoundedLoss:
        """The loss on some of the points."""
        return replace(self, exact=self.exact.batch(rows), signs=self.signs[rows])

    def single(self) -> RoundedLoss:
        """The loss in single precision, of parameters in single precision."""
        variances = {name: in_single(one) for name, one in self.variances.items()}
        return RoundedLoss(self.exact.single(), in_single(self.signs), variances)

    def __call__(self, parameters: Parameters) -> tuple[float, Parameters]:
        """The loss and its derivatives by the parameters."""
        run = self._run(parameters)
        errors = self.exact.errors(run)
        noise, extra, by_weights = self._noise(run)
        swept = run.sweep(self.exact.by_leaving(errors), extra)
        found = run.derivatives(swept, self.exact.core.names)
        for name, (weight, bias) in found.items():
            found[name] = weight + by_weights.get(name, 0.0), bias
        return float((errors**2).sum() / len(errors)) + noise, found

    def _run(self, parameters: Parameters) -> Run:
        return self.exact.core.forward(parameters, self.exact.entering)

    def _carried(self, run: Run) -> dict[Node, Array]:
        """Derivative of the outputs by every value, in a random direction of theirs.

        Its mean square is that of the derivatives of all outputs together.
        """
        return run.sweep(self.exact.core.apart(self.signs @ self.exact.root.T))

    def layers(self) -> dict[str, Rounded]:
        """What is to be known of neurons that will be rounded, by activation.

        Weights are RMS derivatives of the outputs, with the parameters as they are.
        """
        run = self._run(self.exact.core.parameters)
        carried = self._carried(run)
        found: dict[str, Rounded] = {}
        for node in run.slopes:
            values = run.values[node]
            by = carried.get(node, np.zeros_like(values))  # nothing may depend on it
            weights = np.sqrt((by**2).mean(axis=0))
            found[node.name] = Rounded(weights, _heights(node.op, values), spreads_of(values))
        return found

    def scales(self, parameters: Parameters) -> dict[str, tuple[Array, Array]]:
        """Coordinates of every map in which the loss is about equally steep in all directions.

        A weight is multiplied by the first matrix from the left, as the bias is, and by the second
        from the right; both are symmetric, and so serve steps and derivatives. They are those of
        K-FAC (Martens and Grosse, ICML 2015): the derivative by a weight is a product of what
        arrives there, made noisy by the rounding, and of the outputs' derivative behind it.
        """
        run = self._run(parameters)
        carried = self._carried(run)
        found: dict[str, tuple[Array, Array]] = {}
        for node, op in run.maps.items():
            if isinstance(op.weight, BlockDiagonal) or node not in carried:
                continue
            x = run.arriving(node)
            inputs = np.atleast_2d(np.cov(x.T, bias=True))
            for operand in node.operands:
                inputs = inputs + np.diag(self.variances.get(operand.name, np.zeros(x.shape[1])))
            outputs = carried[node].T @ carried[node] / len(x)
            found[node.name] = _inverse_root(outputs), _inverse_root(inputs)
        return found

    def _noise(self, run: Run) -> tuple[float, dict[Node, Array], dict[str, Array]]:
        """The second part, and its derivatives by pre-activations and by weights.

        Derivatives by what is ``carried`` are propagated forwards: what a value carries was
        computed from what the values behind it carry.
        """
        carried, bends = self._carried(run), run.bends()
        noise = 0.0
        adjoint: dict[Node, Array] = {}
        extra: dict[Node, Array] = {}
        by_weights: dict[str, Array] = {}
        for node in run.nodes:
            if node not in carried:
                continue
            parts = [adjoint[operand] for operand in node.operands if operand in adjoint]
            before = np.sum(parts, axis=0) if parts else None
            if node in run.maps:
                if before is not None:
                    weight = run.maps[node].weight
                    adjoint[node] = apply(weight, before)
                    by_weights[node.name] = by_weight(weight, carried[node], before)
                continue
            own = self.variances[node.name] * carried[node]
            noise += float((own * carried[node]).sum()) / len(own)
            adjoint[node] = own * (2 / len(own))
            if before is not None:
                adjoint[node] += run.slopes[node] * before
                extra[node] = bends[node] * carried[node] * before
        return noise, extra, by_weights


def _heights(op: object, values: Array) -> Array:
    """Ranges that levels are spread over: a clip's own, else those of the values."""
    if isinstance(op, Activation) and op.function in ("clip", "rounded-clip"):
        low, high, *_ = op.parameters
        return np.broadcast_to(np.asarray(high) - np.asarray(low), values.shape[1:])
    return np.asarray(np.ptp(values, axis=0))


def _inverse_root(matrix: Array) -> Array:
    """``(matrix + damping)^(-1/2)`` of a symmetric matrix."""
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(values, 0) + _DAMPING * values.mean() + np.finfo(np.float64).tiny
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T)
