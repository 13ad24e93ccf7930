"""Measures everything and prints it: ``python -m benchmarks.run [--pair MOVING TARGET]``.

The results go to benchmarks/results/<device>.json, with the commit, the versions and the load of the machine.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from . import cases
from .timing import device_name, machine

ORIGINAL_SECONDS = (
    24.0  # RK4, 10 steps, 20 inverse iterations at 96^3 by the original code, on two such cores
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pair", nargs=2, type=Path, metavar=("MOVING", "TARGET"))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"before": machine()}
    for case in (cases.warp, cases.sharp, cases.shoot):
        results[case.__name__] = case()
    if arguments.pair:
        results["register"] = cases.register(*arguments.pair)
    results["after"] = machine()
    file = arguments.output / f"{device_name()}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n")
    for line in summary(results):
        print(line)
    print(f"written to {file}")


def summary(results: dict[str, Any]) -> list[str]:
    def seconds(case: str, name: str) -> float:
        median: float = results[case]["seconds"][name]["median"]
        return median

    warp, peer = seconds("warp", "warp"), seconds("warp", "grid_sample")
    sharp, transforms = seconds("sharp", "sharp"), seconds("sharp", "irfftn(rfftn)")
    shot, errors = seconds("shoot", "ab2"), results["shoot"]["error_voxels"]
    lines = [
        f"warp, 3 channels, 229 x 193 x 193: {1e3 * warp:.0f} ms, grid_sample {1e3 * peer:.0f} ms: {peer / warp:.1f} times as fast",
        f"sharp, 160 x 192 x 160: {1e3 * sharp:.0f} ms, irfftn(rfftn) {1e3 * transforms:.0f} ms: {sharp / transforms:.2f} of its time",
        f"shoot(ab2, 10), both maps, 96^3: {shot:.2f} s, {ORIGINAL_SECONDS / shot:.0f} times as fast as the original's "
        f"{ORIGINAL_SECONDS} s; rms error {errors['ab2']['rms']:.4f} voxels, rk4 {errors['rk4']['rms']:.4f}",
    ]
    if "register" in results:
        stages = ", ".join(
            f"{name} {value:.1f}" for name, value in results["register"]["stages"].items()
        )
        lines.append(
            f"register: {seconds('register', 'command'):.1f} s in all; seconds per stage: {stages}"
        )
    return lines


if __name__ == "__main__":
    main()
