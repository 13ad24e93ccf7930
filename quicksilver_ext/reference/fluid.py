"""The fluid metric: momenta to velocities and back."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .warp import coordinate

if TYPE_CHECKING:
    from quicksilver_ext import FluidMetric


def smooth_size(n: int) -> int:
    """The smallest size >= n that has no prime factor but 2, 3 and 5."""
    rest = n
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    return n if rest == 1 else smooth_size(n + 1)


@functools.lru_cache(maxsize=8)  # a geodesic asks for the same one at every step
def _gain(
    metric: tuple[Any, ...], sizes: tuple[int, ...], inverse: bool, device: torch.device
) -> Tensor:
    """(D, D, *half spectrum), float64: the symbol of L, or of K, between fields in voxels."""
    alpha, beta, gamma, power, spacing = metric
    axes = range(len(sizes))
    like = torch.empty(0, dtype=torch.float64, device=device)
    half = (*sizes[:-1], sizes[-1] // 2 + 1)
    k = [2 * torch.pi / sizes[a] * coordinate(half, a, like) for a in axes]
    second = [(2 * torch.cos(k[a]) - 2) / spacing[a] ** 2 for a in axes]
    first = [torch.sin(k[a]) / spacing[a] for a in axes]
    matrix = like.new_empty(*half, len(sizes), len(sizes))
    for a, b in itertools.product(axes, axes):
        diagonal = gamma - alpha * sum(second) - beta * second[a]
        matrix[..., a, b] = diagonal if a == b else beta * first[a] * first[b]
    h = like.new_tensor(spacing[: len(sizes)])
    if not inverse:
        symbol: Tensor = torch.linalg.matrix_power(matrix, power) * (h[:, None] * h)
    else:
        origin = (0,) * len(sizes)
        if gamma == 0:  # L ignores a constant velocity, so K leaves it at 0
            matrix[origin] = torch.eye(len(sizes), dtype=like.dtype, device=device)
        symbol = torch.linalg.matrix_power(matrix, -power) / (h[:, None] * h)
        symbol[origin] *= gamma != 0
    return symbol.movedim((-2, -1), (0, 1)).contiguous()


def _multiply_spectrum(field: Tensor, metric: FluidMetric, inverse: bool) -> Tensor:
    shape, pad = field.shape[2:], metric.pad
    sizes = tuple(shape)
    if pad != "none":
        least = [n + (0 if pad == "auto" else int(pad)) for n in shape]
        even = 2 * smooth_size((least[-1] + 1) // 2)  # the last size
        sizes = (*map(smooth_size, least[:-1]), even)
    key = (metric.alpha, metric.beta, metric.gamma, metric.power, tuple(metric.spacing))
    axes = tuple(range(2, field.ndim))
    spectrum = torch.fft.rfftn(field, s=sizes, dim=axes)  # pads with zeros at the end
    gain = _gain(key, sizes, inverse, field.device).to(spectrum.dtype)
    spectrum = torch.einsum("cd...,bd...->bc...", gain, spectrum)
    if metric.band == "half":
        for axis, n in enumerate(sizes):
            k = coordinate(spectrum.shape[2:], axis, field)
            spectrum = torch.where(torch.minimum(k, n - k) < n / 4, spectrum, 0)
    # Axis by axis: on a CPU torch's transform of several axes at once (2.13, with MKL) may write
    # outside of its arrays.
    for axis in axes[:-1]:
        spectrum = torch.fft.ifft(spectrum, dim=axis)
    result: Tensor = torch.fft.irfft(spectrum, sizes[-1])
    crop: tuple[Any, ...] = (..., *(slice(n) for n in shape))
    return result[crop].contiguous()


def sharp(momentum: Tensor, metric: FluidMetric) -> Tensor:
    """K m: the velocity of a momentum, both (B, D, *S) in voxels, on the padded torus."""
    return _multiply_spectrum(momentum, metric, inverse=True)


def flat(velocity: Tensor, metric: FluidMetric) -> Tensor:
    """L v: the momentum of a velocity, both (B, D, *S) in voxels, on the padded torus."""
    return _multiply_spectrum(velocity, metric, inverse=False)
