"""The Jacobian of a map and its determinant."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _options
from .._register import operator
from .gradient import derivatives, gradient_transpose


def _fake_determinant(displacement: Tensor, faces: str) -> Tensor:
    return displacement.new_empty((displacement.shape[0], 1, *displacement.shape[2:]))


def _fake_gradient(displacement: Tensor, grad: Tensor, faces: str) -> Tensor:
    components = (displacement.ndim - 2) ** 2
    return displacement.new_empty((displacement.shape[0], components, *displacement.shape[2:]))


@operator(
    "jacobian_determinant_gradient(Tensor displacement, Tensor grad, str faces) -> Tensor",
    fake=_fake_gradient,
    linear=(1,),
)
def _gradient(displacement: Tensor, grad: Tensor, faces: str) -> Tensor:
    displacement, grad = displacement.contiguous(), grad.contiguous()
    out = _fake_gradient(displacement, grad, faces)
    _core.jacobian_determinant_gradient(
        _args.field(displacement),
        _args.field(grad),
        _args.new_field(out),
        _options.FACES[faces],
        _args.queue_of(grad),
    )
    return out


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    displacement, ctx.faces = inputs
    ctx.save_for_backward(displacement)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    (displacement,) = ctx.saved_tensors
    return gradient_transpose(_gradient(displacement, grad, ctx.faces), ctx.faces), None


def determinant_along(direction: Tensor, displacement: Tensor, faces: str) -> Tensor:
    """Differentiate the determinant along a direction of the displacement."""
    dims = displacement.shape[1]
    rows = derivatives(displacement, True, faces).unflatten(1, (dims, dims)).unbind(1)
    slopes = derivatives(direction, False, faces).unflatten(1, (dims, dims)).unbind(1)
    terms = [_volume(*rows[:n], slopes[n], *rows[n + 1 :]) for n in range(dims)]
    return torch.stack(terms).sum(0)


def _volume(first: Tensor, *others: Tensor) -> Tensor:
    """Compute the determinant of rows (B, D, *S)."""
    if len(others) == 1:
        normal = torch.stack([others[0][:, 1], -others[0][:, 0]], 1)
    else:
        normal = torch.linalg.cross(*others, dim=1)
    return (first * normal).sum(1, keepdim=True)


@operator(
    "jacobian_determinant(Tensor displacement, str faces) -> Tensor",
    fake=_fake_determinant,
    setup_context=_save,
    backward=_backward,
    along={0: determinant_along},
)
def _determinant(displacement: Tensor, faces: str) -> Tensor:
    displacement = displacement.contiguous()
    out = _fake_determinant(displacement, faces)
    _core.jacobian_determinant(
        _args.field(displacement),
        _args.new_field(out),
        _options.FACES[faces],
        _args.queue_of(displacement),
    )
    return out


def jacobian(displacement: Tensor, faces: str = "one_sided") -> Tensor:
    """``D(id + u)`` by central differences: the derivative of a map.

    Args:
        displacement: (B, D, *S) in voxels.
        faces: as of `gradient`; with "half" that of the identity is halved there too.

    Returns:
        (B, D, D, *S), without unit: entry (c, a) is the derivative of component c along array axis
        a.

    Cost:
        48 bytes per voxel (3-D, float32), and as many backward.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> qs.jacobian(torch.zeros(1, 2, 4, 5))[0, :, :, 2, 2].tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    _options.check_choice("jacobian", "faces", faces, _options.FACES)
    (displacement,) = _args.promote(displacement)
    _args.check_vectors("jacobian", "displacement", displacement)
    result: Tensor = derivatives(displacement, True, faces)
    return result.unflatten(1, (displacement.shape[1], displacement.shape[1]))


def jacobian_determinant(displacement: Tensor, faces: str = "one_sided") -> Tensor:
    """``det D(id + u)`` by central differences: local volume change, positive where the map does
    not fold.

    Args:
        displacement: (B, D, *S) in voxels.
        faces: on the first and last sample of an axis, the "one_sided" difference, or "half" of it
            (the rule of the original implementation's group actions).

    Returns:
        (B, 1, *S), without unit. Central differences can miss a fold of one voxel;
        `smallest_determinant` misses none.

    Cost:
        16 bytes per voxel (3-D, float32); backward 100.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> lines = torch.arange(4.0), torch.arange(4.0)
        >>> grow = 0.5 * torch.stack(torch.meshgrid(*lines, indexing="ij"))[None]
        >>> float(qs.jacobian_determinant(grow)[0, 0, 1, 1])
        2.25
    """
    _options.check_choice("jacobian_determinant", "faces", faces, _options.FACES)
    (displacement,) = _args.promote(displacement)
    _args.check_vectors("jacobian_determinant", "displacement", displacement)
    result: Tensor = _determinant(displacement, faces)
    return result


def _fake_smallest(displacement: Tensor) -> Tensor:
    return displacement.new_empty((displacement.shape[0], 1, *displacement.shape[2:]))


@operator("smallest_determinant(Tensor displacement) -> Tensor", fake=_fake_smallest)
def _smallest(displacement: Tensor) -> Tensor:
    displacement = displacement.contiguous()
    out = _fake_smallest(displacement)
    _core.smallest_determinant(
        _args.field(displacement), _args.new_field(out), _args.queue_of(displacement)
    )
    return out


def smallest_determinant(displacement: Tensor) -> Tensor:
    """The smallest of the determinants of ``D(id + u)`` by one-sided differences: positive where
    the map does not fold, whatever its size.

    A square of four samples is cut into two triangles in two ways, a cube of eight into five
    tetrahedra. A determinant is twice the signed area, or six times the signed volume, to which the
    map takes one of them: four in 2-D, eight and those of the middles of two cuts in 3-D. Where all
    are positive the map is a digital diffeomorphism (Liu, Chen, Wei, Carass and Prince, IJCV 2024).
    No gradient.

    Args:
        displacement: (B, D, *S) in voxels.

    Returns:
        (B, 1, *S), without unit: of all one-sided differences at a sample and, in 3-D, of the
        middle tetrahedra, 2 under the identity, of the cube above it. An axis of one sample does
        not count.

    Cost:
        16 bytes per voxel (3-D, float32).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> u = torch.zeros(1, 2, 5, 5)
        >>> u[0, 0, 2, 2] = 1.5  # past its neighbour, which no central difference there sees
        >>> qs.jacobian_determinant(u)[0, 0, 2, 2], qs.smallest_determinant(u)[0, 0, 2, 2]
        (tensor(1.), tensor(-0.5000))
    """
    (displacement,) = _args.promote(displacement)
    _args.check_vectors("smallest_determinant", "displacement", displacement)
    result: Tensor = _smallest(displacement)
    return result
