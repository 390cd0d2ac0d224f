"""Training of a regression layer by surrogate gradient, through the membranes' own dynamics.

Spikes pass gradients as in SuperSpike (F. Zenke and S. Ganguli, Neural Computation 30, 2018): the
derivative of a spike by the potential is ``1 / (1 + alpha |v - theta|)^2``. Encoder and read-out
are trained together by Adam; the read-out is then fitted in closed form to the spikes of the
float64 oracle.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from pinnir.backends.norse_membranes import MembraneCell, Tensors
from pinnir.errors import PinnirError
from pinnir.ir import Affine, Array
from pinnir.matrix import dense
from pinnir.metrics import relative_l2
from pinnir.regression import RegressionLayer

# Sharpness of the surrogate gradient, over the distance from rest to the threshold.
_SHARPNESS = 3.0
# Largest norm of a gradient: through long simulations some are huge.
_CLIP = 1.0


class RegressionModule(torch.nn.Module):
    """The layer with parameters that gradients reach.

    The encoder is trained in units of the model's range, as the read-out is in those of its rates:
    one rate of learning then suits both.
    """

    def __init__(self, layer: RegressionLayer) -> None:
        super().__init__()
        model = layer.model
        alpha = _SHARPNESS / abs(model.threshold - model.rest()[0])
        self.layer, self.scale = layer, float(np.ptp(model.drive))
        self.cell = MembraneCell(model, layer.scheme, torch.float64, "super", alpha)
        self.gain = _parameter(dense(layer.encoder.weight) / self.scale)
        self.offset = _parameter(layer.encoder.bias / self.scale)
        self.weight = _parameter(dense(layer.decoder.weight))
        self.bias = _parameter(layer.decoder.bias)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Outputs ``(samples, outputs)``."""
        current = self.scale * (points @ self.gain.T + self.offset)
        state: Tensors | None = None
        total = torch.zeros_like(current)
        for _ in range(self.layer.steps):
            spikes, state = self.cell(current, state)
            total = total + spikes
        return total / self.layer.steps @ self.weight.T + self.bias

    def trained(self) -> RegressionLayer:
        """The layer with the parameters that it has now."""
        encoder = Affine(self.scale * _values(self.gain), self.scale * _values(self.offset))
        return replace(
            self.layer, encoder=encoder, decoder=Affine(_values(self.weight), _values(self.bias))
        )


def train(
    layer: RegressionLayer,
    points: Array,
    values: Array,
    *,
    iterations: int = 100,
    rate: float = 3e-3,
    ridge: float = 1e-4,
) -> RegressionLayer:
    """The layer trained on data.

    Args:
        layer: Where training starts; its read-out is fitted first.
        points: ``(samples, inputs)``.
        values: ``(samples, outputs)``.
        iterations: Of Adam on all points; 0 fits the read-out only.
        rate: Of learning.
        ridge: Of the closed-form fits of the read-out.

    Returns:
        The best of the layer with only its read-out fitted, the one at the end and the one with
        the lowest loss on the way; the read-outs of all are fitted.

    Raises:
        PinnirError: If a gradient is not finite.
    """
    layer = layer.with_decoder_fitted(points, values, ridge)
    if not iterations:
        return layer
    module = RegressionModule(layer)
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    x, y = torch.as_tensor(points), torch.as_tensor(values)
    lowest, best = np.inf, layer
    for number in range(iterations):
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(module(x), y)
        if loss.item() < lowest:
            lowest, best = loss.item(), module.trained()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(module.parameters(), _CLIP)
        if not torch.isfinite(norm):
            raise PinnirError(
                f"the gradient is not finite in iteration {number}",
                op=layer.model.name,
                hint="train with shorter sub-steps, or fewer steps",
            )
        optimiser.step()
    found = [one.with_decoder_fitted(points, values, ridge) for one in (best, module.trained())]
    return min((layer, *found), key=lambda one: relative_l2(one.outputs(points), values))


def _parameter(values: Array) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(np.asarray(values), dtype=torch.float64))


def _values(parameter: torch.nn.Parameter) -> Array:
    return np.asarray(parameter.detach().numpy().copy(), np.float64)
