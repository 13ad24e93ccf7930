"""The exponential of a stationary velocity."""

from __future__ import annotations

from torch import Tensor

from .. import _args, _options
from .warp import compose


def exponential(
    velocity: Tensor,
    squarings: int = 7,
    inverse: bool = False,
    mode: str = "linear",
    padding_mode: str = "border",
) -> Tensor:
    """The displacement of ``exp(v)``: the flow of a stationary velocity for unit time, by scaling
    and squaring.

    ``id + u_0 = id + v / 2^n`` is composed with itself n times, ``u <- u + u(x + u)`` (Arsigny et
    al., MICCAI 2006).

    Args:
        velocity: (B, D, *S), v in voxels per unit of time, float32 or float64.
        squarings: n; the first step should move by less than about half a voxel.
        inverse: of ``exp(-v)`` instead, the inverse map.
        mode, padding_mode: of each composition, as of `compose`.

    Returns:
        (B, D, *S), in voxels. Each squaring keeps one field for the backward pass and moves 36
        bytes per voxel (3-D, float32).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> v = torch.full((1, 2, 6, 6), 0.75)
        >>> bool((qs.exponential(v) == 0.75).all())
        True
        >>> bool((qs.exponential(v, inverse=True) == -0.75).all())
        True
    """
    _options.check_choice("exponential", "mode", mode, ("linear", "cubic"))
    _options.check_choice("exponential", "padding_mode", padding_mode, _options.PADDINGS)
    (velocity,) = _args.promote(velocity)
    _args.check_vectors("exponential", "velocity", velocity)
    _args.check_samples("exponential", "velocity", velocity.shape[2:], mode, single=True)
    _options.check_integer("exponential", "squarings", squarings, 0, "7")
    displacement = velocity * ((-1.0 if inverse else 1.0) / 2**squarings)
    for _ in range(squarings):
        displacement = compose(displacement, displacement, mode, padding_mode)
    return displacement
