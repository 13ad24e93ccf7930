"""The fluid metric: momenta to velocities and back."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from .. import _args, _core, _fft
from .._register import operator


def smooth_size(n: int) -> int:
    """The smallest size >= n with no prime factor above 5: those that FFTs like.

    Example:
        >>> smooth_size(229), smooth_size(193)
        (240, 200)
    """
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 1


@functools.lru_cache(maxsize=16)
def _tables(
    torus: tuple[int, ...], spacing: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """c_a and s_a of every axis, one after the other; the last axis holds half the frequencies."""
    halved = (*torus[:-1], torus[-1] // 2 + 1)
    frequencies = [
        2 * math.pi / n * torch.arange(kept, dtype=torch.float64)
        for n, kept in zip(torus, halved, strict=True)
    ]
    cosines = [(2 * w.cos() - 2) / h**2 for w, h in zip(frequencies, spacing, strict=True)]
    sines = [w.sin() / h for w, h in zip(frequencies, spacing, strict=True)]
    return torch.cat(cosines + sines).to(device=device, dtype=dtype)


def _fake(field: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(field, memory_format=torch.contiguous_format)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.how = inputs[1:]


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return torch.ops.quicksilver.fluid(grad, *ctx.how), *(None for _ in ctx.how)  # self-adjoint


@functools.lru_cache(maxsize=16)
def _fused_tables(
    torus: tuple[int, ...], spacing: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> Tensor:
    numbers = torch.frombuffer(_fft.tables(torus, spacing), dtype=torch.float64)
    return numbers.to(device=device, dtype=dtype)


def _symbol(
    spacing: Sequence[float], alpha: float, beta: float, gamma: float, power: int, inverse: bool
) -> _core.FluidSymbol:
    # In voxels a velocity is h^-1 times the physical one and a momentum h times: K_vox = h^-1 K h^-1, L_vox = h L h.
    scale = [1 / h if inverse else h for h in spacing] + [1.0]
    return _core.FluidSymbol(alpha, beta, gamma, power, inverse, *scale[:3])


def _is_fused(field: Tensor, torus: Sequence[int]) -> bool:
    """On a processor torch's transforms are the faster ones."""
    return field.is_cuda and _fft.is_fusable(torus)


_block_memory = functools.lru_cache(_core.block_memory)


def fused_workspace(field: Tensor, torus: Sequence[int]) -> Tensor:
    """What `fuse_into` needs for a field, uninitialised."""
    shape = (*field.shape[:2], *_fft.workspace_shape(field.shape[2:], torus))
    return field.new_empty(shape, dtype=field.dtype.to_complex())


def fuse_into(
    out: Tensor,
    field: Tensor,
    workspace: Tensor,
    torus: Sequence[int],
    spacing: Sequence[float],
    symbol: _core.FluidSymbol,
    block_memory: int,
) -> None:
    """The symbol applied to a contiguous field by the core's own transforms; `out` may be the field.

    For tori for which `_fft.is_fusable` holds. Allocates nothing once the tables of the torus are cached.
    """
    tables = _fused_tables(tuple(torus), tuple(spacing), field.dtype, field.device)
    middle = torus[1] if len(torus) == 3 else 1
    _core.fluid(
        _args.field(field),
        _args.field(out),
        _args.field(workspace),
        tables.data_ptr(),
        _core.FluidTorus(torus[0], middle, torus[-1], block_memory),
        symbol,
        _args.queue(field),
    )


