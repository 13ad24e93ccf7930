"""A network for whole volumes whose momenta are horizontal: m0 = a(x) grad I0.

The momentum of an image match is the gradient of the moving image times a scalar (Younes, Shapes
and Diffeomorphisms, 2010, ch. 11): of the three components only the scalar has to be found. A U-Net
looks at both images together and gives a; the product with grad I0 is exact. Next to the patches of
the paper's network it sees the whole brain, computes no voxel twice and is about five times faster
at the same width.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quicksilver.networks.base import MomentumNetwork

DEPTH = 3
SLOPE = 0.1
CENTRE, CONTRAST = 0.25, 4.0  # normalised images are brought to about [-1, 4], zero mean in a brain
DROPOUT = 0.2


class Residual(nn.Module):
    """Add two 3^3 convolutions to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = _convolution(channels, channels, gain=0.3)  # close to the identity at first

    def forward(self, x: Tensor) -> Tensor:
        return _activate(x + self.second(_activate(self.first(x))))


class HorizontalNetwork(MomentumNetwork):
    """The momentum a(x) grad I0 of whole volumes, a by a U-Net of four resolutions.

    `features`: channels at full resolution, doubled by every halving. `dropout=True` builds the
    probabilistic form: dropout of 0.2 on the features of every coarser level, active in training
    mode. It begins with a = 0, the identity map.

    Shapes: moving and target `(N, 1, X, Y, Z)`, each edge a multiple of `MULTIPLE`; result
    `(N, 3, X, Y, Z)`; see `MomentumNetwork`.

    >>> network = HorizontalNetwork(features=2)
    >>> image = torch.rand(1, 1, 16, 8, 24)
    >>> network(image, image).shape
    torch.Size([1, 3, 16, 8, 24])
    """

    MULTIPLE = 2**DEPTH
    HALF: ClassVar[dict[str, torch.dtype]] = {"cuda": torch.float16, "cpu": torch.bfloat16}

    def __init__(self, features: int = 16, dropout: bool = False) -> None:
        super().__init__()
        widths = [features * 2**level for level in range(DEPTH + 1)]
        finer, coarser = widths[:-1], widths[1:]
        self.entry = _convolution(2, features)
        self.down = nn.ModuleList(
            nn.Conv3d(a, b, 2, stride=2) for a, b in zip(finer, coarser, strict=True)
        )
        self.encoders = nn.ModuleList(Residual(b) for b in coarser)
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(b, a, 2, stride=2) for a, b in zip(finer, coarser, strict=True)
        )
        self.merge = nn.ModuleList(_convolution(2 * a, a) for a in finer)
        self.decoders = nn.ModuleList([nn.Identity(), *(Residual(a) for a in finer[1:])])
        self.factor = nn.Conv3d(features, 1, 3, padding=1)
        self.dropout = nn.Dropout3d(DROPOUT) if dropout else nn.Identity()
        for layer in (*self.down, *self.up):
            _draw(layer)
        for parameter in self.factor.parameters():
            nn.init.zeros_(parameter)

    def forward(self, moving: Tensor, target: Tensor) -> Tensor:
        return self.scalar(moving, target).float() * central_gradient(moving)

    def outputs(self) -> list[nn.Conv3d]:
        return [self.factor]

    def scalar(self, moving: Tensor, target: Tensor) -> Tensor:
        """Return the factor a, (N, 1, X, Y, Z)."""
        x = _activate(self.entry((torch.cat((moving, target), dim=1) - CENTRE) * CONTRAST))
        finer = []
        for down, encode in zip(self.down, self.encoders, strict=True):
            finer.append(x)
            x = self.dropout(encode(_activate(down(x))))
        for level in reversed(range(DEPTH)):
            both = torch.cat((self.up[level](x), finer[level]), dim=1)
            x = self.decoders[level](_activate(self.merge[level](both)))
        scalar: Tensor = self.factor(x)
        return scalar


def central_gradient(image: Tensor) -> Tensor:
    """Return central differences of (N, 1, X, Y, Z) along its axes, (N, 3, X, Y, Z), halved on the
    faces.
    """
    padded = F.pad(image, [1] * 6, mode="replicate")
    parts = []
    for axis, size in zip((2, 3, 4), image.shape[2:], strict=True):
        line = padded
        for other, length in zip((2, 3, 4), image.shape[2:], strict=True):
            line = line if other == axis else line.narrow(other, 1, length)
        parts.append((line.narrow(axis, 2, size) - line.narrow(axis, 0, size)) / 2)
    return torch.cat(parts, dim=1)


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


def _convolution(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv3d:
    layer = nn.Conv3d(inputs, outputs, 3, padding=1)
    _draw(layer, gain)
    return layer


def _draw(layer: nn.Module, gain: float = 1.0) -> None:
    """Draw first weights that keep the variance of the signal (He 2015), times `gain`."""
    assert isinstance(layer, nn.Conv3d | nn.ConvTranspose3d)
    assert layer.bias is not None
    if layer.weight.is_meta:  # torch would load its compiler, which takes a second, to fill nothing
        return
    nn.init.kaiming_normal_(layer.weight, a=SLOPE)
    with torch.no_grad():
        layer.weight.mul_(gain)
    nn.init.zeros_(layer.bias)
