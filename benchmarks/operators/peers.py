"""Peers: what a user would call instead of our operators, on the same inputs."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs

from ..measuring.clock import Call, eager
from ..measuring.inputs import Inputs


class MissingPeerError(Exception):
    """A peer cannot be measured here; the message says why."""


Peer = Callable[[Inputs], Call]


def module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPeerError(f"{error.name or name} is not installed") from error


def _require(inputs: Inputs, kind: str) -> None:
    if inputs.device.type != kind:
        raise MissingPeerError("on the CPU only" if kind == "cpu" else "on CUDA only")
    if inputs.dtype != torch.float32 or inputs.batch > 1:
        raise MissingPeerError("measured for float32 and one entry only")


def identity_grid(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """(1, D, *shape): the index of every voxel."""
    lines = (torch.arange(n, dtype=torch.float32, device=device) for n in shape)
    return torch.stack(torch.meshgrid(*lines, indexing="ij"))[None]


def grid_sample(inputs: Inputs) -> Call:
    """With a ready grid, which is what its gradient is by."""
    grids = [
        qs.to_grid_sample(u.detach()).contiguous().requires_grad_(inputs.backward)
        for u in inputs.displacements
    ]

    def sample(image: Tensor, grid: Tensor) -> Tensor:
        return F.grid_sample(image, grid, padding_mode="border", align_corners=True)

    return differentiated(inputs, in_float(sample), grids)


def in_float(operator: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """On images in half precision too, where positions in half precision would miss."""
    return lambda image, moves: operator(image.to(moves.dtype), moves).to(image.dtype)


def differentiated(
    inputs: Inputs, operator: Callable[..., Tensor], seconds: list[Tensor] | None = None
) -> Call:
    """Call operator(image, displacement or the like), or its backward pass with both gradients."""
    images, moves = inputs.images, inputs.displacements if seconds is None else seconds
    if not inputs.backward:
        return lambda n: operator(images[n], moves[n])
    results = [operator(*both) for both in zip(images, moves, strict=True)]
    grads = inputs.cotangents

    def back(n: int) -> tuple[Tensor, ...]:
        both = (images[n], moves[n])
        return torch.autograd.grad(results[n], both, grads[n], retain_graph=True)

    return back


def monai_warp(inputs: Inputs) -> Call:
    return differentiated(inputs, in_float(_monai_warp()))


def _monai_warp() -> Callable[..., Tensor]:
    blocks = module("monai.networks.blocks")
    with warnings.catch_warnings():  # it says that it will use grid_sample
        warnings.simplefilter("ignore")
        warp: Callable[..., Tensor] = blocks.Warp("bilinear", "border")
    return warp


def monai_grid_pull(inputs: Inputs) -> Call:
    """MONAI's own compiled sampler, at ready positions."""
    module("monai")
    if module("monai.config").USE_COMPILED is not True:
        raise MissingPeerError("MONAI is installed without its compiled extensions")
    layers = module("monai.networks.layers")
    index = identity_grid(inputs.shape, inputs.device)
    places = [(index + u).detach().movedim(1, -1).contiguous() for u in inputs.displacements]
    for place in places:
        place.requires_grad_(inputs.backward)

    def pull(image: Tensor, place: Tensor) -> Tensor:
        return layers.grid_pull(image, place, "linear", "border", extrapolate=True)

    return differentiated(inputs, in_float(pull), places)


def voxelmorph_transformer(inputs: Inputs) -> Call:
    transformer = module("voxelmorph.nn.modules").SpatialTransformer()
    return differentiated(inputs, in_float(transformer))


def map_coordinates(inputs: Inputs) -> Call:
    """SciPy's, channel by channel at ready positions: it uses one thread."""
    _require(inputs, "cpu")
    ndimage = module("scipy.ndimage")
    places = [p.numpy() for p in _places(inputs)]
    images = [image.detach().numpy()[0] for image in inputs.images]

    def call(n: int) -> Any:
        return np.stack(
            [ndimage.map_coordinates(c, places[n], order=1, mode="nearest") for c in images[n]]
        )

    return call


def cupy_map_coordinates(inputs: Inputs) -> Call:
    _require(inputs, "cuda")
    cupy, ndimage = module("cupy"), module("cupyx.scipy.ndimage")
    places = [cupy.asarray(p) for p in _places(inputs)]
    images = [cupy.asarray(image.detach()[0]) for image in inputs.images]

    def call(n: int) -> Any:
        with cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream):
            return [
                ndimage.map_coordinates(c, places[n], order=1, mode="nearest") for c in images[n]
            ]

    return eager(call)


def _places(inputs: Inputs) -> list[Tensor]:
    index = identity_grid(inputs.shape, inputs.device)
    return [(index + u.detach())[0].contiguous() for u in inputs.displacements]


