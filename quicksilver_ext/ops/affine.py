"""Affine maps and grids of other sizes as displacements."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .. import _args, _options
from .warp import check_interpolable, warp


def _line(shape: Sequence[int], axis: int, like: Tensor) -> Tensor:
    """Make 0, 1, ..., n - 1 along an axis of (B, C, *S)."""
    line = torch.arange(shape[axis], dtype=like.dtype, device=like.device)
    return line.reshape([-1 if other == axis else 1 for other in range(-2, len(shape))])


def affine(
    matrix: Tensor, shape: Sequence[int] | None = None, displacement: Tensor | None = None
) -> Tensor:
    """The displacement of ``x -> A x + b`` on a grid, or, after a map ``id + u``, of ``x -> A (x +
    u(x)) + b``.

    The map the other way round, ``x + u`` after the affine one, is ``compose(u, affine(matrix,
    shape))``.

    Args:
        matrix: (B, D, D + 1), A and in the last column b, voxels to voxels: component c moves along
            array axis c.
        shape: S, the grid that x runs over; or
        displacement: (B, D, *S), u in voxels, matrix's dtype. A batch of one is broadcast, in
            either argument.

    Returns:
        (B, D, *S), in voxels; the identity is exactly 0. Differentiable by the matrix and by the
        displacement.

    Raises:
        TypeError: both or neither of shape and displacement are given, or dtypes do not fit.
        ValueError: shapes do not fit.

    Cost:
        composed in torch: about 100 bytes per voxel (3-D, float32) with a displacement.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> double = torch.tensor([[[2.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])
        >>> qs.affine(double, (3, 2))[0, :, :, 0].tolist()
        [[0.5, 1.5, 2.5], [0.0, 0.0, 0.0]]
    """
    if (shape is None) == (displacement is None):
        raise TypeError(
            "affine: shape: expected either a shape or a displacement, found "
            f"{'neither' if shape is None else 'both'}; pass one of them"
        )
    matrix = _args.promote(matrix)[0]
    displacement = _args.promote(displacement)[0]
    _args.check_dense("affine", "matrix", matrix)
    if matrix.dtype not in _args.FLOATS:
        raise TypeError(
            f"affine: matrix: expected a float32 or float64 tensor, found {matrix.dtype}; convert "
            "it with .float()"
        )
    if displacement is not None:
        _args.check_vectors("affine", "displacement", displacement)
        _args.check_same_dtype("affine", "displacement", displacement, matrix)
        _args.check_same_device("affine", "displacement", displacement, matrix)
    given = displacement.shape[2:] if displacement is not None else shape
    sizes = _options.check_shape("affine", given)
    dims = len(sizes)
    if dims not in (2, 3) or matrix.shape[1:] != (dims, dims + 1):
        raise ValueError(
            "affine: matrix: expected (B, D, D + 1) for a grid of D = 2 or 3 axes, found "
            f"{tuple(matrix.shape)} and {dims} axes; pass A and b side by side"
        )
    columns = matrix.reshape(*matrix.shape, *[1] * dims)
    identity = torch.eye(dims, dtype=matrix.dtype, device=matrix.device)
    moves = (matrix[..., :dims] - identity).reshape(*matrix.shape[:2], dims, *[1] * dims)
    result = columns[:, :, dims]
    for axis in range(dims):
        result = result + moves[:, :, axis] * _line(sizes, axis, matrix)
    if displacement is not None:
        _args.check_batch("affine", "displacement", displacement, matrix)
        for axis in range(dims):
            result = result + columns[:, :, axis] * displacement[:, axis : axis + 1]
    return result.contiguous()


def _scales(
    op: str, sizes: Sequence[int], shape: Sequence[int], align_corners: bool
) -> list[float]:
    """Old voxels per new voxel."""
    least = 2 if align_corners else 1
    shape = _options.check_shape(op, shape, len(sizes), least)
    less = 1 if align_corners else 0
    return [(n - less) / (m - less) for n, m in zip(sizes, shape, strict=True)]


def _to_grid(
    field: Tensor, shape: Sequence[int], mode: str, scales: list[float], align: bool
) -> Tensor:
    dtype = torch.float64 if field.dtype == torch.float64 else torch.float32
    shifts = [0.0 if align else (s - 1) / 2 for s in scales]
    matrix = torch.tensor(scales, dtype=dtype, device=field.device).diag()
    column = torch.tensor(shifts, dtype=dtype, device=field.device)[:, None]
    return warp(field, affine(torch.cat([matrix, column], 1)[None], shape), mode, "border")


def resize(
    image: Tensor, shape: Sequence[int], mode: str = "linear", align_corners: bool = False
) -> Tensor:
    """An image on a grid of another size over the same extent.

    Args:
        image: (B, C, *S), any dtype that `warp` takes in this mode.
        shape: the new sizes.
        mode: "linear", "cubic" or "nearest". Nothing is averaged: smooth an image before making it
            much smaller.
        align_corners: what stays in place: the outer edges of the first and last voxel (False, as
            medical images mean it), or their centres (True). For "linear" both are what
            torch.nn.functional.interpolate does.

    Returns:
        (B, C, *shape), the image's dtype.

    Cost:
        as `warp`, and the displacement of the grid, once for the whole batch.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> qs.resize(torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]]), (2, 3), align_corners=True)
        tensor([[[[0.0000, 0.5000, 1.0000],
                  [2.0000, 2.5000, 3.0000]]]])
    """
    _options.check_choice("resize", "mode", mode, _options.MODES)
    _args.check_field("resize", "image", image, floating=False)
    check_interpolable("resize", image, mode, torch.float32)
    _args.check_samples("resize", "image", image.shape[2:], mode, single=True)
    scales = _scales("resize", image.shape[2:], shape, align_corners)
    return _to_grid(image, shape, mode, scales, align_corners)


def resize_displacement(
    displacement: Tensor, shape: Sequence[int], mode: str = "linear", align_corners: bool = False
) -> Tensor:
    """The displacement of the same map on a grid of another size over the same extent: `resize`, in
    the new voxels.

    Args:
        displacement: (B, D, *S) in voxels of its grid, float32 or float64.
        shape, mode, align_corners: as of `resize`.

    Returns:
        (B, D, *shape), in voxels of the new grid.

    Cost:
        as `resize`, and one pass over the result.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> bool((qs.resize_displacement(torch.ones(1, 2, 4, 4), (8, 4))[0, 0] == 2).all())
        True
    """
    op = "resize_displacement"
    _options.check_choice(op, "mode", mode, ("linear", "cubic"))
    (displacement,) = _args.promote(displacement)
    _args.check_vectors(op, "displacement", displacement)
    _args.check_samples(op, "displacement", displacement.shape[2:], mode, single=True)
    scales = _scales(op, displacement.shape[2:], shape, align_corners)
    resized = _to_grid(displacement, shape, mode, scales, align_corners)
    per_voxel = torch.tensor(scales, dtype=resized.dtype, device=resized.device)
    return resized / per_voxel.reshape(-1, *[1] * len(shape))
