"""Inputs: smooth displacements, noise images, brains of noise; never zeros."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.training.synthesis import draw_smooth_noise

Shape = tuple[int, ...]

QUICKSILVER_SHAPE = (229, 193, 193)
CACHE = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")


def smooth_displacement(shape: Shape, amplitude: float = 4.0) -> Tensor:
    """(1, D, *shape) in voxels, up to `amplitude`, of a wave along every axis."""
    axes = torch.meshgrid(*(torch.linspace(0, 6, n) for n in shape), indexing="ij")
    waves = [
        axes[0].sin() * axes[1].cos() * (axes[-1] + component).sin()
        for component in range(len(shape))
    ]
    return amplitude * torch.stack(waves)[None]


def window(shape: Shape) -> Tensor:
    """Make a window: one in the middle, falling to zero at every face."""
    found = torch.ones(())
    for axis, n in enumerate(shape):
        line = torch.hann_window(n, periodic=False)
        found = found * line.reshape([n if a == axis else 1 for a in range(len(shape))])
    return found


def moderate_momentum(shape: Shape, metric: qs.FluidMetric, amplitude: float = 6.0) -> Tensor:
    """(1, D, *shape), whose geodesic moves by some `amplitude` voxels and leaves the faces in
    place.
    """
    return metric.flat(smooth_displacement(shape, amplitude) * window(shape))


def brain(shape: Shape, seed: int = 0) -> Tensor:
    """(*shape): smooth noise in an ellipsoid that fills the grid as far as a skull-stripped head
    does.
    """
    axes = torch.meshgrid(*(torch.linspace(-1.25, 1.25, n) for n in shape), indexing="ij")
    inside = sum(x.square() for x in axes) < 1
    texture = draw_smooth_noise(shape, (5,), torch.Generator().manual_seed(seed))[0, 0]
    return (100 + 30 * texture).clamp(min=1) * inside


def cache_bytes(device: torch.device) -> int:
    """Return the size of the last-level cache."""
    if device.type == "cuda":
        size: int = torch.cuda.get_device_properties(device).L2_cache_size
        return size
    return 1024 * int(CACHE.read_text().strip("K\n")) if CACHE.exists() else 32 << 20


@dataclass(frozen=True)
class Inputs:
    """Sets of inputs of one shape, so many that they exceed the last cache four times."""

    device: torch.device
    shape: Shape
    channels: int = 3
    batch: int = 1
    dtype: torch.dtype = torch.float32  # of the images
    backward: bool = False
    steps: int = 10
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    @cached_property
    def rotation(self) -> int:
        size = 4 * self.batch * math.prod(self.shape) * (self.channels + len(self.shape))
        return max(2, min(32, math.ceil(4 * cache_bytes(self.device) / size)))

    def noise(self, channels: int) -> list[Tensor]:
        """(B, channels, *shape), a tensor per set."""
        size = (self.batch, channels, *self.shape)
        made = (torch.randn(size, generator=self.generator) for _ in range(self.rotation))
        return [each.to(self.device, self.dtype) for each in made]

    @cached_property
    def images(self) -> list[Tensor]:
        return [image.requires_grad_(self.backward) for image in self.noise(self.channels)]

    @cached_property
    def cotangents(self) -> list[Tensor]:
        return self.noise(self.channels)

    @cached_property
    def vectors(self) -> list[Tensor]:
        return self.noise(len(self.shape))

    @cached_property
    def displacements(self) -> list[Tensor]:
        """(B, D, *shape), every one another, smooth but for a little noise."""
        smooth = smooth_displacement(self.shape, min(4.0, min(self.shape) / 16))
        size = (self.batch, *smooth.shape[1:])
        made = (
            smooth + 0.05 * torch.randn(size, generator=self.generator)
            for _ in range(self.rotation)
        )
        return [each.to(self.device).requires_grad_(self.backward) for each in made]


def words(shape: Sequence[int]) -> str:
    """Write a shape as in "160 x 192 x 160"."""
    return " x ".join(map(str, shape))
