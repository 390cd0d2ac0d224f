"""The error budget of a program: what every layer's conversion does to the outputs.

The error of a converted network is bounded by a weighted sum of local errors, those that a layer
adds given the inputs it gets (Zhang et al., arXiv 2308.16372, after Li et al., ICML 2021):

    |u - u*|^2  ~  sum_l e_l^T H_l e_l,    H_l = J_l^T J_l,

where ``e_l`` is the local error of layer ``l``'s activations and ``J_l`` the derivative of the
outputs by them. With the identity in place of ``H_l`` the sum needs no derivatives and says less.
All contributions are shares of the outputs' size, as relative L2 errors are.
``local_errors.py`` computes a budget; here is what it says.
"""

from __future__ import annotations

import msgspec
import numpy as np

from pinnir.base.bounds import Count, Natural, Size

# Factor between predicted and measured error beyond which the prediction is not to be trusted.
_FAR = 2.0


class LayerErrors(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One activation of the source network.

    Attributes:
        name: Of the activation.
        core: Label of its core.
        neurons: Of the source network.
        units: Spiking units that stand for them; None if the program does not say which they are.
        levels: Mean number of levels a neuron.
        activation: RMS activation.
        local_error: RMS of the local error, over neurons and points.
        weight: RMS derivative of the outputs by a neuron, relative to the RMS output.
        predicted: ``sqrt(E |J e|^2)``, relative to the RMS output, where ``e`` is the local error
            itself, and with it what refitted or calibrated maps behind the layer take back.
        independent: ``sqrt(sum_i w_i^2 e_i^2)``: as if neurons erred independently of each other,
            and without the maps.
        identity: ``sqrt(E |e|^2)`` relative to the RMS output.
        alone: Measured relative L2 error if only this layer is converted.
        without: Measured relative L2 error of the program if this layer, and no other, is exact.
    """

    name: str
    core: str
    neurons: Count
    units: Natural | None
    levels: Size
    activation: Size
    local_error: Size
    weight: Size
    predicted: Size
    independent: Size
    identity: Size
    alone: Size
    without: Size

    @property
    def relative(self) -> float:
        """The local error relative to the activation (absolute if that is zero)."""
        return self.local_error / (self.activation or 1.0)


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The error budget of a program.

    No field has a default, so that a stored budget that lacks one is seen to be damaged.

    Attributes:
        points: How many points it was computed on.
        measured: Relative L2 error of the whole program there, against the source network.
        retrained: That of the network that the layers are compared with: 0 but for pipelines
            that train before they round.
        maps: Contribution of maps that read no layer and were corrected, such as biases behind
            another core.
        together: First-order prediction of ``measured``: all layers' ``J e`` added up, signs and
            all.
        layers: In running order; none if layers cannot be compared.
        incomparable: Why they cannot.
    """

    points: Count
    measured: Size
    retrained: Size
    maps: Size
    together: Size
    layers: tuple[LayerErrors, ...]
    incomparable: str | None

    @property
    def predicted(self) -> float:
        """Root of the sum of squares of all contributions: as if layers erred independently."""
        parts = [layer.predicted for layer in self.layers]
        return float(np.linalg.norm([*parts, self.maps, self.retrained]))

    @property
    def identity(self) -> float:
        """The same of the identity-weighted contributions."""
        return float(np.linalg.norm([layer.identity for layer in self.layers]))

    @property
    def largest(self) -> LayerErrors | None:
        """The layer with the largest predicted contribution."""
        return max(self.layers, key=lambda layer: layer.predicted, default=None)

    def share(self, layer: LayerErrors) -> float:
        """A layer's share of the sum of squares."""
        return layer.predicted**2 / (self.predicted**2 or 1.0)

    @property
    def best(self) -> LayerErrors | None:
        """Where more levels would help most for the units that they take.

        By the fall of the squared error if the layer is exact, divided by its units; None if no
        layer alone is worth it.
        """
        gains = [self.measured**2 - layer.without**2 for layer in self.layers]
        if any(layer.units is None for layer in self.layers):
            worth = gains
        else:
            worth = [g / (one.units or 1) for g, one in zip(gains, self.layers, strict=True)]
        if max(worth, default=0.0) <= 0:
            return None
        return self.layers[int(np.argmax(worth))]

    def advice(self) -> str:
        """Where more levels would help most, in a sentence; or why nobody knows."""
        if self.incomparable is not None:
            return f"Layers cannot be compared: {self.incomparable}."
        best, largest = self.best, self.largest
        if best is None:
            return "No layer alone is worth more levels: were it exact, the error would not fall."
        total = sum(layer.units or 0 for layer in self.layers)
        told = f"More levels would help most in {best.name} ({best.core})"
        if best.units is not None and total:
            told += f", which has {best.units / total:.0%} of the units"
        told += f": were it exact, the error would fall from {self.measured:.2e} to "
        told += f"{best.without:.2e}."
        if largest is not None and best is not largest:
            told += f" The largest predicted contribution is that of {largest.name}."
        return told

    def caution(self) -> str | None:
        """What to say where the prediction is far from the measurement, else None."""
        if self.incomparable is not None or not self.measured:
            return None
        ratio = self.together / self.measured
        if 1 / _FAR <= ratio <= _FAR:
            return None
        return (
            f"Errors are too large for a first-order prediction: all layers together are "
            f"predicted to give {ratio:.2g} times the measured error."
        )
