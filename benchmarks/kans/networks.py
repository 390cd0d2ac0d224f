"""Kolmogorov-Arnold layers in five forms, as the papers and their libraries compute them.

All of them are ``y_o = sum_i phi_oi(x_i)`` with functions ``phi`` of one column each (Liu et al.,
"KAN: Kolmogorov-Arnold Networks", ICLR 2025), and differ in what ``phi`` is made of, and in what
tensors it is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

ORDER, INTERVALS = 3, 5


def _extended_grid(columns: int, intervals: int = INTERVALS) -> Tensor:
    """Knots a column: evenly over [-1, 1], and as many beyond it as splines need."""
    step = 2 / intervals
    row = torch.arange(-ORDER, intervals + ORDER + 1) * step - 1
    return row.expand(columns, -1).contiguous()


def _recursive_splines(x: Tensor, grid: Tensor, order: int) -> Tensor:
    """B-splines of every column, ``(samples, columns, splines)``, by Cox and de Boor."""
    at, knots = x[:, :, None], grid[None]
    if order == 0:
        return (at >= knots[:, :, :-1]) * (at < knots[:, :, 1:])
    lower = _recursive_splines(at[:, :, 0], knots[0], order - 1)
    rising = (at - knots[:, :, : -(order + 1)]) / (
        knots[:, :, order:-1] - knots[:, :, : -(order + 1)]
    )
    falling = (knots[:, :, order + 1 :] - at) / (knots[:, :, order + 1 :] - knots[:, :, 1:(-order)])
    return torch.nan_to_num(rising * lower[:, :, :-1] + falling * lower[:, :, 1:])


class PykanLayer(nn.Module):
    """As pykan in its speed mode: every edge has a spline and a SiLU, scaled and masked."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("grid", _extended_grid(inputs))
        self.coef = nn.Parameter(0.1 * torch.randn(inputs, outputs, INTERVALS + ORDER))
        self.base = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.scale = nn.Parameter(torch.ones(inputs, outputs) / inputs**0.5)
        self.register_buffer("mask", torch.ones(inputs, outputs))
        self.node_scale = nn.Parameter(torch.ones(outputs))
        self.node_bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``(samples, inputs)`` to ``(samples, outputs)``."""
        splines = _recursive_splines(x, self.grid, ORDER)
        curves = torch.einsum("ijk,jlk->ijl", splines, self.coef)
        base = functional.silu(x)
        edges = self.base[None] * base[:, :, None] + self.scale[None] * curves
        total = torch.sum(self.mask[None] * edges, dim=1)
        return self.node_scale[None] * total + self.node_bias[None]


class ChebyshevLayer(nn.Module):
    """As ChebyKAN: ``cos(k arccos(tanh x))``."""

    def __init__(self, inputs: int, outputs: int, degree: int = 4) -> None:
        super().__init__()
        self.inputs, self.degree = inputs, degree
        spread = 1 / (inputs * (degree + 1)) ** 0.5
        self.coef = nn.Parameter(spread * torch.randn(inputs, outputs, degree + 1))
        self.register_buffer("arange", torch.arange(0, degree + 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """``(samples, inputs)`` to ``(samples, outputs)``."""
        x = torch.tanh(x)
        x = x.view((-1, self.inputs, 1)).expand(-1, -1, self.degree + 1)
        x = (x.acos() * self.arange).cos()
        return torch.einsum("bid,iod->bo", x, self.coef)


class PinaLayer(nn.Module):
    """As PINA: knots of full multiplicity at both ends, beside a linear map of SiLU."""

    def __init__(self, inputs: int, outputs: int, knots: int = 10) -> None:
        super().__init__()
        inner = torch.linspace(-1, 1, knots - 2 * ORDER + 2)[1:-1]
        row = torch.cat([-torch.ones(ORDER), inner, torch.ones(ORDER)])
        self.register_buffer("knots", row.repeat(inputs, 1))
        self.points = nn.Parameter(0.3 * torch.randn(inputs, outputs, knots - ORDER))
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``(samples, inputs)`` to ``(samples, outputs)``."""
        curves = torch.einsum("bsc,soc->bso", self.splines(x), self.points)
        base = torch.einsum("bi,oi->bio", functional.silu(x), self.weight)
        return (curves + base).sum(dim=1) + self.bias

    def splines(self, x: Tensor) -> Tensor:
        """Splines of order 3, which are quadratic between knots."""
        at, knots = x.unsqueeze(-1), self.knots.unsqueeze(0)
        value = ((at >= knots[..., :-1]) & (at < knots[..., 1:])).to(x.dtype)
        for i in range(1, ORDER):
            left = knots[..., i:-1] - knots[..., : -(i + 1)]
            right = knots[..., i + 1 :] - knots[..., 1:-i]
            left = torch.where(left.abs() < 1e-8, torch.ones_like(left), left)
            right = torch.where(right.abs() < 1e-8, torch.ones_like(right), right)
            rising = ((at - knots[..., : -(i + 1)]) / left) * value[..., :-1]
            value = rising + ((knots[..., i + 1 :] - at) / right) * value[..., 1:]
        return value


