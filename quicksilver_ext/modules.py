"""Operators as modules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .ops.fluid import FluidMetric
from .ops.geodesic import shoot


class GeodesicShooting(nn.Module):
    """`shoot` with its options fixed, as a module; on CUDA, if wanted, one graph launch per call.

    Args:
        metric, steps, method, composition, borders, memory, inverse_iterations: as of `shoot`.
        graph: record the first call for every (shape, dtype, device) of a CUDA momentum as a CUDA graph, and replay it in
            the following ones, without the launches' cost on the processor. Every recorded graph keeps its memory for
            as long as the module lives. On the CPU, and where a gradient is asked for, the module calls `shoot`.

    Shape:
        momentum (B, D, *S) to psi, phi (B, D, *S), in voxels: fresh tensors, which no later call overwrites.

    Raises:
        As `shoot`, when called.

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
        }
        self._recorded: dict[tuple[Any, ...], _Recorded] = {}

    def forward(self, momentum: Tensor) -> tuple[Tensor, Tensor]:
        differentiated = torch.is_grad_enabled() and momentum.requires_grad
        if not self.graph or not momentum.is_cuda or differentiated:
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

    def replay(self, momentum: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad(), torch.cuda.device(momentum.device):
            self.momentum.copy_(momentum)
            self.graph.replay()
            psi, phi = self.maps
            return psi.clone(), phi.clone()
