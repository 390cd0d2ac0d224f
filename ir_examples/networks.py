"""Networks of the examples and their derivatives, propagated forward through the layers.

The value and its derivatives travel together (`propagate`), which costs a few matrix products per
layer, where nested backpropagation costs several passes over the graph.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


class TanhMLP(nn.Module):
    """A multilayer perceptron in float64: tanh after every layer but the last.

    Args:
        widths: Inputs, hidden widths and outputs, for example (2, 100, 100, 100, 1).
        seed: Seed of the Glorot-normal weights; biases start at zero.
    """

    def __init__(self, widths: Sequence[int], seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.layers = nn.ModuleList(
            nn.Linear(inputs, outputs, dtype=torch.float64) for inputs, outputs in pairwise(widths)
        )
        for layer in self.linears:
            nn.init.xavier_normal_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)

    @property
    def linears(self) -> list[nn.Linear]:
        """The affine layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, points: Tensor) -> Tensor:
        """Return the outputs (samples, outputs) at points (samples, columns)."""
        *hidden, last = self.linears
        value = points
        for layer in hidden:
            value = torch.tanh(layer(value))
        output: Tensor = last(value)
        return output


@dataclass(frozen=True)
class Jet:
    """A network's outputs and derivatives, each (samples, outputs).

    Attributes:
        value: The outputs.
        first: First derivatives, one per column.
        second: Second-order operators applied to the outputs, in the order they were asked for.
    """

    value: Tensor
    first: tuple[Tensor, ...]
    second: tuple[Tensor, ...]


def propagate(network: TanhMLP, points: Tensor, operators: Sequence[Sequence[float]] = ()) -> Jet:
    """Evaluate a network with its first derivatives and second-order operators.

    With h = tanh(z), the chain rule for each layer is h_x = (1 - h^2) z_x and
    h_xx = (1 - h^2) (z_xx - 2 h z_x^2). The latter is linear in the operator, so a sum such as the
    Laplacian travels as one channel.

    Args:
        network: The network.
        points: Points (samples, columns).
        operators: Each operator as its coefficients of the pure second derivatives, one per
            column: (1, 1) is the Laplacian in the plane, (1, 0) is d2/dx2 in columns x, t.
    """
    *hidden, last = network.linears
    columns = points.shape[1]
    value = points
    # One row each: the input's derivatives are the same at all points, and broadcasting keeps the
    # first layer as cheap as one sample.
    basis = torch.eye(columns, dtype=points.dtype)
    first = [basis[column : column + 1] for column in range(columns)]
    second = [torch.zeros(1, columns, dtype=points.dtype) for _ in operators]
    for layer in hidden:
        value = torch.tanh(layer(value))
        slope = 1 - value * value
        first = [channel @ layer.weight.T for channel in first]
        squares = [channel * channel for channel in first]
        second = [
            slope * (channel @ layer.weight.T - 2 * value * _combine(operator, squares))
            for channel, operator in zip(second, operators, strict=True)
        ]
        first = [slope * channel for channel in first]
    return Jet(
        last(value),
        tuple(channel @ last.weight.T for channel in first),
        tuple(channel @ last.weight.T for channel in second),
    )


def _combine(coefficients: Sequence[float], terms: Sequence[Tensor]) -> Tensor:
    """Return the linear combination of terms, without work for zero coefficients."""
    used = [(c, term) for c, term in zip(coefficients, terms, strict=True) if c != 0]
    total = used[0][0] * used[0][1]
    for coefficient, term in used[1:]:
        total = total + coefficient * term
    return total


