"""What is measured. Inputs are smooth displacements and noise images, never zeros."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs

from .timing import alternate

QUICKSILVER_SHAPE = (229, 193, 193)


def smooth_displacement(shape: tuple[int, ...], amplitude: float = 4.0) -> Tensor:
    axes = torch.meshgrid(*(torch.linspace(0, 6, n) for n in shape), indexing="ij")
    waves = [axes[0].sin() * axes[1].cos() * (axes[2] + c).sin() for c in range(3)]
    return amplitude * torch.stack(waves)[None]


def warp() -> dict[str, Any]:
    """`warp` against `grid_sample` with a ready grid: 3 channels."""
    shape = QUICKSILVER_SHAPE
    image, displacement = torch.randn(1, 3, *shape), smooth_displacement(shape)
    index = torch.stack(torch.meshgrid(*(torch.arange(n) for n in shape), indexing="ij"))
    sizes = torch.tensor(shape).reshape(3, 1, 1, 1)
    position = 2 * (index + displacement[0]) / (sizes - 1) - 1
    grid = position.flip(0).permute(1, 2, 3, 0)[None].contiguous()

    def peer() -> Tensor:
        return F.grid_sample(image, grid, padding_mode="border", align_corners=True)

    difference = (qs.warp(image, displacement) - peer()).abs().max().item()
    seconds = alternate({"warp": lambda: qs.warp(image, displacement), "grid_sample": peer})
    # 4 bytes times (3 displacements, 3 read, 3 written) per voxel.
    rate = 36 * displacement[0, 0].numel() / seconds["warp"]["median"]
    return {
        "shape": shape,
        "seconds": seconds,
        "largest_difference": difference,
        "bytes_per_second": rate,
    }


def sharp() -> dict[str, Any]:
    """`sharp` against torch's transforms alone, there and back, at the size that it transforms."""
    shape = (160, 192, 160)
    momentum, metric = torch.randn(1, 3, *shape), qs.FluidMetric()
    torus, axes = metric.torus(shape), (2, 3, 4)

    def peer() -> Tensor:
        return torch.fft.irfftn(torch.fft.rfftn(momentum, s=torus, dim=axes), s=torus, dim=axes)

    return {
        "shape": shape,
        "torus": torus,
        "seconds": alternate({"sharp": lambda: metric.sharp(momentum), "irfftn(rfftn)": peer}),
    }


def shoot() -> dict[str, Any]:
    """`shoot` at 96^3, both maps, and its error against many steps beside that of the parity method."""
    shape = (96, 96, 96)
    metric = qs.FluidMetric(pad="none")
    window = torch.ones(())
    for axis, n in enumerate(shape):
        line = torch.hann_window(n, periodic=False).reshape(
            [n if a == axis else 1 for a in range(3)]
        )
        window = window * line
    momentum = metric.flat(smooth_displacement(shape, 6.0) * window)

    def run(steps: int = 10, **how: Any) -> tuple[Tensor, Tensor]:
        return qs.shoot(momentum, metric, steps, **how)

    fine, _ = qs.shoot(momentum.double(), metric, 80)

    def error(**how: Any) -> dict[str, float]:
        distance = (run(**how)[0] - fine).norm(dim=1)
        return {"rms": distance.square().mean().sqrt().item(), "largest": distance.max().item()}

    return {
        "shape": shape,
        "largest_displacement": fine.abs().max().item(),
        "seconds": alternate(
            {
                "ab2": run,
                "ab2 linear": lambda: run(composition="linear"),
                "rk4": lambda: run(method="rk4"),
            },
            3,
        ),
        "error_voxels": {
            "ab2": error(),
            "ab2 linear": error(composition="linear"),
            "ab2, 5 steps": error(steps=5),
            "rk4": error(method="rk4"),
        },
    }


def register(moving: Path, target: Path) -> dict[str, Any]:
    """The whole command on two images, from the shell and back, and its own account of the stages."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "quicksilver",
            "register",
            str(moving),
            str(target),
            "-o",
            folder,
        ]
        seconds = alternate(
            {"command": lambda: subprocess.run(command, check=True, capture_output=True)}, 1
        )
        result = json.loads((Path(folder) / "result.json").read_text())
    return {"seconds": seconds, "stages": result["seconds"]}
