"""Other programs that register two aligned images: ``python -m benchmarks.registration.programs
syn|demons MOVING TARGET WARPED``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..operators.peers import module

DEMONS_ITERATIONS, DEMONS_SIGMA = 50, 1.0


def syn(moving: Path, target: Path, threads: int) -> Callable[[], dict[str, Any]]:
    """ANTs SyN with antspyx's defaults and no affine step; the images are read already."""
    # ITK looks at this once, when it is loaded.
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    ants = module("ants")
    fixed, moved = (ants.image_read(str(file)) for file in (target, moving))

    def run() -> dict[str, Any]:
        found: dict[str, Any] = ants.registration(
            fixed=fixed, moving=moved, type_of_transform="SyNOnly"
        )
        return found

    return run


def demons(moving: Path, target: Path, threads: int) -> Callable[[], Any]:
    """SimpleITK's diffeomorphic demons at full resolution, intensities matched: a displacement
    field.
    """
    sitk = module("SimpleITK")
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    fixed, moved = (sitk.ReadImage(str(file), sitk.sitkFloat32) for file in (target, moving))

    def run() -> Any:
        placed = sitk.Resample(moved, fixed)
        matched = sitk.HistogramMatching(placed, fixed, 256, 7, True)
        filter = sitk.DiffeomorphicDemonsRegistrationFilter()
        filter.SetNumberOfIterations(DEMONS_ITERATIONS)
        filter.SetStandardDeviations(DEMONS_SIGMA)
        return filter.Execute(fixed, matched)

    return run


def main() -> None:
    """Run a program as a command: read, register, warp the moving image, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=["syn", "demons"])
    parser.add_argument("files", nargs=3, type=Path, metavar="MOVING TARGET WARPED")
    arguments = parser.parse_args()
    moving, target, warped = arguments.files
    threads = int(os.environ.get("OMP_NUM_THREADS", 0)) or torch.get_num_threads()
    if arguments.program == "syn":
        found = syn(moving, target, threads)()
        found["warpedmovout"].to_filename(str(warped))
        remove_transforms(found)
    else:
        sitk = module("SimpleITK")
        field = sitk.DisplacementFieldTransform(demons(moving, target, threads)())
        image, grid = (sitk.ReadImage(str(file)) for file in (moving, target))
        sitk.WriteImage(sitk.Resample(image, grid, field), str(warped))


def remove_transforms(found: dict[str, Any]) -> None:
    """The files that ANTs leaves in the temporary folder."""
    for file in {*found["fwdtransforms"], *found["invtransforms"]}:
        Path(file).unlink()


if __name__ == "__main__":
    main()
