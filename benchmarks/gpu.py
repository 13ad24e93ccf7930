"""Measures the operators on a GPU: ``python -m benchmarks.gpu [--small] [--output FOLDER]``.

Every figure stands beside the bytes it must move, the copy bandwidth of the same run and what a user would call instead.
--small measures tiny fields on whatever device there is: it shows that everything runs, and means nothing else.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.models import ModelConfig, default_model
from quicksilver.patch_network import PatchNetwork
from quicksilver.prediction import occupied_corners, predict_momentum
from quicksilver_ext import reference

from .cases import QUICKSILVER_SHAPE, smooth_displacement
from .device import Call, alternate_on, call_by_call
from .floors import BYTES
from .timing import device_name, machine

Shape = tuple[int, ...]


class Bench:
    """Cases on one device; `rows` collects what was measured."""

    def __init__(self, device: torch.device, small: bool) -> None:
        self.device, self.small = device, small
        self.repeats = 2 if small else 20
        self.rows: dict[str, dict[str, Any]] = {}

    def shape(self, shape: Shape) -> Shape:
        return tuple(max(n // 12, 16) for n in shape) if self.small else shape

    def rotation(self, bytes_per_call: float) -> int:
        """So many input sets that they exceed the largest cache, 60 MB, several times."""
        return 2 if self.small else max(2, min(8, int(400e6 / bytes_per_call)))

    def noise(self, channels: int, shape: Shape, count: int) -> list[Tensor]:
        return [torch.randn(1, channels, *shape, device=self.device) for _ in range(count)]

    def displacements(self, shape: Shape, count: int) -> list[Tensor]:
        u = smooth_displacement(shape).to(self.device)
        return [u + 0.1 * n for n in range(count)]

    def measure(
        self, name: str, shape: Shape, calls: dict[str, Call], rotation: int, floor: str
    ) -> None:
        """The first call is ours. floor: its row in `floors.BYTES`."""
        voxels = torch.Size(shape).numel()
        seconds = alternate_on(self.device, calls, rotation, self.repeats)
        ours = next(iter(seconds.values()))["median"]
        self.rows[name] = {
            "shape": shape,
            "seconds": seconds,
            "bytes_per_second": voxels * BYTES[floor] / ours,
            "times_as_fast_as": {k: v["median"] / ours for k, v in list(seconds.items())[1:]},
        }


def copy(bench: Bench) -> None:
    shape = bench.shape((512, 512, 512))
    sources = bench.noise(1, shape, 2)
    target = torch.empty_like(sources[0])
    bench.measure("copy", shape, {"copy_": lambda n: target.copy_(sources[n])}, 2, "copy")


def grid_of(displacement: Tensor) -> Tensor:
    """The ready grid that grid_sample takes for id + displacement."""
    shape = displacement.shape[2:]
    index = torch.stack(torch.meshgrid(*(torch.arange(n) for n in shape), indexing="ij"))
    sizes = torch.tensor(shape).reshape(-1, 1, 1, 1)
    position = 2 * (index.to(displacement) + displacement[0]) / (sizes - 1).to(displacement) - 1
    return position.flip(0).permute(1, 2, 3, 0)[None].contiguous()


def gathers(bench: Bench) -> None:
    shape = bench.shape((192, 192, 192))
    rotation = bench.rotation(torch.Size(shape).numel() * 36)
    u, vectors = bench.displacements(shape, rotation), bench.noise(3, shape, rotation)
    grids = [grid_of(d) for d in u]
    for channels, floor in ((1, "warp, 1 channel"), (3, "warp, 3 channels")):
        images = bench.noise(channels, shape, rotation)

        def ours(n: int, images: list[Tensor] = images) -> Tensor:
            return qs.warp(images[n], u[n])

        def peer(n: int, images: list[Tensor] = images) -> Tensor:
            return F.grid_sample(images[n], grids[n], padding_mode="border", align_corners=True)

        bench.measure(floor, shape, {"warp": ours, "grid_sample": peer}, rotation, floor)
    operators: dict[str, Callable[[Tensor, Tensor], Any]] = {
        "splat, 3 channels": qs.splat,
        "compose": qs.compose,
        "Ad_star": qs.Ad_star,
        "jacobian_determinant": lambda _, d: qs.jacobian_determinant(d),
        "invert": lambda _, d: qs.invert(0.2 * d),
    }
    for name, operator in operators.items():
        call = {name: lambda n, operator=operator: operator(vectors[n], u[n])}
        bench.measure(name, shape, call, rotation, name)


def smoothing(bench: Bench) -> None:
    for shape in ((128, 128, 128), (192, 192, 192), (240, 200, 200)):
        _smoothing(bench, f"sharp, {' x '.join(map(str, shape))}", bench.shape(shape))


def _smoothing(bench: Bench, name: str, shape: Shape) -> None:
    rotation = bench.rotation(torch.Size(shape).numel() * 24)
    momenta, metric = bench.noise(3, shape, rotation), qs.FluidMetric()
    torus, axes = metric.torus(shape), (2, 3, 4)
    symbol = torch.rand(*torus[:-1], torus[-1] // 2 + 1, device=bench.device)

    def peer(n: int) -> Tensor:
        spectrum = symbol * torch.fft.rfftn(momenta[n], s=torus, dim=axes)
        return torch.fft.irfftn(spectrum, s=torus, dim=axes)

    calls: dict[str, Call] = {
        "sharp": lambda n: metric.sharp(momenta[n]),
        "irfftn(symbol rfftn)": peer,
    }
    bench.measure(name, shape, calls, rotation, "sharp")


def shooting(bench: Bench) -> None:
    shape = bench.shape(QUICKSILVER_SHAPE)
    metric = qs.FluidMetric()
    momentum = metric.flat(smooth_displacement(shape, 2.0).to(bench.device))
    calls: dict[str, Call] = {"shoot(ab2, 10)": lambda _: qs.shoot(momentum, metric, 10)}
    bench.measure("shoot, both maps", shape, calls, 1, "shoot, a step")
    bench.rows["shoot, both maps"]["bytes_per_second"] *= 10  # steps

    def peer() -> Any:
        return reference.shoot(momentum, metric, 10, method="rk4", inverse_iterations=5)

    seconds = call_by_call(bench.device, peer, 1)
    row = bench.rows["shoot, both maps"]
    row["seconds"]["rk4, torch"] = seconds
    ours = row["seconds"]["shoot(ab2, 10)"]["median"]
    row["times_as_fast_as"]["rk4, torch"] = seconds["median"] / ours


def prediction(bench: Bench) -> None:
    """The whole pipeline on one pair at Quicksilver's size and width, and at 2 mm with the model that ships."""
    shape = bench.shape(QUICKSILVER_SHAPE)
    features = 2 if bench.small else 64
    torch.manual_seed(0)
    wide = ModelConfig(features=features)
    networks = [PatchNetwork(features).to(bench.device).eval() for _ in range(2)]
    _pipeline(bench, f"register, f = {features}", shape, wide, networks)
    model = default_model().to(bench.device)
    assert model.correction is not None
    both = [model.prediction, model.correction]
    _pipeline(bench, "register, 2 mm", bench.shape((90, 108, 96)), model.config, both)


