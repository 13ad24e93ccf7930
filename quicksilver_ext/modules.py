"""Operators as modules."""

from __future__ import annotations

from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from . import _options
from ._autograd import may_need_gradient
from .ops.exponential import exponential
from .ops.fluid import FluidMetric
from .ops.geodesic.shoot import shoot
from .ops.warp import warp


class SpatialTransformer(nn.Module):
    """`warp` with the signature of VoxelMorph's module of this name (0.3): an image and a
    displacement in voxels.

    Args:
        interpolation_mode: "linear" or "nearest".
        align_corners: True: displacements are voxels, and nothing else is.

    Shape:
        moving_image (B, C, *S) and deformation_field (B, D, *S) to (B, C, *S); outside the image is
        0.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> image = torch.rand(1, 1, 5, 6)
        >>> bool((qs.SpatialTransformer()(image, torch.zeros(1, 2, 5, 6)) == image).all())
        True
    """

    def __init__(self, interpolation_mode: str = "linear", align_corners: bool = True):
        super().__init__()
        modes = ("linear", "nearest")
        _options.check_choice("SpatialTransformer", "interpolation_mode", interpolation_mode, modes)
        if not align_corners:
            raise ValueError(
                "SpatialTransformer: align_corners: expected True, found False; convert with "
                "qs.from_grid_sample"
            )
        self.interpolation_mode = interpolation_mode

    def forward(self, moving_image: Tensor, deformation_field: Tensor) -> Tensor:
        return warp(moving_image, deformation_field, self.interpolation_mode, "zeros")

    def extra_repr(self) -> str:
        return f"interpolation_mode={self.interpolation_mode!r}"


class Warp(nn.Module):
    """`warp` with the signature of MONAI's block of this name: an image and a dense displacement
    field in voxels.

    Args:
        mode: "bilinear" (in 3-D, as there, trilinear) or "nearest".
        padding_mode: "border", "zeros" or "reflection".

    Shape:
        image (B, C, *S) and ddf (B, D, *S) to (B, C, *S).

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> image = torch.rand(1, 1, 5, 6)
        >>> bool((qs.Warp()(image, torch.zeros(1, 2, 5, 6)) == image).all())
        True
    """

    MODES = {"bilinear": "linear", "nearest": "nearest"}  # noqa: RUF012
    PADDINGS = {"border": "border", "zeros": "zeros", "reflection": "reflect"}  # noqa: RUF012

    def __init__(self, mode: str = "bilinear", padding_mode: str = "border"):
        super().__init__()
        _options.check_choice("Warp", "mode", mode, self.MODES)
        _options.check_choice("Warp", "padding_mode", padding_mode, self.PADDINGS)
        self.mode, self.padding_mode = mode, padding_mode

    def forward(self, image: Tensor, ddf: Tensor) -> Tensor:
        return warp(image, ddf, self.MODES[self.mode], self.PADDINGS[self.padding_mode])

    def extra_repr(self) -> str:
        return f"mode={self.mode!r}, padding_mode={self.padding_mode!r}"


class VectorIntegration(nn.Module):
    """`exponential` as a module: VoxelMorph's ``IntegrateVelocityField`` (``VecInt`` of its earlier
    versions).

    Args:
        steps: squarings. padding_mode: of the displacement in each of them; VoxelMorph's is
            "zeros".

    Shape:
        velocity_field (B, D, *S) to the displacement (B, D, *S), in voxels.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> bool((qs.VectorIntegration()(torch.zeros(1, 2, 5, 6)) == 0).all())
        True
    """

    def __init__(self, steps: int = 7, padding_mode: str = "zeros"):
        super().__init__()
        self.steps, self.padding_mode = steps, padding_mode

    def forward(self, velocity_field: Tensor) -> Tensor:
        return exponential(velocity_field, self.steps, padding_mode=self.padding_mode)

    def extra_repr(self) -> str:
        return f"steps={self.steps}, padding_mode={self.padding_mode!r}"


class GeodesicShooting(nn.Module):
    """`shoot` with its options fixed, as a module; on CUDA, if wanted, one graph launch per call.

    Args:
        metric, steps, method, composition, borders, memory, inverse_iterations, check: as of
            `shoot`; replays of a graph are not looked at.
        graph: record the first call for every (shape, dtype, device) of a CUDA momentum as a CUDA
            graph, and replay it in the following ones, without the launches' cost on the CPU. Every
            recorded graph keeps its memory for as long as the module lives. On the CPU, and where a
            gradient is asked for, the module calls `shoot`.

    Shape:
        momentum (B, D, *S) to psi, phi (B, D, *S), in voxels: fresh tensors, which no later call
        overwrites.

    Raises:
        TypeError, ValueError: as `shoot`, when called.

    Example:
        >>> import torch, quicksilver_ext as qs
        >>> shooting = qs.GeodesicShooting(qs.FluidMetric(), steps=5, graph=True)
        >>> psi, phi = shooting(torch.zeros(1, 2, 8, 8))
        >>> bool((psi == 0).all() and (phi == 0).all())
        True
    """

    def __init__(
        self,
        metric: FluidMetric,
        steps: int = 10,
        method: str = "ab2",
        composition: str = "cubic",
        borders: str = "extended",
        memory: str = "fast",
        inverse_iterations: int = 5,
        graph: bool = False,
        check: bool = True,
    ):
        super().__init__()
        self.metric, self.graph = metric, graph
        self.options: dict[str, Any] = {
            "steps": steps,
            "method": method,
            "composition": composition,
            "borders": borders,
            "memory": memory,
            "inverse_iterations": inverse_iterations,
            "check": check,
        }
        self._recorded: dict[tuple[Any, ...], _Recorded] = {}

    def forward(self, momentum: Tensor) -> tuple[Tensor, Tensor]:
        if not self.graph or not momentum.is_cuda or may_need_gradient(momentum):
            return self._shoot(momentum)
        key = (momentum.shape, momentum.dtype, momentum.device)
        if key not in self._recorded:
            self._recorded[key] = _Recorded(self, momentum)
        return self._recorded[key].replay(momentum)

    def _shoot(self, momentum: Tensor) -> tuple[Tensor, Tensor]:
        return shoot(momentum, self.metric, **self.options)

    def extra_repr(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{self.metric}, {options}, graph={self.graph}"

    def __getstate__(self) -> dict[str, Any]:
        """Without the recorded graphs, which can be neither copied nor written to a file."""
        return {**self.__dict__, "_recorded": {}}


class _Recorded:
    """The launches of one call, with the buffers that they read and write."""

    def __init__(self, module: GeodesicShooting, momentum: Tensor):
        with torch.no_grad(), torch.cuda.device(momentum.device):
            self.momentum = momentum.detach().clone(memory_format=torch.contiguous_format)
            self.graph = torch.cuda.CUDAGraph()
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):  # tables and plans are made here: not while recording
                module._shoot(self.momentum)
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(self.graph):
                self.maps = module._shoot(self.momentum)
            self.lock, self.last = Lock(), torch.cuda.Event()
            self.last.record()

    def replay(self, momentum: Tensor) -> tuple[Tensor, Tensor]:
        with self.lock, torch.no_grad(), torch.cuda.device(momentum.device):
            torch.cuda.current_stream().wait_event(self.last)  # another stream's replay, perhaps
            self.momentum.copy_(momentum)
            self.graph.replay()
            psi, phi = (field.clone() for field in self.maps)
            self.last.record()
            return psi, phi
