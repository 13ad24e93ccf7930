"""Evidence for a momentum: how far two images differ around each voxel, between 0 and 1.

At an optimum of LDDMM matching the initial momentum is lambda grad I0, with lambda proportional to
the residual of the images (Younes, Shapes and Diffeomorphisms, 2010, ch. 11): where nothing
differs, nothing moves. A network learns this only roughly, so its momentum is made to obey it:

    m(I0, I1) = e(I0, I1) (N(I0, I1) - N(I0, I0)),    e = r^2 / (r^2 + NOISE^2).

r is the mean size of the difference I1 - I0 around a voxel, once noise is blurred and what differs
evenly (a gain, a bias field) is taken away.
"""

from __future__ import annotations

from torch import Tensor

from quicksilver.images.filters import average, blur

NOISE = 0.02
"""A difference of normalised intensities that is as likely noise as a change."""

EVEN = 4
"""Reach, in voxels, of the cube whose mean difference counts as one of scanners."""

REACH = 2
"""Reach, in voxels, of the cube whose differences bear on its middle."""


def find_evidence(moving: Tensor, target: Tensor) -> Tensor:
    """Weigh, between 0 and 1, how much the images differ around each voxel.

    Args:
        moving, target: (N, 1, X, Y, Z), normalised, background 0.

    Returns:
        (N, 1, X, Y, Z); exactly 0 where the images agree in all of the cube around a voxel.

    Example:
        >>> import torch
        >>> image = torch.zeros(1, 1, 20, 16, 16); image[:, :, 4:9, 4:12, 4:12] = 1
        >>> find_evidence(image, image).max()
        tensor(0.)
        >>> bool(find_evidence(image, image.roll(1, 2)).max() > 0.9)
        True
    """
    difference = target - moving
    inside = ((moving != 0) | (target != 0)).to(difference.dtype)
    even = average(difference, EVEN) / average(inside, EVEN).clamp(min=1e-3)
    uneven = (blur(difference) - even * inside) * inside
    squared = average(uneven.abs(), REACH).square()
    return squared / (squared + NOISE**2)