def spread_features(
    network: TanhMLP,
    lower: Sequence[float],
    upper: Sequence[float],
    slopes: Sequence[float],
    seed: int,
) -> None:
    """Spread the first layer's tanh transitions over a box, in place.

    Glorot weights on raw inputs start every unit almost linear and centred at the origin, and
    training then spends thousands of steps on finding a solution's short scales. Here each unit
    is centred at a uniform point of the box, with weights that treat all columns alike. The
    architecture is unchanged: this is the scaling of the inputs, folded into the first layer.

    Args:
        network: The network to change.
        lower: Lower corner of the box, one number per column.
        upper: Upper corner of the box.
        slopes: Standard deviation of a weight, per half the box's side, one per column. A column
            in which the solution oscillates needs a slope near its number of extrema.
        seed: Seed of the weights and centres.
    """
    generator = torch.Generator().manual_seed(seed)
    layer = network.linears[0]
    low, high, slope = (torch.tensor(row, dtype=torch.float64) for row in (lower, upper, slopes))
    normal = torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64)
    share = torch.rand(layer.weight.shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(slope * normal * 2 / (high - low))
        layer.bias.copy_(-(layer.weight * (low + share * (high - low))).sum(dim=1))


def spread_mlp(
    widths: Sequence[int],
    lower: Sequence[float],
    upper: Sequence[float],
    slopes: Sequence[float],
    seed: int,
) -> TanhMLP:
    """Return an untrained network whose first layer is spread over a box.

    Args:
        widths: Of all layers, as for `TanhMLP`.
        lower: Lower corner of the box, one number per column.
        upper: Upper corner of the box.
        slopes: As for `spread_features`.
        seed: Seed of all weights.
    """
    network = TanhMLP(widths, seed)
    spread_features(network, lower, upper, slopes, seed)
    return network


class SPINN(nn.Module):
    """A separable network: one tanh network per axis, merged by a sum over the rank.

    At samples of d axes it gives the outputs on their grid, u[i, j, o] = sum_r f[i, o, r]
    g[j, o, r] for two axes (Cho et al., NeurIPS 2023). With one output the last axis is left out.

    Args:
        widths: Widths of each axis's network, its last width being outputs * rank.
        outputs: Number of outputs.
        lower: Lower end of each axis, for `spread_features`.
        upper: Upper end of each axis.
        slopes: Slope of each axis's first layer, for `spread_features`.
        seed: Seed of the weights.
    """

    def __init__(
        self,
        widths: Sequence[int],
        outputs: int,
        lower: Sequence[float],
        upper: Sequence[float],
        slopes: Sequence[float],
        seed: int,
    ) -> None:
        super().__init__()
        self.outputs = outputs
        self.axes = nn.ModuleList()
        for axis, (low, high, slope) in enumerate(zip(lower, upper, slopes, strict=True)):
            # Distinct seeds: equal networks on axes of equal extent would stay equal.
            self.axes.append(spread_mlp(widths, [low], [high], [slope], 1000 * seed + axis))

    @property
    def networks(self) -> list[TanhMLP]:
        """The networks of the axes."""
        return [network for network in self.axes if isinstance(network, TanhMLP)]

    def forward(self, *samples: Tensor) -> Tensor:
        """Return the outputs on the grid of samples (samples, 1), one table per axis."""
        return self.merge(
            [network(column) for network, column in zip(self.networks, samples, strict=True)]
        )

    def merge(self, factors: Sequence[Tensor]) -> Tensor:
        """Return the outputs on the grid, from one factor (samples, outputs * rank) per axis."""
        letters = "xyt"[: len(factors)] if len(factors) > 2 else "xt"
        if self.outputs == 1:
            equation = ",".join(f"{axis}r" for axis in letters) + f"->{letters}"
            return torch.einsum(equation, *factors)
        equation = ",".join(f"{axis}or" for axis in letters) + f"->{letters}o"
        rank = factors[0].shape[1] // self.outputs
        return torch.einsum(equation, *(f.reshape(-1, self.outputs, rank) for f in factors))

    def jets(self, samples: Sequence[Tensor]) -> list[Jet]:
        """Return each axis's factor with its first and second derivative along the axis."""
        return [
            propagate(network, column, [(1.0,)])
            for network, column in zip(self.networks, samples, strict=True)
        ]


def factors_of(jets: Sequence[Jet], orders: Sequence[int]) -> list[Tensor]:
    """Return the factors of a mixed derivative: the order of differentiation along each axis.

    On a grid d2u/dx dt is the merge of f' and g', so every derivative of the field costs one
    merge and no further pass through the networks.
    """
    return [
        (jet.value, *jet.first, *jet.second)[order] for jet, order in zip(jets, orders, strict=True)
    ]
