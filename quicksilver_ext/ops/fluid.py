"""The fluid metric: momenta to velocities and back."""

from __future__ import annotations

import functools
from collections.abc import Sequence
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
        numbers = _fft.tables(torus, spacing, band, device.type)
    else:
        numbers = symbol_tables(torus, spacing, frequencies(torus, band))
    return torch.frombuffer(numbers, dtype=torch.float64).to(dtype).to(device)  # waits: any stream


def _fake(field: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(field, memory_format=torch.contiguous_format)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.how = inputs[1:]


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return torch.ops.quicksilver.fluid(grad, *ctx.how), *(None for _ in ctx.how)  # self-adjoint


def _transform(volume: Tensor, torus: Sequence[int], spectrum: Tensor) -> None:
    """Transform a volume that fills a corner of the torus into the frequencies that `spectrum`
    keeps.

    One axis after the other, each taking only what the one before kept. Not at once: see
    `reference.fluid`.
    """
    kept = spectrum.shape
    found = torch.fft.rfft(volume, torus[-1])[..., : kept[-1]]
    for axis in reversed(range(len(torus) - 1)):
        found = torch.fft.fft(found, torus[axis], axis)
        if kept[axis] < torus[axis]:
            negative = kept[axis] // 2
            low = found.narrow(axis, 0, kept[axis] - negative)
            high = found.narrow(axis, torus[axis] - negative, negative)
            found = torch.cat((low, high), axis)
    spectrum.copy_(found)


def _transform_back(spectrum: Tensor, torus: Sequence[int], volume: Tensor) -> None:
    """Transform back, with zeros for the other frequencies, into `volume`, the corner."""
    for axis, n in enumerate(torus[:-1]):
        kept = spectrum.shape[axis]
        if kept < n:
            low, high = spectrum.split((kept - kept // 2, kept // 2), axis)
            between = [n - kept if a == axis else m for a, m in enumerate(spectrum.shape)]
            spectrum = torch.cat((low, spectrum.new_zeros(between), high), axis)
        spectrum = torch.fft.ifft(spectrum, dim=axis).narrow(axis, 0, volume.shape[axis])
    volume.copy_(torch.fft.irfft(spectrum, torus[-1])[..., : volume.shape[-1]])


_block_memory = functools.lru_cache(maxsize=None)(_core.block_memory)


class Smoothing:
    """Apply the symbol of a metric to fields like a given one, into given tensors.

    Pads, transforms, multiplies by the symbol, transforms back and crops: where the core's own
    transforms serve, without allocating anything, elsewhere by torch's transforms around the
    core's symbol. block_memory: bytes of shared memory that a block may have,
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
        self.fused = _fft.is_fusable(torus, like.device.type)
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
        spectra = self.spectrum.flatten(0, 1)
        for volume, spectrum in zip(field.flatten(0, 1), spectra, strict=True):
            _transform(volume, self.torus, spectrum)
        where = _args.field(self.spectrum), self.tables.data_ptr()
        _core.fluid_symbol(*where, self.symbol, _args.queue_of(field))
        for spectrum, volume in zip(spectra, out.flatten(0, 1), strict=True):
            _transform_back(spectrum, self.torus, volume)


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
            voxels between the field and its periodic images. These take the core's own transforms
            up to 2048 voxels, on CUDA up to 512; so does "none" where the sizes are such (7 is a
            factor as well), and torch's transforms, slower, do the rest.
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
