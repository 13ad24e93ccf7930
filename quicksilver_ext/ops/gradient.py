"""Derivatives by finite differences: gradient and divergence."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .. import _args, _core, _options
from .._register import operator


def _fake_gradient(field: Tensor, *_: Any) -> Tensor:
    channels, dims = field.shape[1], field.ndim - 2
    return field.new_empty((field.shape[0], channels * dims, *field.shape[2:]))


def _fake_transpose(matrices: Tensor, *_: Any) -> Tensor:
    channels = matrices.shape[1] // (matrices.ndim - 2)
    return matrices.new_empty((matrices.shape[0], channels, *matrices.shape[2:]))


def _save_faces(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *_, ctx.faces = inputs


@operator(
    "gradient_transpose(Tensor matrices, str faces) -> Tensor",
    fake=_fake_transpose,
    setup_context=_save_faces,
    backward=lambda ctx, grad: (derivatives(grad, False, ctx.faces), None),
    linear=(0,),
)
def gradient_transpose(matrices: Tensor, faces: str) -> Tensor:
    """sum_a D_a^T g_(c D + a): (B, C D, *S) to (B, C, *S)."""
    matrices = matrices.contiguous()
    out = _fake_transpose(matrices)
    fields = _args.field(matrices), _args.new_field(out)
    _core.gradient_transpose(*fields, _options.FACES[faces], _args.queue_of(matrices))
    return out


@operator(
    "gradient(Tensor field, bool identity, str faces) -> Tensor",
    fake=_fake_gradient,
    setup_context=_save_faces,
    backward=lambda ctx, grad: (gradient_transpose(grad, ctx.faces), None, None),
    along={0: lambda direction, field, identity, faces: derivatives(direction, False, faces)},
)
def derivatives(field: Tensor, identity: bool, faces: str) -> Tensor:
    """D_a f_c in channel c D + a, of id + f where identity: (B, C, *S) to (B, C D, *S)."""
    field = field.contiguous()
    out = _fake_gradient(field)
    fields = _args.field(field), _args.new_field(out)
    _core.gradient(*fields, identity, _options.FACES[faces], _args.queue_of(field))
    return out


def _fake_scalar(field: Tensor, *_: Any) -> Tensor:
    return field.new_empty((field.shape[0], 1, *field.shape[2:]))


def _fake_vector(field: Tensor, *_: Any) -> Tensor:
    return field.new_empty((field.shape[0], field.ndim - 2, *field.shape[2:]))


@operator(
    "divergence_transpose(Tensor field, str faces) -> Tensor",
    fake=_fake_vector,
    setup_context=_save_faces,
    backward=lambda ctx, grad: (_divergence(grad, ctx.faces), None),
    linear=(0,),
)
def _divergence_transpose(field: Tensor, faces: str) -> Tensor:
    field = field.contiguous()
    out = _fake_vector(field)
    fields = _args.field(field), _args.new_field(out)
    _core.divergence_transpose(*fields, _options.FACES[faces], _args.queue_of(field))
    return out


@operator(
    "divergence(Tensor field, str faces) -> Tensor",
    fake=_fake_scalar,
    setup_context=_save_faces,
    backward=lambda ctx, grad: (_divergence_transpose(grad, ctx.faces), None),
    linear=(0,),
)
def _divergence(field: Tensor, faces: str) -> Tensor:
    field = field.contiguous()
    out = _fake_scalar(field)
    fields = _args.field(field), _args.new_field(out)
    _core.divergence(*fields, _options.FACES[faces], _args.queue_of(field))
    return out


def gradient(field: Tensor, faces: str = "one_sided") -> Tensor:
    """``D_a f_c``: central differences of every channel along every axis.

    Args:
        field: (B, C, *S), float32 or float64.
        faces: on the first and last sample of an axis, the "one_sided" difference, or "half" of it.
            Along an axis of one sample the derivative is 0.

    Returns:
        (B, C, D, *S), in units of the field per voxel. Its gradient is the transpose, to rounding.

    Cost:
        16 C bytes per voxel (3-D, float32), and as many backward.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> ramp = torch.arange(12.0).reshape(1, 1, 3, 4)
        >>> qs.gradient(ramp)[0, 0, :, 1, 1].tolist()
        [4.0, 1.0]
    """
    _options.check_choice("gradient", "faces", faces, _options.FACES)
    (field,) = _args.promote(field)
    _args.check_field("gradient", "field", field)
    result: Tensor = derivatives(field, False, faces)
    return result.unflatten(1, (field.shape[1], field.ndim - 2))


def divergence(field: Tensor, faces: str = "one_sided") -> Tensor:
    """``sum_a D_a v_a`` of a vector field, by central differences.

    Args:
        field: (B, D, *S), float32 or float64.
        faces: as of `gradient`.

    Returns:
        (B, 1, *S), in units of the field per voxel.

    Cost:
        16 bytes per voxel (3-D, float32), and as many backward.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> lines = torch.arange(4.0), torch.arange(5.0)
        >>> x = torch.stack(torch.meshgrid(*lines, indexing="ij"))[None]
        >>> bool((qs.divergence(x) == 2).all())
        True
    """
    _options.check_choice("divergence", "faces", faces, _options.FACES)
    (field,) = _args.promote(field)
    _args.check_vectors("divergence", "field", field)
    result: Tensor = _divergence(field, faces)
    return result
