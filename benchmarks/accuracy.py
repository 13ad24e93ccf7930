"""What registration reaches on labelled pairs: ``python -m benchmarks.accuracy FOLDER MOVING:TARGET ... [--fit]``.

FOLDER holds NAME_t1.nii.gz and NAME_lab.nii.gz for every name, affinely aligned. Each pair is registered with the default
model, with and without its correction network (and with --fit by optimisation), and judged by the overlap of labels
warped once by nearest neighbour. Writes a Markdown table to standard output, progress to standard error.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean

from quicksilver.evaluation import judge_labels
from quicksilver.images import Image, read_image
from quicksilver.models import default_model
from quicksilver.registration import Registration, optimise, register

from .timing import machine

Method = Callable[[Image, Image], Registration]


def methods(fit: bool) -> dict[str, Method]:
    model = default_model()
    chosen: dict[str, Method] = {
        "prediction": lambda moving, target: register(moving, target, model, correction=False),
        "prediction + correction": lambda moving, target: register(moving, target, model),
    }
    if fit:
        chosen["LDDMM fit"] = lambda moving, target: optimise(moving, target)
    return chosen


def row(folder: Path, pair: str, method: Method) -> tuple[float, float, int, float, float]:
    """Overlap before and after, folded voxels and median inverse consistency (working grid), seconds."""
    first, second = pair.split(":")
    images = [read_image(folder / f"{name}_t1.nii.gz") for name in (first, second)]
    labels = [read_image(folder / f"{name}_lab.nii.gz", labels=True) for name in (first, second)]
    start = time.perf_counter()
    found = method(*images)
    seconds = time.perf_counter() - start
    judged = judge_labels(found.displacement(), *labels)
    undone = found.quality["inverse_consistency_voxels"]["median"]
    overlaps = judged["before"]["overlap"], judged["after"]["overlap"]
    return (*overlaps, found.quality["folded_voxels"], undone, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pairs", nargs="+", metavar="MOVING:TARGET")
    parser.add_argument("--fit", action="store_true", help="by optimisation as well")
    arguments = parser.parse_args()
    where = machine()
    print(
        f"{where['date'][:10]}, commit {where['commit']}, {where['processor']}, {where['cores']} cores\n"
    )
    print(
        "| pair | method | overlap before | after | folded voxels | inverse consistency (voxels) | seconds |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, method in methods(arguments.fit).items():
        rows = []
        for pair in arguments.pairs:
            rows.append(row(arguments.folder, pair, method))
            before, after, folds, undone, seconds = rows[-1]
            print(
                f"| {pair} | {name} | {before:.4f} | {after:.4f} | {folds} | {undone:.4f} | {seconds:.1f} |",
                flush=True,
            )
            print(f"{pair} {name}: {after:.4f}", file=sys.stderr)
        means = [mean(column) for column in zip(*rows, strict=True)]
        print(
            "| **mean** | **{}** | **{:.4f}** | **{:.4f}** | {:.0f} | {:.4f} | {:.1f} |".format(
                name, *means
            )
        )


if __name__ == "__main__":
    main()
