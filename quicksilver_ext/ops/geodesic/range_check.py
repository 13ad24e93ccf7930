"""A warning where a geodesic carries voxels farther than the grid is large: no map of an image, and
chaotic in any precision.
"""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from ..._autograd import may_need_gradient, transforms_are_active


class OutOfGridWarning(UserWarning):
    """A displacement of `shoot` is longer than the grid along an axis, or not finite.

    Example:
        >>> import warnings, quicksilver_ext as qs
        >>> warnings.simplefilter("error", qs.OutOfGridWarning)  # an exception instead
        >>> warnings.resetwarnings()
    """


def warn_out_of_grid(momentum: Tensor, psi: Tensor, phi: Tensor) -> None:
    """Warn, in the name of the caller's caller, where a displacement (B, D, *S) that a momentum led
    to is longer than the grid along an axis, or not finite. Silent where `_can_look` says no.
    """
    if not _can_look(momentum, psi) or psi.numel() == 0:
        return
    grid, lines = tuple(psi.shape[2:]), [field.flatten(2) for field in (psi, phi)]
    with torch.no_grad():  # or both maps would be kept for a gradient that nobody wants
        reached = torch.stack([bound for d in lines for bound in (d.amax(2), -d.amin(2))]).cpu()
    if (reached <= torch.tensor(grid)).all():  # which is false of NaN
        return
    largest = reached.max().item()
    found = f"of {largest:.0f} voxels" if math.isfinite(largest) else "that is not finite"
    warnings.warn(
        f"shoot: momentum: expected no displacement longer than the grid {grid}, found one "
        f"{found}; the momentum is too large or too rough: scale it down, or smooth it",
        OutOfGridWarning,
        stacklevel=3,
    )


def _can_look(momentum: Tensor, psi: Tensor) -> bool:
    """Tell whether the values of a result can be read, and whether waiting for them costs nothing
    that matters: not while torch traces, transforms or records, nor between a forward pass on CUDA
    and its backward pass.
    """
    if torch.compiler.is_compiling() or transforms_are_active() or type(psi) is not Tensor:
        return False
    if psi.is_cuda:
        return not (may_need_gradient(momentum) or torch.cuda.is_current_stream_capturing())
    return psi.device.type == "cpu"