def simpleitk_resample(inputs: Inputs) -> Call:
    """Vector images through a displacement field; its inputs are ready, its result stays ITK's."""
    _require(inputs, "cpu")
    sitk = module("SimpleITK")
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(torch.get_num_threads())

    def itk_image(channels: Tensor) -> Any:  # ITK's x is the last axis
        return sitk.GetImageFromArray(channels.movedim(0, -1).contiguous().numpy(), isVector=True)

    images = [itk_image(image.detach()[0]) for image in inputs.images]
    fields = [itk_image(u.detach()[0].flip(0).double()) for u in inputs.displacements]
    transforms = [sitk.DisplacementFieldTransform(field) for field in fields]

    def call(n: int) -> Any:
        filter = sitk.ResampleImageFilter()
        filter.SetReferenceImage(images[n])
        filter.SetTransform(transforms[n])
        filter.SetInterpolator(sitk.sitkLinear)
        filter.UseNearestNeighborExtrapolatorOn()
        return filter.Execute(images[n])

    return call


def vec_int(inputs: Inputs) -> Call:
    """VoxelMorph's integration of a stationary velocity, 7 squarings."""
    integrate = module("voxelmorph.nn.modules").IntegrateVelocityField(steps=7)
    return lambda n: integrate(inputs.displacements[n])


def symbol(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """A scalar symbol, ready: what the fluid metric would be without beta."""
    return torch.rand(*shape[:-1], shape[-1] // 2 + 1, device=device)


def torch_fft(inputs: Inputs) -> Call:
    """At the size of the field itself, which for primes is what a user without padding has."""
    axes, gain = tuple(range(2, 2 + len(inputs.shape))), symbol(inputs.shape, inputs.device)

    def call(n: int) -> Tensor:
        spectrum = gain * torch.fft.rfftn(inputs.vectors[n], dim=axes)
        return torch.fft.irfftn(spectrum, s=inputs.shape, dim=axes)

    return call


def scipy_fft(inputs: Inputs) -> Call:
    _require(inputs, "cpu")
    fft, workers = module("scipy.fft"), torch.get_num_threads()
    axes, gain = tuple(range(2, 2 + len(inputs.shape))), symbol(inputs.shape, inputs.device).numpy()
    vectors = [vector.numpy() for vector in inputs.vectors]

    def call(n: int) -> Any:
        spectrum = gain * fft.rfftn(vectors[n], axes=axes, workers=workers)
        return fft.irfftn(spectrum, s=inputs.shape, axes=axes, workers=workers)

    return call


def cupy_fft(inputs: Inputs) -> Call:
    _require(inputs, "cuda")
    cupy, fft = module("cupy"), module("cupyx.scipy.fft")
    axes = tuple(range(2, 2 + len(inputs.shape)))
    gain = cupy.asarray(symbol(inputs.shape, inputs.device))
    vectors = [cupy.asarray(vector) for vector in inputs.vectors]

    def call(n: int) -> Any:
        with cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream):
            return fft.irfftn(gain * fft.rfftn(vectors[n], axes=axes), s=inputs.shape, axes=axes)

    return eager(call)


def interpolate(inputs: Inputs) -> Call:
    """To half the size along every axis."""
    mode = "trilinear" if len(inputs.shape) == 3 else "bilinear"
    halves = [n // 2 for n in inputs.shape]
    return lambda n: F.interpolate(inputs.images[n], halves, mode=mode)


def torch_gradient(inputs: Inputs) -> Call:
    axes = tuple(range(2, 2 + len(inputs.shape)))
    return lambda n: torch.gradient(inputs.images[n], dim=axes)


def monai_lncc(inputs: Inputs) -> Call:
    """MONAI's loss of a warped image: two calls where ours is one."""
    loss = module("monai.losses").LocalNormalizedCrossCorrelationLoss(len(inputs.shape), 9)
    warp = _monai_warp()
    images, moves = inputs.images, inputs.displacements
    return lambda n: loss(warp(images[n], moves[n]), images[n - 1])


WARPS: dict[str, Peer] = {
    "grid_sample": grid_sample,
    "MONAI Warp": monai_warp,
    "MONAI grid_pull": monai_grid_pull,
    "VoxelMorph SpatialTransformer": voxelmorph_transformer,
}
PEERS: dict[str, dict[str, Peer]] = {
    "warp": {
        **WARPS,
        "SciPy map_coordinates": map_coordinates,
        "CuPy map_coordinates": cupy_map_coordinates,
        "SimpleITK Resample": simpleitk_resample,
    },
    "warp backward": WARPS,
    "exponential": {"VoxelMorph VecInt": vec_int},
    "sharp": {"torch.fft": torch_fft, "SciPy fft": scipy_fft, "CuPy fft": cupy_fft},
    "resize": {"torch interpolate": interpolate},
    "gradient": {"torch.gradient": torch_gradient},
    "lncc": {"MONAI LNCC of Warp": monai_lncc},
}
