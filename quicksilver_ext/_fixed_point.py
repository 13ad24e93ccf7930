"""Sums that have the same bits in whatever order they are formed, for the atomics of a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

BITS = 61
"""Bits of the largest sum that can occur: a 64-bit integer less its sign, and two to spare."""


def is_wanted(tensor: Tensor) -> bool:
    """Tell whether torch.use_deterministic_algorithms asks for them; on the CPU all sums are
    reproducible anyway.
    """
    return tensor.is_cuda and torch.are_deterministic_algorithms_enabled()


def sum_terms(
    terms: Tensor, shape: Sequence[int], count: int, add: Callable[[Tensor, Tensor], None]
) -> Tensor:
    """Sum at most `count` terms, with weights up to one, in each place of a result of this shape.

    add(sums, scale): adds scale times each term, rounded, to the int64 `sums`. No sum overflows,
    and each term errs by at most 2^-61 times count times the largest term; nothing is read back
    from the device.
    """
    if terms.numel() == 0:
        return terms.new_zeros(tuple(shape))
    largest = terms.abs().amax().double() * count
    # A power of two, so that the scale itself does not round; at most 2^900, for terms that are all
    # zero.
    scale = torch.exp2((BITS - torch.log2(largest).ceil()).clamp(max=900))
    sums = torch.zeros(tuple(shape), dtype=torch.int64, device=terms.device)
    add(sums, scale)
    return (sums / scale).to(terms.dtype)
