"""Make synthetic geodesics: endless pairs of images whose momentum is known exactly.

The initial momentum of an image match is horizontal, m0 = a(x) grad I: here with a random smooth a,
a sum of several scales. The target is the image moved along the geodesic. Real scanners then differ
in contrast, bias field, sharpness and noise, and `disturb` makes images differ in these too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.images.filters import blur

SCALES = (16, 8, 4)
"""Voxels between the knots of the random factor a: gyri at 2 mm are about 4 voxels apart."""

LARGEST = (2.0, 10.0)
"""Range of the largest displacement of a random geodesic, in voxels."""

ATTEMPTS = 12


def draw_geodesic(
    image: Tensor,
    metric: qs.FluidMetric,
    generator: torch.Generator,
    steps: int = 10,
    largest: tuple[float, float] = LARGEST,
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw a random momentum of an image, and the maps that it shoots.

    Args:
        image: (1, 1, X, Y, Z), normalised.
        metric: In voxels.
        generator: Decides the result.
        steps: Time steps of the geodesic.
        largest: Range from which the largest displacement (voxels, by the velocity at the start) is
            drawn; it is halved until det(D psi) > 0 everywhere.

    Returns:
        The momentum (1, 3, X, Y, Z), psi and phi.

    Raises:
        ValueError: The image is constant, or the map folds however small it is.

    Example:
        >>> blob = torch.zeros(1, 1, 20, 20, 20); blob[..., 6:14, 6:14, 6:14] = 1
        >>> generator = torch.Generator().manual_seed(0)
        >>> momentum, psi, phi = draw_geodesic(blob, qs.FluidMetric(), generator)
        >>> bool(qs.jacobian_determinant(psi).min() > 0)
        True
    """
    factor = draw_smooth_noise(image.shape[2:], SCALES, generator).to(image)
    momentum = factor * torch.stack(torch.gradient(image[0, 0]))[None]
    speed = metric.sharp(momentum).abs().max()
    if speed == 0:
        raise ValueError(
            "draw_geodesic: image must have an edge, found a constant one; check the image"
        )
    low, high = largest
    momentum = momentum * (
        (low + (high - low) * torch.rand((), generator=generator).item()) / speed
    )
    for _ in range(ATTEMPTS):
        psi, phi = qs.shoot(momentum, metric, steps=steps, check=False)
        if qs.jacobian_determinant(psi).min() > 0:
            return momentum, psi, phi
        momentum = momentum / 2
    raise ValueError(
        "draw_geodesic: no amplitude gave det(D psi) > 0; check that the image is finite"
    )


def disturb(image: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Change images as other scanners might have shown them, each in its own way.

    Contrast (a power of intensity), bias field (exp of a slope in a random direction), sharpness (a
    narrow blur), overall scale and noise within the head; the background stays 0 and the range [0,
    1.2]. It works on patches as on whole volumes.

    Args:
        image: (N, 1, X, Y, Z).
        generator: Decides the result.
        strength: 1 is a wide range of real scanners, 0 changes nothing.

    Example:
        >>> image = torch.rand(2, 1, 8, 8, 8)
        >>> disturb(image, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 1, 8, 8, 8])
    """

    def normal(scale: float) -> Tensor:
        return scale * strength * torch.randn(len(image), 1, 1, 1, 1, generator=generator).to(image)

    def uniform(high: float) -> Tensor:
        return high * strength * torch.rand(len(image), 1, 1, 1, 1, generator=generator).to(image)

    inside = image > 0
    result = blur(image, uniform(0.2))
    result = result.clamp(min=1e-4) ** torch.exp(normal(0.2))
    axes = [torch.linspace(-1, 1, n).to(image) for n in image.shape[2:]]
    x, y, z = torch.meshgrid(*axes, indexing="ij")
    result = result * torch.exp(
        normal(0.07) + normal(0.07) * x + normal(0.07) * y + normal(0.07) * z
    )
    noise = torch.randn(image.shape, generator=generator).to(image)
    return torch.where(inside, result + uniform(0.04) * noise, 0).clamp(0, 1.2)


def vary_scanner(
    images: Sequence[Tensor], generator: torch.Generator, strength: float
) -> list[Tensor]:
    """Change several images as one other scanner might have shown all of them.

    Sharpness (unsharp masking), contrast between grey and white matter, and a power of intensity;
    the background stays 0 and the range [0, 1.2]. At 2 mm the mean slope of brains of one study is
    twice that of another: strength 1 covers such a range.

    Args:
        images: (N, 1, X, Y, Z) each.
        generator: Decides the result.
        strength: 0 changes nothing.

    Example:
        >>> image = 0.1 + torch.rand(1, 1, 8, 8, 8)
        >>> [same] = vary_scanner([image], torch.Generator().manual_seed(0), 0.0)
        >>> torch.testing.assert_close(same, image)
    """
    sharper, steeper, centre, power = torch.rand(4, generator=generator).tolist()
    centre = 0.55 + 0.2 * centre
    sharper, steeper = strength * (2.0 * sharper - 0.3), strength * (1.4 * steeper - 0.3)
    power = math.exp(strength * (0.8 * power - 0.4))
    seen = []
    for image in images:
        result = image + sharper * (image - blur(image))
        offset = result - centre
        result = result + steeper * offset * torch.exp(-((offset / 0.25) ** 2))
        result = result.clamp(min=1e-4) ** power
        seen.append(torch.where(image > 0, result, 0).clamp(0, 1.2))
    return seen


def draw_smooth_noise(
    shape: Sequence[int], scales: Sequence[int], generator: torch.Generator
) -> Tensor:
    """Draw a sum of random fields (1, 1, X, Y, Z), one per distance between knots (voxels)."""
    total = torch.zeros(1, 1, *shape)
    for scale in scales:
        knots = torch.randn(1, 1, *(n // scale + 2 for n in shape), generator=generator)
        total += F.interpolate(knots, size=tuple(shape), mode="trilinear", align_corners=True)
    return total / len(scales) ** 0.5
