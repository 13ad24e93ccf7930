"""The fluid metric: momenta to velocities and back."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import _args, _core, _fft
from .._metric import Metric, frequencies, symbol_of, symbol_tables
from .._register import operator


@functools.cache  # a recorded CUDA graph holds their addresses
def _tables(
    fused: bool,
    torus: tuple[int, ...],
    spacing: tuple[float, ...],
    band: str,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Tables for the core's fused transforms, or for its symbol alone."""
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        raise RuntimeError(
            f"FluidMetric: tables of torus {torus}: expected them made before a CUDA graph is "
            "recorded, found a recording; call the operator once beforehand"
        )
    if fused:
        numbers = _fft.tables(torus, spacing, band)
    else:
        numbers = symbol_tables(torus, spacing, frequencies(torus, band))
    return torch.frombuffer(numbers, dtype=torch.float64).to(dtype).to(device)  # waits: any stream


def _fake(field: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(field, memory_format=torch.contiguous_format)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.how = inputs[1:]


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return torch.ops.quicksilver.fluid(grad, *ctx.how), *(None for _ in ctx.how)  # self-adjoint


def _is_fused(field: Tensor, torus: Sequence[int]) -> bool:
    """Use the fused transforms on CUDA alone: on the CPU torch's are faster."""
    return field.is_cuda and _fft.is_fusable(torus)


PART = 4 << 20
"""Bytes of a spectrum that the CPU transforms at a time, so that they and their result stay in its
L2 cache, and torch reuses the memory of the result instead of touching new pages.
"""


def _parts(spectrum: Tensor, axis: int, count: int) -> Iterator[slice]:
    """Slice the first `count` places of an axis of a spectrum into parts."""
    step = max(1, PART * spectrum.shape[axis] // spectrum.nbytes)
    return (slice(first, min(first + step, count)) for first in range(0, count, step))


def _transform(volume: Tensor, torus: Sequence[int], spectrum: Tensor) -> None:
    """Transform a volume that fills a corner of the torus, into `spectrum`."""
    if volume.is_cuda:
        torch.fft.rfftn(volume, s=torus, out=spectrum)
        return
    inner = tuple(range(1, len(torus)))
    for planes in _parts(spectrum, 0, volume.shape[0]):
        torch.fft.rfftn(volume[planes], s=torus[1:], dim=inner, out=spectrum[planes])
    spectrum[volume.shape[0] :] = 0
    for columns in _parts(spectrum, 1, spectrum.shape[1]):
        torch.fft.fft(spectrum[:, columns], dim=0, out=spectrum[:, columns])


def _transform_back(spectrum: Tensor, torus: Sequence[int], volume: Tensor) -> None:
    """Transform back into `volume`, the corner of the torus; the spectrum is overwritten."""
    inside = tuple(slice(n) for n in volume.shape)
    if volume.is_cuda:
        volume.copy_(torch.fft.irfftn(spectrum, s=torus)[inside])
        return
    for columns in _parts(spectrum, 1, spectrum.shape[1]):
        torch.fft.ifft(spectrum[:, columns], dim=0, out=spectrum[:, columns])
    for planes in _parts(spectrum, 0, volume.shape[0]):
        part = spectrum[planes]
        for axis in range(1, len(torus) - 1):  # not at once: see `reference.fluid`
            part = torch.fft.ifft(part, dim=axis)
        part = torch.fft.irfft(part, torus[-1])
        volume[planes] = part[(slice(None), *inside[1:])]


def _transform_low(volume: Tensor, torus: Sequence[int], spectrum: Tensor) -> None:
    """Transform into the low frequencies alone: each axis takes only what the one before kept."""
    kept = spectrum.shape
    found = torch.fft.rfft(volume, torus[-1])[..., : kept[-1]]
    for axis in reversed(range(len(torus) - 1)):
        found = torch.fft.fft(found, torus[axis], axis)
        negative = kept[axis] // 2
        low = found.narrow(axis, 0, kept[axis] - negative)
        high = found.narrow(axis, torus[axis] - negative, negative)
        found = torch.cat((low, high), axis)
    spectrum.copy_(found)


def _transform_low_back(spectrum: Tensor, torus: Sequence[int], volume: Tensor) -> None:
    """Transform back from the low frequencies, with zeros above, into `volume`."""
    for axis, n in enumerate(torus[:-1]):
        kept = spectrum.shape[axis]
        low, high = spectrum.split((kept - kept // 2, kept // 2), axis)
        between = [n - kept if a == axis else m for a, m in enumerate(spectrum.shape)]
        whole = torch.cat((low, spectrum.new_zeros(between), high), axis)
        spectrum = torch.fft.ifft(whole, dim=axis).narrow(axis, 0, volume.shape[axis])
    volume.copy_(torch.fft.irfft(spectrum, torus[-1])[..., : volume.shape[-1]])


_TRANSFORMS = {
    "full": (_transform, _transform_back),
    "half": (_transform_low, _transform_low_back),
}
_block_memory = functools.lru_cache(maxsize=None)(_core.block_memory)


class Smoothing:
    """Apply the symbol of a metric to fields like a given one, into given tensors.

    Pads, transforms, multiplies by the symbol, transforms back and crops: where the core's own
    transforms serve, in three kernels or five and without allocating anything, elsewhere by torch's
    transforms around the core's symbol. block_memory: bytes of shared memory that a block may have,
    the device's where None.
    """

    def __init__(
        self,
        like: Tensor,
        torus: Sequence[int],
        spacing: Sequence[float],
        symbol: _core.FluidSymbol,
        band: str,
        block_memory: int | None = None,
    ) -> None:
        self.torus, self.symbol, self.band = tuple(torus), symbol, band
        self.fused = _is_fused(like, torus)
        where = like.dtype, like.device
        self.tables = _tables(self.fused, self.torus, tuple(spacing), band, *where)
        planes: Sequence[int] = [len(kept) for kept in frequencies(torus, band)]
        if self.fused:
            planes = _fft.workspace_shape(like.shape[2:], torus, band)
            memory = block_memory or _block_memory(like.get_device())
            self.fused_torus = _fft.torus_of(torus, band, memory)
        shape = (*like.shape[:2], *planes)
        self.spectrum = _args.in_huge_pages(like.new_empty(shape, dtype=like.dtype.to_complex()))

    def __call__(self, field: Tensor, out: Tensor) -> None:
        """field and out (B, D, *S), contiguous; they may be one tensor."""
        if self.fused:
            _core.fluid(
                _args.field(field),
                _args.field(out),
                _args.field(self.spectrum),
                self.tables.data_ptr(),
                self.fused_torus,
                self.symbol,
                _args.queue_of(field),
            )
        else:
            self._around_symbol(field, out)

    def _around_symbol(self, field: Tensor, out: Tensor) -> None:
        # One component at a time: a batched transform strides through memory, which is slower on
        # the CPU.
        there, back = _TRANSFORMS[self.band]
        spectra = self.spectrum.flatten(0, 1)
        for volume, spectrum in zip(field.flatten(0, 1), spectra, strict=True):
            there(volume, self.torus, spectrum)
        where = _args.field(self.spectrum), self.tables.data_ptr()
        _core.fluid_symbol(*where, self.symbol, _args.queue_of(field))
        for spectrum, volume in zip(spectra, out.flatten(0, 1), strict=True):
            back(spectrum, self.torus, volume)


@operator(
    "fluid(Tensor field, int[] torus, float[] spacing, float alpha, float beta, float gamma, int "
    "power, str band, bool inverse) -> Tensor",
    fake=_fake,
    setup_context=_save,
    backward=_backward,
    linear=(0,),
)
def _fluid(
    field: Tensor,
    torus: Sequence[int],
    spacing: Sequence[float],
    alpha: float,
    beta: float,
    gamma: float,
    power: int,
    band: str,
    inverse: bool,
) -> Tensor:
    field, out = field.contiguous(), _args.in_huge_pages(_fake(field))
    symbol = symbol_of(spacing, alpha, beta, gamma, power, inverse)
    Smoothing(field, torus, spacing, symbol, band)(field, out)
    return out


class FluidMetric(Metric):
    """The metric of ``L v = -alpha lap v - beta grad(div v) + gamma v`` and its operators, by FFT.

    The symbol is that of the finite differences on a periodic grid with the given spacing; ``K =
    L^-power``.

    Args:
        alpha, beta, gamma: non-negative, not all of alpha and gamma zero. Quicksilver's are 0.01,
            0.01, 0.001.
        power: a positive integer.
        spacing: voxel size along each axis; fields stay in voxels (`K_vox = h^-1 K h^-1`). (1, 1,
            1) serves 2-D too.
        pad: "none": the torus of the field's own size, exactly. "auto": the next sizes with factors
            2, 3 and 5, even along the last axis. An integer n: such sizes with a gap of at least n
            voxels between the field and its periodic images. On CUDA these take the core's own
            transforms; so does "none" where the sizes are such (7 is a factor as well) and at most
            512, and torch's transforms do the rest.
        band: "full": all frequencies. "half": only those below half of Nyquist along every axis of
            the torus (index k of n where min(k, n - k) < n / 4); `sharp` and `flat` give 0 for the
            others. Half the memory traffic on CUDA, for momenta whose velocities are smooth.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> metric = qs.FluidMetric(pad="none")
        >>> m = torch.randn(1, 3, 8, 8, 8, dtype=torch.float64)
        >>> bool(torch.allclose(metric.flat(metric.sharp(m)), m))
        True
    """

    def sharp(self, momentum: Tensor) -> Tensor:
        """``v = K m``: momentum to velocity, (B, D, *S) both, in voxels. Self-adjoint, and so is
        its gradient.
        """
        return self._apply("sharp", "momentum", momentum, inverse=True)

    def flat(self, velocity: Tensor) -> Tensor:
        """``m = L^power v``: velocity to momentum, (B, D, *S) both, in voxels. With pad="none" the
        inverse of `sharp` on the band.
        """
        return self._apply("flat", "velocity", velocity, inverse=False)

    def smoothing(self, like: Tensor) -> Smoothing:
        """`sharp` for fields like a contiguous (B, D, *S), into given tensors: what an integrator
        calls every step.
        """
        spacing = self.spacing_of("sharp", "momentum", like.ndim - 2)
        parameters = (self.alpha, self.beta, self.gamma, self.power, True)
        symbol = symbol_of(spacing, *parameters)
        return Smoothing(like, self.torus(like.shape[2:]), spacing, symbol, self.band)

    def _apply(self, op: str, argument: str, field: Tensor, *, inverse: bool) -> Tensor:
        (field,) = _args.promote(field)
        _args.check_vectors(op, argument, field)
        spacing = self.spacing_of(op, argument, field.ndim - 2)
        how = (list(self.torus(field.shape[2:])), list(spacing))
        numbers = (float(self.alpha), float(self.beta), float(self.gamma), self.power)
        result: Tensor = _fluid(field, *how, *numbers, self.band, inverse)
        return result


def sharp(momentum: Tensor, metric: FluidMetric) -> Tensor:
    """`FluidMetric.sharp` as a function."""
    return metric.sharp(momentum)


def flat(velocity: Tensor, metric: FluidMetric) -> Tensor:
    """`FluidMetric.flat` as a function."""
    return metric.flat(velocity)
