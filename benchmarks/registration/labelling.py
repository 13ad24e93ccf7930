"""Label a brain by atlases with ANTs: ``python -m benchmarks.registration.labelling HEAD LABELS
--atlas A --atlas-labels L ...``.

The head is stripped as ours is, by deepbet's networks, for ANTs brings none along. Every atlas is
registered by an affine and SyN with antspyx's defaults, its labels are warped by nearest neighbour,
and all are fused by ANTs' joint label fusion. Writes LABELS, and the seconds of the stages as JSON
to standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import quicksilver
from quicksilver.io.images import write_image

from ..operators.peers import module
from .programs import remove_transforms


def label(head: Path, atlases: list[Path], labels: list[Path]) -> tuple[Any, dict[str, float]]:
    """Return the labels of a head as an image of ANTs, and the seconds of the stages."""
    ants = module("ants")
    begun, seconds = time.perf_counter(), {}

    def lap(stage: str) -> None:
        seconds[stage] = round(time.perf_counter() - begun - sum(seconds.values()), 2)

    stripped = quicksilver.strip(head).brain
    with tempfile.TemporaryDirectory() as folder:
        write_image(f"{folder}/brain.nii.gz", stripped.data, stripped.affine)
        brain = ants.image_read(f"{folder}/brain.nii.gz")
    lap("strip")
    warped = [_register(ants, brain, *files) for files in zip(atlases, labels, strict=True)]
    lap("register")
    images, maps = (list(each) for each in zip(*warped, strict=True))
    inside = ants.threshold_image(brain, 1e-6)
    fused = ants.joint_label_fusion(
        target_image=brain, target_image_mask=inside, atlas_list=images, label_list=maps
    )
    lap("fuse")
    return fused["segmentation"], seconds


def _register(ants: Any, brain: Any, image: Path, labels: Path) -> tuple[Any, Any]:
    """Register an atlas to a brain; return its image and its labels there."""
    moving = ants.image_read(str(image))
    found = ants.registration(fixed=brain, moving=moving, type_of_transform="SyN")
    there = ants.apply_transforms(
        fixed=brain,
        moving=ants.image_read(str(labels)),
        transformlist=found["fwdtransforms"],
        interpolator="nearestNeighbor",
    )
    remove_transforms(found)
    return found["warpedmovout"], there


def make_parser(text: str | None) -> argparse.ArgumentParser:
    """Make a parser of a head and its atlases."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("head", type=Path)
    parser.add_argument("--atlas", type=Path, action="append", required=True)
    parser.add_argument("--atlas-labels", type=Path, action="append", required=True)
    return parser


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("labels", type=Path)
    given = parser.parse_args()
    found, seconds = label(given.head, given.atlas, given.atlas_labels)
    found.to_filename(os.fspath(given.labels))
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
