"""Paint images after label maps: training data where there are labels but no images.

Every label has a random intensity around that of its tissue in a T1-weighted image; both images of
a pair share the palette, as one scanner would. Texture, partial volume and noise are added.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quicksilver.images.filters import average
from quicksilver.training.synthesis import draw_smooth_noise

TISSUES = {
    0.95: (2, 7, 16, 28, 41, 46, 60, 77, 85, 251, 252, 253, 254, 255),  # white matter, brain stem
    0.62: (3, 8, 11, 12, 17, 18, 26, 42, 47, 50, 51, 53, 54, 58),  # grey matter
    0.75: (10, 13, 49, 52),  # thalamus, pallidum
    0.20: (4, 5, 14, 15, 24, 30, 31, 43, 44, 62, 63, 72),  # fluid, vessels, choroid plexus
}
"""T1 intensities, white matter near 1, of FreeSurfer's codes."""

CODES = 32768
SPREAD = 0.06  # sd of a label's mean around its tissue's
GREY = 0.62  # of codes that are not listed: parcels of the cortex


def draw_palette(generator: torch.Generator) -> Tensor:
    """Draw an intensity for every label code, (CODES,): 0 for the background."""
    palette = torch.full((CODES,), GREY)
    for intensity, codes in TISSUES.items():
        palette[list(codes)] = intensity
    palette = (palette + SPREAD * torch.randn(CODES, generator=generator)).clamp(min=0.05)
    palette[0] = 0
    return palette


def paint(labels: Tensor, palette: Tensor, generator: torch.Generator) -> Tensor:
    """Paint an image (1, 1, X, Y, Z), float32, of the anatomy in `labels` (1, 1, X, Y, Z).

    Example:
        >>> labels = torch.zeros(1, 1, 16, 16, 16, dtype=torch.int16)
        >>> labels[..., 4:12, 4:12, 4:12] = 2
        >>> generator = torch.Generator().manual_seed(0)
        >>> image = paint(labels, draw_palette(generator), generator)
        >>> bool(image[labels == 2].mean() > 0.6), bool((image[..., 0, 0, 0] == 0).all())
        (True, True)
    """
    inside = (labels != 0).float()
    image = palette.to(labels.device)[labels.long()]
    texture = draw_smooth_noise(labels.shape[2:], (12, 4), generator).to(image)
    image = image * (1 + 0.04 * texture)
    # Voxels mix tissues: a mean over neighbours, within the head only.
    weight, mixed = (average(each, 1, "constant") for each in (inside, image * inside))
    mixed = mixed / weight.clamp(min=1e-6)
    share = 0.3 + 0.4 * torch.rand((), generator=generator).item()
    return ((1 - share) * image + share * mixed) * inside