class EfficientLayer(nn.Module):
    """As efficient-KAN: splines side by side in one matrix product, beside one of SiLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("grid", _extended_grid(inputs))
        self.base = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.spline = nn.Parameter(0.1 * torch.randn(outputs, inputs, INTERVALS + ORDER))
        self.scaler = nn.Parameter(torch.ones(outputs, inputs))

    def forward(self, x: Tensor) -> Tensor:
        """``(samples, inputs)`` to ``(samples, outputs)``."""
        weight = (self.spline * self.scaler.unsqueeze(-1)).view(len(self.spline), -1)
        curves = functional.linear(self.splines(x).view(x.size(0), -1), weight)
        return functional.linear(functional.silu(x), self.base) + curves

    def splines(self, x: Tensor) -> Tensor:
        """``(samples, inputs, splines)``."""
        at, grid = x.unsqueeze(-1), self.grid
        bases = ((at >= grid[:, :-1]) & (at < grid[:, 1:])).to(x.dtype)
        for k in range(1, ORDER + 1):
            rising = (at - grid[:, : -(k + 1)]) / (grid[:, k:-1] - grid[:, : -(k + 1)])
            falling = (grid[:, k + 1 :] - at) / (grid[:, k + 1 :] - grid[:, 1:(-k)])
            bases = rising * bases[:, :, :-1] + falling * bases[:, :, 1:]
        return bases.contiguous()


class RadialLayer(nn.Module):
    """As FastKAN: Gaussians of the layer-normalised value, beside a linear map of SiLU."""

    def __init__(self, inputs: int, outputs: int, count: int = 8, *, normalised: bool = True):
        super().__init__()
        self.norm = nn.LayerNorm(inputs) if normalised else nn.Identity()
        self.register_buffer("grid", torch.linspace(-2, 2, count))
        self.width = 4 / (count - 1)
        self.spline = nn.Linear(inputs * count, outputs, bias=False)
        self.base = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(samples, inputs)`` to ``(samples, outputs)``."""
        radial = torch.exp(-(((self.norm(x)[..., None] - self.grid) / self.width) ** 2))
        curves = self.spline(radial.view(*radial.shape[:-2], -1))
        return curves + self.base(functional.silu(x))


FORMS: dict[str, Callable[[int, int], nn.Module]] = {
    "pykan": PykanLayer,
    "ChebyKAN": ChebyshevLayer,
    "PINA": PinaLayer,
    "efficient-KAN": EfficientLayer,
    "FastKAN": RadialLayer,
}


def network(form: str, sizes: Sequence[int], seed: int = 0) -> nn.Sequential:
    """Layers of one form with random coefficients."""
    torch.manual_seed(seed)
    return nn.Sequential(*(FORMS[form](*pair) for pair in pairwise(sizes)))


def fit(module: nn.Module, steps: int = 400, seed: int = 0) -> float:
    """Train on ``exp(sin(pi x) + y^2)``, an example of the paper; the relative L2 error."""
    torch.manual_seed(seed)
    x = 2 * torch.rand(2048, 2) - 1
    y = torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = functional.mse_loss(module(x), y)
        loss.backward()
        optimiser.step()
    return float((loss.detach() / (y**2).mean()).sqrt())


def export(module: nn.Module, inputs: int, path: Path) -> Path:
    """Write an ONNX model of any number of samples."""
    kind = next(module.parameters()).dtype
    example = torch.linspace(-0.9, 0.8, 3 * inputs, dtype=kind).reshape(3, inputs)
    torch.onnx.export(
        module.eval(),
        (example,),
        path,
        input_names=["x"],
        dynamic_axes={"x": {0: "batch"}},
        dynamo=False,
    )
    return path
