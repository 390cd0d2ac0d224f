"""Small classifiers of 8x8 images: the architectures that sign-gradient neurons made convertible.

All take an image as 64 pixels in [0, 1], row by row, cut it into 16 patches of 2x2 pixels, keep a
few channels a patch, and end in the mean over the patches and an affine map to ten classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIDE, PATCH = 8, 2
PIXELS, CLASSES = SIDE * SIDE, 10
_EDGE = SIDE // PATCH
PATCHES = _EDGE * _EDGE


class Affine(nn.Module):
    """A scale and a shift for each channel: what ResMLP has in place of a normalisation.

    Args:
        channels: Number of channels, the last dimension.
        scale: Of all of them, at first.
    """

    def __init__(self, channels: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), scale))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, value: Tensor) -> Tensor:
        """Return the scaled and shifted value."""
        return value * self.scale + self.shift


def perceptron(columns: int, hidden: int) -> nn.Sequential:
    """Return a multilayer perceptron of one hidden layer with GELU, as wide at its ends."""
    return nn.Sequential(nn.Linear(columns, hidden), nn.GELU(), nn.Linear(hidden, columns))


class Patches(nn.Module):
    """Cut images (samples, 64) into patches and embed them: (samples, patches, channels)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.embed = nn.Linear(PATCH * PATCH, channels)

    def forward(self, image: Tensor) -> Tensor:
        """Return the embedded patches."""
        tiles = image.reshape(-1, _EDGE, PATCH, _EDGE, PATCH).permute(0, 1, 3, 2, 4)
        embedded: Tensor = self.embed(tiles.reshape(-1, PATCHES, PATCH * PATCH))
        return embedded


class ResMLPBlock(nn.Module):
    """Mix patches by a linear map, then channels by a perceptron (Touvron et al., TPAMI 2022)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.before = nn.ModuleList([Affine(channels), Affine(channels)])
        self.after = nn.ModuleList([Affine(channels, 0.1), Affine(channels, 0.1)])
        self.patches = nn.Linear(PATCHES, PATCHES)
        self.channels = perceptron(channels, hidden)

    def forward(self, value: Tensor) -> Tensor:
        """Return the mixed value, of the same shape."""
        mixed = self.patches(self.before[0](value).transpose(1, 2)).transpose(1, 2)
        value = value + self.after[0](mixed)
        changed: Tensor = self.after[1](self.channels(self.before[1](value)))
        return value + changed


class MixerBlock(nn.Module):
    """Mix patches, then channels, by perceptrons (Tolstikhin et al., NeurIPS 2021)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(channels), nn.LayerNorm(channels)])
        self.patches = perceptron(PATCHES, hidden)
        self.channels = perceptron(channels, hidden)

    def forward(self, value: Tensor) -> Tensor:
        """Return the mixed value, of the same shape."""
        value = value + self.patches(self.norms[0](value).transpose(1, 2)).transpose(1, 2)
        mixed: Tensor = value + self.channels(self.norms[1](value))
        return mixed


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, layer norm, perceptron of the channels (Liu et al., CVPR 2022)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.channels = perceptron(channels, hidden)
        self.after = nn.Parameter(torch.full((channels,), 0.1))

    def forward(self, value: Tensor) -> Tensor:
        """Return the mixed value, (samples, patches, channels) as it came."""
        image = value.transpose(1, 2).reshape(-1, value.shape[2], _EDGE, _EDGE)
        spread = self.depthwise(image).flatten(2).transpose(1, 2)
        mixed: Tensor = value + self.after * self.channels(self.norm(spread))
        return mixed


class Classifier(nn.Module):
    """Embedded patches, blocks, a norm, the mean over the patches, and the classes' scores.

    Args:
        kind: ``resmlp``, ``mixer`` or ``convnext``.
        channels: Of each patch.
        hidden: Width of the perceptrons.
        depth: Number of blocks.
    """

    def __init__(self, kind: str, channels: int = 16, hidden: int = 32, depth: int = 2) -> None:
        super().__init__()
        block = {"resmlp": ResMLPBlock, "mixer": MixerBlock, "convnext": ConvNeXtBlock}[kind]
        self.patches = Patches(channels)
        self.blocks = nn.Sequential(*(block(channels, hidden) for _ in range(depth)))
        self.norm = Affine(channels) if kind == "resmlp" else nn.LayerNorm(channels)
        self.head = nn.Linear(channels, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        """Return the scores (samples, classes) of images (samples, 64)."""
        value = self.norm(self.blocks(self.patches(image)))
        scores: Tensor = self.head(value.mean(dim=1))
        return scores
