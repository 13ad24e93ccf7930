"""Interpolation at displaced voxels, and its transpose."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

_SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def coordinate(shape: Sequence[int], axis: int, like: Tensor) -> Tensor:
    """0, 1, ..., n - 1 along one axis of a grid, shaped to broadcast over the others."""
    line = torch.arange(shape[axis], dtype=like.dtype, device=like.device)
    return line.reshape([-1 if other == axis else 1 for other in range(len(shape))])


def _axis_taps(p: Tensor, n: int, mode: str, padding_mode: str) -> Iterator[tuple[Tensor, Tensor]]:
    """(index, weight) of every sample that a position p on an axis of n samples reads."""
    if padding_mode == "border":
        p = p.clamp(0, n - 1)
    first = torch.floor(p + 0.5 if mode == "nearest" else p)
    if mode == "linear" and padding_mode == "border":
        first = first.clamp(max=max(n - 2, 0))  # n - 1 is t = 1 of the last cell
    t = p - first
    if mode == "nearest":
        weights = [torch.ones_like(t)]
    elif mode == "linear":
        weights = [1 - t, t]
    else:  # cubic: Keys (1981), a = -1/2
        first = first - 1
        weights = [
            (-t + 2 * t**2 - t**3) / 2,
            (2 - 5 * t**2 + 3 * t**3) / 2,
            (t + 4 * t**2 - 3 * t**3) / 2,
            (-(t**2) + t**3) / 2,
        ]
    for offset, weight in enumerate(weights):
        tap = first + offset
        if padding_mode == "zeros":
            weight = torch.where((tap >= 0) & (tap <= n - 1), weight, 0)
        yield _sample(tap, n, padding_mode), weight


def _sample(tap: Tensor, n: int, padding_mode: str) -> Tensor:
    """The sample of the grid that stands at a place of the continued line."""
    if padding_mode == "wrap":
        tap = tap.remainder(n)
    if padding_mode == "reflect":
        period = max(2 * n - 2, 1)
        tap = torch.minimum(tap.remainder(period), period - tap.remainder(period))
    return tap.clamp(0, n - 1).nan_to_num().long()


def _taps(
    displacement: Tensor, shape: Sequence[int], mode: str, padding_mode: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """(flat index, weight), both (B, N), of every sample of a volume that x + u(x) reads."""
    axes = []
    for axis, n in enumerate(shape):
        p = coordinate(displacement.shape[2:], axis, displacement) + displacement[:, axis]
        axes.append(list(_axis_taps(p, n, mode, padding_mode)))
    for (index, weight), *others in itertools.product(*axes):
        for n, (axis_index, axis_weight) in zip(shape[1:], others, strict=True):
            index, weight = index * n + axis_index, weight * axis_weight
        yield index.flatten(1), weight.flatten(1)


def one_batch(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the batch size of the larger one."""
    batch = a.shape[0] if b.shape[0] == 1 else b.shape[0]
    return a.expand(batch, *a.shape[1:]), b.expand(batch, *b.shape[1:])


def warp(
    image: Tensor, displacement: Tensor, mode: str = "linear", padding_mode: str = "border"
) -> Tensor:
    """I(x + u(x)): image (B, C, *Sin), displacement (B, D, *Sout) in voxels of Sin; (B, C, *Sout).

    mode linear, cubic (Keys, a = -1/2) or nearest (any dtype); padding_mode border (positions are
    clamped to the grid), zeros (samples outside the grid are 0), reflect (mirrored about the border
    samples) or wrap (periodic). A batch of one is broadcast.
    """
    image, displacement = one_batch(image, displacement)
    if image.dtype in _SIGNED:  # torch has no gather for these; their bits are all that is moved
        signed = image.view(_SIGNED[image.dtype])
        return warp(signed, displacement, mode, padding_mode).view(image.dtype)
    result = image.new_zeros(*image.shape[:2], displacement.shape[2:].numel())
    for index, weight in _taps(displacement, image.shape[2:], mode, padding_mode):
        sample = image.flatten(2).gather(2, index[:, None].expand(-1, image.shape[1], -1))
        result = result + weight[:, None].to(image.dtype) * sample
    return result.reshape(*image.shape[:2], *displacement.shape[2:])


def splat(
    values: Tensor,
    displacement: Tensor,
    shape: Sequence[int] | None = None,
    mode: str = "linear",
    padding_mode: str = "border",
) -> Tensor:
    """Adjoint of `warp` in its image: values (B, C, *Sout) -> (B, C, *shape)."""
    values, displacement = one_batch(values, displacement)
    shape = torch.Size(values.shape[2:] if shape is None else shape)
    result = values.new_zeros(*values.shape[:2], shape.numel())
    for index, weight in _taps(displacement, shape, mode, padding_mode):
        target = index[:, None].expand(-1, values.shape[1], -1)
        result = result.scatter_add(2, target, weight[:, None] * values.flatten(2))
    return result.reshape(*values.shape[:2], *shape)


def splat_count(
    displacement: Tensor,
    shape: Sequence[int] | None = None,
    mode: str = "linear",
    padding_mode: str = "border",
) -> Tensor:
    """splat of ones: (B, 1, *shape)."""
    return splat(torch.ones_like(displacement[:, :1]), displacement, shape, mode, padding_mode)


def warp_labels(labels: Tensor, displacement: Tensor, padding_mode: str = "border") -> Tensor:
    """The label whose warped indicator is largest, (B, C, *Sout); outside zeros are label 0."""
    candidates = torch.cat([labels.flatten(), labels.new_zeros(1)]).unique()
    scores = [
        warp(
            (labels == label).to(displacement.dtype) - 1.0 * (label == 0),
            displacement,
            "linear",
            padding_mode,
        )
        + 1.0 * (label == 0)
        for label in candidates
    ]
    return candidates[torch.stack(scores).argmax(0)]


def compose(
    outer: Tensor, inner: Tensor, mode: str = "linear", padding_mode: str = "border"
) -> Tensor:
    """Displacement of (id + outer) o (id + inner)."""
    return inner + warp(outer, inner, mode, padding_mode)


def exponential(
    velocity: Tensor,
    squarings: int = 7,
    inverse: bool = False,
    mode: str = "linear",
    padding_mode: str = "border",
) -> Tensor:
    """Displacement of exp(v), or of exp(-v): id + v / 2^n, composed with itself n times."""
    displacement = (-velocity if inverse else velocity) / 2**squarings
    for _ in range(squarings):
        displacement = compose(displacement, displacement, mode, padding_mode)
    return displacement