def _around_symbol(
    field: Tensor, torus: Sequence[int], spacing: Sequence[float], symbol: _core.FluidSymbol
) -> Tensor:
    """torch's transforms around the core's symbol, on any torus."""
    volumes = field.flatten(0, 1)
    halved = (*torus[:-1], torus[-1] // 2 + 1)
    spectrum = field.new_empty((*field.shape[:2], *halved), dtype=field.dtype.to_complex())
    # One component at a time: transforms of a batch stride through memory, and take up to twice as long on a processor.
    for volume, transformed in zip(volumes, spectrum.flatten(0, 1), strict=True):
        torch.fft.rfftn(volume, s=tuple(torus), out=transformed)
    tables = _tables(tuple(torus), tuple(spacing), field.dtype, field.device)
    _core.fluid_symbol(_args.field(spectrum), tables.data_ptr(), symbol, _args.queue(field))
    result = _fake(field)
    inside = tuple(slice(n) for n in field.shape[2:])
    for transformed, volume in zip(spectrum.flatten(0, 1), result.flatten(0, 1), strict=True):
        volume.copy_(torch.fft.irfftn(transformed, s=tuple(torus))[inside])
    return result


@operator(
    "fluid(Tensor field, int[] torus, float[] spacing, float alpha, float beta, float gamma, int power, bool inverse)"
    " -> Tensor",
    fake=_fake,
    setup_context=_save,
    backward=_backward,
)
def _fluid(
    field: Tensor,
    torus: Sequence[int],
    spacing: Sequence[float],
    alpha: float,
    beta: float,
    gamma: float,
    power: int,
    inverse: bool,
) -> Tensor:
    """Pad, transform, multiply by the symbol in place, transform back, crop."""
    symbol = _symbol(spacing, alpha, beta, gamma, power, inverse)
    if _is_fused(field, torus):
        field, out = field.contiguous(), _fake(field)
        memory = _block_memory(field.get_device())
        fuse_into(out, field, fused_workspace(field, torus), torus, spacing, symbol, memory)
        return out
    return _around_symbol(field, torus, spacing, symbol)


@dataclass(frozen=True)
class FluidMetric:
    """The metric of ``L v = -alpha lap v - beta grad(div v) + gamma v`` and its operators, by FFT.

    The symbol is that of the finite differences on a periodic grid with the given spacing; ``K = L^-power``.

    Args:
        alpha, beta, gamma: non-negative, not all of alpha and gamma zero. Quicksilver's are 0.01, 0.01, 0.001.
        power: a positive integer.
        spacing: voxel size along each axis; fields stay in voxels (`K_vox = h^-1 K h^-1`). (1, 1, 1) serves 2-D too.
        pad: "none": the torus of the field's own size, exactly. "auto": the next sizes with factors 2, 3 and 5, even
            along the last axis. An integer n: such sizes with a gap of at least n voxels between the field and its
            periodic images. On CUDA these take the core's own transforms; so does "none" where the sizes are such
            (7 is a factor as well) and at most 512, and torch's transforms do the rest.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> metric = qs.FluidMetric(pad="none")
        >>> m = torch.randn(1, 3, 8, 8, 8, dtype=torch.float64)
        >>> bool(torch.allclose(metric.flat(metric.sharp(m)), m))
        True
    """

    alpha: float = 0.01
    beta: float = 0.01
    gamma: float = 0.001
    power: int = 1
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    pad: Literal["auto", "none"] | int = "auto"

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "gamma"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
                raise ValueError(
                    f"FluidMetric: {name}: expected a finite number >= 0, found {value!r}; try the defaults"
                )
        if self.alpha == 0 and self.gamma == 0:
            raise ValueError(
                "FluidMetric: alpha: expected alpha or gamma above 0, found both 0; L would not be invertible"
            )
        if not isinstance(self.power, int) or isinstance(self.power, bool) or self.power < 1:
            raise ValueError(
                f"FluidMetric: power: expected an integer >= 1, found {self.power!r}; use 1 for K = L^-1"
            )
        object.__setattr__(self, "spacing", tuple(float(h) for h in self.spacing))
        if len(self.spacing) not in (2, 3) or not all(
            math.isfinite(h) and h > 0 for h in self.spacing
        ):
            raise ValueError(
                f"FluidMetric: spacing: expected two or three finite sizes > 0, found {self.spacing}; give one per axis"
            )
        if self.pad not in ("auto", "none") and not (
            isinstance(self.pad, int) and not isinstance(self.pad, bool) and self.pad >= 0
        ):
            raise ValueError(
                f"FluidMetric: pad: expected 'auto', 'none' or a number of voxels >= 0, found {self.pad!r}; "
                "choose one of these"
            )

    def torus(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The sizes that the transform works at for a field of this spatial shape.

        Example:
            >>> import quicksilver_ext as qs
            >>> qs.FluidMetric().torus((229, 193, 225))
            (240, 200, 240)
        """
        if self.pad == "none":
            return tuple(shape)
        gap = 0 if self.pad == "auto" else int(self.pad)
        *others, last = (n + gap for n in shape)
        # Real transforms pair the samples of the last axis.
        return (*map(smooth_size, others), 2 * smooth_size((last + 1) // 2))

    def sharp(self, momentum: Tensor) -> Tensor:
        """``v = K m``: momentum to velocity, (B, D, *S) both, in voxels. Self-adjoint, and so is its gradient."""
        return self._apply("sharp", "momentum", momentum, inverse=True)

    def flat(self, velocity: Tensor) -> Tensor:
        """``m = L^power v``: velocity to momentum, (B, D, *S) both, in voxels. The inverse of `sharp` with pad="none"."""
        return self._apply("flat", "velocity", velocity, inverse=False)

    def _apply(self, op: str, argument: str, field: Tensor, *, inverse: bool) -> Tensor:
        _args.check_vectors(op, argument, field)
        dims = field.ndim - 2
        spacing = self.spacing[:dims] if set(self.spacing) == {1.0} else self.spacing
        if len(spacing) != dims:
            raise ValueError(
                f"{op}: {argument}: expected {len(spacing)} spatial axes as the metric's spacing, found {dims}; "
                "make a metric with one spacing per axis"
            )
        how = (list(self.torus(field.shape[2:])), list(spacing))
        parameters = (float(self.alpha), float(self.beta), float(self.gamma), self.power, inverse)
        result: Tensor = _fluid(field, *how, *parameters)
        return result


def sharp(momentum: Tensor, metric: FluidMetric) -> Tensor:
    """`FluidMetric.sharp` as a function."""
    return metric.sharp(momentum)


def flat(velocity: Tensor, metric: FluidMetric) -> Tensor:
    """`FluidMetric.flat` as a function."""
    return metric.flat(velocity)