def _pipeline(
    bench: Bench, name: str, shape: Shape, config: ModelConfig, networks: list[PatchNetwork]
) -> None:
    moving, target = (_brain(shape, seed).to(bench.device) for seed in (0, 1))

    def run(half: bool) -> Tensor:
        first = predict_momentum(networks[0], moving, target, config.stride, half=half)
        _, phi = config.shoot(first, "auto")
        second = predict_momentum(
            networks[1], moving, qs.warp(target, phi), config.stride, half=half
        )
        return config.shoot(first + second, "auto")[0]

    labels = (
        {"float16": True, "float32": False} if bench.device.type == "cuda" else {"float32": False}
    )
    # Choosing the occupied patches reads back from the device.
    seconds = {
        label: call_by_call(bench.device, lambda half=half: run(half), 1 if bench.small else 5)  # type: ignore[misc]
        for label, half in labels.items()
    }
    bench.rows[name] = {
        "shape": shape,
        "patches": len(occupied_corners(moving, target, config.stride)),
        "seconds": seconds,
    }
    if bench.device.type == "cuda":
        whole, half = (
            predict_momentum(networks[0], moving, target, config.stride, half=h)
            for h in (False, True)
        )
        bench.rows[name]["error_of_float16"] = ((half - whole).norm() / whole.norm()).item()


def _brain(shape: Shape, seed: int) -> Tensor:
    """Noise in an ellipsoid that fills the grid as far as a skull-stripped head does."""
    axes = torch.meshgrid(*(torch.linspace(-1.25, 1.25, n) for n in shape), indexing="ij")
    inside = sum(x.square() for x in axes) < 1
    values = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return (values * inside)[None, None]


def table(rows: dict[str, dict[str, Any]]) -> list[str]:
    copied = rows["copy"]["bytes_per_second"]
    lines = [f"{'':28} {'ms':>9} {'GB/s':>7} {'of copy':>8}  times as fast as"]
    for name, row in rows.items():
        ours = next(iter(row["seconds"].values()))["median"]
        rate = row.get("bytes_per_second")
        share = f"{rate / 1e9:7.0f} {rate / copied:8.2f}" if rate else " " * 16
        peers = ", ".join(f"{k} {v:.1f}" for k, v in row.get("times_as_fast_as", {}).items())
        lines.append(f"{name:28} {1e3 * ours:9.3f} {share}  {peers}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    device = torch.device("cuda" if qs.info()["cuda"]["usable"] else "cpu")
    bench = Bench(device, arguments.small)
    before = machine()
    for case in (copy, gathers, smoothing, shooting, prediction):
        case(bench)
    results = {"before": before, "small": bench.small, "rows": bench.rows, "after": machine()}
    arguments.output.mkdir(parents=True, exist_ok=True)
    file = arguments.output / f"{device_name()}.json"
    file.write_text(json.dumps(results, indent=1) + "\n")
    print("\n".join(table(bench.rows)))
    print(f"written to {file}")


if __name__ == "__main__":
    main()
