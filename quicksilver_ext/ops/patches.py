"""Patches of volumes, and volumes of patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _fixed_point, _options
from .._register import operator


def _check_corners(op: str, corners: Tensor, other: Tensor) -> None:
    width = other.ndim - 1
    _args.check_dense(op, "corners", corners)
    if corners.dtype != torch.int64:
        raise TypeError(
            f"{op}: corners: expected an int64 tensor (N, {width}), found {corners.dtype}; convert "
            "it with .long()"
        )
    if corners.ndim != 2 or corners.shape[1] != width:
        raise ValueError(
            f"{op}: corners: expected (N, {width}), batch index and first voxel, found shape "
            f"{tuple(corners.shape)}; prepend the batch index to patch_corners"
        )
    _args.check_same_device(op, "corners", corners, other)


def _check_inside(op: str, corners: Tensor, batch: int, shape: Sequence[int], size: int) -> None:
    """Check corners on the CPU only: reading them back would make a GPU wait."""
    if corners.is_cuda:
        return
    limit = torch.tensor([batch - 1, *(n - size for n in shape)], device=corners.device)
    if corners.numel() and (int(corners.min()) < 0 or bool((corners > limit).any())):
        raise ValueError(
            f"{op}: corners: expected patches of {size} inside {tuple(shape)} and batch entries "
            f"below {batch}, found corners up to {corners.amax(0).tolist()} and down to "
            f"{corners.amin(0).tolist()}; move them inside"
        )


def _fake_extract(image: Tensor, corners: Tensor, size: int) -> Tensor:
    return image.new_empty((corners.shape[0], image.shape[1], *[size] * (image.ndim - 2)))


def _save_extract(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    image, corners, _ = inputs
    ctx.save_for_backward(corners)
    ctx.batch, ctx.shape = image.shape[0], image.shape[2:]


def _extract_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
    (corners,) = ctx.saved_tensors
    return torch.ops.quicksilver.add_patches(grad, corners, ctx.shape, ctx.batch), None, None


@operator(
    "extract_patches(Tensor image, Tensor corners, int size) -> Tensor",
    fake=_fake_extract,
    setup_context=_save_extract,
    backward=_extract_backward,
    linear=(0,),
    batch_axes=None,
)
def _extract(image: Tensor, corners: Tensor, size: int) -> Tensor:
    image, corners = image.contiguous(), corners.contiguous()
    _check_inside("extract_patches", corners, image.shape[0], image.shape[2:], size)
    out = _fake_extract(image, corners, size)
    if corners.shape[0] > 0:
        _core.extract_patches(
            _args.field(image), corners.data_ptr(), _args.new_field(out), _args.queue_of(image)
        )
    return out


def _fake_add(patches: Tensor, corners: Tensor, shape: Sequence[int], batch: int) -> Tensor:
    return patches.new_empty((batch, patches.shape[1], *shape))


def _save_add(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    patches, corners, *_ = inputs
    ctx.save_for_backward(corners)
    ctx.size = patches.shape[-1]


def _add_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
    (corners,) = ctx.saved_tensors
    return torch.ops.quicksilver.extract_patches(grad, corners, ctx.size), None, None, None


@operator(
    "add_patches(Tensor patches, Tensor corners, SymInt[] shape, SymInt batch) -> Tensor",
    fake=_fake_add,
    setup_context=_save_add,
    backward=_add_backward,
    linear=(0,),
    batch_axes=None,
)
def _add(patches: Tensor, corners: Tensor, shape: Sequence[int], batch: int) -> Tensor:
    patches, corners = patches.contiguous(), corners.contiguous()
    if corners.shape[0] != patches.shape[0]:
        raise ValueError(
            f"average_patches: corners: expected one per patch, {patches.shape[0]}, found "
            f"{corners.shape[0]}; pass the corners that the patches were extracted at"
        )
    _check_inside("average_patches", corners, batch, shape, patches.shape[-1])
    if _fixed_point.is_wanted(patches):
        return add_patches_in_fixed_point(patches, corners, shape, batch)
    out = _fake_add(patches, corners, shape, batch)
    result = _args.new_field(out)
    out.zero_()
    _add_to(result, patches, corners, 0)
    return out


def add_patches_in_fixed_point(
    patches: Tensor, corners: Tensor, shape: Sequence[int], batch: int
) -> Tensor:
    """Sum in fixed point, as CUDA does under torch.use_deterministic_algorithms."""

    def add(sums: Tensor, scale: Tensor) -> None:
        _add_to(_args.field(sums), patches, corners, scale.data_ptr())

    shape = (batch, patches.shape[1], *shape)
    return _fixed_point.sum_terms(patches, shape, len(patches), add)


def _add_to(result: _core.Field, patches: Tensor, corners: Tensor, scale: int) -> None:
    if len(patches) > 0:
        _core.add_patches(
            _args.field(patches), corners.data_ptr(), result, scale, _args.queue_of(patches)
        )


def patch_corners(shape: Sequence[int], size: int, stride: int) -> Tensor:
    """First voxels of the patches that cover a volume; the last patch of each axis is flush with
    the border.

    Args:
        shape: spatial shape, each at least `size`.
        size: voxels along each axis of a patch; stride: voxels from one patch to the next.

    Returns:
        (N, D) int64, in array order.

    Example:
        >>> import quicksilver_ext as qs
        >>> qs.patch_corners((5,), size=3, stride=4).tolist()
        [[0], [2]]
    """
    _options.check_integer("patch_corners", "size", size)
    _options.check_integer("patch_corners", "stride", stride)
    shape = _options.check_shape("patch_corners", shape)
    if min(shape) < size:
        raise ValueError(
            f"patch_corners: shape: expected sizes of at least one patch of {size}, found "
            f"{tuple(shape)}; pad the volume or use smaller patches"
        )
    starts = [
        torch.tensor(sorted({*range(0, n - size + 1, stride), n - size}), dtype=torch.int64)
        for n in shape
    ]
    return torch.cartesian_prod(*starts).reshape(-1, len(starts))


def _add_entries(corners: Tensor, dimensions: int, batch: int) -> Tensor:
    """Return corners (N, D) for every entry of a batch, (batch * N, 1 + D); others as they are."""
    if not isinstance(corners, Tensor) or corners.ndim != 2 or corners.shape[1] != dimensions:
        return corners
    entries = torch.arange(batch, dtype=corners.dtype, device=corners.device)
    first = entries.repeat_interleave(len(corners))[:, None]
    return torch.cat([first, corners.repeat(batch, 1)], dim=1)


def extract_patches(image: Tensor, corners: Tensor, size: int) -> Tensor:
    """Patches of a batch of volumes.

    Args:
        image: (B, C, *S).
        corners: (N, 1 + D) int64: batch entry and first voxel of each patch; or (N, D), as
            `patch_corners` gives them: those of every volume, one volume after the other. Where a
            patch leaves its volume there is a ValueError on the CPU; on CUDA, where a check would
            wait for the device, it is moved to the border.
        size: voxels along each axis.

    Returns:
        (N, C, size, ..., size). Its gradient adds the patches back.

    Cost:
        8 C bytes per voxel of a patch (float32).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> image = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> qs.extract_patches(image, torch.tensor([[0, 1, 1]]), 2).flatten().tolist()
        [5.0, 6.0, 9.0, 10.0]
    """
    (image,) = _args.promote(image)
    _args.check_field("extract_patches", "image", image)
    corners = _add_entries(corners, image.ndim - 2, image.shape[0])
    _check_corners("extract_patches", corners, image)
    _options.check_integer("extract_patches", "size", size)
    result: Tensor = _extract(image, corners, size)
    return result


def average_patches(
    patches: Tensor, corners: Tensor, shape: Sequence[int], batch: int = 1
) -> Tensor:
    """A batch of volumes from patches: the mean of the patches that cover a voxel, 0 where none
    does.

    Args:
        patches: (N, C, size, ..., size).
        corners: (N, 1 + D) int64, as in `extract_patches`.
        shape: spatial shape of the result; batch: its batch size.

    Returns:
        (batch, C, *shape).

    Cost:
        8 C bytes per voxel of a patch (float32), and as much per voxel of the result.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> corners = torch.tensor([[0, 0, 0], [0, 1, 0]])
        >>> values = torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)
        >>> qs.average_patches(values, corners, (3, 2))
        tensor([[[[1., 1.],
                  [2., 2.],
                  [3., 3.]]]])
    """
    (patches,) = _args.promote(patches)
    _args.check_field("average_patches", "patches", patches)
    shape, size = _options.check_shape("average_patches", shape), patches.shape[-1]
    if len(shape) != patches.ndim - 2 or set(patches.shape[2:]) != {size}:
        raise ValueError(
            "average_patches: patches: expected cubes (N, C, size, ...) for a shape "
            f"{tuple(shape)}, found {tuple(patches.shape)}; match their number of axes"
        )
    _options.check_integer("average_patches", "batch", batch)
    corners = _add_entries(corners, len(shape), batch)
    _check_corners("average_patches", corners, patches)
    total: Tensor = _add(patches, corners, shape, batch)
    covered = _add(torch.ones_like(patches[:, :1]), corners, shape, batch)
    return total / covered.clamp(min=1)
