"""Label maps carried by a map."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .. import _args, _core, _options
from .._register import operator


def _fake(labels: Tensor, displacement: Tensor, *_: Any) -> Tensor:
    batch = _args.batch_of(labels, displacement)
    return labels.new_empty((batch, labels.shape[1], *displacement.shape[2:]))


@operator(
    "warp_labels(Tensor labels, Tensor displacement, str padding_mode) -> Tensor",
    fake=_fake,
    along={1: lambda *_: None},
)
def _warp_labels(labels: Tensor, displacement: Tensor, padding_mode: str) -> Tensor:
    out = _fake(labels, displacement)
    labels, displacement = _args.pack(labels), _args.pack(displacement)
    _core.warp_labels(
        _args.field(labels),
        _args.field(displacement),
        _args.new_field(out),
        _options.PADDINGS[padding_mode],
        _args.queue_of(labels),
    )
    return out


def warp_labels(labels: Tensor, displacement: Tensor, padding_mode: str = "border") -> Tensor:
    """Label map seen through a map: at ``x + u(x)`` the label with the largest sum of linear
    weights.

    What ``argmax`` over the linearly warped indicator of every label gives, in one gather for any
    number of labels. Smoother outlines than ``warp(..., mode="nearest")``, and like it no label
    that was not there. Of labels with equal sums, the one at the lower corner. No gradient.

    Args:
        labels: (B, C, *Sin), any integer dtype or bool; each channel is a label map of its own.
        displacement: (B, D, *S) in voxels of the labels' grid, float32 or float64. A batch of one
            is broadcast.
        padding_mode: as of `warp`; with "zeros" the label outside is 0.

    Returns:
        (B, C, *S), the labels' dtype.

    Raises:
        TypeError: labels are not integers.
        ValueError: shapes, devices or options do not fit.

    Cost:
        12 bytes and twice a label per voxel (3-D, float32).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> labels = torch.tensor([[3, 3], [7, 7]]).reshape(1, 1, 2, 2)
        >>> down = torch.tensor([0.4, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2)
        >>> qs.warp_labels(labels, down).tolist(), qs.warp_labels(labels, 1.5 * down).tolist()
        ([[[[3, 3], [7, 7]]]], [[[[7, 7], [7, 7]]]])
    """
    _options.check_choice("warp_labels", "padding_mode", padding_mode, _options.PADDINGS)
    (displacement,) = _args.promote(displacement)
    _args.check_field("warp_labels", "labels", labels, floating=False)
    if labels.is_floating_point() or labels.is_complex():
        raise TypeError(
            f"warp_labels: labels: expected an integer dtype or bool, found {labels.dtype}; "
            "convert it with .long()"
        )
    _args.check_vectors("warp_labels", "displacement", displacement)
    _args.check_same_axes("warp_labels", "displacement", displacement, labels)
    _args.check_samples("warp_labels", "labels", labels.shape[2:], "linear", single=True)
    _args.check_batch("warp_labels", "displacement", displacement, labels)
    labels = _args.widen_single_axes(labels, "linear", padding_mode)
    result: Tensor = _warp_labels(labels, displacement, padding_mode)
    return result
